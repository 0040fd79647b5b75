"""Error against cost of a fit to energies alone and to energies with gradients, on GFN2-xTB labels of a 3-mer.

The configurations are those of a store's dataset of ch-conh-ch (1.9 MB at the laptop preset). Three random orders
of its training part are fitted; the errors are on its test part, of energies relative to the same GFN2-xTB.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from recipes.load import load_recipe
from recipes.schema.labelling import Labelling
from recipes.schema.recipe import Fitting
from storage.contents import dataset_from_version
from storage.records import TEST, TRAIN
from storage.store import Store
from tasks.fitting.fit import fit_potential
from tasks.labelling.collect import LabelTable
from tasks.labelling.execution.runner import Limits
from tasks.labelling.here import label_here
from tasks.labelling.protocol import protocol_of
from tasks.progress import ProgressLine

NAME = "ch-conh-ch"

FIT = Fitting(
    degree=3, terms="all", rules=("connected",), max_terms=1000, optimizer="fixed", k=0.45, starts=1, ensemble=0
)
"""The recipe's fit, with all k where those of a fit to 4,000 energies are in the mean."""

ENERGIES, GRADIENTS = (100, 200, 400, 800, 1600), (25, 50, 100, 200)
"""Numbers of training labels without and with gradients."""

SEEDS = 3
TIMED = 200
"""Labels without gradients whose cost is measured; their energies are those of the labels with gradients."""


def figures(store: str = "nmer-store") -> dict[str, float]:
    """Return RMSDs on the test set (kcal/mol), CPU-seconds of a label, and costs at the same error.

    Parameters
    ----------
    store
        Folder of a store with a dataset of ch-conh-ch; nothing is written there.
    """
    version = Store(store).versions("dataset", NAME)[-1]
    dataset = dataset_from_version(version)
    nmer, found = load_recipe(NAME).build_nmer(), dict[str, float]()
    train = np.flatnonzero(dataset.split == TRAIN)
    some = np.random.default_rng(0).permutation(train)[: ENERGIES[-1]]
    rows = np.concatenate([some, np.flatnonzero(dataset.split == TEST)])
    with TemporaryDirectory() as folder:
        table, alone = (
            _labels(nmer, dataset.positions[chosen], gradients, Path(folder))
            for chosen, gradients in ((rows, True), (rows[:TIMED], False))
        )
    assert table.gradient is not None
    cost = {"energies": float(alone.cpu_seconds.mean()), "gradients": float(table.cpu_seconds.mean())}
    found |= {f"CPU-s a label, {name}": round(value, 4) for name, value in cost.items()}
    held = slice(ENERGIES[-1], None)
    curves = dict[str, list[float]]()
    for name, counts in (("energies", ENERGIES), ("gradients", GRADIENTS)):
        curves[name] = []
        for count in counts:
            errors = [
                _error(nmer, dataset.positions[rows], table, np.random.default_rng(seed), count, held, name)
                for seed in range(SEEDS)
            ]
            curves[name].append(float(np.exp(np.mean(np.log(errors)))))
            found[f"{count} {name}, RMSD"] = round(curves[name][-1], 4)
    for count, error in zip(GRADIENTS, curves["gradients"], strict=True):
        as_many = same_error(ENERGIES, curves["energies"], error)
        if as_many is not None:
            found[f"{count} gradients are worth energies"] = round(as_many)
            share = count * cost["gradients"] / (as_many * cost["energies"])
            found[f"{count} gradients, share of the cost"] = round(share, 3)
    return found


def same_error(counts: tuple[int, ...], errors: list[float], wanted: float) -> float | None:
    """Return how many labels have an error, between measured points of its logarithm; None outside of them."""
    falling = np.minimum.accumulate(errors)
    if not falling[-1] <= wanted <= falling[0]:
        return None
    return float(np.exp(np.interp(-np.log(wanted), -np.log(falling), np.log(counts))))


def _labels(nmer: NMer, positions: Floats, gradients: bool, folder: Path) -> LabelTable:
    settings = Labelling(
        engine="xtb", method="GFN2-xTB", counterpoise=False, reference="none", gradients=gradients
    )
    protocol = protocol_of(nmer, settings)
    with ProgressLine("labelling", len(positions), "labels") as line:
        return label_here(
            protocol,
            positions,
            Limits(60.0, 2.0),
            folder / "labels",
            folder / "scratch",
            lambda fresh: line.update(line.done + fresh),
        )


def _error(
    nmer: NMer,
    positions: Floats,
    table: LabelTable,
    rng: np.random.Generator,
    count: int,
    held: slice,
    name: str,
) -> float:
    """Return the RMSD on the labels held back of a fit to some of the others."""
    assert table.gradient is not None
    chosen = rng.permutation(held.start)[:count]
    slopes = table.gradient[chosen] if name == "gradients" else None
    fitted = fit_potential(nmer, positions[chosen], table.energy[chosen], FIT, gradient=slopes).potential
    error = np.asarray(fitted.energy(positions[held])) - table.energy[held]
    return float(np.sqrt(np.mean(error**2)))
