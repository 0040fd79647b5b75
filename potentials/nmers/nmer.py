"""The definition of an n-mer: its fragments in order, and the symmetry of its atoms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.nmers.caps import CAP_LENGTHS, carry_gradient, place_cap
from potentials.nmers.fragment import Fragment
from potentials.nmers.symmetry import check_symmetry, derive_symmetry, parse_symmetry


@dataclass(frozen=True)
class NMer:
    """An n-mer: its fragments in order, and the symmetry class of each atom.

    Parameters
    ----------
    name
        Identifier, for example ``ch3-water``.
    fragments
        The fragments; the n-mer's atoms are numbered consecutively over them.
    symmetry
        One block per fragment joined by ``_``; within a block, letters with counts in atom order. The PIP is
        invariant under exchanges of atoms that share a letter: ``A1B1C3_D1E2`` is C, cap, 3 H, then O, 2 H. Empty:
        derived from elements, bonds, and caps.

    Raises
    ------
    InputError
        If the symmetry does not describe the fragments' atoms.
    """

    name: str
    fragments: tuple[Fragment, ...]
    symmetry: str = ""

    def __post_init__(self) -> None:
        if not self.symmetry:
            object.__setattr__(self, "symmetry", derive_symmetry(self.fragments))
        check_symmetry(self.symmetry, self.fragments)

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Element of each atom."""
        return tuple(s for f in self.fragments for s in f.symbols)

    @cached_property
    def numbers(self) -> Ints:
        """Atomic numbers, shape (atoms,)."""
        from ase.data import atomic_numbers

        return np.array([atomic_numbers[s] for s in self.symbols], dtype=np.int64)

    @cached_property
    def masses(self) -> Floats:
        """Atomic masses in u, shape (atoms,)."""
        from ase.data import atomic_masses

        return np.asarray(atomic_masses[self.numbers], dtype=np.float64)

    @cached_property
    def positions(self) -> Floats:
        """The starting geometry, shape (atoms, 3), Angstrom."""
        return np.array([xyz for f in self.fragments for xyz in f.positions], dtype=np.float64)

    @property
    def natoms(self) -> int:
        """Number of atoms, caps included."""
        return len(self.symbols)

    @property
    def charge(self) -> int:
        """Total charge, e."""
        return sum(f.charge for f in self.fragments)

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """The atoms of each fragment."""
        ends = np.cumsum([0, *(f.natoms for f in self.fragments)])
        return tuple(slice(int(a), int(b)) for a, b in pairwise(ends))

    @cached_property
    def bonds(self) -> tuple[tuple[int, int], ...]:
        """Bonds in the n-mer's atom numbers."""
        return tuple(
            (i + atoms.start, j + atoms.start)
            for f, atoms in zip(self.fragments, self.slices, strict=True)
            for i, j in f.bonds
        )

    @cached_property
    def caps(self) -> tuple[tuple[int, int, float], ...]:
        """(cap atom, anchor atom, fixed length in Angstrom) of every cap, in the n-mer's atom numbers."""
        found = []
        for f, atoms in zip(self.fragments, self.slices, strict=True):
            for cap in f.caps:
                anchor = f.anchor(cap)
                length = CAP_LENGTHS[f.symbols[anchor]]
                found.append((cap + atoms.start, anchor + atoms.start, length))
        return tuple(found)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Symmetry letter of each atom."""
        return tuple(
            letter for block in parse_symmetry(self.symmetry) for letter, count in block for _ in range(count)
        )

    def place_caps(self, positions: Floats) -> Floats:
        """Return the positions with every cap moved along its bond to its fixed length.

        Parameters
        ----------
        positions
            Shape (..., atoms, 3), Angstrom.
        """
        placed = np.array(positions, dtype=np.float64)
        for cap, anchor, length in self.caps:
            placed[..., cap, :] = place_cap(placed[..., anchor, :], placed[..., cap, :], length)
        return placed

    def carry_caps(self, positions: Floats, gradient: Floats) -> Floats:
        """Return the gradient of a function that is evaluated after `place_caps`, by the chain rule.

        Parameters
        ----------
        positions
            (..., atoms, 3), Angstrom, before the caps are placed.
        gradient
            Of the same shape, the derivatives with respect to the placed atoms.

        Returns
        -------
        The derivatives with respect to the given positions; that of a cap has no component along its bond.
        """
        carried = np.array(gradient, dtype=np.float64)
        for cap, anchor, length in self.caps:
            on_cap, on_anchor = carry_gradient(
                positions[..., anchor, :], positions[..., cap, :], length, gradient[..., cap, :]
            )
            carried[..., cap, :] = on_cap
            carried[..., anchor, :] += on_anchor  # an anchor may have several caps
        return carried
