"""A fragment of an n-mer: its atoms, bonds, and caps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from potentials.errors import InputError
from potentials.graph import neighbours


@dataclass(frozen=True)
class Fragment:
    """One fragment of an n-mer: a capped 1-mer of a covalent chain, or a whole molecule such as water.

    Parameters
    ----------
    name
        Displayed name, for example ``CH3-``.
    symbols
        Element of each atom.
    positions
        A starting geometry, Angstrom.
    bonds
        Pairs of atoms, counted from 0 within the fragment.
    caps
        Atoms that are "ghost" hydrogens closing a cut bond, counted from 0 within the fragment.
    charge
        Total charge, e.
    parts
        The 1-mers of a covalent n-mer: each atom, caps included, belongs to exactly one. Empty: a molecule that is
        not divided.
    """

    name: str
    symbols: tuple[str, ...]
    positions: tuple[tuple[float, float, float], ...]
    bonds: tuple[tuple[int, int], ...]
    caps: tuple[int, ...] = ()
    charge: int = 0
    parts: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        if self.parts and sorted(a for one in self.parts for a in one) != list(range(self.natoms)):
            raise InputError(
                f"fragment {self.name}: parts must hold each of its atoms 0 to {self.natoms - 1} exactly once"
            )

    @property
    def natoms(self) -> int:
        """Number of atoms, caps included."""
        return len(self.symbols)

    @cached_property
    def neighbours(self) -> tuple[tuple[int, ...], ...]:
        """The atoms bonded to each atom, in ascending order."""
        return neighbours(self.natoms, self.bonds)

    def anchor(self, cap: int) -> int:
        """Return the atom that a cap is bonded to."""
        if not self.neighbours[cap]:
            raise InputError(f"fragment {self.name}: cap atom {cap} has no bond")
        return self.neighbours[cap][0]
