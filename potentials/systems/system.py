"""A system: any number of molecules in any order, with their bonds, in vacuum or in a periodic cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from ase.data import atomic_numbers, covalent_radii

from potentials.arrays import Floats, Ints
from potentials.compiled import njit
from potentials.errors import InputError
from potentials.graph import members, neighbours
from potentials.neighbours import check_cutoff, nearest_images, pairs_within
from potentials.systems.cell import Cell

LONGEST_BOND = 1.6
"""A bond that is longer than this times the sum of the covalent radii is torn."""

NEAREST = 0.5
"""Atoms are in one place if they are nearer than this times the sum of their covalent radii."""

NEVER_ALONE = ("H", "B", "C", "N", "O", "Si", "P", "S")
"""Elements whose atoms are bonded to others; a lone one shows that bonds are missing."""

MOST_NAMED = 8
"""Largest number of atoms that a message lists."""


@dataclass(frozen=True, eq=False)
class System:
    """Molecules with their geometry.

    Attributes
    ----------
    symbols
        Element of each atom.
    positions
        (atoms, 3), Angstrom, read-only. In a cell each atom may be in any image.
    bonds
        Pairs of atoms i < j, counted from 0, in ascending order.
    cell
        The periodic cell, which repeats along all three vectors; None in vacuum.
    name
        What it is called in messages.

    Raises
    ------
    InputError
        If numbers of atoms differ, a bond is between atoms that do not exist, the cell repeats along some of its
        vectors only, an atom is bonded to nothing that never is alone, a bond is torn, or two atoms are in one
        place.
    """

    symbols: tuple[str, ...]
    positions: Floats
    bonds: tuple[tuple[int, int], ...]
    cell: Cell | None = None
    name: str = "system"

    def __post_init__(self) -> None:
        positions = np.array(self.positions, dtype=np.float64)
        positions.flags.writeable = False
        bonds = tuple(sorted({(min(int(i), int(j)), max(int(i), int(j))) for i, j in self.bonds}))
        for field, value in (("symbols", tuple(self.symbols)), ("positions", positions), ("bonds", bonds)):
            object.__setattr__(self, field, value)
        n = self.natoms
        if not n:
            raise InputError(f"{self.name} has no atoms")
        if positions.shape != (n, 3):
            raise InputError(
                f"{self.name} has {n} atoms and positions of shape {positions.shape}; allowed: ({n}, 3)"
            )
        if unknown := [s for s in self.symbols if not 1 <= atomic_numbers.get(s, 0) <= 118]:
            raise InputError(f"{self.name}: {unknown[0]!r} is not an element")
        if not np.isfinite(positions).all():
            atom = int(np.flatnonzero(~np.isfinite(positions).all(axis=1))[0])
            raise InputError(f"{self.name}: the position of {self.atom(atom)} is not finite")
        if wrong := [bond for bond in bonds if not 0 <= bond[0] < bond[1] < n]:
            raise InputError(f"{self.name}: the bond {wrong[0]} is not between two of its {n} atoms, from 0")
        if self.cell is not None and not all(self.cell.periodic):
            raise InputError(f"{self.name}: the cell must repeat along all three of its vectors, or there is none")
        self._check_lone()
        self._check_bonds()
        self._check_places()

    @property
    def natoms(self) -> int:
        """Number of atoms."""
        return len(self.symbols)

    @property
    def vectors(self) -> Floats | None:
        """The cell's vectors, (3, 3), Angstrom, one a row; None in vacuum."""
        return None if self.cell is None else np.array(self.cell.vectors, dtype=np.float64)

    @cached_property
    def molecules(self) -> tuple[tuple[int, ...], ...]:
        """The atoms of each molecule in ascending order; molecules in the order of their first atoms."""
        return members(self.natoms, self.bonds)

    @cached_property
    def tree(self) -> BondTree:
        """The bonds along which molecules are made whole."""
        return BondTree.of(self.natoms, self.bonds)

    def atom(self, number: int) -> str:
        """Return the name of an atom in messages: its element and its number, counted from 0."""
        return f"{self.symbols[number]}{number}"

    def whole(self) -> System:
        """Return the system with every molecule whole; the first atom of each stays where it is.

        Raises
        ------
        InputError
            If a molecule is bonded to its own image.
        """
        if self.cell is None:
            return self
        positions = self.tree.whole(self.positions, self.vectors)
        if self.bonds:
            i, j = np.array(self.bonds).T
            apart = positions[i] - positions[j]
            through = np.abs(apart - nearest_images(apart, self.vectors)).max(axis=1) > 1e-6
            if through.any():
                one, other = self.bonds[int(through.argmax())]
                raise InputError(
                    f"{self.name}: the molecule of {self.atom(one)} and {self.atom(other)} is bonded to its own "
                    "image"
                )
        return replace(self, positions=positions)

    def _check_lone(self) -> None:
        bonded = {a for bond in self.bonds for a in bond}
        lone = [a for a, symbol in enumerate(self.symbols) if symbol in NEVER_ALONE and a not in bonded]
        if lone:
            named = ", ".join(self.atom(a) for a in lone[:MOST_NAMED])
            more = f" and {len(lone) - MOST_NAMED} more" if lone[MOST_NAMED:] else ""
            raise InputError(
                f"{self.name}: {named}{more} (counted from 0) belong to no molecule: they have no bonds; allowed: "
                f"bonds for every {', '.join(NEVER_ALONE[:-1])} and {NEVER_ALONE[-1]}"
            )

    def _check_bonds(self) -> None:
        if not self.bonds:
            return
        i, j = np.array(self.bonds).T
        apart = self.positions[i] - self.positions[j]
        lengths = np.linalg.norm(apart if self.cell is None else self.cell.nearest(apart)[0], axis=1)
        radii = self._radii
        allowed = LONGEST_BOND * (radii[i] + radii[j])
        if (lengths > allowed).any():
            worst = int((lengths / allowed).argmax())
            one, other = (self.atom(a) for a in self.bonds[worst])
            image = "" if self.cell is None else " at their nearest images"
            raise InputError(
                f"{self.name}: the bond of {one} and {other} (counted from 0) is torn: they are "
                f"{lengths[worst]:.2f} A apart{image}; allowed: up to {allowed[worst]:.2f} A"
            )

    def _check_places(self) -> None:
        radii = self._radii
        i, j = pairs_within(self.positions, self.vectors, 2 * NEAREST * float(radii.max()))
        lengths = np.linalg.norm(nearest_images(self.positions[i] - self.positions[j], self.vectors), axis=1)
        same = np.flatnonzero(lengths < NEAREST * (radii[i] + radii[j]))
        if len(same):
            first = same[0]
            raise InputError(
                f"{self.name}: {self.atom(int(i[first]))} and {self.atom(int(j[first]))} (counted from 0) are "
                f"{lengths[first]:.2f} A apart, which is one place; allowed: "
                f"{NEAREST * float(radii[i[first]] + radii[j[first]]):.2f} A or more"
            )

    @cached_property
    def _radii(self) -> Floats:
        return np.asarray(covalent_radii[[atomic_numbers[s] for s in self.symbols]], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class BondTree:
    """The order in which atoms are put next to those that they are bonded to.

    Attributes
    ----------
    atoms, parents
        Every atom but the first of each molecule, and the bonded atom that is placed before it, which is nearer to
        the molecule's first atom.
    """

    atoms: Ints
    parents: Ints

    @classmethod
    def of(cls, natoms: int, bonds: Sequence[tuple[int, int]]) -> BondTree:
        """Return the tree of given bonds."""
        joined = neighbours(natoms, bonds)
        seen = [False] * natoms
        found: list[tuple[int, int]] = []
        for first in range(natoms):
            edge = [] if seen[first] else [first]
            seen[first] = True
            while edge:
                begin = len(found)
                for a in edge:
                    for b in joined[a]:
                        if not seen[b]:
                            seen[b] = True
                            found.append((b, a))
                edge = [b for b, _ in found[begin:]]
        flat = np.array(found, dtype=np.int64).reshape(-1, 2)
        return cls(flat[:, 0].copy(), flat[:, 1].copy())

    def whole(self, positions: Floats, vectors: Floats | None) -> Floats:
        """Return positions, (..., atoms, 3), with every atom at the image nearest to the one it is bonded to.

        Parameters
        ----------
        positions
            Angstrom.
        vectors
            (3, 3), the cell's vectors, Angstrom, one a row; None: nothing is changed.
        """
        if vectors is None:
            return positions
        placed = np.array(positions, dtype=np.float64, order="C")
        rows = np.ascontiguousarray(vectors, dtype=np.float64)
        _join(placed.reshape(-1, *placed.shape[-2:]), rows, np.linalg.inv(rows), self.atoms, self.parents)
        return placed


@njit(cache=True)  # type: ignore[untyped-decorator]
def _join(placed: Floats, rows: Floats, inverse: Floats, atoms: Ints, parents: Ints) -> None:
    """Move each atom of (m, atoms, 3) to the image nearest to its parent, which comes before it."""
    for m in range(len(placed)):
        for n in range(len(atoms)):
            a, p = atoms[n], parents[n]
            dx = placed[m, a, 0] - placed[m, p, 0]
            dy = placed[m, a, 1] - placed[m, p, 1]
            dz = placed[m, a, 2] - placed[m, p, 2]
            i = np.rint(dx * inverse[0, 0] + dy * inverse[1, 0] + dz * inverse[2, 0])
            j = np.rint(dx * inverse[0, 1] + dy * inverse[1, 1] + dz * inverse[2, 1])
            k = np.rint(dx * inverse[0, 2] + dy * inverse[1, 2] + dz * inverse[2, 2])
            if i != 0.0 or j != 0.0 or k != 0.0:
                for axis in range(3):
                    placed[m, a, axis] -= i * rows[0, axis] + j * rows[1, axis] + k * rows[2, axis]


def check_width(cell: Cell | None, cutoff: float, what: str) -> None:
    """Raise InputError unless a cell is at least twice a cut-off wide; see `check_cutoff`."""
    if cell is not None:
        check_cutoff(cell.vectors, cutoff, what)
