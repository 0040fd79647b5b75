"""Figures of selection, printed and never judged: pytest -m benchmark -s tests/benchmarks."""

from __future__ import annotations

import resource
import time

import numpy as np
import pytest

from recipes.load import load_recipe
from tasks.selection.descriptor import sorted_distances
from tasks.selection.kmeans import coverage, farthest_frames, nearest_frames

pytestmark = pytest.mark.benchmark
RECIPE = load_recipe("ch3-water")
NMER = RECIPE.build_nmer()


@pytest.mark.timeout(1200)
def test_selection_at_the_papers_size() -> None:
    rng = np.random.default_rng(0)
    positions = NMER.positions + rng.normal(scale=0.12, size=(600_000, NMER.natoms, 3))
    positions[:, 5:, 2] += rng.uniform(-1.0, 6.0, (600_000, 1))
    start = time.process_time()
    descriptors, _ = sorted_distances(NMER, positions)
    marks = [time.process_time() - start]
    chosen, bound = nearest_frames(descriptors, 38_000, 0, two_levels=True)
    marks.append(time.process_time() - start)
    chosen = np.concatenate([chosen, farthest_frames(descriptors, chosen, bound, 2000)])
    marks.append(time.process_time() - start)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        f"\n600,000 x {descriptors.shape[1]} -> 40,000: descriptors {marks[0]:.1f}, two-level K-means "
        f"{marks[1] - marks[0]:.1f}, tails {marks[2] - marks[1]:.1f} CPU-s; peak {memory:.2f} GiB"
    )
    print("chosen", coverage(descriptors, chosen))
    print("chance", coverage(descriptors, rng.choice(600_000, 40_000, replace=False)))
