"""The force-field terms of a fragment: water's own model, or those of the force field the recipe names.

GFN2-xTB has no terms: `tasks.xtb` computes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from potentials.errors import InputError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from recipes.schema.sampling import AtomType, ForceField
from tasks.sampling.force_fields import ff14sb, oplsaa
from tasks.sampling.force_fields.ff14sb import ff14sb_system
from tasks.sampling.force_fields.terms import Given, Rules, Terms, combine
from tasks.sampling.force_fields.water import is_water, water_terms
from tasks.xtb import Xtb

__all__ = [
    "RULES",
    "check_force_field",
    "choose_force_field",
    "ff14sb_system",
    "fragment_terms",
    "nmer_terms",
]

RULES: dict[str, Rules] = {"ff14SB": ff14sb.RULES, "OPLS-AA": oplsaa.RULES}
"""The rules of the force fields that have terms."""


def nmer_terms(nmer: NMer, force_field: ForceField, atom_types: Sequence[AtomType] = ()) -> Terms:
    """Return the force-field terms of an n-mer.

    Parameters
    ----------
    nmer
        The n-mer.
    force_field
        One of `RULES`.
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
def fragment_terms(fragment: Fragment, force_field: ForceField = "ff14SB", given: tuple[Given, ...] = ()) -> Terms:
    """Return a fragment's force-field terms, atoms counted from 0 within it; found once a process.

    Parameters
    ----------
    fragment
        The fragment.
    force_field
        One of `RULES`. Water is TIP4P/2005f in each.
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
    if force_field == "OPLS-AA":
        return oplsaa.opls_terms(fragment, given)
    return ff14sb.ff14sb_terms(fragment, given)


def check_force_field(nmer: NMer, force_field: ForceField, atom_types: Sequence[AtomType] = ()) -> None:
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
    if force_field == "GFN2-xTB":
        Xtb(nmer)
    else:
        nmer_terms(nmer, force_field, atom_types)


def choose_force_field(nmer: NMer) -> tuple[ForceField, str]:
    """Return the quickest force field that knows every fragment, ff14SB or else GFN2-xTB, and why: a sentence.

    OPLS-AA has types for the same fragments as ff14SB here. GAFF2's types and charges come from AmberTools, which
    its makers publish for conda and not for pip.

    Parameters
    ----------
    nmer
        The n-mer.
    """
    for fragment in nmer.fragments:
        try:
            fragment_terms(fragment, "ff14SB")
        except InputError:
            return "GFN2-xTB", (
                f"GFN2-xTB because ff14SB and OPLS-AA have no types for {fragment.name} here, only for water and "
                "pieces of alanine and glycine chains. (GAFF2 would need AmberTools, which is not made for pip.) "
                "It is some hundred times slower, and bonds can break in it."
            )
    water = ", with water as TIP4P/2005f" if any(is_water(f) for f in nmer.fragments) else ""
    return "ff14SB", f"ff14SB because it has types for every atom{water}."
