"""A molecule from SMILES, from the name of a chain, or from a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.graph import neighbours
from potentials.systems.cell import make_whole
from recipes.chemistry.places import Pair, check_places, lacking_hydrogens, nearer
from recipes.chemistry.rdkit_files import OTHERS, bonded_atoms, implicit_hydrogens, read_rdkit_file
from recipes.xyz_frames import read_frames

RESIDUES = {
    "Ala": "N[C@@H](C)C(=O)",
    "Gly": "NCC(=O)",
    "Val": "N[C@@H](C(C)C)C(=O)",
    "Leu": "N[C@@H](CC(C)C)C(=O)",
    "Ile": "N[C@@H]([C@@H](C)CC)C(=O)",
}
"""Residues that the name of a chain may contain, as SMILES from N to C."""

CHAIN = re.compile(r"Ace((?:[A-Z][a-z]{2}[0-9]*)+)Nme")

LARGEST_CHAIN = 10_000
"""Largest number of residues."""

FILES = (".xyz", ".pdb", ".mol", ".sdf")
"""Suffixes of files that a molecule can be read from."""

CONFORMERS = 10
"""Number of conformers of which the one of the lowest energy is taken."""

BOND_CHANGE = 0.1
"""If MMFF94 changes a bond of ETKDG by more than this, its parameters are not trusted, Angstrom."""

BOND_REACH = 1.2
"""Atoms nearer than this times the sum of their covalent radii are bonded if a file has no bonds."""


@dataclass(frozen=True)
class Molecule:
    """Atoms, bonds, and the geometry if it is known.

    Attributes
    ----------
    name
        What it was read from.
    symbols
        Element of each atom, hydrogens included.
    bonds
        Pairs of atoms, counted from 0, in ascending order.
    positions
        (atoms, 3), Angstrom, as tuples; None where it was read from SMILES or a name.
    charge
        Total charge, e; 0 if the source does not say.
    smiles
        The SMILES it was read or built from, if any.
    """

    name: str
    symbols: tuple[str, ...]
    bonds: tuple[tuple[int, int], ...]
    positions: tuple[tuple[float, float, float], ...] | None = None
    charge: int = 0
    smiles: str = ""

    @property
    def natoms(self) -> int:
        """Number of atoms."""
        return len(self.symbols)

    @cached_property
    def neighbours(self) -> tuple[tuple[int, ...], ...]:
        """The atoms bonded to each atom, in ascending order."""
        return neighbours(self.natoms, self.bonds)

    def atom(self, number: int) -> str:
        """Return the name of an atom in messages: its element and its number, counted from 0."""
        return f"{self.symbols[number]}{number}"

    def embedded(self, seed: int = 2025) -> Molecule:
        """Return the molecule with a geometry from its SMILES: distance geometry, then MMFF94.

        Raises
        ------
        InputError
            If it was not read from SMILES, or no geometry was found.
        """
        if not self.smiles:
            raise InputError(f"molecule '{self.name}' was not read from SMILES: give a file with its geometry")
        mol = _sane(self.smiles, self.name)
        return replace(self, positions=_as_tuples(embed(mol, self.name, seed)))


def read_molecule(text: str) -> Molecule:
    """Read a molecule from a user's text: a file, the name of a chain, or SMILES.

    Parameters
    ----------
    text
        The path of an .xyz, .pdb, .mol, or .sdf file; a name such as ``AceAla9Nme`` or ``AceGly3AlaNme``; or
        SMILES.

    Raises
    ------
    InputError
        If it is none of them, or cannot be read.
    """
    path = Path(text)
    if path.suffix.lower() in (*FILES, *OTHERS):
        return from_file(path)
    return chain(text) if text.startswith("Ace") else from_smiles(text)


def chain(name: str) -> Molecule:
    """Return an Ace-...-Nme chain by its name, with L residues.

    Raises
    ------
    InputError
        If the name is not of that form, or a residue is not in `RESIDUES`.
    """
    example = f"for example AceAla9Nme; residues are {', '.join(RESIDUES)}"
    match = CHAIN.fullmatch(name)
    if not match:
        raise InputError(f"chain '{name}' is not of the form Ace...Nme, {example}")
    residues: list[str] = []
    for residue, count in re.findall(r"([A-Z][a-z]{2})([0-9]*)", match[1]):
        if residue not in RESIDUES:
            raise InputError(f"chain '{name}': residue '{residue}' is unknown, {example}")
        if len(count) > 6 or not 1 <= len(residues) + int(count or 1) <= LARGEST_CHAIN or count == "0":
            raise InputError(f"chain '{name}' must have 1 to {LARGEST_CHAIN} residues")
        residues += [RESIDUES[residue]] * int(count or 1)
    return replace(from_smiles(f"CC(=O){''.join(residues)}NC"), name=name)


def from_smiles(smiles: str) -> Molecule:
    """Return a molecule from SMILES: its atoms in their order, then the implicit hydrogens.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    from rdkit import Chem

    mol = _sane(smiles, smiles)
    return replace(_of(mol, smiles), charge=Chem.GetFormalCharge(mol), smiles=smiles)


