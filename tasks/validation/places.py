"""Places where no simulation may come: contact, broken bonds, and energies below the lowest that there is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.data import covalent_radii

from potentials.arrays import Bools, Floats, Ints
from potentials.nmers.nmer import NMer
from potentials.systems.system import LONGEST_BOND, NEAREST

AT_CONTACT, BROKEN = 100.0, 40.0
"""Energies above the lowest, kcal/mol, that atoms in contact and a broken bond have at least.

With GFN2-xTB two atoms of n-mers of polyalanine in contact have 469 kcal/mol or more above the lowest, and a bond
that is just broken 53 or more. Atoms are in contact if they are nearer than `NEAREST` times the sum of their
covalent radii, and a bond is broken if it is longer than `LONGEST_BOND` times that sum.
"""

FALLEN = 3.0
"""So far below the lowest energy a way has left what is true, kcal/mol: more than the error at a minimum."""


@dataclass(frozen=True)
class Place:
    """The worst place that a search reached.

    Attributes
    ----------
    search
        ``dynamics`` or ``pull``.
    energy
        Of the whole n-mer there, kcal/mol.
    below
        How far it lies below what it has at least, kcal/mol: the lowest energy, for contact and broken bonds
        plus `AT_CONTACT` or `BROKEN`. Negative where it lies above.
    positions
        (atoms, 3), Angstrom.
    pair
        The two atoms in contact, of the broken bond, or that were drawn; None: no pair stands out.
    what
        ``contact``, ``broken bond``, or empty.
    onset
        (atoms, 3), where the way to it was first below the lowest energy by `FALLEN`, Angstrom; None: nowhere.
    """

    search: str
    energy: float
    below: float
    positions: Floats
    pair: tuple[int, int] | None = None
    what: str = ""
    onset: Floats | None = None


class Limits:
    """Which pairs of atoms of an n-mer are in contact, and which bonds are broken."""

    def __init__(self, nmer: NMer) -> None:
        self.first, self.second = np.triu_indices(nmer.natoms, 1)
        radii = covalent_radii[nmer.numbers]
        self.sums = radii[self.first] + radii[self.second]
        bonds = {tuple(sorted(bond)) for bond in nmer.bonds}
        self.bonded = np.array([(i, j) in bonds for i, j in zip(self.first, self.second, strict=True)])

    def ratios(self, positions: Floats) -> Floats:
        """Return the distances over the sums of the covalent radii, (n, pairs)."""
        arrows = positions[:, self.first] - positions[:, self.second]
        return np.asarray(np.linalg.norm(arrows, axis=2) / self.sums)

    def judge(self, positions: Floats) -> tuple[Floats, Ints]:
        """Return the energy above the lowest that each has at least, (n,), and the pair that says so, -1: none."""
        ratios = self.ratios(positions)
        least, pair = np.zeros(len(positions)), np.full(len(positions), -1)
        if self.bonded.any():
            longest = np.where(self.bonded, ratios, 0.0)
            broken = longest.max(axis=1) > LONGEST_BOND
            least[broken], pair[broken] = BROKEN, longest.argmax(axis=1)[broken]
        near = ratios.min(axis=1) < NEAREST
        least[near], pair[near] = AT_CONTACT, ratios.argmin(axis=1)[near]
        return least, pair

    def atoms(self, pair: int) -> tuple[int, int] | None:
        """Return the two atoms of a pair; None for -1."""
        return None if pair < 0 else (int(self.first[pair]), int(self.second[pair]))


class Worst:
    """Keeps the worst place of a search, and where each way left what is true."""

    def __init__(self, search: str, limits: Limits, lowest: float) -> None:
        self.search, self.limits, self.lowest = search, limits, lowest
        self.worst: Place | None = None
        self._onsets: dict[int, Floats] = {}

    def take(self, ways: Ints, positions: Floats, energy: Floats, drawn: Ints | None = None) -> Bools:
        """Look at a place of each of some ways, `drawn` by pairs or not; return where the search goes on."""
        least, pair = self.limits.judge(positions)
        lost = ~np.isfinite(energy)
        for row in np.flatnonzero(energy < self.lowest - FALLEN):
            self._onsets.setdefault(int(ways[row]), positions[row].copy())
        below = np.where(lost, np.inf, self.lowest + least - energy)
        row = int(np.argmax(below))
        if self.worst is None or below[row] > self.worst.below:
            named = int(pair[row]) if pair[row] >= 0 or drawn is None else int(drawn[row])
            self.worst = Place(
                self.search,
                float(energy[row]),
                float(below[row]),
                positions[row].copy(),
                self.limits.atoms(named),
                "" if pair[row] < 0 else "contact" if least[row] == AT_CONTACT else "broken bond",
                self._onsets.get(int(ways[row])),
            )
        return np.asarray((pair < 0) & ~lost)
