"""Compute missing labels on this machine without a cluster, one after the other, into the ledger of a folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from potentials.arrays import Floats
from potentials.errors import StageError
from storage.configuration import configuration_ids
from storage.ledger import Ledger
from tasks.labelling.calibrate import measured_cost, system_of
from tasks.labelling.collect import LabelTable, collect_labels
from tasks.labelling.derive import derive_labels
from tasks.labelling.engines.registry import get_engine
from tasks.labelling.execution.dispatch import batches, work_left
from tasks.labelling.execution.runner import Limits
from tasks.labelling.execution.worker import LabelTask, LabelWork, run_task
from tasks.labelling.protocol import Protocol, check_labelling


def missing_labels(protocol: Protocol, positions: Floats, limits: Limits, folder: Path) -> int:
    """Return how many labels of configurations a ledger lacks, without those that failed under these limits.

    Parameters
    ----------
    protocol
        The n-mer, and how it is labelled.
    positions
        (configurations, atoms, 3), Angstrom.
    limits
        Of one label.
    folder
        The labels' folder.
    """
    ids = list(dict.fromkeys(configuration_ids(protocol.nmer, positions)))
    with Ledger.read(folder) as ledger:
        return len(work_left(ledger, protocol, ids, limits)[0])


def label_here(
    protocol: Protocol,
    positions: Floats,
    limits: Limits,
    folder: Path,
    scratch: Path,
    told: Callable[[int], None] = lambda fresh: None,
) -> LabelTable:
    """Return the labels of configurations; those that neither the ledger has nor others' labels give are computed.

    It may be killed at any time and called again: finished labels are in the spool. The ledger is locked only
    while labels are computed.

    Parameters
    ----------
    protocol, positions, limits, folder
        As `missing_labels` takes them.
    scratch
        Folder for temporary files.
    told
        Called with the number of labels that ended since its last call.

    Raises
    ------
    InputError
        If the engine is missing or cannot do what is asked, or another process holds the ledger.
    StageError
        If a disk is full.
    """
    if missing_labels(protocol, positions, limits, folder):
        check_labelling(protocol.nmer, protocol.labelling)
        geometries = dict(zip(configuration_ids(protocol.nmer, positions), positions, strict=True))
        with Ledger.open(folder.resolve()) as ledger:
            ledger.record_protocol(protocol.id, protocol.settings)
            derive_labels(ledger, protocol, positions)
            work, _ = work_left(ledger, protocol, list(geometries), limits)
            least = get_engine(protocol.labelling.engine).labels_per_process
            cost = partial(measured_cost, protocol.nmer, protocol.labelling, ledger)
            for batch in batches(list(work), least, 1, cost):
                labels = (LabelWork(i, tuple(protocol.jobs(geometries[i], work[i], limits.memory))) for i in batch)
                finished = run_task(
                    LabelTask(
                        tuple(labels),
                        protocol.id,
                        protocol.labelling.engine,
                        system_of(protocol.nmer),
                        limits,
                        ledger.spool,
                        scratch.resolve(),
                    )
                )
                ledger.add(finished.entries, [] if finished.seen is None else [finished.seen])
                if finished.error is not None:
                    raise StageError(f"labels of '{protocol.nmer.name}' cannot be written: {finished.error}")
                told(len(batch))
    with Ledger.read(folder) as ledger:
        return collect_labels(protocol, np.asarray(positions), ledger)