def from_file(path: Path) -> Molecule:
    """Return a molecule from a file: bonds from the file if it has any, else from distances.

    Raises
    ------
    InputError
        If the file does not exist or cannot be read.
    """
    kind = path.suffix.lower()
    if kind not in FILES:
        what = f" ({OTHERS[kind]})" if kind in OTHERS else ""
        raise InputError(
            f"file '{path}'{what} must be one of {', '.join(FILES)}; convert it, for example with: "
            "obabel FILE -O FILE.pdb"
        )
    if not path.is_file():
        why = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"file '{path}' {why}; allowed: {', '.join(FILES)}, the name of a chain, or SMILES")
    if kind == ".xyz":
        found = _from_distances(path)
        bare: list[int] = []
    else:
        mol = read_rdkit_file(path)
        found = replace(
            _of(mol, path.name),
            positions=_as_tuples(mol.GetConformer().GetPositions()),
            charge=sum(atom.GetFormalCharge() for atom in mol.GetAtoms()),
        )
        if kind == ".pdb":
            found, bare = _with_hydrogens_bonded(found), []
        else:
            bare = implicit_hydrogens(mol)
    _check_file(path, found, bare)
    return found


def _with_hydrogens_bonded(molecule: Molecule) -> Molecule:
    """Return a molecule in which each unbonded hydrogen is bonded to the nearest atom within reach.

    rdkit bonds the hydrogens of known residues, and otherwise only those in CONECT records.
    """
    lone = {a for a, near in enumerate(molecule.neighbours) if molecule.symbols[a] == "H" and not near}
    positions = np.array(molecule.positions)
    nearest: dict[int, Pair] = {}
    for pair in nearer(molecule.symbols, positions, BOND_REACH) if lone else ():
        for own, other in ((pair.i, pair.j), (pair.j, pair.i)):
            if own in lone and other not in lone and (own not in nearest or pair.distance < nearest[own].distance):
                nearest[own] = pair
    return replace(molecule, bonds=tuple(sorted({*molecule.bonds, *((p.i, p.j) for p in nearest.values())})))


def _check_file(path: Path, molecule: Molecule, bare: list[int]) -> None:
    """Raise InputError if atoms of a file coincide, or hydrogens are missing."""
    positions = np.array(molecule.positions)
    check_places(f"file '{path}'", molecule.symbols, positions)
    if lack := lacking_hydrogens(molecule.symbols, positions, molecule.bonds, bare):
        raise InputError(f"file '{path}' {lack}")


def embed(mol: Any, name: str, seed: int) -> Floats:
    """Return a geometry of an rdkit molecule that has its hydrogens, (atoms, 3), Angstrom: ETKDG, then MMFF94.

    Raises
    ------
    InputError
        If none was found.
    """
    from rdkit.Chem import AllChem

    for random in (False, True):
        settings = AllChem.ETKDGv3()
        settings.randomSeed, settings.useRandomCoords = seed, random
        if AllChem.EmbedMolecule(mol, settings) == 0:
            AllChem.MMFFOptimizeMolecule(mol, maxIters=2000)
            return np.asarray(mol.GetConformer().GetPositions(), dtype=np.float64)
    raise InputError(f"no geometry of '{name}' was found; give a file with one")


