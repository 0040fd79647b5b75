"""Geometries for the parameters of V_phys: conformations with their torsions held, relaxed by MMFF94."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from recipes.chemistry.molecules import Molecule

SEED = 2025

FOLDS = {"alpha": (-57.0, -47.0), "extended": (-140.0, 135.0), "3-10": (-49.0, -26.0), "PPII": (-75.0, 145.0)}
"""Torsions phi and psi of the folds that a peptide's first geometries have, degrees."""

PEPTIDE = "[CX3](=O)[NX3][CX4][CX3](=O)[NX3]"
TORSION = "[!D1]~[!D1]-&!@[!D1]~[!D1]"

DIGITS = 5
"""Digits of positions, Angstrom: what is written is what was computed."""

STEPS = 500
"""Largest number of MMFF94's steps."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """One geometry of a molecule.

    Attributes
    ----------
    name
        Of the molecule and the geometry, for example ``AceAlaNme alpha``.
    molecule
        The molecule.
    positions
        (atoms, 3), Angstrom.
    source
        How it was made.
    """

    name: str
    molecule: Molecule
    positions: Floats
    source: str


def conformations(molecule: Molecule, count: int, seed: int = SEED) -> list[Geometry]:
    """Return geometries of a molecule: for a peptide `FOLDS` first, then those of distance geometry.

    Torsions about bonds that are not in rings are held within 10 degrees, and the rest is relaxed by MMFF94: a
    fold's name says where its geometry began. The same
    seed gives the same geometries.

    Parameters
    ----------
    molecule
        The molecule, from SMILES or the name of a chain; one from a file has the geometry of the file only.
    count
        How many.
    seed
        Of the distance geometry.

    Raises
    ------
    InputError
        If no geometry is found.
    """
    if not molecule.smiles:
        if molecule.positions is None:
            raise InputError(f"molecule '{molecule.name}' has neither SMILES nor a geometry; give a file with one")
        return [Geometry(molecule.name, molecule, np.array(molecule.positions), "the file's")]
    from rdkit import Chem, rdBase
    from rdkit.Chem import AllChem, rdMolTransforms

    mol = Chem.AddHs(Chem.MolFromSmiles(molecule.smiles))
    residues = mol.GetSubstructMatches(Chem.MolFromSmarts(PEPTIDE))
    folds = list(FOLDS)[:count] if residues else []
    held = mol.GetSubstructMatches(Chem.MolFromSmarts(TORSION))
    settings = AllChem.ETKDGv3()
    settings.randomSeed, settings.numThreads, settings.useRandomCoords = seed, 1, molecule.natoms > 60
    with rdBase.BlockLogs():
        if not (made := list(AllChem.EmbedMultipleConfs(mol, count, settings))):
            raise InputError(f"no geometry of '{molecule.name}' was found; give a file with one")
        found = []
        for number, conformer in enumerate(made[: 1 if not held else count]):
            fold = folds[number] if number < len(folds) else ""
            phi, psi = FOLDS.get(fold, (0.0, 0.0))
            for carbon, _, nitrogen, alpha, end, _, after in residues if fold else ():
                place = mol.GetConformer(conformer)
                rdMolTransforms.SetDihedralDeg(place, carbon, nitrogen, alpha, end, phi)
                rdMolTransforms.SetDihedralDeg(place, nitrogen, alpha, end, after, psi)
            relaxed = _relax(mol, conformer, held)
            source = f"{fold or f'ETKDGv3, seed {seed}, conformer {number}'}; {relaxed}"
            place = mol.GetConformer(conformer).GetPositions()
            positions = np.round(place - place.mean(axis=0), DIGITS)
            found.append(Geometry(f"{molecule.name} {fold or number + 1}", molecule, positions, source))
    return found


def _relax(mol: Any, conformer: int, held: Any) -> str:
    """Relax a conformer with torsions held within 10 degrees; return in words what was done."""
    from rdkit.Chem import AllChem, rdMolTransforms

    if not AllChem.MMFFHasAllMoleculeParams(mol):
        return "not relaxed, MMFF94 has no parameters for it"
    place = mol.GetConformer(conformer)
    forces = AllChem.MMFFGetMoleculeForceField(mol, AllChem.MMFFGetMoleculeProperties(mol), confId=conformer)
    for torsion in held:
        angle = rdMolTransforms.GetDihedralDeg(place, *torsion)
        forces.MMFFAddTorsionConstraint(*torsion, False, angle - 10, angle + 10, 20.0)
    forces.Initialize()
    forces.Minimize(maxIts=STEPS)
    return "MMFF94" + (", torsions held within 10 degrees" if held else "")
