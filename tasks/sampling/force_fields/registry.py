"""The force-field terms of a fragment: water's own model, or those of the force field the recipe names.

GFN2-xTB has no terms: `tasks.xtb` computes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from potentials.errors import InputError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from recipes.schema.sampling import AtomType
from tasks.sampling.force_field import FORCE_FIELDS
from tasks.sampling.force_fields.terms import Given, Terms, combine
from tasks.sampling.force_fields.water import is_water, water_terms


def nmer_terms(nmer: NMer, force_field: str, atom_types: Sequence[AtomType] = ()) -> Terms:
    """Return the force-field terms of an n-mer.

    Parameters
    ----------
    nmer
        The n-mer.
    force_field
        A force field that has terms.
    atom_types
        Types and charges that the recipe gives; those for another force field are left out.

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
    parts = []
    for fragment, where in zip(nmer.fragments, nmer.slices, strict=True):
        own = tuple(given[where])
        parts.append(fragment_terms(fragment, force_field, own if any(g != Given() for g in own) else ()))
    return combine(parts)


@cache
def fragment_terms(fragment: Fragment, force_field: str = "ff14SB", given: tuple[Given, ...] = ()) -> Terms:
    """Return a fragment's force-field terms, atoms counted from 0 within it; found once a process.

    Parameters
    ----------
    fragment
        The fragment.
    force_field
        A force field that has terms. Water is TIP4P/2005f in each.
    given
        What the recipe says of each atom; empty if nothing.

    Raises
    ------
    InputError
        If the force field has no types for the fragment, or its library is missing.
    """
    if is_water(fragment):
        if given:
            raise InputError("sampling.atom_types names an atom of water, which is TIP4P/2005f; leave it out")
        return water_terms()
    terms = FORCE_FIELDS.get(force_field).terms
    if terms is None:
        raise InputError(f"sampling.force_field '{force_field}' has no terms and types")
    return terms(fragment, given)


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
    calculator = FORCE_FIELDS.get(force_field).calculator
    if calculator is not None:
        calculator(nmer)
    else:
        nmer_terms(nmer, force_field, atom_types)


def choose_force_field(nmer: NMer) -> tuple[str, str]:
    """Return the quickest force field that knows every fragment, and why: a sentence.

    Those with types have them for the same fragments here, so that only the first is tried. GAFF2's types and
    charges come from AmberTools, which its makers publish for conda and not for pip.

    Parameters
    ----------
    nmer
        The n-mer.
    """
    typed = [one.name for one in FORCE_FIELDS if one.typed]
    general = next(one.name for one in FORCE_FIELDS if not one.typed)
    for fragment in nmer.fragments:
        try:
            fragment_terms(fragment, typed[0])
        except InputError:
            return general, (
                f"{general} because {' and '.join(typed)} have no types for {fragment.name} here, only for "
                "water and pieces of alanine and glycine chains. (GAFF2 would need AmberTools, which is not made "
                "for pip.) It is some hundred times slower, and bonds can break in it."
            )
    water = ", with water as TIP4P/2005f" if any(is_water(f) for f in nmer.fragments) else ""
    return typed[0], f"{typed[0]} because it has types for every atom{water}."
