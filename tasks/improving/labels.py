"""Labels of the geometries of a turn: those that the ledger lacks are computed, by whatever means are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol as Interface

import numpy as np

from potentials.arrays import Bools, Floats
from potentials.units import HARTREE
from recipes.schema.recipe import Resources
from storage.ledger import Ledger
from storage.store import Store
from tasks.improving.training import Training
from tasks.labelling.calibrate import expected_cost_in
from tasks.labelling.collect import LabelTable, collect_labels
from tasks.labelling.derive import derive_labels
from tasks.labelling.execution.dispatch import scratch_folder
from tasks.labelling.execution.runner import Limits
from tasks.labelling.here import label_here, missing_labels
from tasks.labelling.protocol import Protocol, protocol_of


@dataclass(frozen=True, eq=False)
class Order:
    """Geometries of one n-mer to label by the protocol of its recipe.

    Attributes
    ----------
    protocol
        The protocol.
    resources
        Limits of a label.
    positions
        (geometries, atoms, 3), Angstrom.
    holders
        Protocols of higher levels: what their labels hold of this one is not computed.
    """

    protocol: Protocol
    resources: Resources
    positions: Floats
    holders: tuple[Protocol, ...] = ()

    @classmethod
    def of(cls, training: Training, positions: Floats, level: int = 0) -> Order:
        """Return the order of geometries of a potential's n-mer for one level of its recipe.

        Raises
        ------
        InputError
            If an engine is not installed.
        """
        recipe, nmer = training.recipe, training.recipe.build_nmer()
        mine, *above = (protocol_of(nmer, training.labelling(n)) for n in range(level, len(training.datasets)))
        return cls(mine, recipe.resources, positions, tuple(above))

    def derive(self, folder: Path) -> None:
        """Write the labels that follow from those of higher levels into the ledger of a folder."""
        if self.holders:
            with Ledger.open(folder) as ledger:
                derive_labels(ledger, self.protocol, self.positions, self.holders)

    @property
    def limits(self) -> Limits:
        """Limits of a label."""
        return Limits(self.resources.label_timeout, self.resources.label_memory)

    def missing(self, folder: Path) -> int:
        """Return how many labels the ledger of a folder lacks."""
        return missing_labels(self.protocol, self.positions, self.limits, folder)

    def expected_seconds(self, folder: Path) -> float | None:
        """Return the processor time that a label is expected to take, s; None if that is not known."""
        cost = expected_cost_in(folder, self.protocol.nmer, self.protocol.labelling)
        return None if cost is None else float(cost.cpu_seconds)


class Labeller(Interface):
    """Computes the labels of orders that the ledger lacks; what is finished stays when it is killed."""

    def __call__(self, store: Store, orders: Sequence[Order], told: Callable[[int], None]) -> None:
        """Compute them; `told` is called with the number of labels that ended since its last call."""


def here(store: Store, orders: Sequence[Order], told: Callable[[int], None] = lambda fresh: None) -> None:
    """Compute labels on this machine, one after the other, without a cluster; see `Labeller`."""
    for one in orders:
        one.derive(store.labels)
        scratch = scratch_folder(one.resources, store.path)
        label_here(one.protocol, one.positions, one.limits, store.labels, scratch, told)


@dataclass(frozen=True, eq=False)
class Labels:
    """What the ledger has for geometries.

    Attributes
    ----------
    energy
        (geometries,), n-body energy relative to the reference of the training data, kcal/mol; nan without a label.
    seconds
        (geometries,), processor time of each label, s; 0 where it is not known.
    gradient
        (geometries, atoms, 3), kcal/mol/Angstrom; None where the protocol has no gradients.
    """

    energy: Floats
    seconds: Floats
    gradient: Floats | None = None

    def within(self, top: float) -> Bools:
        """Return which have a label that is not above an energy, kcal/mol."""
        return np.asarray(np.isfinite(self.energy) & (np.nan_to_num(self.energy, nan=np.inf) <= top))


def read_labels(store: Store, training: Training, order: Order, level: int = 0) -> Labels:
    """Return the labels of an order of a level from the ledger; one that a dataset would not take has none."""
    with Ledger.read(store.labels) as ledger:
        table: LabelTable = collect_labels(order.protocol, np.asarray(order.positions), ledger)
    reference = float(training.datasets[level].attributes()["facts"].get("reference_hartree", 0.0))
    energy = np.where(table.usable, table.energy - HARTREE * reference, np.nan)
    seconds = np.nan_to_num(np.asarray(table.cpu_seconds, dtype=np.float64))
    return Labels(np.asarray(energy), seconds, table.gradient)


def label(
    store: Store,
    orders: Sequence[Order],
    labeller: Labeller,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Have the labels of orders computed that the ledger lacks.

    Parameters
    ----------
    store
        The store.
    orders
        Those of the highest level of each n-mer before those of lower ones.
    labeller
        Computes them.
    told
        Called with the number of labels that are done, and of all that were missing.
    """
    missing = [order.missing(store.labels) for order in orders]
    total, done = sum(missing), 0
    if not total:
        return
    told(0, total)

    def count(fresh: int) -> None:
        nonlocal done
        done += fresh
        told(min(done, total), total)

    labeller(store, [order for order, lacking in zip(orders, missing, strict=True) if lacking], count)
    told(total, total)
