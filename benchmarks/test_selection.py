"""Figures of selection, printed and never judged: pytest -m benchmark -s benchmarks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.benchmark

WRITE = """
import json, sys
import h5py
import numpy as np
from recipes.load import load_recipe

path, frames = sys.argv[1], int(sys.argv[2])
nmer, rng = load_recipe("ch3-water").build_nmer(), np.random.default_rng(0)
with h5py.File(path, "w") as file:
    file.attrs.update({"nmer_format": 1, "kind": "pool", "nmer": "x", "number": 1, "key": "k", "created": "-"})
    kept = file.create_dataset("positions", (frames, nmer.natoms, 3), dtype="f8", chunks=(4096, nmer.natoms, 3))
    for start in range(0, frames, 100_000):
        count = min(100_000, frames - start)
        positions = nmer.positions + rng.normal(scale=0.12, size=(count, nmer.natoms, 3))
        positions[:, 5:, 2] += rng.uniform(-1.0, 6.0, (count, 1))
        kept[start : start + count] = positions
"""

SELECT = """
import json, resource, sys, time
from pathlib import Path
from recipes.load import load_recipe
from recipes.schema.recipe import Fitting, SelectionSettings
from storage.contents import PoolFile
from storage.version import read_version
from tasks.selection.choose import select

path, settings = Path(sys.argv[1]), SelectionSettings(**json.loads(sys.argv[2]))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
begun, before = time.process_time(), peak()
nmer, pool = load_recipe("ch3-water").build_nmer(), PoolFile(read_version(path))
choice = select(nmer, pool, settings, Fitting(), path.parent / "scratch")
print(json.dumps({"seconds": time.process_time() - begun, "before": before, "peak": peak(), **choice.facts()}))
"""


@pytest.fixture(scope="module")
def pool_of(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pools")


def measure(folder: Path, frames: int, **settings: object) -> dict[str, float]:
    """Return the figures of a selection in a process of its own, so that its memory is its own."""
    path = folder / f"{frames}.h5"
    if not path.exists():
        subprocess.run([sys.executable, "-c", WRITE, str(path), str(frames)], check=True)
    words = [sys.executable, "-c", SELECT, str(path), json.dumps(settings)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def show(title: str, figures: dict[str, float]) -> None:
    rows = ", ".join(
        f"{name} {figures[f'coverage_{name}']:.4f} ({figures[f'random_{name}']:.4f} by chance)"
        for name in ("rms", "p99", "max")
    )
    print(
        f"\n{title}: {figures['seconds']:.1f} CPU-s, peak {figures['peak']:.2f} GiB ({figures['before']:.2f} "
        f"before it)\n  distance to the chosen frames (A): {rows}"
    )


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("levels", ["two", "flat"])
def test_selection_at_the_papers_size(pool_of: Path, levels: str) -> None:
    figures = measure(
        pool_of, 600_000, train=38_000, test=2_000, levels=levels, tails=0.05 if levels == "two" else 0
    )
    show(f"600,000 x 28 -> 40,000, {levels}", figures)


@pytest.mark.timeout(1200)
def test_memory_of_a_large_pool(pool_of: Path) -> None:
    for frames in (600_000, 3_000_000):
        show(f"{frames:,} frames -> 20,000", measure(pool_of, frames, train=19_000, test=1_000))


@pytest.mark.timeout(3000)
def test_d_optimality_at_the_papers_size(pool_of: Path) -> None:
    for train in (2_000, 38_000):
        figures = measure(pool_of, 600_000, method="d-optimality", train=train, test=2_000, tails=0)
        show(f"600,000 x 710 terms -> {train:,} and 2,000, D-optimality", figures)
