"""Recipes for the n-mers of a molecule that no shipped recipe has: ``nmer fragment MOLECULE --write DIR``.

With a baseline, the n-mers that have a shipped recipe get a copy of it over the same V_phys, because only
potentials over one V_phys can be added up; pools and labels do not depend on it.

Degrees and numbers of terms are those of `plan_terms`. Frames and configurations are those of polyalanine's n-mers
of the same number of 1-mers, with fewer frames where the force field is slow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import tomlkit

from potentials.errors import InputError, printable
from potentials.nmers.nmer import NMer
from recipes.authoring.degrees import TermPlan, plan_terms
from recipes.authoring.generate import WATER_RADII, water_beside
from recipes.authoring.own import PRESET_NOTES, is_slow, is_small, label_memory, sizes
from recipes.authoring.settings import Notes, Settings, Size
from recipes.authoring.writing import recipe_text
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

WATER_RADII_ALONE = (8.0, 10.0)
"""Radii of the switching of a dimer with water without V_phys, Angstrom."""

ORIGIN = "Written by nmer fragment; docs/fragments.md tells how each number was chosen."


@dataclass(frozen=True)
class NMerRecipe:
    """A recipe for an n-mer of a molecule.

    Attributes
    ----------
    nmer
        The n-mer.
    force_field, why
        What its frames are sampled with, and why.
    text
        The recipe as TOML.
    """

    nmer: NMer
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


def molecule_recipes(
    molecule: str,
    found: Sequence[FoundNMer],
    choose: ForceFieldChoice,
    water: bool = False,
    baseline: str = "",
    pairs: Collection[str] = (),
) -> tuple[NMerRecipe, ...]:
    """Return a recipe for each n-mer that no shipped recipe has; with a baseline, for each n-mer.

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
    baseline
        Parameters of V_phys that all are fitted over, ``physics:NAME``; empty: none.
    pairs
        Names of its pairs that are not bonded; those that have a shipped recipe get a copy if there is a baseline.

    Raises
    ------
    InputError
        If an n-mer has too many terms, or the name of a shipped recipe and other bonds.
    """
    made, shipped = [], shipped_recipes()
    for one in found:
        if shipped_recipe(one) is None:
            if one.name in shipped:
                raise InputError(
                    f"the n-mer {one.name} of '{molecule}' has other bonds than that of the shipped recipe "
                    f"{one.name}; no recipe of the same name can be written"
                )
            terms, (force_field, why) = plan_terms(one.nmer), choose(one.nmer)
            settings = _covalent(one, molecule, terms, force_field, why)
            made.append(_recipe(one.nmer, replace(settings, baseline=baseline)))
        elif baseline:
            made.append(_copy(one.name, baseline))
        if water and one.order == 1 and one.name != "water":
            dimer = f"{one.name}-water"
            if dimer not in shipped:
                nmer = NMer(dimer, (one.fragment, water_beside(one.fragment)))
                terms, (force_field, why) = plan_terms(nmer), choose(nmer)
                settings = _with_water(nmer, molecule, terms, force_field, why, bool(baseline))
                made.append(_recipe(nmer, replace(settings, baseline=baseline)))
            elif baseline:
                made.append(_copy(dimer, baseline))
    return (*made, *(_copy(name, baseline) for name in sorted(set(pairs) & set(shipped)) if baseline))


def _recipe(nmer: NMer, settings: Settings) -> NMerRecipe:
    return NMerRecipe(nmer, settings.force_field, settings.notes.force_field, recipe_text(nmer, settings))


def _copy(name: str, baseline: str) -> NMerRecipe:
    """Return a shipped recipe over another V_phys."""
    text, recipe = shipped_recipes()[name].read_text(encoding="utf-8"), load_recipe(name)
    line = f"baseline = {tomlkit.item(baseline).as_string()}"
    changed, count = re.subn(r"(?m)^baseline = \S+", lambda _: line, text)
    if not count:
        changed = text.replace("[fitting]\n", f"[fitting]\n{line}\n", 1)
    comment = "# The shipped recipe, but for the V_phys beneath the fit. Written by nmer fragment.\n#\n"
    return NMerRecipe(
        recipe.build_nmer(), recipe.sampling.force_field, "as in the shipped recipe", comment + changed
    )


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


def _with_water(nmer: NMer, molecule: str, terms: TermPlan, force_field: str, why: str, beneath: bool) -> Settings:
    """Return the settings of a 1-mer with water, over V_phys or not."""
    one, size = nmer.fragments[0], sizes(terms, 2, ion=False, slow=is_slow(force_field))
    return Settings(
        comment=f"The {one.name} 1-mer of {_shown(molecule)}, closed with caps where bonds are cut, with one "
        f"water molecule. Energies are counterpoise-corrected two-body energies. {ORIGIN}",
        title=f"{one.name} (capped) with water",
        smoke=size["smoke"],
        laptop=size["laptop"],
        paper=size["paper"],
        rules=terms.rules,
        switching=((0, one.natoms), WATER_RADII if beneath else WATER_RADII_ALONE),
        force_field=force_field,
        small=is_small(nmer),
        windows=windows_of(mean_distance(nmer.fragments)),
        memory=label_memory(nmer),
        notes=Notes(
            force_field=why,
            switching=f"Full up to r_in, {'V_phys alone' if beneath else 'nothing'} from r_out on.",
            **PRESET_NOTES,
        ),
    )


def _shown(molecule: str) -> str:
    """Return the name of a molecule for a comment: one line, of printable characters."""
    return printable(molecule if len(molecule) <= 80 else f"{molecule[:77]}...").replace("\n", " ")
