"""A system from a file, the name of a chain, or SMILES: its molecules, their bonds, and the periodic cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers, covalent_radii

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.neighbours import nearest_images, pairs_within
from potentials.systems.cell import Cell
from potentials.systems.system import LONGEST_BOND, BondTree, System
from recipes.chemistry.molecules import BOND_REACH, FILES, Molecule, read_molecule
from recipes.chemistry.places import lacking_hydrogens
from recipes.chemistry.rdkit_files import OTHERS, bonded_atoms, read_rdkit_file, text_of
from recipes.chemistry.species import WORDS
from recipes.chemistry.system_files import pdb_cell
from recipes.xyz_frames import read_frames

Bonds = tuple[tuple[int, int], ...]


def read_system(text: str | Path, bonds: str | Path | None = None, seed: int = 2025) -> System:
    """Read a system from a user's text: a file, the name of a chain, SMILES, or ``water``.

    Molecules are told by the bonds, so they may be in any order and of any number, whatever their residues are
    called. A PDB file has bonds in CONECT; those that it lacks, and all of an xyz file, follow from the distances,
    in a cell of the nearest images: atoms nearer than 1.2 times the sum of their covalent radii are bonded, and a
    hydrogen to its nearest atom only. The cell is that of CRYST1, or of Lattice in extended xyz.

    Parameters
    ----------
    text
        The path of a .pdb, .xyz, .mol or .sdf file; a name such as ``AceAla9Nme``; SMILES of one molecule; or
        ``water``. Without a file the geometry is one of distance geometry and MMFF94.
    bonds
        A file with the same atoms in the same order whose bonds are taken.
    seed
        Seed of the distance geometry.

    Raises
    ------
    InputError
        If it cannot be read, atoms belong to no molecule, a bond is torn, hydrogens are missing, or two atoms are
        in one place.
    """
    path = Path(text)
    kind = path.suffix.lower()
    if kind not in (*FILES, *OTHERS):
        if bonds is not None:
            raise InputError(f"bonds of '{bonds}' are for a file of positions; '{text}' is none")
        return _embedded(str(text), seed)
    given = None if bonds is None else read_system(bonds, seed=seed)
    if kind == ".xyz":
        frame = next(read_frames(path))
        found = _perceived(path, frame.symbols, frame.positions, frame.cell, (), given)
    elif kind == ".pdb" and path.is_file() and (cell := pdb_cell(path, text_of(path))) is not None:
        mol = read_rdkit_file(path, by_distance=False)
        symbols = tuple(atom.GetSymbol() for atom in mol.GetAtoms())
        positions = np.asarray(mol.GetConformer().GetPositions(), dtype=np.float64)
        found = _perceived(path, symbols, positions, cell, bonded_atoms(mol), given)
    else:
        molecule = read_molecule(str(path))
        if given is not None:
            molecule = replace(molecule, bonds=_same_atoms(path, molecule.symbols, given))
        found = system_of(molecule)
    return found


def system_of(molecule: Molecule) -> System:
    """Return a molecule with a geometry as a system; raises InputError if it has none."""
    if molecule.positions is None:
        raise InputError(f"molecule '{molecule.name}' has no geometry: give a file with one")
    return System(molecule.symbols, np.array(molecule.positions), molecule.bonds, name=molecule.name)


def molecule_of(system: System) -> Molecule:
    """Return a system's atoms and bonds as a `Molecule`, without its geometry."""
    return Molecule(system.name, system.symbols, system.bonds)


def _embedded(text: str, seed: int) -> System:
    """Return a molecule with a geometry, by its name or SMILES."""
    molecule = read_molecule(WORDS.get(text.strip().lower(), text))
    if "." in molecule.smiles:
        raise InputError(f"'{text}' is several molecules without a geometry; give a file with one")
    return replace(system_of(molecule.embedded(seed)), name=text.strip())


def _same_atoms(path: Path, symbols: Sequence[str], given: System) -> Bonds:
    if tuple(symbols) != given.symbols:
        raise InputError(
            f"the bonds of '{given.name}' are of {given.natoms} other atoms than the {len(symbols)} of '{path}'; "
            "allowed: the same elements in the same order"
        )
    return given.bonds


def _perceived(
    path: Path, symbols: Sequence[str], positions: Floats, cell: Cell | None, written: Bonds, given: System | None
) -> System:
    """Return the system of a file whose bonds are given, or are those written and those of the distances."""
    if cell is not None and not all(cell.periodic):
        raise InputError(
            f"file '{path}' has a cell that does not repeat along all three vectors; allowed: all or none"
        )
    vectors = None if cell is None else np.array(cell.vectors, dtype=np.float64)
    if given is not None:
        bonds = _same_atoms(path, symbols, given)
    else:
        bonds = near_bonds(symbols, positions, vectors, written)
        whole = BondTree.of(len(symbols), bonds).whole(positions, vectors)
        if bare := lacking_hydrogens(symbols, whole, bonds):
            raise InputError(f"file '{path}' {bare}")
    return System(tuple(symbols), positions, bonds, cell, name=path.name)


def near_bonds(symbols: Sequence[str], positions: Floats, vectors: Floats | None, written: Bonds = ()) -> Bonds:
    """Return the bonds of atoms by their distances, in addition to those that are known.

    Atoms nearer than `BOND_REACH` times the sum of their covalent radii are bonded. A hydrogen is bonded to the
    atom that is nearest in units of that sum, and to no other; up to `LONGEST_BOND`, so that a stretched bond is
    kept.

    Parameters
    ----------
    symbols
        Element of each atom.
    positions
        (atoms, 3), Angstrom; in a cell each atom may be in any image.
    vectors
        (3, 3), the cell's vectors, Angstrom, one a row; None without a cell.
    written
        Known bonds.
    """
    radii = np.asarray(covalent_radii[[atomic_numbers[s] for s in symbols]], dtype=np.float64)
    hydrogen = np.array([s == "H" for s in symbols])
    known = {a for bond in written for a in bond}
    i, j = pairs_within(positions, vectors, LONGEST_BOND * 2 * float(radii.max()))
    size = np.linalg.norm(nearest_images(positions[i] - positions[j], vectors), axis=1) / (radii[i] + radii[j])
    heavy = ~hydrogen[i] & ~hydrogen[j]
    bonds = {(min(bond), max(bond)) for bond in written}
    bonds |= {
        (int(a), int(b))
        for a, b in zip(i[heavy & (size < BOND_REACH)], j[heavy & (size < BOND_REACH)], strict=True)
    }
    nearest: dict[int, tuple[float, int]] = {}
    for pair in np.flatnonzero(~heavy & (size < LONGEST_BOND)):
        for own, other in ((int(i[pair]), int(j[pair])), (int(j[pair]), int(i[pair]))):
            if hydrogen[own] and own not in known and (own not in nearest or size[pair] < nearest[own][0]):
                nearest[own] = (float(size[pair]), other)
    for own, (_, other) in nearest.items():
        if not hydrogen[other] or nearest.get(other, (0.0, -1))[1] == own:
            bonds.add((min(own, other), max(own, other)))
    return tuple(sorted(bonds))
