"""Label configurations on a Dask cluster that is open, given its scheduler's address."""

from __future__ import annotations

from pathlib import Path

from distributed import Client

from potentials.arrays import Floats
from recipes.schema.recipe import Resources
from tasks.labelling.execution.dispatch import LabelCounts, label_configurations
from tasks.labelling.protocol import Protocol
from tasks.progress import ProgressLine


def label_elsewhere(
    address: str,
    protocol: Protocol,
    positions: Floats,
    resources: Resources,
    labels_folder: Path,
    progress: ProgressLine | None,
    scratch: Path,
) -> LabelCounts:
    """Compute the labels that the ledger of a folder does not have on a cluster; see `label_configurations`.

    Parameters
    ----------
    address
        Of the scheduler.
    protocol, positions, resources, labels_folder, progress, scratch
        As `label_configurations` takes them.
    """
    with Client(address) as client:
        return label_configurations(protocol, positions, resources, labels_folder, client, progress, scratch)
