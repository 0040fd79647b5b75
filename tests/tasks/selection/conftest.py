"""A pool of made-up frames of a capped methyl and water: thermal noise, and a long tail of separations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from potentials.nmers.nmer import NMer
from recipes.load import load_recipe
from storage.records import Pool


@pytest.fixture(scope="session")
def methyl_water() -> NMer:
    return load_recipe("ch3-water").build_nmer()


@pytest.fixture(scope="session")
def make_pool(methyl_water: NMer) -> Callable[[int], Pool]:
    """Return a function that makes a pool: three windows of unequal size, two temperatures, two sources."""

    def make(count: int) -> Pool:
        rng = np.random.default_rng(0)
        positions = methyl_water.positions + rng.normal(scale=0.1, size=(count, methyl_water.natoms, 3))
        apart = rng.exponential(1.5, count)
        positions[:, 5:, 2] += apart[:, None]
        source = rng.integers(0, 2, count)
        return Pool(
            positions=positions,
            temperature=rng.choice([300.0, 500.0], count, p=[0.7, 0.3]),
            window=np.digitize(apart, [1.5, 3.0]).astype(np.int64),
            seed=np.zeros(count, dtype=np.int64),
            energy=rng.gamma(2.0, 2.0, count) - 1000.0 * source,
            com_distance=apart,
            cvs=np.zeros((count, 1)),
            cv_names=("x",),
            source=source,
            sources=("pbmetad ff14SB", "pbmetad GFN2-xTB"),
        )

    return make


@pytest.fixture(scope="session")
def pool(make_pool: Callable[[int], Pool]) -> Pool:
    return make_pool(3000)
