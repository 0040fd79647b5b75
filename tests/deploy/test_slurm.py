"""Jobs of a real Slurm on this machine."""

from __future__ import annotations

from collections.abc import Callable


def test_it(slurm: Callable[..., str]) -> None:
    print(slurm("sinfo"), slurm("sbatch", "--wrap", "hostname"))
