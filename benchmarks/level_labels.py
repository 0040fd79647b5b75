"""The labels of the benchmark of levels: which configurations, in which order, at which levels.

``python -m benchmarks.level_labels STORE`` computes what the store's ledger lacks, one label after the other; it
may be killed and run again. The store has selections of the recipes, for example those that
``nmer run RECIPE --preset laptop --until selection --store STORE`` makes. All of it takes 0.4 core-hours.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.nmers.nmer import NMer
from recipes.load import load_recipe
from recipes.protocols import find_protocol
from recipes.schema.labelling import Labelling
from recipes.schema.recipe import SelectionSettings
from storage.contents import selection_from_version
from storage.ledger import Ledger
from storage.records import TEST, TRAIN, Pool
from storage.store import Store
from tasks.labelling.collect import LabelTable, collect_labels
from tasks.labelling.derive import derive_labels
from tasks.labelling.execution.runner import Limits
from tasks.labelling.here import label_here
from tasks.labelling.protocol import Protocol, protocol_of
from tasks.progress import ProgressLine
from tasks.selection.choose import select

SUBSETS = (600, 150)
"""Sizes of the nested subsets of a selection whose configurations come first, the larger one first."""

LIMITS = Limits(3600.0, 3.0)


@dataclass(frozen=True)
class System:
    """An n-mer of the benchmark: its top level, and how many labels there are of each level.

    Attributes
    ----------
    name
        Name of the recipe.
    fitted
        Whether the top level is FNO-CCSD(T) with fitted integrals; else CCSD(T) with those of the basis.
    top, test
        Training and test labels of the top level.
    middle
        Training labels of MP2.
    """

    name: str
    fitted: bool
    top: int
    test: int
    middle: int

    def levels(self) -> dict[str, Labelling]:
        """Return the levels by name, the cheapest first."""
        top = load_recipe("ch-conh" if self.fitted else "ch3-water", "smoke").labelling
        middle = Labelling(engine="pyscf", method="MP2", basis="cc-pVDZ", density_fitting=True)
        return {"gfn2": find_protocol("gfn2-xtb"), "mp2": middle, "top": top}


SYSTEMS = (
    System("ch3-water", fitted=False, top=120, test=50, middle=300),
    System("conh", fitted=True, top=150, test=50, middle=400),
    System("ch-conh", fitted=True, top=60, test=30, middle=130),
    System("conh-water", fitted=True, top=60, test=30, middle=130),
)


def configurations(store: Store, nmer: NMer, name: str) -> tuple[Floats, Floats]:
    """Return training and test configurations in the order of labelling, each (n, atoms, 3), Angstrom.

    Those of the store's largest selection: the representatives of K-means come first, so that few labels span it.
    Configurations of smaller selections in the store come before.
    """
    found = [selection_from_version(version) for version in store.versions("selection", name)]
    *small, large = sorted(found, key=len)
    training, rng = large.positions[large.split == TRAIN], np.random.default_rng
    test = large.positions[large.split == TEST]
    train, test = training[_nested(nmer, training)], test[rng(1).permutation(len(test))]
    for one in small:
        before = one.positions[one.split == TRAIN]
        train = np.concatenate([before[rng(2).permutation(len(before))], train])
        test = np.concatenate([one.positions[one.split == TEST], test])
    return train, test


def _nested(nmer: NMer, positions: Floats, seed: int = 2025) -> Ints:
    """Return an order of configurations in which those of smaller subsets come first, shuffled within each."""
    rng, left, groups = np.random.default_rng(seed), np.arange(len(positions)), []
    for size in SUBSETS:
        if size >= len(left):
            continue
        wanted = SelectionSettings(train=size, test=1, seed=seed, duplicate_distance=0, test_distance=0)
        chosen = select(nmer, _pool(positions[left]), wanted).selection
        rest = left[np.sort(chosen.frame[chosen.split == TRAIN])]
        groups.append(np.setdiff1d(left, rest))
        left = rest
    groups.append(left)
    return np.concatenate([rng.permutation(group) for group in groups[::-1]])


def _pool(positions: Floats) -> Pool:
    zeros, ints = np.zeros(len(positions)), np.zeros(len(positions), dtype=np.int64)
    return Pool(positions, zeros, ints, ints, zeros, zeros, np.zeros((len(zeros), 1)), ("x",), ints, ("x",))


def labels(store: Store, protocol: Protocol, positions: Floats) -> LabelTable:
    """Return the labels that the ledger has of configurations, with those that follow from others."""
    with Ledger.open(store.labels, wait=60.0) as ledger:
        derive_labels(ledger, protocol, positions)
        return collect_labels(protocol, positions, ledger)


def compute(store: Store, system: System) -> None:
    """Compute the labels of a system that the ledger lacks: the top level first."""
    nmer = load_recipe(system.name, "laptop").build_nmer()
    train, test = configurations(store, nmer, system.name)
    counts = {"gfn2": len(train), "mp2": system.middle, "top": system.top}
    for name, labelling in reversed(list(system.levels().items())):
        protocol = protocol_of(nmer, labelling)
        wanted = np.concatenate([test[: system.test], train[: counts[name]]])
        table = labels(store, protocol, wanted)
        lacking = wanted[[status == "missing" for status in table.status]]
        with ProgressLine(f"{system.name} {labelling.level}", len(lacking), "labels") as line:
            done = 0

            def told(fresh: int) -> None:
                nonlocal done
                done += fresh
                line.update(done)

            if len(lacking):
                label_here(protocol, lacking, LIMITS, store.labels, store.path / "scratch", told)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.level_labels", description=__doc__)
    parser.add_argument("store", type=Path)
    store = Store(parser.parse_args().store)
    for system in SYSTEMS:
        compute(store, system)


if __name__ == "__main__":
    main()
