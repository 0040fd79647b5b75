"""Figures of sampling, printed and never judged: pytest -m benchmark -s benchmarks."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipes.load import load_recipe
from tasks.bias.plumed_engine import PlumedBias
from tasks.bias.specification import BiasSpec, window_bias
from tasks.sampling.engine import install_bias, install_python_bias, run, simulation
from tasks.sampling.pool import sample_pool

pytestmark = pytest.mark.benchmark
RECIPE = load_recipe("ch3-water")
NMER = RECIPE.build_nmer()


def test_steps_with_and_without_bias(tmp_path: Path) -> None:
    """The same LAMMPS input with no bias, one variable a family, all variables, and PLUMED where it loads."""
    whole = window_bias(NMER, RECIPE.sampling.bias, 500.0, (0.0, 4.0))
    small = replace(whole, cvs=whole.cvs[:7], family=whole.family[:7], grids=whole.grids[:7])
    specs: dict[str, BiasSpec | None] = {"plain": None, "7 variables": small, "20 variables": whole}
    rates: dict[str, float] = {}
    for name, spec in specs.items():
        with simulation(NMER, tmp_path / "data", temperature=500, timestep=0.5, damping=100, seed=1) as program:
            buffer = (spec or whole).buffer()
            if spec is not None:
                install_bias(program, buffer)
            rates[name] = steps_per_second(program, 300_000)
    if os.environ.get("PLUMED_KERNEL"):
        with (
            simulation(NMER, tmp_path / "data", temperature=500, timestep=0.5, damping=100, seed=1) as program,
            PlumedBias(small, 0.5, np.empty((0, 15))) as plumed,
        ):
            install_python_bias(program, plumed)
            rates["7 variables, PLUMED"] = steps_per_second(program, 20_000)
    print("\nCH4-H2O, 0.5 fs, steps per CPU-second, and as a part of plain LAMMPS:")
    for name, rate in rates.items():
        print(f"  {name:<20} {rate / 1e3:8.0f}k   {rate / rates['plain']:.2f}")


def steps_per_second(program: Any, steps: int) -> float:
    """Return steps per CPU-second: the best of three, because the machine is shared."""
    run(program, 1000, first=True)
    best = 0.0
    for _ in range(3):
        start = time.process_time()
        run(program, steps)
        best = max(best, steps / (time.process_time() - start))
    return best


def test_kept_frames(tmp_path: Path) -> None:
    settings = RECIPE.sampling.model_copy(update={"frames": 45_000})
    sample_pool(NMER, settings.model_copy(update={"frames": 9}), tmp_path / "warm")
    start = time.process_time()
    pool = sample_pool(NMER, settings, tmp_path / "pool")
    seconds = time.process_time() - start
    print(f"\n{len(pool)} frames kept over 3 x 3 windows: {len(pool) / seconds:.0f} frames/CPU-s")
