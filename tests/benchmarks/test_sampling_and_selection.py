"""Figures of sampling and selection, printed and never judged: pytest -m benchmark -s tests/benchmarks."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import numpy as np
import pytest

from recipes.load import load_recipe
from tasks.sampling.bias import window_bias
from tasks.sampling.engine import install_bias, run, simulation
from tasks.sampling.pool import sample_pool
from tasks.selection.descriptor import sorted_distances
from tasks.selection.kmeans import coverage, farthest_frames, nearest_frames

pytestmark = pytest.mark.benchmark
RECIPE = load_recipe("ch3-water")
NMER = RECIPE.build_nmer()


def test_steps_with_and_without_bias(tmp_path: Path) -> None:
    rates = {}
    for name in ("plain", "biased"):
        with simulation(NMER, tmp_path / "data", temperature=500, timestep=0.5, damping=100, seed=1) as program:
            buffer = window_bias(NMER, RECIPE.sampling.bias, 500.0, (0.0, 4.0)).buffer()
            if name == "biased":
                install_bias(program, buffer)
            run(program, 1000, first=True)
            start = time.process_time()
            run(program, 300_000)
            rates[name] = 300_000 / (time.process_time() - start)
    variables = len(window_bias(NMER, RECIPE.sampling.bias, 500.0, (0.0, 4.0)).cvs)
    print(
        f"\nCH4-H2O, 0.5 fs: {rates['plain'] / 1e3:.0f}k steps/CPU-s plain, {rates['biased'] / 1e3:.0f}k with "
        f"{variables} variables: ratio {rates['biased'] / rates['plain']:.2f}"
    )


def test_kept_frames(tmp_path: Path) -> None:
    settings = RECIPE.sampling.model_copy(update={"frames": 18_000})
    sample_pool(NMER, settings.model_copy(update={"frames": 9}), tmp_path / "warm")
    start = time.process_time()
    pool = sample_pool(NMER, settings, tmp_path / "pool")
    seconds = time.process_time() - start
    print(f"\n{len(pool)} frames kept over 3 x 3 windows: {len(pool) / seconds:.0f} frames/CPU-s")


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
