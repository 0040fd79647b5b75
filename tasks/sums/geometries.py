"""Geometries of a molecule from a file, checked against its atoms and bonds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers, covalent_radii

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.systems.cell import Cell
from potentials.systems.system import System
from recipes.chemistry.molecules import Molecule
from recipes.chemistry.places import check_places
from recipes.xyz_frames import read_frames

LONGEST_BOND = 1.7
"""Longest bond of a geometry, in sums of the covalent radii: hot bonds are shorter."""

SAME_CELL = 2e-3
"""Largest difference of cell vectors that are the same, Angstrom: a PDB file has three decimals."""


def read_geometries(path: Path, molecule: Molecule, cell: Cell | None = None) -> Iterator[tuple[str, Floats]]:
    """Yield where each frame of an xyz file is, for messages, and its positions, (atoms, 3) in Angstrom.

    Parameters
    ----------
    path
        The file.
    molecule
        Its atoms and bonds; of a system, those of all molecules.
    cell
        The cell of a system.

    Raises
    ------
    InputError
        If the file cannot be read, or a frame is not a geometry of the molecule, or is in another cell.
    """
    for frame in read_frames(path):
        if tuple(frame.symbols) != molecule.symbols:
            raise InputError(f"{frame.where}: the atoms are not those of the molecule, in its order")
        if frame.cell is not None and cell is None:
            raise InputError(f"{frame.where}: the sum is not periodic; allowed: frames without a cell")
        if cell is None:
            check_places(frame.where, molecule.symbols, frame.positions)
            _check_bonds(frame.where, molecule, frame.positions)
        else:
            if frame.cell is not None and np.abs(np.subtract(frame.cell.vectors, cell.vectors)).max() > SAME_CELL:
                raise InputError(
                    f"{frame.where}: its cell is not that of the system; allowed: that, or none written"
                )
            System(molecule.symbols, frame.positions, molecule.bonds, cell, name=frame.where)
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
