"""The force-field terms of a fragment: water's own model, or those of the force field the recipe names.

GFN2-xTB has no terms: `tasks.sampling.xtb` computes it.
"""

from __future__ import annotations

from functools import cache

from potentials.molecule import Fragment, NMer
from recipes.sampling import ForceField
from tasks.sampling import ff14sb, oplsaa
from tasks.sampling.ff14sb import ff14sb_system
from tasks.sampling.terms import Rules, Terms
from tasks.sampling.water import is_water, water_terms
from tasks.sampling.xtb import Xtb

__all__ = ["RULES", "check_force_field", "ff14sb_system", "fragment_terms"]

RULES: dict[str, Rules] = {"ff14SB": ff14sb.RULES, "OPLS-AA": oplsaa.RULES}
"""The rules of the force fields that have terms."""


@cache
def fragment_terms(fragment: Fragment, force_field: ForceField = "ff14SB") -> Terms:
    """Return a fragment's force-field terms, atoms counted from 0 within it; found once a process.

    Parameters
    ----------
    fragment
        The fragment.
    force_field
        One of `RULES`. Water is TIP4P/2005f in each.

    Raises
    ------
    InputError
        If the force field has no types for the fragment, or its library is missing.
    """
    if is_water(fragment):
        return water_terms()
    return oplsaa.opls_terms(fragment) if force_field == "OPLS-AA" else ff14sb.ff14sb_terms(fragment)


def check_force_field(nmer: NMer, force_field: ForceField) -> None:
    """Raise InputError if a force field cannot be used for an n-mer, before anything runs.

    Parameters
    ----------
    nmer
        The n-mer.
    force_field
        One of the recipe's force fields.
    """
    if force_field == "GFN2-xTB":
        Xtb(nmer)
        return
    for fragment in nmer.fragments:
        fragment_terms(fragment, force_field)
