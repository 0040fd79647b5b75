"""Gate ``holes``: no simulation of the whole capped n-mer falls below the lowest energy that there is.

See `tasks.validation.reach` for the search, and `tasks.validation.whole` for what is searched.
"""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from tasks.validation.gates.interface import Candidate, Gate
from tasks.validation.places import Place
from tasks.validation.reach import TEMPERATURE

SHORTER, LONGER = 0.75, 1.25
"""Of the shortest or the longest distance of the training data: how far labels are sampled beyond it."""

OVERLAP = 0.05
"""And how far within it."""

SAME = 0.005
"""Distances that differ by less are the same, Angstrom."""

ENDS = {"contact": "contact of atoms", "broken bond": "a broken bond", "": "a hole"}
"""What a place is called."""


def depth(candidate: Candidate) -> float:
    """Return how far the worst place that a simulation reaches lies below the energy that it has at least."""
    return candidate.places[0].below


def advice(candidate: Candidate) -> str:
    """Return which n-mer is to be sampled, and where, so that the worst place is not reached again.

    That is the distance that is farthest outside of the training data where the way to the place first falls
    below the lowest energy; the place itself may be far from all data.
    """
    nmer, place, training = candidate.potential.nmer, candidate.places[0], candidate.positions
    began = place.positions if place.onset is None else place.onset
    i, j = outermost(nmer, began, training) or place.pair or (0, 1)
    name = to_blame(candidate, place, i, j)
    distances = np.linalg.norm(training[:, i] - training[:, j], axis=1)
    here, low, high = float(np.linalg.norm(began[i] - began[j])), float(distances.min()), float(distances.max())
    pair = f"{nmer.symbols[i]}{i}..{nmer.symbols[j]}{j}"
    what = f"a simulation of {nmer.name} comes to {ENDS[place.what]}"
    if low - SAME <= here <= high + SAME:
        return (
            f"{what}, within the range of its data: add labels of {name}, raise fitting.gamma, or lower "
            "fitting.degree"
        )
    end, between = (
        (low, (SHORTER * low, (1 + OVERLAP) * low))
        if here < low
        else (high, ((1 - OVERLAP) * high, LONGER * high))
    )
    return (
        f"{what} by {pair} at {here:.2f} A, where its data end at {end:.2f} A: sample this distance of "
        f"{name} between {between[0]:.1f} and {between[1]:.1f} A at {TEMPERATURE:.0f} K"
    )


def outermost(nmer: NMer, place: Floats, training: Floats) -> tuple[int, int] | None:
    """Return the two atoms whose distance is outside of that of the training data by the largest factor.

    Distances of caps, which are no atoms of a molecule, count only where no other is outside; None: all inside.
    """
    first, second = np.triu_indices(nmer.natoms, 1)
    distances = np.linalg.norm(training[:, first] - training[:, second], axis=2)
    here = np.linalg.norm(place[first] - place[second], axis=1)
    outside = np.maximum(distances.min(axis=0) / np.maximum(here, 1e-9), here / distances.max(axis=0))
    caps = [cap for cap, _, _ in nmer.caps]
    real = ~(np.isin(first, caps) | np.isin(second, caps))
    if (outside[real] > 1.0).any():
        outside = np.where(real, outside, 0.0)
    worst = int(np.argmax(outside))
    return (int(first[worst]), int(second[worst])) if outside[worst] > 1.0 else None


def to_blame(candidate: Candidate, place: Place, i: int, j: int) -> str:
    """Return the name of the n-mer to sample: of those with both atoms, that whose energy fell the farthest.

    That is the farthest below its own lowest energy at the training configurations; if none is below, the smallest
    sub-n-mer with both atoms.
    """
    assert candidate.around is not None and candidate.around.whole is not None
    whole, training, here = candidate.around.whole, candidate.positions, place.positions[None]
    own = candidate.potential
    known = [(own, np.asarray(own.energy(training)), np.asarray(own.energy(here)))]
    for body, potential in whole.bodies:
        if {i, j} <= body.real:
            at_data, at_place = (whole.body_energy(body, potential, x) for x in (training, here))
            known.append((potential, at_data, at_place))
    fell, farthest = max(((float(data.min() - at[0]), p) for p, data, at in known), key=lambda one: one[0])
    smallest = min((p for p, _, _ in known), key=lambda p: p.nmer.natoms)
    return (farthest if fell > 0 else smallest).nmer.name


GATE = Gate(
    name="holes",
    title="how far a simulation of the whole capped n-mer at 700 K falls below the lowest energy (kcal/mol)",
    measure=depth,
    limit=5.0,
    absent=1e9,
    applies=lambda candidate: candidate.lacks_whole,
    advise=advice,
    order=10,
)
