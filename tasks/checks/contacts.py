"""How near atoms may come to each other: a floor for each kind of pair, from the training data of the potentials.

Pairs of one kind have the same two elements and are as many bonds apart: one, two, or three and more, which
includes atoms of different molecules. The floor is a fraction of the shortest distance of the kind in the training
data of all potentials. Atoms that are not bonded have another upper bound, a fraction of the sum of their van der
Waals radii, so that data that never come near do not set a floor that a correct simulation crosses: it is then the
range of the training data that is exceeded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from ase.data import atomic_numbers, covalent_radii, vdw_radii

from potentials.arrays import Bools, Floats, Ints
from potentials.compiled import njit
from potentials.graph import distances, members
from potentials.nmers.nmer import NMer
from potentials.pip.potential import Potential
from potentials.pip.ranges import SortedDistances
from potentials.systems.system import LONGEST_BOND

APART = 3
"""Bonds between two atoms from which they count as not bonded; it stands for all that are farther apart."""

BONDED, NOT_BONDED = 0.8, 0.9
"""Floor over the shortest training distance, of atoms one or two bonds apart, and of all others."""

OF_RADII = 0.55
"""Highest floor of atoms that are not bonded, over the sum of their van der Waals radii."""

COLLAPSED = 0.8
"""Distance over its floor below which atoms have fallen together: what follows is about another molecule."""

OF_WATERS = 0.8
"""Factor on the floors of pairs of two waters: in the liquid hydrogen bonds of 1.5 A occur."""

UNKNOWN_RADIUS = 1.7
"""Van der Waals radius of elements for which Bondi and Alvarez have none, Angstrom."""

Kind = tuple[str, str, int]
"""Two elements in alphabetical order, and the bonds between them, at most `APART`."""


def kind_of(one: str, other: str, apart: int) -> Kind:
    """Return the kind of a pair; atoms that no bonds join (-1) are `APART`."""
    first, second = sorted((one, other))
    return first, second, APART if apart < 0 else min(apart, APART)


@dataclass(frozen=True)
class Floors:
    """The floors of kinds of pairs.

    Attributes
    ----------
    shortest
        Shortest training distance of each kind, Angstrom.
    """

    shortest: Mapping[Kind, float]

    @classmethod
    def of(cls, potentials: Iterable[Potential]) -> Floors:
        """Return the floors of the training data of potentials; those without ranges are left out.

        Pairs with a cap are left out. Where one range stands for several kinds, it is that of the smallest number
        of bonds.
        """
        found: dict[Kind, float] = {}
        for potential in potentials:
            if potential.ranges is None:
                continue
            listed = SortedDistances.of(potential.nmer, potential.switching)
            kinds = _kinds(potential.nmer)
            for begin, end in zip(listed.begins[:-1], listed.begins[1:], strict=True):
                pairs = [(int(i), int(j)) for i, j in listed.pairs[begin:end]]
                known = [kinds[pair] for pair in pairs if pair in kinds]
                if known:
                    kind = min(known, key=lambda one: one[2])
                    shortest = float(potential.ranges[0, begin])
                    found[kind] = min(found.get(kind, shortest), shortest)
        return cls(found)

    def floor(self, kind: Kind) -> float:
        """Return the floor of a kind, Angstrom."""
        bonded = kind[2] < APART
        shortest = self.shortest.get(kind, np.inf)
        if bonded:
            radii = sum(float(covalent_radii[atomic_numbers[element]]) for element in kind[:2])
            return BONDED * (shortest if np.isfinite(shortest) else radii)
        return min(NOT_BONDED * shortest, OF_RADII * sum(_radius(element) for element in kind[:2]))


def _kinds(nmer: NMer) -> dict[tuple[int, int], Kind]:
    """Return the kind of each pair of an n-mer's atoms without its caps, in both orders."""
    apart, caps = distances(nmer.natoms, nmer.bonds), {cap for cap, _, _ in nmer.caps}
    found = {}
    for i, j in combinations([atom for atom in range(nmer.natoms) if atom not in caps], 2):
        found[i, j] = found[j, i] = kind_of(nmer.symbols[i], nmer.symbols[j], int(apart[i, j]))
    return found


def _radius(element: str) -> float:
    radius = float(vdw_radii[atomic_numbers[element]])
    return radius if np.isfinite(radius) else UNKNOWN_RADIUS


