"""Which pairs of atoms interact by which term of V_phys: by the bonds and the 1-mers of the whole system."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from potentials.arrays import Bools, Ints
from potentials.errors import InputError
from potentials.graph import neighbours

NEAREST = 4
"""Bonds between the nearest atoms with charges and dispersion: 1-2, 1-3 and 1-4 pairs have none."""

REPELLING = 3
"""Steps between the nearest 1-mers with repulsion, in the graph of 1-mers."""

Excluded = tuple[Ints, Ints]
"""Pairs i < j without a term: (atoms + 1,), where the row of each i begins, and the j of all rows, ascending."""


@dataclass(frozen=True, eq=False)
class Topology:
    """The bonds and the 1-mers of a system.

    Attributes
    ----------
    natoms
        Number of atoms.
    bonds
        Pairs of atoms, counted from 0, within and between 1-mers.
    onemers
        (atoms,), the 1-mer of each atom, counted from 0. A molecule that is not divided is one 1-mer.

    Raises
    ------
    InputError
        If the 1-mers are not one number an atom.
    """

    natoms: int
    bonds: tuple[tuple[int, int], ...]
    onemers: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.onemers) != self.natoms:
            raise InputError(f"{len(self.onemers)} 1-mer numbers for {self.natoms} atoms; one an atom is allowed")

    @cached_property
    def uncharged(self) -> Excluded:
        """The pairs without charge-charge, charge-dipole and dispersion terms.

        They are fewer than four bonds apart or in one 1-mer, so that V_phys of a single 1-mer is exactly zero.
        Dipoles interact with dipoles in every pair.
        """
        joined = neighbours(self.natoms, self.bonds)
        near = (_within(joined, a, NEAREST - 1) for a in range(self.natoms))
        return _rows(self.natoms, ({*atoms, *self._members[self.onemers[a]]} for a, atoms in enumerate(near)))

    @cached_property
    def one_five(self) -> Excluded:
        """The pairs of different 1-mers that are four bonds apart: their charge terms are scaled.

        Point charges are a poor picture of neighbouring groups; with half of these terms V_phys does not spoil the
        torsions that the n-mers describe (docs/physics.md). Dispersion and dipole-dipole terms are not scaled.
        """
        joined, none = neighbours(self.natoms, self.bonds), self.uncharged
        near = [_within(joined, a, NEAREST) - {a} for a in range(self.natoms)]
        for i in range(self.natoms):
            for j in none[1][none[0][i] : none[0][i + 1]]:
                near[i].discard(int(j))
        return _rows(self.natoms, near)

    @cached_property
    def unrepelled(self) -> Excluded:
        """The pairs without repulsion: of 1-mers fewer than three steps apart."""
        owner = self.onemers
        joined = neighbours(max(owner, default=-1) + 1, ((owner[i], owner[j]) for i, j in self.bonds))
        near = {
            one: frozenset(a for other in _within(joined, one, REPELLING - 1) for a in self._members[other])
            for one in self._members
        }
        return _rows(self.natoms, (near[one] for one in owner))

    @property
    def charged(self) -> Bools:
        """(atoms, atoms), whether a pair is not in `uncharged`; for small systems."""
        return _matrix(self.uncharged)

    @property
    def scaled(self) -> Bools:
        """(atoms, atoms), whether a pair is in `one_five`; for small systems."""
        return ~_matrix(self.one_five) & ~np.eye(self.natoms, dtype=np.bool_)

    @property
    def repelling(self) -> Bools:
        """(atoms, atoms), whether a pair is not in `unrepelled`; for small systems."""
        return _matrix(self.unrepelled)

    @cached_property
    def _members(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for atom, one in enumerate(self.onemers):
            found.setdefault(one, []).append(atom)
        return found

    def part(self, atoms: Sequence[int]) -> Topology:
        """Return the topology of some of the atoms, in the given order; bonds that lead out are left out."""
        place = {a: n for n, a in enumerate(atoms)}
        bonds = tuple((place[i], place[j]) for i, j in self.bonds if i in place and j in place)
        numbers: Ints = np.unique(np.array([self.onemers[a] for a in atoms]), return_inverse=True)[1]
        return Topology(len(atoms), bonds, tuple(int(n) for n in numbers))


def _within(joined: Sequence[Sequence[int]], node: int, most: int) -> set[int]:
    """Return the nodes at most so many edges from one, itself included."""
    found, edge = {node}, {node}
    for _ in range(most):
        edge = {b for a in edge for b in joined[a]} - found
        found |= edge
    return found


def _rows(natoms: int, excluded: Iterable[Iterable[int]]) -> Excluded:
    rows = [sorted(b for b in others if b > a) for a, others in enumerate(excluded)]
    begins = np.concatenate(([0], np.cumsum([len(row) for row in rows], dtype=np.int64)))
    return begins.astype(np.int64), np.array([b for row in rows for b in row], dtype=np.int64)


def _matrix(excluded: Excluded) -> Bools:
    begins, others = excluded
    natoms = len(begins) - 1
    rows = np.repeat(np.arange(natoms), np.diff(begins))
    found = ~np.eye(natoms, dtype=np.bool_)
    found[rows, others] = found[others, rows] = False
    return found
