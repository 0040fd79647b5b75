"""Lennard-Jones parameters of atoms in ff14SB, and of water in TIP3P, from the files that OpenMM ships.

V_phys' repulsion takes their R^-12 term. Other molecules have none.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from potentials.errors import InputError, MissingProgramError
from potentials.graph import components
from potentials.nmers.fragment import Fragment
from potentials.units import KCAL_IN_KJ
from recipes.chemistry.molecules import Molecule
from recipes.chemistry.residues import residue_atoms
from recipes.registry import Need

FILES = ("amber14/protein.ff14SB.xml", "amber14/tip3p.xml")

OPENMM = Need("openmm", "pip install 'nmer[run]'")


def lennard_jones(molecule: Molecule) -> tuple[list[tuple[float, float] | None], list[str]]:
    """Return the depth (kcal/mol) and half the distance of the minimum (Angstrom) for each atom.

    Parameters
    ----------
    molecule
        One or several molecules.

    Returns
    -------
    The parameters, None for the atoms of a molecule that ff14SB does not describe, and a sentence for each such
    molecule.

    Raises
    ------
    MissingProgramError
        If openmm is missing.
    """
    if lack := OPENMM.lack():
        raise MissingProgramError(f"ff14SB {lack}")
    number = components(molecule.natoms, molecule.bonds)
    found: list[tuple[float, float] | None] = [None] * molecule.natoms
    remarks: list[str] = []
    for component in range(int(number.max(initial=-1)) + 1):
        atoms = [a for a in range(molecule.natoms) if number[a] == component]
        place = {a: n for n, a in enumerate(atoms)}
        bonds = tuple((place[i], place[j]) for i, j in molecule.bonds if i in place)
        symbols = tuple(molecule.symbols[a] for a in atoms)
        fragment = Fragment(molecule.name, symbols, ((0.0, 0.0, 0.0),) * len(atoms), bonds)
        try:
            named = _named(fragment)
        except InputError:
            remarks.append(f"{molecule.name}: ff14SB does not describe it, so it has no repulsion")
            continue
        for a in atoms:
            found[a] = _parameters(*named[place[a]])
    return found, remarks


def _named(fragment: Fragment) -> dict[int, tuple[str, str]]:
    """Return the residue and the name of each atom; raises InputError for other molecules."""
    if sorted(fragment.symbols) == ["H", "H", "O"]:
        return {a: ("HOH", "O" if symbol == "O" else "H1") for a, symbol in enumerate(fragment.symbols)}
    return residue_atoms(fragment, "Lennard-Jones")


@cache
def _force_field() -> Any:
    from openmm import app

    return app.ForceField(*FILES)


@cache
def _parameters(residue: str, name: str) -> tuple[float, float]:
    force_field = _force_field()
    (atom,) = [a for a in force_field._templates[residue].atoms if a.name == name]
    (generator,) = [g for g in force_field.getGenerators() if type(g).__name__ == "NonbondedGenerator"]
    values = generator.params.paramsForType[atom.type]
    depth = float(values["epsilon"]) / KCAL_IN_KJ
    return depth, 10 * float(values["sigma"]) * 2 ** (1 / 6) / 2 if depth else 0.0