@dataclass(frozen=True, eq=False)
class Contacts:
    """The pairs of a system's atoms with their floors.

    Attributes
    ----------
    symbols
        Element of each atom.
    floors
        (atoms, atoms), Angstrom.
    bonds
        (bonds, 2).
    longest
        (bonds,), the length beyond which a bond is broken, Angstrom.
    """

    symbols: tuple[str, ...]
    floors: Floats
    bonds: Ints
    longest: Floats

    @classmethod
    def of(cls, symbols: Sequence[str], bonds: Sequence[tuple[int, int]], floors: Floors) -> Contacts:
        """Return those of a system's atoms and bonds."""
        apart = distances(len(symbols), bonds)
        known: dict[Kind, float] = {}
        table = np.zeros((len(symbols), len(symbols)))
        for i, j in combinations(range(len(symbols)), 2):
            kind = kind_of(symbols[i], symbols[j], int(apart[i, j]))
            if kind not in known:
                known[kind] = floors.floor(kind)
            table[i, j] = table[j, i] = known[kind]
        table[_of_two_waters(symbols, bonds)] *= OF_WATERS
        pairs = np.array(bonds, dtype=np.int64).reshape(-1, 2)
        radii = np.array([covalent_radii[atomic_numbers[element]] for element in symbols])
        return cls(tuple(symbols), table, pairs, LONGEST_BOND * radii[pairs].sum(axis=1))

    def closest(self, positions: Floats, vectors: Floats | None = None) -> tuple[Floats, Ints]:
        """Return of each frame the smallest distance over its floor, (frames,), and its two atoms, (frames, 2).

        Parameters
        ----------
        positions
            (frames, atoms, 3), Angstrom. A position that is not finite counts as in the same place as all others.
        vectors
            (1 or frames, 3, 3), Angstrom, of a cell; None without. Images are the nearest up to half its width.
        """
        ratio, pair = np.empty(len(positions)), np.zeros((len(positions), 2), dtype=np.int64)
        rows, inverse = _cells(vectors)
        _closest(np.ascontiguousarray(positions, dtype=np.float64), self.floors, rows, inverse, ratio, pair)
        return ratio, pair

    def pair(self, frame: Floats, atoms: Ints, vectors: Floats | None = None) -> str:
        """Return the names of two atoms of a frame (atoms, 3), and their distance: ``O2 and H18 at 1.43 A``."""
        i, j = (int(atom) for atom in atoms)
        between = frame[i] - frame[j]
        if vectors is not None:
            between = between - np.rint(between @ np.linalg.inv(vectors)) @ vectors
        return f"{self.symbols[i]}{i} and {self.symbols[j]}{j} at {np.linalg.norm(between):.2f} A"

    def stretched(self, positions: Floats, vectors: Floats | None = None) -> tuple[Floats, Ints]:
        """Return of each frame the largest bond length over that at which it is broken, and its two atoms.

        The arguments and the shapes are those of `closest`; a bond of positions that are not finite is infinite.
        """
        if not len(self.bonds):
            return np.zeros(len(positions)), np.zeros((len(positions), 2), dtype=np.int64)
        i, j = self.bonds.T
        between = positions[:, i] - positions[:, j]
        if vectors is not None:
            rows, inverse = _cells(vectors)
            between = between - np.rint(between @ inverse) @ rows
        length = np.linalg.norm(between, axis=2) / self.longest
        length = np.where(np.isfinite(length), length, np.inf)
        worst = length.argmax(axis=1)
        return length[np.arange(len(positions)), worst], self.bonds[worst]


def _of_two_waters(symbols: Sequence[str], bonds: Sequence[tuple[int, int]]) -> Bools:
    """Return which pairs of atoms are of two waters, (atoms, atoms)."""
    owner = np.full(len(symbols), -1)
    for number, atoms in enumerate(members(len(symbols), bonds)):
        if sorted(symbols[a] for a in atoms) == ["H", "H", "O"]:
            owner[list(atoms)] = number
    return np.asarray((owner[:, None] >= 0) & (owner >= 0) & (owner[:, None] != owner))


def _cells(vectors: Floats | None) -> tuple[Floats, Floats]:
    """Return the vectors of cells and their inverses, (cells, 3, 3); no cells in vacuum."""
    if vectors is None:
        return np.zeros((0, 3, 3)), np.zeros((0, 3, 3))
    rows = np.asarray(vectors, dtype=np.float64).reshape(-1, 3, 3)
    return rows, np.asarray(np.linalg.inv(rows))


@njit(cache=True)  # type: ignore[untyped-decorator]
def _closest(positions: Floats, floors: Floats, rows: Floats, inverse: Floats, ratio: Floats, pair: Ints) -> None:
    """Write the smallest distance over its floor of each frame, and its atoms."""
    natoms, cells = len(floors), len(rows)
    between, steps = np.zeros(3), np.zeros(3)
    for frame in range(len(positions)):
        least, one, other = np.inf, 0, 0
        cell = min(frame, cells - 1)
        for i in range(natoms):
            for j in range(i + 1, natoms):
                for k in range(3):
                    between[k] = positions[frame, i, k] - positions[frame, j, k]
                if cells > 0:
                    for k in range(3):
                        steps[k] = np.rint(
                            between[0] * inverse[cell, 0, k]
                            + between[1] * inverse[cell, 1, k]
                            + between[2] * inverse[cell, 2, k]
                        )
                    for k in range(3):
                        between[k] -= (
                            steps[0] * rows[cell, 0, k] + steps[1] * rows[cell, 1, k] + steps[2] * rows[cell, 2, k]
                        )
                square = between[0] * between[0] + between[1] * between[1] + between[2] * between[2]
                share = np.sqrt(square) / floors[i, j] if np.isfinite(square) else 0.0
                if share < least:
                    least, one, other = share, i, j
        ratio[frame], pair[frame, 0], pair[frame, 1] = least, one, other
