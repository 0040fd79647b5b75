"""Conformations of a molecule: folds of a peptide, or geometries of distance geometry, relaxed by MMFF94."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.graph import distances
from recipes.chemistry.molecules import Molecule

BASINS = {
    "alpha": (-63.0, -42.0),
    "3-10": (-60.0, -26.0),
    "extended": (-155.0, 155.0),
    "ppii": (-70.0, 145.0),
    "c7": (-80.0, 70.0),
    "beta": (-120.0, 130.0),
}
"""phi and psi of each fold, degrees."""

MIXED = "mixed"
"""A fold whose residues have basins drawn at random."""

OTHER = "other"
"""The fold of a molecule without residues."""

RESIDUE = "[CX3](=O)[NX3]-;!@[CX4]-;!@[CX3](=O)[NX3]"
AMIDE = "O=C-;!@[NX3H1][CX4]"

JITTER = 5.0
"""Standard deviation of a torsion, degrees."""

HOLD = 1.0
"""Force constant of a held torsion, kcal/mol/degree^2; with 1000 MMFF94's minimizer ends in clashes."""

NEAREST = 1.7
"""Atoms four or more bonds apart are no nearer in a conformation, Angstrom."""

TRIES = 100
"""Geometries in a row with nearer atoms, after which there is an error."""

Torsion = tuple[tuple[int, ...], float]


def conformations(molecule: Molecule, seed: int) -> Iterator[tuple[str, Floats]]:
    """Yield conformations of a molecule without end: the fold, and the geometry, (atoms, 3), Angstrom.

    A peptide has the folds of `BASINS` in turn and `MIXED`. Its torsions phi and psi, with a normal deviation of
    `JITTER`, and trans amides are held, and the rest is relaxed by MMFF94 (Halgren, J. Comput. Chem. 17, 490
    (1996)). A molecule without residues has geometries of distance geometry, each of another seed, relaxed by
    MMFF94. The same seed gives the same conformations.

    Parameters
    ----------
    molecule
        The molecule, read from SMILES or the name of a chain.
    seed
        Seed of the deviations, of mixed folds, and of the distance geometry.

    Raises
    ------
    InputError
        If the molecule was not read from SMILES, MMFF94 has no parameters for it, or `TRIES` geometries in a row
        have atoms nearer than `NEAREST`.
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem import AllChem

    start = np.array(molecule.embedded().positions)
    mol = Chem.AddHs(Chem.MolFromSmiles(molecule.smiles))
    mol.AddConformer(Chem.Conformer(mol.GetNumAtoms()))
    with rdBase.BlockLogs():
        if not AllChem.MMFFHasAllMoleculeParams(mol):
            raise InputError(f"conformations of '{molecule.name}' cannot be relaxed: MMFF94 lacks its parameters")
    residues = mol.GetSubstructMatches(Chem.MolFromSmarts(RESIDUE))
    amides = mol.GetSubstructMatches(Chem.MolFromSmarts(AMIDE)) if residues else ()
    apart = distances(molecule.natoms, molecule.bonds) >= 4
    rng, failed = np.random.default_rng(seed), 0
    for fold in itertools.cycle([*BASINS, MIXED] if residues else [OTHER]):
        if not residues:
            start = np.array(molecule.embedded(int(rng.integers(1, 2**31))).positions)
        held: list[Torsion] = [(amide, 0.0) for amide in amides]
        for carbon, _, nitrogen, alpha, end, _, after in residues:
            phi, psi = BASINS.get(fold) or list(BASINS.values())[rng.integers(len(BASINS))]
            held.append(((carbon, nitrogen, alpha, end), phi + rng.normal(scale=JITTER)))
            held.append(((nitrogen, alpha, end, after), psi + rng.normal(scale=JITTER)))
        x = _relaxed(mol, start, held)
        near = np.linalg.norm(x[:, None] - x[None, :], axis=2)[apart].min(initial=np.inf)
        failed = 0 if near > NEAREST else failed + 1
        if failed == TRIES:
            raise InputError(
                f"no conformation of '{molecule.name}' was found in {TRIES} geometries: atoms are nearer than "
                f"{NEAREST:g} A"
            )
        if not failed:
            yield fold, x


def _relaxed(mol: Any, start: Floats, held: list[Torsion]) -> Floats:
    """Return a geometry with torsions (degrees) set and held, the rest relaxed by MMFF94."""
    from rdkit.Chem import AllChem, rdMolTransforms

    place = mol.GetConformer()
    place.SetPositions(start)
    for torsion, angle in held:
        rdMolTransforms.SetDihedralDeg(place, *torsion, angle)
    field = AllChem.MMFFGetMoleculeForceField(mol, AllChem.MMFFGetMoleculeProperties(mol))
    for torsion, angle in held:
        field.MMFFAddTorsionConstraint(*torsion, False, angle, angle, HOLD)
    for _ in range(20):
        if field.Minimize(maxIts=500) == 0:
            break
    return np.array(place.GetPositions())
