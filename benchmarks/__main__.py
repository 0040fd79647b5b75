"""Print the figures of one benchmark: python -m benchmarks NAME [--json]."""

from __future__ import annotations

import argparse
import importlib
import json
import os

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

NAMES = ("physics", "chains", "systems")
"""Modules of this folder with a function ``figures()`` that returns numbers by name."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of a line a figure")
    parser.add_argument("--store", help="store with fitted potentials, for chains")
    chosen = parser.parse_args()
    os.environ.update(dict.fromkeys(THREADS, "1"))  # before NumPy is imported
    if chosen.store is not None and chosen.name != "chains":
        parser.error("--store is for chains")
    options = {} if chosen.store is None else {"store": chosen.store}
    found = importlib.import_module(f"benchmarks.{chosen.name}").figures(**options)
    print(
        json.dumps(found) if chosen.json else "\n".join(f"{name:<24} {value:>12}" for name, value in found.items())
    )


if __name__ == "__main__":
    main()
