"""Gate ``outside``: the potential tells geometries outside of its training data from those inside.

The training configurations must be inside. Outside are geometries made of them: for every kind of distance the
nearest two atoms are moved nearer than ever, and within a fragment the farthest two farther.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from potentials.nmers.switching import MOSTLY_ON
from potentials.pip.potential import Potential
from potentials.pip.ranges import MOST, SortedDistances
from tasks.validation.gates.interface import Candidate, Gate

BEYOND = 1.05 * MOST
"""Factor by which a distance is made shorter or longer than in all training data: more than any margin."""


def told_right(potential: Potential, training: Floats) -> float:
    """Return the fraction of training and of moved configurations that are told right, the smaller of the two."""
    moved = planted(potential, training)
    inside = ~np.asarray(potential.extrapolates(training))
    outside = np.asarray(potential.extrapolates(moved)) if len(moved) else np.ones(1)
    return float(min(inside.mean(), outside.mean()))


def planted(potential: Potential, training: Floats) -> Floats:
    """Return configurations outside of the range of training ones (n, atoms, 3), Angstrom, (m, atoms, 3)."""
    nmer, switching = potential.nmer, potential.switching
    factor = np.ones(len(training)) if switching is None else switching.evaluate(training)[0]
    distances, of = SortedDistances.of(nmer), dict[int, int]()
    for n, part in enumerate(nmer.slices):
        of |= dict.fromkeys(range(part.start, part.stop), n)
    if not (factor >= MOSTLY_ON).any():
        return training[:0]
    lengths = np.linalg.norm(training[:, distances.pairs[:, 0]] - training[:, distances.pairs[:, 1]], axis=2)
    known, starts, found = factor > 0.0, np.flatnonzero(factor >= MOSTLY_ON), []
    for begin, end in pairwise(distances.begins.tolist()):
        kind, (i, j) = lengths[:, begin:end], distances.pairs[begin].tolist()
        sides = [(np.argmin, float(kind[known].min()) / BEYOND)]
        if of[i] == of[j]:
            sides.append((np.argmax, float(kind[known].max()) * BEYOND))
        for extreme, wanted in sides:
            row, place = np.unravel_index(extreme(kind[starts]), (len(starts), end - begin))
            found.append(_moved(nmer, training[starts[row]], distances.pairs[begin + place].tolist(), wanted))
    return np.array(found)


def _moved(nmer: NMer, start: Floats, pair: list[int], wanted: float) -> Floats:
    """Return a configuration with a given distance of two atoms, of which the lighter is moved."""
    light, heavy = sorted(pair, key=lambda atom: float(nmer.masses[atom]))
    arrow, moved = start[light] - start[heavy], start.copy()
    moved[light] = start[heavy] + wanted / np.linalg.norm(arrow) * arrow
    return moved


def applies(candidate: Candidate) -> str:
    """Return why the potential cannot tell; empty if it can."""
    if candidate.dataset is None:
        return "its labels are not given"
    return (
        ""
        if candidate.potential.ranges is not None
        else "the range of its training data is not known: fit it again"
    )


def fraction(candidate: Candidate) -> float:
    """Return the fraction of configurations that a candidate tells right."""
    return told_right(candidate.potential, candidate.covered)


GATE = Gate(
    name="outside",
    title="fraction of geometries that are told right: training ones inside, moved ones outside",
    measure=fraction,
    limit=1.0,
    absent=1e-9,
    at_least=True,
    highest=1.0,
    applies=applies,
    advise=lambda candidate: "its range is not that of its training data: fit it again",
    order=12,
)
