"""Placement of molecules beside each other, and the windows of their distance that can be reached."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations, permutations, product

import numpy as np
from ase.data import atomic_masses, atomic_numbers, covalent_radii

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from recipes.chemistry.geometry import written

START, FARTHEST = 3.6, 7.0
"""Smallest and largest distance of the centres of mass in a starting geometry, Angstrom."""

GAP = 1.1
"""Smallest distance of two atoms of different molecules minus the sum of their covalent radii, Angstrom.

It is about that of a hydrogen bond.
"""

WINDOWS_END = 10.0
"""Upper end of the last window, Angstrom (paper II)."""

FIRST_WINDOW = 4.0
"""Upper end of the first window, Angstrom (paper II)."""

SPARE = 0.3
"""Distance of a walker's start from the upper end of its window, Angstrom."""


def beside(first: Fragment, second: Fragment) -> tuple[Fragment, float]:
    """Return the second fragment beside the first where there is most room, and the distance of their centres.

    Of 26 directions and 24 orientations, the pair with the largest gap between atoms is chosen, at the first
    distance from `START` on, in steps of 0.1 Angstrom, at which the fragments do not touch.

    Parameters
    ----------
    first, second
        The fragments; the second is moved.

    Raises
    ------
    InputError
        If they touch at all distances up to `FARTHEST`.
    """
    here, there = _centred(first)[0], _centred(second)[0]
    bare = _radii(first)[:, None] + _radii(second)
    ways = [np.array(w, dtype=np.float64) for w in product((0, 1, -1), repeat=3) if any(w)]
    turned = [(way / np.linalg.norm(way), there @ turn.T) for way in ways for turn in _rotations()]
    for step in range(round((FARTHEST - START) / 0.1) + 1):
        distance = START + 0.1 * step
        gaps = [_gap(here, atoms + distance * way, bare) for way, atoms in turned]
        best = int(np.argmax(np.round(gaps, 4)))  # the first of equal ones, despite round-off
        if gaps[best] >= GAP:
            way, atoms = turned[best]
            placed = _centred(first)[1] + atoms + distance * way
            return replace(second, positions=written(placed)), distance
    raise InputError(f"{first.name} and {second.name} touch even at {FARTHEST:g} A between their centres of mass")


def all_beside(fragments: Sequence[Fragment]) -> tuple[Fragment, ...]:
    """Return fragments, each placed beside those before it; the first is not moved.

    Raises
    ------
    InputError
        If one touches the others at all distances up to `FARTHEST`.
    """
    placed = [fragments[0]]
    for fragment in fragments[1:]:
        symbols = tuple(s for f in placed for s in f.symbols)
        positions = tuple(x for f in placed for x in f.positions)
        name = " with ".join(f.name for f in placed)
        placed.append(beside(Fragment(name, symbols, positions, ()), fragment)[0])
    return tuple(placed)


def windows_of(distance: float) -> tuple[tuple[float, float], ...]:
    """Return the windows of the centres' distance: 0-4, 4-7, 7-10 A, the first wider for larger molecules.

    Parameters
    ----------
    distance
        Smallest distance of the centres at which the molecules do not touch, Angstrom.
    """
    first = max(FIRST_WINDOW, float(math.ceil(round(distance + SPARE, 3))))
    second = (first + WINDOWS_END) / 2
    return ((0.0, first), (first, second), (second, WINDOWS_END))


def windows_of_three(distance: float) -> tuple[tuple[float, float], ...]:
    """Return the windows of three molecules, whose energy decays faster: 0-4, 4-5 A, or larger distances.

    Parameters
    ----------
    distance
        Mean distance of the centres at which the molecules do not touch, Angstrom.
    """
    first = max(FIRST_WINDOW, math.ceil(round(2.0 * (distance + SPARE), 3)) / 2.0)
    return ((0.0, first), (first, first + 1.0))


def mean_distance(fragments: Sequence[Fragment]) -> float:
    """Return the mean distance of the centres of mass over all pairs of fragments, Angstrom."""
    centres = [_centred(fragment)[1] for fragment in fragments]
    return float(np.mean([np.linalg.norm(other - one) for one, other in combinations(centres, 2)]))


def central_key(fragment: Fragment) -> tuple[int, ...]:
    """Return a fragment's central atom and all atoms equivalent to it, counted from 0 in the fragment."""
    classes = NMer("", (fragment,)).classes
    return tuple(a for a in range(fragment.natoms) if classes[a] == classes[central_atom(fragment)])


def central_atom(fragment: Fragment) -> int:
    """Return the heavy atom nearest to a fragment's centre of mass; the nearest atom if none is heavy."""
    heavy = [a for a, s in enumerate(fragment.symbols) if s != "H"] or list(range(fragment.natoms))
    away = np.linalg.norm(_centred(fragment)[0], axis=1)
    return min(heavy, key=lambda a: (round(float(away[a]), 3), a))


def _centred(fragment: Fragment) -> tuple[Floats, Floats]:
    """Return positions about the centre of mass, and the centre of mass."""
    x = np.array(fragment.positions, dtype=np.float64)
    centre = np.average(x, axis=0, weights=[atomic_masses[atomic_numbers[s]] for s in fragment.symbols])
    return x - centre, centre


def _radii(fragment: Fragment) -> Floats:
    return np.array([covalent_radii[atomic_numbers[s]] for s in fragment.symbols], dtype=np.float64)


def _gap(here: Floats, there: Floats, bare: Floats) -> float:
    return float((np.linalg.norm(here[:, None] - there[None], axis=2) - bare).min())


@cache
def _rotations() -> tuple[Floats, ...]:
    """Return the 24 rotations of a cube, the identity first."""
    found = []
    for order in permutations(range(3)):
        for signs in product((1.0, -1.0), repeat=3):
            turn = np.eye(3)[list(order)] * np.array(signs)[:, None]
            if np.linalg.det(turn) > 0:
                found.append(turn)
    return tuple(found)
