"""Recipes for the n-mers of a molecule that no shipped recipe has: ``nmer fragment MOLECULE --write DIR``.

Degrees and numbers of terms are those of `plan_terms`. Frames and configurations are those of polyalanine's n-mers
of the same number of 1-mers, with fewer frames where the force field is slow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from potentials.errors import InputError, printable
from potentials.nmers.nmer import NMer
from recipes.authoring.degrees import TermPlan, plan_terms
from recipes.authoring.generate import water_beside
from recipes.authoring.own import PRESET_NOTES, is_slow, is_small, label_memory, sizes
from recipes.authoring.writing import Notes, Settings, Size, recipe_text
from recipes.chemistry.fragmentation import FoundNMer
from recipes.chemistry.placing import mean_distance, windows_of
from recipes.load import load_recipe, shipped_recipes

ForceFieldChoice = Callable[[NMer], tuple[str, str]]
"""Returns the force field of an n-mer's frames, and why: one sentence."""

LABELS = {
    1: ((100, 20), (2000, 200), (10_000, 1000)),
    2: ((100, 20), (3000, 300), (20_000, 1000)),
    3: ((60, 12), (4000, 400), (40_000, 2000)),
}
"""Configurations of the training and of the test set of each preset, by the number of 1-mers."""

SMOKE_CHOSEN = {3: 40}
"""Largest number of terms of the smoke preset, where it has fewer configurations, by the number of 1-mers."""

WATER_RADII = (8.0, 10.0)
"""Radii of the switching of a dimer with water, Angstrom."""

ORIGIN = "Written by nmer fragment; docs/fragments.md tells how each number was chosen."


@dataclass(frozen=True)
class MissingRecipe:
    """A recipe for an n-mer that no shipped recipe has.

    Attributes
    ----------
    nmer
        The n-mer.
    terms
        The terms of each preset.
    force_field, why
        What its frames are sampled with, and why.
    text
        The recipe as TOML.
    """

    nmer: NMer
    terms: TermPlan
    force_field: str
    why: str
    text: str


def shipped_recipe(found: FoundNMer) -> str | None:
    """Return the name of the shipped recipe of an n-mer, or None.

    An n-mer whose 1-mers are bonded in a ring can have the name of a shipped recipe and other bonds.
    """
    if found.name not in shipped_recipes():
        return None
    (fragment, *others), bare = load_recipe(found.name).build_nmer().fragments, found.skeleton
    same = (fragment.symbols, tuple(sorted(fragment.bonds)), tuple(fragment.caps))
    return found.name if not others and same == (bare.symbols, bare.bonds, bare.caps) else None


def missing_recipes(
    molecule: str, found: Sequence[FoundNMer], choose: ForceFieldChoice, water: bool = False
) -> tuple[MissingRecipe, ...]:
    """Return a recipe for each n-mer that no shipped recipe has.

    Parameters
    ----------
    molecule
        Name of the molecule, for the comments.
    found
        Its n-mers.
    choose
        Chooses the force field.
    water
        Whether each 1-mer with a water molecule needs a recipe too.

    Raises
    ------
    InputError
        If an n-mer has too many terms, or the name of a shipped recipe and other bonds.
    """
    made = []
    for one in found:
        if shipped_recipe(one) is None:
            if one.name in shipped_recipes():
                raise InputError(
                    f"the n-mer {one.name} of '{molecule}' has other bonds than that of the shipped recipe "
                    f"{one.name}; no recipe of the same name can be written"
                )
            made.append(_recipe(one.nmer, choose, lambda *known, one=one: _covalent(one, molecule, *known)))
        dimer = f"{one.name}-water"
        if water and one.order == 1 and one.name != "water" and dimer not in shipped_recipes():
            nmer = NMer(dimer, (one.fragment, water_beside(one.fragment)))
            made.append(_recipe(nmer, choose, lambda *known, nmer=nmer: _with_water(nmer, molecule, *known)))
    return tuple(made)


def _recipe(
    nmer: NMer, choose: ForceFieldChoice, settings: Callable[[TermPlan, str, str], Settings]
) -> MissingRecipe:
    terms, (force_field, why) = plan_terms(nmer), choose(nmer)
    return MissingRecipe(nmer, terms, force_field, why, recipe_text(nmer, settings(terms, force_field, why)))


def _covalent(found: FoundNMer, molecule: str, terms: TermPlan, force_field: str, why: str) -> Settings:
    """Return the settings of bonded 1-mers."""
    order, few = found.order, SMOKE_CHOSEN.get(found.order)
    smoke = terms.smoke if few is None or terms.smoke.count <= few else replace(terms.smoke, max_terms=few)
    slow = is_slow(force_field)
    frames = (300 if slow else 3000, 15_000 if slow else 60_000, 200_000)
    gates = ((2.0, 4.0) if order == 1 else (1.0, 2.0), (0.3, 0.5), (0.5, 0.5))
    starts = (3, (2 if order == 3 else 3) if terms.laptop.max_terms else None, None)
    smallest, middle, largest = (
        Size(frames[n], *LABELS[order][n], count.degree, count.max_terms, gates[n], starts[n])
        for n, count in enumerate((smoke, terms.laptop, terms.paper))
    )
    energies = "those above its own optimized geometry" if order == 1 else f"{order}-body energies"
    return Settings(
        comment=f"The {found.label} {order}-mer of {_shown(molecule)}, closed with caps where bonds are cut. "
        f"Energies are {energies}. {ORIGIN}",
        title=f"{found.label} (capped), {order}-mer",
        smoke=smallest,
        laptop=middle,
        paper=largest,
        rules=terms.rules,
        force_field=force_field,
        small=is_small(found.nmer),
        memory=label_memory(found.nmer),
        notes=Notes(
            force_field=why,
            **PRESET_NOTES,
        ),
    )


def _with_water(nmer: NMer, molecule: str, terms: TermPlan, force_field: str, why: str) -> Settings:
    """Return the settings of a 1-mer with water."""
    one, size = nmer.fragments[0], sizes(terms, 2, ion=False, slow=is_slow(force_field))
    return Settings(
        comment=f"The {one.name} 1-mer of {_shown(molecule)}, closed with caps where bonds are cut, with one "
        f"water molecule. Energies are counterpoise-corrected two-body energies. {ORIGIN}",
        title=f"{one.name} (capped) with water",
        smoke=size["smoke"],
        laptop=size["laptop"],
        paper=size["paper"],
        rules=terms.rules,
        switching=((0, one.natoms), WATER_RADII),
        force_field=force_field,
        small=is_small(nmer),
        windows=windows_of(mean_distance(nmer.fragments)),
        memory=label_memory(nmer),
        notes=Notes(
            force_field=why,
            switching="Full up to r_in, nothing from r_out on.",
            **PRESET_NOTES,
        ),
    )


def _shown(molecule: str) -> str:
    """Return the name of a molecule for a comment: one line, of printable characters."""
    return printable(molecule if len(molecule) <= 80 else f"{molecule[:77]}...").replace("\n", " ")
