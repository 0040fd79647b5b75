"""Force fields: a module of ``tasks/sampling/force_fields`` declares one by binding a `ForceField` to FORCE_FIELD.

The parameters of an n-mer are those of its fragments; water has its own model in every force field.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from recipes.registry import Registry
from recipes.schema import sampling
from recipes.schema.sampling import AtomType, ForceFieldDeclaration
from tasks.sampling.force_fields.parameters import Conventions, Given, Parameters, combine
from tasks.sampling.force_fields.water import is_water, water_parameters

ForceFunction = Callable[[Floats], tuple[float, Floats]]
"""(atoms, 3) in Angstrom -> energy in kcal/mol and forces (atoms, 3) in kcal/mol/Angstrom."""


@dataclass(frozen=True, kw_only=True)
class ForceField(ForceFieldDeclaration):
    """A force field: either parameters from which LAMMPS computes the forces, or a calculator of its own.

    Attributes
    ----------
    parameters
        Returns the parameters of a fragment other than water, from the fragment and what the recipe gives for its
        atoms; raises InputError if there are no types or parameters.
    conventions
        Mixing rule, 1-4 factors, and form of the torsions; None with a calculator.
    calculator
        Returns the energy and forces of an n-mer as a function; raises InputError if it cannot be used for it.
    """

    parameters: Callable[[Fragment, tuple[Given, ...]], Parameters] | None = None
    conventions: Conventions | None = None
    calculator: Callable[[NMer], ForceFunction] | None = None


FORCE_FIELDS = cast(Registry[ForceField], sampling.FORCE_FIELDS)


def nmer_parameters(nmer: NMer, force_field: str, atom_types: Sequence[AtomType] = ()) -> Parameters:
    """Return the force-field parameters of an n-mer.

    Parameters
    ----------
    nmer
        The n-mer.
    force_field
        A force field that has parameters.
    atom_types
        Types and charges that the recipe gives; those for another force field are ignored.

    Raises
    ------
    InputError
        If the force field has no types or no parameters for a fragment, or its library is missing.
    """
    given = [Given()] * nmer.natoms
    for one in atom_types:
        if one.force_field in (None, force_field):
            for atom in one.atoms:
                given[atom] = Given(one.type, one.charge)
    found = []
    for fragment, atoms in zip(nmer.fragments, nmer.slices, strict=True):
        own = tuple(given[atoms])
        found.append(fragment_parameters(fragment, force_field, own if any(g != Given() for g in own) else ()))
    return combine(found)


@cache
def fragment_parameters(fragment: Fragment, force_field: str, given: tuple[Given, ...] = ()) -> Parameters:
    """Return a fragment's force-field parameters, atoms counted from 0 within it; cached in each process.

    Parameters
    ----------
    fragment
        The fragment.
    force_field
        A force field that has parameters. Water is TIP4P/2005f in each.
    given
        What the recipe gives for each atom; empty if nothing.

    Raises
    ------
    InputError
        If the force field has no types for the fragment, or its library is missing.
    """
    if is_water(fragment):
        if given:
            raise InputError("sampling.atom_types names an atom of water, which is TIP4P/2005f; remove it")
        return water_parameters()
    parameters = FORCE_FIELDS.get(force_field).parameters
    if parameters is None:
        raise InputError(f"sampling.force_field '{force_field}' has no parameters and types")
    return parameters(fragment, given)


def check_force_field(nmer: NMer, force_field: str, atom_types: Sequence[AtomType] = ()) -> None:
    """Raise InputError if a force field cannot be used for an n-mer, before anything runs.

    Parameters
    ----------
    nmer
        The n-mer.
    force_field
        One of the recipe's force fields.
    atom_types
        Types and charges that the recipe gives.
    """
    if (calculator := FORCE_FIELDS.get(force_field).calculator) is not None:
        calculator(nmer)
    else:
        nmer_parameters(nmer, force_field, atom_types)


def choose_force_field(nmer: NMer) -> tuple[str, str]:
    """Return the fastest force field that has parameters for every fragment, and the reason as a sentence.

    All force fields with types have them for the same fragments, so that only the first is tried. GAFF2's types
    and charges come from AmberTools, which is published for conda and not for pip.

    Parameters
    ----------
    nmer
        The n-mer.
    """
    typed = [one.name for one in FORCE_FIELDS if one.typed]
    general = next(one.name for one in FORCE_FIELDS if not one.typed)
    for fragment in nmer.fragments:
        try:
            fragment_parameters(fragment, typed[0])
        except InputError:
            return general, (
                f"{general} because {' and '.join(typed)} have no types for {fragment.name} here, only for "
                "water and pieces of alanine and glycine chains. (GAFF2 would need AmberTools, which pip cannot "
                "install.) It is some hundred times slower, and bonds can break in it."
            )
    water = ", with water as TIP4P/2005f" if any(is_water(f) for f in nmer.fragments) else ""
    return typed[0], f"{typed[0]} because it has types for every atom{water}."
