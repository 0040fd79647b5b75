"""The list of checks of a recipe, which every command and flow makes before anything runs or is written.

What only some recipes need, and what is slow to import, is imported within the check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from potentials.errors import InputError, MissingProgramError
from potentials.nmers.nmer import NMer
from recipes.chemistry.places import check_places
from recipes.schema.checks import check_electrons, check_molecules
from recipes.schema.recipe import Recipe
from recipes.stages import stages_until
from tasks.labelling.protocol import check_labelling
from tasks.labelling.reference import check_start
from tasks.sampling.force_field import check_force_field
from tasks.sampling.sampler import check_samplers
from tasks.selection.descriptor import checked_descriptor


def check_configurations(file: Path, configurations: Sequence[NMer]) -> None:
    """Raise InputError if a configuration of a file has atoms in one place, or a fragment with open shells.

    Parameters
    ----------
    file
        Where they were read from.
    configurations
        Each as an n-mer.
    """
    seen: set[tuple[tuple[tuple[str, ...], int], ...]] = set()
    for number, nmer in enumerate(configurations, start=1):
        where = f"'{file}', configuration {number}"
        check_places(where, nmer.symbols, nmer.positions)
        kinds = tuple((f.symbols, f.charge) for f in nmer.fragments)
        if kinds not in seen:
            seen.add(kinds)
            try:
                check_electrons(nmer)
            except InputError as error:
                raise InputError(f"{where}: {error}; give the charge of each fragment") from None


def check_force_fields(recipe: Recipe) -> None:
    """Raise InputError if a force field has no types or parameters for a fragment, or not its charge."""
    nmer = recipe.build_nmer()
    for force_field in recipe.sampling.force_fields:
        check_force_field(nmer, force_field, recipe.sampling.atom_types)


def check_labels(recipe: Recipe) -> None:
    """Raise InputError if the engine is missing, or does not know the method, a basis, or the functional."""
    nmer = recipe.build_nmer()
    for settings in [level.labelling for level in recipe.levels] or [recipe.labelling]:
        check_labelling(nmer, settings)
        check_start(nmer, settings)


CHECKS: tuple[tuple[str, Callable[[Recipe], object]], ...] = (
    ("sampling", check_molecules),
    ("sampling", check_force_fields),
    ("sampling", lambda recipe: check_samplers(recipe.build_nmer(), recipe.sampling)),
    ("selection", lambda recipe: checked_descriptor(recipe.selection)),
    ("labelling", check_labels),
)
"""Every check, with the stage that first needs it."""


def check_recipe(recipe: Recipe, until: str = "validation", here: bool = True) -> list[str]:
    """Make all checks of a recipe, and return what is missing on this machine, a sentence each.

    Parameters
    ----------
    recipe
        The recipe.
    until
        The last stage that is to run.
    here
        Whether it is to run on this machine, so that a missing program is an error.

    Raises
    ------
    InputError
        One sentence that names the key and what is allowed.
    """
    missing: list[str] = []
    for stage, check in CHECKS:
        if stage not in stages_until(until):
            continue
        try:
            check(recipe)
        except MissingProgramError as error:
            if here:
                raise
            missing.append(str(error))
    return missing