def lowest_conformer(molecule: Molecule, seed: int = 2025) -> tuple[Floats, bool]:
    """Return a geometry of a molecule read from SMILES, (atoms, 3), Angstrom, and whether MMFF94 describes it.

    It is the lowest of `CONFORMERS` ETKDG geometries, each optimized by MMFF94. If MMFF94 has no parameters, or
    only generic ones as for CO2, whose bonds become 1.405 A, it is the first ETKDG geometry.

    Parameters
    ----------
    molecule
        The molecule.
    seed
        Seed of the distance geometry.

    Raises
    ------
    InputError
        If none was found.
    """
    from rdkit import rdBase
    from rdkit.Chem import AllChem

    if molecule.natoms == 1:
        return np.zeros((1, 3)), True
    mol = _sane(molecule.smiles, molecule.name)
    settings = AllChem.ETKDGv3()
    settings.randomSeed, settings.numThreads = seed, 1
    with rdBase.BlockLogs():
        every = list(AllChem.EmbedMultipleConfs(mol, CONFORMERS, settings))
        known = bool(AllChem.MMFFHasAllMoleculeParams(mol))
        if not every:
            raise InputError(f"no geometry of '{molecule.name}' was found from its SMILES '{molecule.smiles}'")
        first = np.asarray(mol.GetConformer(every[0]).GetPositions(), dtype=np.float64)
        if not known:
            return first, False
        energies = [e for _, e in AllChem.MMFFOptimizeMoleculeConfs(mol, numThreads=1, maxIters=5000)]
    best = every[int(np.argmin(np.round(energies, 4)))]  # the first of equal ones
    lowest = np.asarray(mol.GetConformer(best).GetPositions(), dtype=np.float64)
    i, j = np.array(molecule.bonds).T
    lengths = [np.linalg.norm(x[i] - x[j], axis=1) for x in (first, lowest)]
    if np.abs(lengths[1] - lengths[0]).max() > BOND_CHANGE:
        return first, False
    return lowest, True


def _sane(smiles: str, name: str) -> Any:
    """Return an rdkit molecule with its hydrogens."""
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles.strip()) if smiles.strip() else None
    if mol is None or not mol.GetNumAtoms() or any(a.GetAtomicNum() == 0 for a in mol.GetAtoms()):
        raise InputError(
            f"'{name}' is neither SMILES nor the name of a chain nor a file ({', '.join(FILES)}); examples: "
            "CC(=O)NC, AceAla9Nme, chain.pdb"
        )
    return Chem.AddHs(mol)


def _of(mol: Any, name: str) -> Molecule:
    """Return an rdkit molecule as a `Molecule`; raises InputError if an atom has an isotope label."""
    named = [a for a in mol.GetAtoms() if a.GetIsotope()]
    if named:
        raise InputError(
            f"'{name}' has the isotope {named[0].GetIsotope()}{named[0].GetSymbol()}; isotopes are not supported: "
            "leave the mass number out, since energies do not depend on masses"
        )
    return Molecule(name, tuple(a.GetSymbol() for a in mol.GetAtoms()), bonded_atoms(mol))


def _from_distances(path: Path) -> Molecule:
    """Return the molecule of the first frame of an xyz file, made whole if it crosses the faces of a cell."""
    from ase.data import atomic_numbers, covalent_radii

    frame = next(read_frames(path))
    positions = frame.positions
    if frame.cell is not None:
        radii = covalent_radii[[atomic_numbers[s] for s in frame.symbols]]
        try:
            positions = make_whole(positions[None], radii, [len(frame.symbols)], frame.cell)[0][0]
        except InputError as error:
            raise InputError(f"{frame.where}: {error}; write it whole, without a Lattice") from None
    return Molecule(path.name, frame.symbols, bonds_of(frame.symbols, positions), _as_tuples(positions))


def bonds_of(symbols: Sequence[str], positions: Floats) -> tuple[tuple[int, int], ...]:
    """Return the bonds of a molecule, by its interatomic distances (atoms, 3) in Angstrom."""
    from ase import Atoms
    from ase.neighborlist import natural_cutoffs, neighbor_list

    atoms = Atoms(symbols, positions)
    first, second = neighbor_list("ij", atoms, natural_cutoffs(atoms, mult=BOND_REACH))
    return tuple(sorted((int(i), int(j)) for i, j in zip(first, second, strict=True) if i < j))


def _as_tuples(positions: Floats) -> tuple[tuple[float, float, float], ...]:
    return tuple((float(x), float(y), float(z)) for x, y, z in positions)
