"""Geometries of a molecule from a file, checked against its atoms and bonds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers, covalent_radii

from potentials.arrays import Floats
from potentials.errors import InputError
from recipes.chemistry.molecules import Molecule
from recipes.chemistry.places import check_places
from recipes.xyz_frames import read_frames

LONGEST_BOND = 1.7
"""Longest bond of a geometry, in sums of the covalent radii: hot bonds are shorter."""


def read_geometries(path: Path, molecule: Molecule) -> Iterator[tuple[str, Floats]]:
    """Yield where each frame of an xyz file is, for messages, and its positions, (atoms, 3) in Angstrom.

    Raises
    ------
    InputError
        If the file cannot be read, or a frame is not a geometry of the molecule in vacuum.
    """
    for frame in read_frames(path):
        if tuple(frame.symbols) != molecule.symbols:
            raise InputError(f"{frame.where}: the atoms are not those of the molecule, in its order")
        if frame.cell is not None:
            raise InputError(f"{frame.where}: the sum is not periodic; allowed: frames without a cell")
        check_places(frame.where, molecule.symbols, frame.positions)
        _check_bonds(frame.where, molecule, frame.positions)
        yield frame.where, frame.positions


def _check_bonds(where: str, molecule: Molecule, positions: Floats) -> None:
    """Raise InputError if a bond is torn: most likely the atoms are in another order."""
    for i, j in molecule.bonds:
        allowed = LONGEST_BOND * sum(float(covalent_radii[atomic_numbers[molecule.symbols[a]]]) for a in (i, j))
        length = float(np.linalg.norm(positions[i] - positions[j]))
        if length > allowed:
            raise InputError(
                f"{where}: {molecule.atom(i)} and {molecule.atom(j)} (counted from 0), bonded in {molecule.name}, "
                f"are {length:.2f} A apart; allowed: up to {allowed:.2f} A, and the atoms in the molecule's order"
            )
