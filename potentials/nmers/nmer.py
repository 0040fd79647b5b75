"""The definition of an n-mer: its fragments, caps, bonds, and the symmetry of its atoms."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from ase.data import atomic_masses, atomic_numbers
from numpy.typing import NDArray

from potentials.errors import InputError
from potentials.nmers.symmetry import derive_symmetry

CAP_LENGTHS = {"C": 1.14, "N": 1.09}
"""Fixed length of the bond from an anchor atom to its cap, in Angstrom (papers I and II)."""


@dataclass(frozen=True)
class Fragment:
    """One fragment of an n-mer: a capped 1-mer of a covalent chain, or a whole molecule such as water.

    Parameters
    ----------
    name
        What people call it, for example ``CH3-``.
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
        not taken apart.
    """

    name: str
    symbols: tuple[str, ...]
    positions: tuple[tuple[float, float, float], ...]
    bonds: tuple[tuple[int, int], ...]
    caps: tuple[int, ...] = ()
    charge: int = 0
    parts: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        if self.parts and sorted(a for part in self.parts for a in part) != list(range(self.natoms)):
            raise InputError(
                f"fragment {self.name}: parts must hold each of its atoms 0 to {self.natoms - 1} exactly once"
            )

    @property
    def natoms(self) -> int:
        """Number of atoms, caps included."""
        return len(self.symbols)

    def anchor(self, cap: int) -> int:
        """Return the atom that a cap is bonded to."""
        for i, j in self.bonds:
            if cap in (i, j):
                return j if i == cap else i
        raise InputError(f"fragment {self.name}: cap atom {cap} has no bond")


@dataclass(frozen=True)
class NMer:
    """An n-mer: its fragments in order, and the symmetry class of each atom.

    Parameters
    ----------
    name
        Identifier, for example ``ch3-water``.
    fragments
        The fragments; atoms of the n-mer are numbered through them in order.
    symmetry
        One block per fragment joined by ``_``; within a block, letters with counts in atom order. Atoms
        that share a letter are exchanged freely by the PIP: ``A1B1C3_D1E2`` is C, cap, 3 H, then O, 2 H. Empty:
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
        check_symmetry(self)

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Element of each atom."""
        return tuple(s for f in self.fragments for s in f.symbols)

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """Atomic numbers, shape (atoms,)."""
        return np.array([atomic_numbers[s] for s in self.symbols], dtype=np.int64)

    @cached_property
    def masses(self) -> NDArray[np.float64]:
        """Atomic masses in u, shape (atoms,)."""
        return np.asarray(atomic_masses[self.numbers], dtype=np.float64)

    @cached_property
    def positions(self) -> NDArray[np.float64]:
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
        """Bonds in the n-mer's own atom numbers."""
        return tuple(
            (i + part.start, j + part.start)
            for f, part in zip(self.fragments, self.slices, strict=True)
            for i, j in f.bonds
        )

    @cached_property
    def caps(self) -> tuple[tuple[int, int, float], ...]:
        """(cap atom, anchor atom, fixed length in Angstrom) of every cap, in the n-mer's own atom numbers."""
        found = []
        for f, part in zip(self.fragments, self.slices, strict=True):
            for cap in f.caps:
                anchor = f.anchor(cap)
                length = CAP_LENGTHS[f.symbols[anchor]]
                found.append((cap + part.start, anchor + part.start, length))
        return tuple(found)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Symmetry letter of each atom."""
        return tuple(
            letter for block in parse_symmetry(self.symmetry) for letter, count in block for _ in range(count)
        )

    def place_caps(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the positions with every cap moved along its bond to its fixed length.

        Parameters
        ----------
        positions
            Shape (..., atoms, 3), Angstrom.
        """
        placed = np.array(positions, dtype=np.float64)
        for cap, anchor, length in self.caps:
            bond = placed[..., cap, :] - placed[..., anchor, :]
            unit = bond / np.linalg.norm(bond, axis=-1, keepdims=True)
            placed[..., cap, :] = placed[..., anchor, :] + length * unit
        return placed

    def carry_caps(self, positions: NDArray[np.float64], gradient: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the gradient of what is evaluated where `place_caps` puts the caps, by the chain rule.

        A cap at a + L u, with u the unit vector from its anchor a to the given position and d their distance,
        moves with the given position by L / d (1 - u u^T), and with the anchor by the rest.

        Parameters
        ----------
        positions
            (..., atoms, 3), Angstrom, before the caps are placed.
        gradient
            Of the same shape, the derivatives with respect to the placed atoms.

        Returns
        -------
        The derivatives with respect to the given positions; none of a cap is along its bond.
        """
        carried = np.array(gradient, dtype=np.float64)
        for cap, anchor, length in self.caps:
            bond = positions[..., cap, :] - positions[..., anchor, :]
            distance = np.linalg.norm(bond, axis=-1, keepdims=True)
            unit, on_cap = bond / distance, gradient[..., cap, :]
            along = (unit * on_cap).sum(axis=-1, keepdims=True)
            across = (on_cap - along * unit) * (length / distance)
            carried[..., cap, :] = across
            carried[..., anchor, :] += on_cap - across  # an anchor may have several caps
        return carried


def parse_symmetry(symmetry: str) -> tuple[tuple[tuple[str, int], ...], ...]:
    """Read a symmetry string into blocks of (letter, count).

    Raises
    ------
    InputError
        If it is not of the form ``A1B1C3_D1E2``.
    """
    blocks = []
    for text in symmetry.split("_"):
        if not re.fullmatch(r"([A-Z][1-9][0-9]*)+", text):
            raise InputError(
                f"symmetry '{symmetry}' is not readable; allowed: letters with counts, fragments joined by "
                "'_', for example A1B1C3_D1E2"
            )
        blocks.append(tuple((m[0], int(m[1:])) for m in re.findall(r"[A-Z][0-9]+", text)))
    return tuple(blocks)


def check_symmetry(nmer: NMer) -> None:
    """Raise InputError unless the symmetry fits the fragments' atom counts, elements, and bonds."""
    blocks = parse_symmetry(nmer.symmetry)
    if len(blocks) != len(nmer.fragments):
        raise InputError(
            f"symmetry '{nmer.symmetry}' has {len(blocks)} blocks but the geometry has "
            f"{len(nmer.fragments)} fragments; one block per fragment is allowed"
        )
    for block, fragment in zip(blocks, nmer.fragments, strict=True):
        text = "".join(f"{letter}{count}" for letter, count in block)
        total = sum(count for _, count in block)
        if total != fragment.natoms:
            raise InputError(
                f"symmetry block '{text}' describes {total} atoms but the geometry of fragment "
                f"'{fragment.name}' has {fragment.natoms}; the counts must add up to the atoms"
            )
        neighbours = _neighbour_elements(fragment)
        start = 0
        for letter, count in block:
            atoms = range(start, start + count)
            start += count
            kinds = {(fragment.symbols[a], a in fragment.caps, neighbours[a]) for a in atoms}
            if len(kinds) > 1:
                elements = ", ".join(
                    f"{fragment.symbols[a]}{' (cap)' if a in fragment.caps else ''}" for a in atoms
                )
                raise InputError(
                    f"symmetry block '{text}' gives letter {letter} to unlike atoms of fragment "
                    f"'{fragment.name}' ({elements}); only atoms of one element, alike in their bonds and "
                    "all or none of them caps, may share a letter"
                )


def _neighbour_elements(fragment: Fragment) -> list[tuple[str, ...]]:
    """Sorted elements bonded to each atom."""
    bonded: dict[int, list[str]] = defaultdict(list)
    for i, j in fragment.bonds:
        bonded[i].append(fragment.symbols[j])
        bonded[j].append(fragment.symbols[i])
    return [tuple(sorted(bonded[a])) for a in range(fragment.natoms)]
