"""CPU times of `import nmer` and of commands that compute nothing: pytest -m benchmark -s benchmarks/test_face.py.

One thread, the smallest of five, after one start that fills the caches; user and system time together.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.benchmark

THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
STARTS = {
    "python": ["-c", "pass"],
    "import nmer": ["-c", "import nmer"],
    "nmer.load": ["-c", "import nmer; nmer.load"],
    **{
        f"nmer {words}": ["-m", "nmer.cli.main", *words.split()]
        for words in ("--help", "run --help", "recipes", "versions", "status ch3-water --preset smoke")
    },
}


def cpu_seconds(words: list[str], folder: Path) -> float:
    """Return the CPU time of a process of Python."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, **THREADS, "NMER_STORE": str(folder)}
    subprocess.run([sys.executable, *words], env=environment, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def test_starts(tmp_path: Path) -> None:
    print(f"\n{'CPU-s':>7}  start")
    for name, words in STARTS.items():
        print(f"{min(cpu_seconds(words, tmp_path) for _ in range(6)):7.2f}  {name}")
