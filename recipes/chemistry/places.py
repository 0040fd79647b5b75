"""Checks of a geometry: atoms in one place, missing bonds, and missing hydrogens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from ase.data import atomic_numbers, covalent_radii

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.graph import neighbours

Bonds = Sequence[tuple[int, int]]

NEAREST = 0.5
"""Atoms are in one place if they are nearer than this times the sum of their covalent radii."""

BONDED = 1.1
"""Atoms of a molecule nearer than this times the sum of their covalent radii are bonded."""

LONGEST_BOND = 2.0
"""No bond of a starting geometry is longer than this times the sum of the covalent radii."""

FEW = 300
"""Up to so many atoms all distances are computed; importing SciPy's tree takes longer."""

STRAIGHT, FLAT = 150.0, 350.0
"""A carbon lacks a hydrogen if the angle of two neighbours, or the sum of those of three, is smaller (degrees)."""

SHORTEST_SINGLE = {"C": 1.30, "O": 1.36}
"""A terminal C, or an O on C, with a longer bond than this has a single bond, so it needs hydrogens (Angstrom)."""


class Pair(NamedTuple):
    """Two atoms, their distance, and the sum of their covalent radii, Angstrom."""

    i: int
    j: int
    elements: tuple[str, str]
    distance: float
    radii: float

    @classmethod
    def of(cls, i: int, j: int, symbols: Sequence[str], positions: Floats) -> Pair:
        """Return the pair of two atoms, counted from 0."""
        one, other = symbols[i], symbols[j]
        radii = float(covalent_radii[atomic_numbers[one]] + covalent_radii[atomic_numbers[other]])
        return cls(i, j, (one, other), float(np.linalg.norm(positions[i] - positions[j])), radii)

    def __str__(self) -> str:
        one, other = self.elements
        return f"atoms {self.i} ({one}) and {self.j} ({other}) are {self.distance:.2f} A apart"


def check_geometry(where: str, symbols: Sequence[str], positions: Floats, bonds: Bonds) -> None:
    """Raise InputError if atoms are in one place, a bond is missing, or a bond is far too long.

    Parameters
    ----------
    where
        Beginning of the message: a key or a file.
    symbols
        Element of each atom.
    positions
        (atoms, 3), Angstrom.
    bonds
        Pairs of atoms; if it is empty, bonds are unknown and not checked.
    """
    check_places(where, symbols, positions)
    joined = {frozenset(bond) for bond in bonds}
    for pair in nearer(symbols, positions, BONDED) if bonds else ():
        if frozenset((pair.i, pair.j)) not in joined:
            add = f"[{pair.i}, {pair.j}]"
            raise InputError(f"{where}: {pair} and not bonded; add {add} to bonds, or move them apart")
    for i, j in bonds:
        pair = Pair.of(i, j, symbols, positions)
        if pair.distance > LONGEST_BOND * pair.radii:
            raise InputError(f"{where}: {pair} and bonded; allowed: up to {LONGEST_BOND * pair.radii:.2f} A")


def check_places(where: str, symbols: Sequence[str], positions: Floats) -> None:
    """Raise InputError if a position is not finite, or two atoms are in one place; see `check_geometry`."""
    if not np.isfinite(positions).all():
        atom = int(np.flatnonzero(~np.isfinite(positions).all(axis=1))[0])
        raise InputError(f"{where}: the position of atom {atom} ({symbols[atom]}) is not finite")
    for pair in nearer(symbols, positions, NEAREST):
        raise InputError(f"{where}: {pair}, which is one place; allowed: {NEAREST * pair.radii:.2f} A or more")


def nearer(symbols: Sequence[str], positions: Floats, limit: float) -> Iterator[Pair]:
    """Yield the pairs of atoms nearer than a limit times the sum of their covalent radii, in order."""
    largest = max((float(covalent_radii[atomic_numbers[s]]) for s in set(symbols)), default=0.0)
    for i, j in _near_pairs(positions, 2 * limit * largest):
        pair = Pair.of(i, j, symbols, positions)
        if pair.distance < limit * pair.radii:
            yield pair


def _near_pairs(positions: Floats, limit: float) -> list[tuple[int, int]]:
    """Return the pairs of atoms nearer than a distance (Angstrom), in order."""
    if len(positions) > FEW:
        from scipy.spatial import cKDTree

        return sorted(cKDTree(positions).query_pairs(limit))
    i, j = np.triu_indices(len(positions), 1)
    near = np.linalg.norm(positions[i] - positions[j], axis=1) <= limit
    return [(int(a), int(b)) for a, b in zip(i[near], j[near], strict=True)]


def lacking_hydrogens(symbols: Sequence[str], positions: Floats, bonds: Bonds, bare: Sequence[int] = ()) -> str:
    """Return which atoms lack hydrogens, and what to do, as the end of a sentence; empty if none does.

    Parameters
    ----------
    symbols, positions, bonds
        As `without_hydrogens` takes them.
    bare
        Atoms that are known to lack them.
    """
    bare = bare or without_hydrogens(symbols, positions, bonds)
    if not bare:
        return ""
    several = ", ".join(f"{symbols[a]}{a}" for a in bare[:5]) + (f" and {len(bare) - 5} more" if bare[5:] else "")
    what = "has no hydrogens" if "H" not in symbols else f"lacks hydrogens on {several} (counted from 0)"
    return f"{what}; add them first, for example with: obabel FILE -O FILE.pdb -h"


def without_hydrogens(symbols: Sequence[str], positions: Floats, bonds: Bonds) -> list[int]:
    """Return the atoms that lack hydrogens, as far as their surroundings show.

    These are C with two neighbours at an angle, with three not in a plane, or with one at the distance of a single
    bond; O on C at the distance of a single bond; N of an amide with two neighbours; C, N and O without any.

    Parameters
    ----------
    symbols
        Element of each atom.
    positions
        (atoms, 3), Angstrom.
    bonds
        Pairs of atoms.
    """
    around = neighbours(len(symbols), bonds)

    def length(a: int, b: int) -> float:
        return float(np.linalg.norm(positions[a] - positions[b]))

    def carbonyl(a: int) -> bool:
        return symbols[a] == "C" and any(
            symbols[b] == "O" and len(around[b]) == 1 and length(a, b) < SHORTEST_SINGLE["O"] for b in around[a]
        )

    def lacks(atom: int) -> bool:
        symbol, near = symbols[atom], around[atom]
        if not near:
            return symbol in ("C", "N", "O")
        if symbol == "O":
            return len(near) == 1 and symbols[near[0]] == "C" and length(atom, near[0]) > SHORTEST_SINGLE["O"]
        if symbol == "N":
            carbons = all(symbols[b] == "C" for b in near)
            return len(near) == 2 and carbons and any(carbonyl(b) for b in near)
        if symbol != "C" or len(near) > 3:
            return False
        if len(near) == 1:
            return length(atom, near[0]) > SHORTEST_SINGLE["C"]
        total = _angles(positions[atom], positions[list(near)])
        return total < (STRAIGHT if len(near) == 2 else FLAT)

    return [atom for atom in range(len(symbols)) if lacks(atom)]


def _angles(centre: Floats, others: Floats) -> float:
    """Return the sum of the angles between the directions from a point to others, degrees."""
    ways = others - centre
    ways /= np.linalg.norm(ways, axis=1)[:, None]
    i, j = np.triu_indices(len(ways), 1)
    return float(np.degrees(np.arccos(np.clip((ways[i] * ways[j]).sum(axis=1), -1, 1))).sum())
