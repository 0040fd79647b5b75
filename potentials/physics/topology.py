"""Which pairs of atoms interact by which term of V_phys: by the bonds and the 1-mers of the whole system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from potentials.arrays import Bools, Ints
from potentials.errors import InputError
from potentials.graph import distances

NEAREST = 4
"""Bonds between the nearest atoms with charges and dispersion: 1-2, 1-3 and 1-4 pairs have none."""

REPELLING = 3
"""Steps between the nearest 1-mers with repulsion, in the graph of 1-mers."""


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
    def charged(self) -> Bools:
        """(atoms, atoms), whether a pair has charge-charge, charge-dipole and dispersion terms.

        Dipoles interact with dipoles in every pair. A pair in one 1-mer has neither, so that V_phys of a single
        1-mer is exactly zero.
        """
        steps, owner = distances(self.natoms, self.bonds), np.array(self.onemers)
        return np.asarray(((steps < 0) | (steps >= NEAREST)) & (owner[:, None] != owner[None, :]))

    @cached_property
    def repelling(self) -> Bools:
        """(atoms, atoms), whether a pair has a repulsion: the 1-mers are three or more steps apart."""
        owner = np.array(self.onemers)
        joined = [(int(owner[i]), int(owner[j])) for i, j in self.bonds if owner[i] != owner[j]]
        steps = distances(int(owner.max(initial=-1)) + 1, joined)
        apart = (steps < 0) | (steps >= REPELLING)
        return np.asarray(apart[owner[:, None], owner[None, :]])

    def part(self, atoms: Sequence[int]) -> Topology:
        """Return the topology of some of the atoms, in the given order; bonds that lead out are left out."""
        place = {a: n for n, a in enumerate(atoms)}
        bonds = tuple((place[i], place[j]) for i, j in self.bonds if i in place and j in place)
        numbers: Ints = np.unique(np.array([self.onemers[a] for a in atoms]), return_inverse=True)[1]
        return Topology(len(atoms), bonds, tuple(int(n) for n in numbers))
