"""Molecules whose geometries parameters of V_phys are derived from, and how many of each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from potentials.errors import InputError
from recipes.chemistry.molecules import CHAIN, Molecule, chain, from_smiles, read_molecule
from recipes.chemistry.species import WATER_SMILES
from recipes.families import FAMILIES
from recipes.load import load_recipe, shipped_recipes

LARGEST = 60
"""Largest molecule whose density is computed, atoms; a density of 32 atoms takes minutes."""

CONFORMATIONS = 5
"""Geometries of a molecule with torsions, of which the density is computed."""

XTB_CONFORMATIONS = 20
"""Geometries of a molecule with torsions, of which GFN2-xTB's dipole is computed."""


@dataclass(frozen=True)
class Sample:
    """A molecule and the number of its geometries.

    Attributes
    ----------
    molecule
        The molecule.
    densities
        Number of geometries whose density is computed; a molecule without torsions has one.
    dipoles
        The same for GFN2-xTB's dipoles.
    """

    molecule: Molecule
    densities: int = CONFORMATIONS
    dipoles: int = XTB_CONFORMATIONS


def samples(molecules: Sequence[Molecule]) -> tuple[Sample, ...]:
    """Return what parameters of some molecules are derived from; a chain is represented by short ones.

    The type of an atom depends on its 1-mer and at most one neighbour, so that N-methylacetamide and Ace-X-Nme of
    each residue X have the types of any chain.

    Raises
    ------
    InputError
        If a molecule is larger than `LARGEST` and not given by the name of a chain.
    """
    found: dict[str, Sample] = {}
    for molecule in molecules:
        if CHAIN.fullmatch(molecule.name):
            for sample in _of_chain(molecule.name):
                found.setdefault(sample.molecule.name, sample)
        elif molecule.natoms > LARGEST:
            raise InputError(
                f"molecule '{molecule.name}' has {molecule.natoms} atoms; densities are computed "
                f"of up to {LARGEST}; give smaller molecules with the same 1-mers"
            )
        else:
            found.setdefault(molecule.name, Sample(molecule))
    return tuple(found.values())


def read_samples(texts: Sequence[str]) -> tuple[Sample, ...]:
    """Return what parameters are derived from, for names that a user gives.

    Parameters
    ----------
    texts
        Each the name of a family, the name or file of a recipe without caps, the name of a chain, SMILES, or a
        file of a molecule.

    Raises
    ------
    InputError
        If one is none of them, or a recipe has caps: they are not atoms.
    """
    found: dict[str, Sample] = {}
    for text in texts:
        if text in FAMILIES:
            own = samples_of_family(text)
        elif text.endswith(".toml") or text in shipped_recipes():
            own = samples(_of_recipe(text))
        else:
            own = samples([read_molecule(text)])
        for sample in own:
            found.setdefault(sample.molecule.name, sample)
    return tuple(found.values())


def _of_recipe(text: str) -> list[Molecule]:
    """Return the molecules of a recipe, with their geometries."""
    nmer = load_recipe(text).build_nmer()
    if nmer.caps:
        raise InputError(
            f"recipe '{text}' has caps, which are not atoms; give the molecule that it was cut from, or the family"
        )
    return [Molecule(f.name, f.symbols, f.bonds, f.positions, f.charge) for f in nmer.fragments]


def samples_of_family(name: str) -> tuple[Sample, ...]:
    """Return what the parameters of a family of recipes are derived from.

    Raises
    ------
    InputError
        If there is no such family.
    """
    if name not in FAMILIES:
        raise InputError(f"family '{name}' is unknown; allowed: {', '.join(FAMILIES)}")
    return samples([chain("AceAla3Nme"), replace(from_smiles(WATER_SMILES), name="water")])


def _of_chain(name: str) -> list[Sample]:
    """Return the short chains with the residues of a chain, and N-methylacetamide."""
    residues = list(dict.fromkeys(re.findall(r"[A-Z][a-z]{2}", name.removeprefix("Ace").removesuffix("Nme"))))
    found = [Sample(replace(from_smiles("CC(=O)NC"), name="N-methylacetamide"), 1, 0)]
    for residue in residues:
        found.append(Sample(chain(f"Ace{residue}Nme"), CONFORMATIONS, 0))
    found.append(Sample(chain(f"Ace{residues[0]}2Nme"), 2, 0))
    for residue in residues:
        found += [Sample(chain(f"Ace{residue}{n}Nme"), 0, count) for n, count in ((3, 17), (4, 17), (5, 16))]
    return found
