"""Which selection makes the better fit, at equal size, on real labels: pytest -m benchmark -s benchmarks.

Coupled-cluster energies of methane (7,881 configurations): a random 6,000 of them are the pool, from which each
method chooses; a PIP of degree 5 is fitted to what it chose, always with the same settings, and judged on the
published test set of 2,048, which no method sees. Three seeds, each with a pool of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from potentials.arrays import Floats, Ints
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import Fitting, SelectionSettings
from storage.records import TRAIN, Pool
from tasks.fitting.fit import fit_potential
from tasks.selection.choose import select

pytestmark = pytest.mark.benchmark

POOL, LOW = 6000, 30.0
"""Configurations in each seed's pool; energy (kcal/mol) below which errors are also shown by themselves."""

METHODS: dict[str, dict[str, Any] | None] = {
    "random": None,
    "K-means, flat": {"levels": "flat", "tails": 0.0},
    "K-means, flat, 10 % tails": {"levels": "flat", "tails": 0.1},
    "K-means, two levels, 5 % tails": {"levels": "two", "tails": 0.05},
    "SOAP, K-means, flat": {"descriptor": "soap", "levels": "flat", "tails": 0.0},
    "D-optimality": {"method": "d-optimality", "tails": 0.0},
    "D-optimality, half tails": {"method": "d-optimality", "tails": 0.5},
}
FIT = Fitting(degree=5, terms="all", starts=2, max_iterations=60)


def read_xyz(path: Path) -> tuple[Floats, Floats]:
    """Return positions (Angstrom) and energies (kcal/mol) of an xyz file."""
    lines = path.read_text().splitlines()
    positions, energy, at = [], [], 0
    while at < len(lines):
        end = at + 2 + int(lines[at])
        energy.append(float(lines[at + 1].split()[0]))
        positions.append([[float(w) for w in line.split()[1:4]] for line in lines[at + 2 : end]])
        at = end
    return np.array(positions), np.array(energy)


def pool_of(positions: Floats) -> Pool:
    zeros, ints = np.zeros(len(positions)), np.zeros(len(positions), dtype=np.int64)
    return Pool(positions, zeros, ints, ints, zeros, zeros, np.zeros((len(zeros), 1)), ("x",), ints, ("x",))


def choose(nmer: NMer, positions: Floats, settings: dict[str, Any] | None, count: int, seed: int) -> Ints:
    """Return the training frames that a method chooses."""
    if settings is None:
        return np.random.default_rng(seed).choice(len(positions), count, replace=False)
    wanted = SelectionSettings(train=count, test=1, seed=seed, duplicate_distance=0, test_distance=0, **settings)
    chosen = select(nmer, pool_of(positions), wanted, FIT).selection
    return chosen.frame[chosen.split == TRAIN]


@pytest.mark.timeout(6000)
def test_errors_of_fits_to_what_each_method_chose(reference_data: Callable[[str], Path]) -> None:
    folder = reference_data("ch4-1b")
    every, labels = read_xyz(folder / "train.xyz")
    test, reference = read_xyz(folder / "test.xyz")
    places = tuple((float(x), float(y), float(z)) for x, y, z in every[0])
    methane = Fragment("CH4", ("C", "H", "H", "H", "H"), places, ((0, 1), (0, 2), (0, 3), (0, 4)))
    nmer = NMer("ch4", (methane,), "A1B4")
    choose(nmer, every[:100], METHODS["D-optimality"], 20, 0)  # compiled before anything is timed
    print(
        f"\n{'CH4, 207 terms':<32}{'training':>9}{'test RMSD':>20}{'below 30 kcal/mol':>22}{'choice, CPU-s':>15}"
    )
    for count in (500, 1500):
        for name, settings in METHODS.items():
            if settings and settings.get("descriptor") == "soap" and find_spec("dscribe") is None:
                print(f"{name:<32}  left out: pip install 'nmer[soap]'")
                continue
            rows = []
            for seed in (1, 2, 3):
                members = np.random.default_rng(seed).choice(len(every), POOL, replace=False)
                start = time.process_time()
                chosen = members[choose(nmer, every[members], settings, count, seed)]
                seconds = time.process_time() - start
                assert len(set(chosen)) == count
                fitted = fit_potential(nmer, every[chosen], labels[chosen], FIT).potential
                error = np.asarray(fitted.energy(test)) - reference
                low = error[reference < LOW]
                rows.append((np.sqrt(np.mean(error**2)), np.sqrt(np.mean(low**2)), seconds))
            (whole, low_rmsd, seconds), (spread, low_spread, _) = (
                np.mean(rows, axis=0),
                np.std(rows, axis=0, ddof=1),
            )
            print(
                f"{name:<32}{count:>9}{whole:>12.3f} +-{spread:>5.3f}{low_rmsd:>14.4f} +-{low_spread:>6.4f}"
                f"{seconds:>14.1f}",
                flush=True,
            )
