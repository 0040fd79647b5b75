"""Print the figures of one benchmark: python -m benchmarks NAME [--json]."""

from __future__ import annotations

import argparse
import importlib
import json
import os

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

NAMES = ("physics", "chains", "systems", "levels", "gradients")
"""Modules of this folder with a function ``figures()`` that returns numbers by name."""

STORES = ("chains", "levels", "gradients")
"""Those that read a store."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of a line a figure")
    parser.add_argument("--store", help="store with potentials for chains, with labels for levels and gradients")
    parser.add_argument("--out", help="folder for the table and the picture of levels")
    chosen = parser.parse_args()
    os.environ.update(dict.fromkeys(THREADS, "1"))  # before NumPy is imported
    if chosen.store is not None and chosen.name not in STORES:
        parser.error(f"--store is for {', '.join(STORES)}")
    if chosen.out is not None and chosen.name != "levels":
        parser.error("--out is for levels")
    options = {name: getattr(chosen, name) for name in ("store", "out") if getattr(chosen, name) is not None}
    found = importlib.import_module(f"benchmarks.{chosen.name}").figures(**options)
    print(
        json.dumps(found) if chosen.json else "\n".join(f"{name:<40} {value:>12}" for name, value in found.items())
    )


if __name__ == "__main__":
    main()
