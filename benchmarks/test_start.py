"""CPU and wall time of the start of a run, of a run with nothing to do, and of nmer status; printed, never judged.

The start of a run lasts from the command until the first stage works: until its progress line appears. Everything
that the command has started by then counts: Prefect's private server and the worker processes.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.benchmark

NMER = [sys.executable, str(Path(sys.executable).with_name("nmer"))]
RECIPE = ("ch3-water", "--preset", "smoke", "--protocol", "gfn2-xtb", "--store")
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
TIMES = 4
"""Of which the first fills the caches and the best of the others is printed."""


def start(store: Path) -> tuple[float, float]:
    """Return the CPU and the wall time (s) until the first stage of a run works."""
    began = time.perf_counter()
    words = [*NMER, "run", *RECIPE, str(store)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=os.environ | THREADS) as run:
        assert run.stderr is not None
        assert any(line.startswith("sampling") for line in run.stderr)
        wall = time.perf_counter() - began
        tree = [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]
        cpu = sum(sum(process.cpu_times()[:4]) for process in tree)  # and of children that have ended
        for process in tree:
            with suppress(psutil.Error):
                process.kill()
    return cpu, wall


def whole(word: str, store: Path) -> tuple[float, float]:
    """Return the CPU and the wall time (s) of a command."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*NMER, word, *RECIPE, str(store)], check=True, capture_output=True, env=os.environ | THREADS)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return cpu, time.perf_counter() - began


@pytest.mark.timeout(1800)
def test_starts(tmp_path: Path) -> None:
    figures = {"the first stage works": [start(tmp_path / f"store-{n}") for n in range(TIMES)]}
    store = tmp_path / "store"
    whole("run", store)
    figures["nmer run, everything is there"] = [whole("run", store) for _ in range(TIMES)]
    figures["nmer status"] = [whole("status", store) for _ in range(TIMES)]
    print()
    for name, times in figures.items():
        cpu, wall = (min(values) for values in zip(*times[1:], strict=True))
        print(f"{name}: {cpu:.2f} CPU-s, {wall:.2f} s")
