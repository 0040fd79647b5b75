"""Learning from own frames against as many labels from the pools: python -m benchmarks.improve --store STORE.

A small family (`benchmarks.improve_family`) is improved by two turns, as ``nmer improve`` does: simulate a
molecule with the sum, label its most uncertain n-mers inside the training range, fit the coefficients again. Two
other arms have as many labels of every n-mer, those that judged the turns included, from the existing pools: at
random, or nearest to K-means centres; their coefficients are fitted again in the same way. Then each family
simulates the molecule by one fixed protocol, and n-mers cut from its own frames are labelled: the figure is the
RMS error of the n-body energies over all n-mers (the root of the mean of their mean squares), kcal/mol, against
the labels. Where a simulation falls into a hole of the potential, it ends, and labels of its last frames may fail.

Gradients are fitted as well if the store's labels have them (``--protocol gfn2-xtb-gradients``).

Every arm of every molecule and seed is a file in --folder: what is there is not computed again. Give another
folder for other numbers of labels or other lengths.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.__main__ import THREADS

MOLECULES = ("AceAlaNme", "AceAla3Nme")
ARMS = ("start", "improve", "random", "k-means")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is not there yet, and print a line for each arm."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.improve", description=__doc__)
    parser.add_argument("--store", required=True, help="store with the pools of polyalanine and GFN2-xTB labels")
    parser.add_argument("--folder", required=True, help="where results are kept")
    parser.add_argument("--seed", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--molecule", nargs="+", default=list(MOLECULES), choices=MOLECULES)
    parser.add_argument("--arm", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--as-made", action="store_true", help="start from the store's potentials as they are")
    parser.add_argument("--gamma", type=float, help="ridge of all fits; default: the recipes'")
    for name, default, what in (
        ("picks", 60, "labels of each n-mer that a turn adds"),
        ("judged", 20, "labels of each n-mer that judge a turn"),
        ("replicas", 4, "simulations at each temperature, and at the end"),
        ("picoseconds", 2.0, "their length (ps)"),
        ("compared", 40, "geometries of each n-mer that are compared at the end"),
    ):
        parser.add_argument(f"--{name}", type=type(default), default=default, help=what)
    chosen = parser.parse_args(arguments)
    os.environ.update(dict.fromkeys(THREADS, "1"))  # before NumPy is imported
    from benchmarks.improve_arms import Size, arm
    from benchmarks.improve_family import FAMILY, as_made, copied, make_family

    folder = Path(chosen.folder)
    size = Size(chosen.picks, chosen.judged, chosen.replicas, chosen.picoseconds, chosen.compared)
    first = copied(Path(chosen.store), folder / "base")
    made = as_made(first, FAMILY) if chosen.as_made else make_family(first, FAMILY, chosen.gamma)
    base = {name: version.ref for name, version in made.items()}
    columns = f"{'labels':>7}{'own-frame RMS':>15}{'median':>9}{'frames':>12}{'failed':>8}{'CPU-s':>8}"
    print(f"{'molecule':<12}{'seed':>5}  {'arm':<8}{columns}")
    for seed in chosen.seed:
        for molecule in chosen.molecule:
            mine = folder / f"{molecule}-{seed}"
            store = copied(first.path, mine / "store")
            for name in chosen.arm:
                one = arm(store, base, mine, name, molecule, seed, size)
                own = one["own"]
                frames = f"{own['frames']} of {own['wanted']}"
                print(
                    f"{molecule:<12}{seed:>5}  {name:<8}{sum(one['labels'].values()):>7}{own['rms']:>15.3f}"
                    f"{own['median']:>9.3f}{frames:>12}{own['failed']:>8}{one['cpu_seconds']:>8.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
