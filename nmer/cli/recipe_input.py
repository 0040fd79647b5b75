"""A command's recipe: loaded, with its protocol and its number of processes, and checked before anything runs."""

from __future__ import annotations

import sys

from potentials.errors import InputError
from recipes.load import find_recipe, load_recipe
from recipes.protocols import with_protocol
from recipes.schema.recipe import Recipe

MOST_WORKERS = 10_000


def checked_recipe(
    name: str,
    preset: str | None,
    protocol: str | None = None,
    workers: int | None = None,
    until: str = "validation",
    here: bool = True,
) -> Recipe:
    """Return a recipe that has passed every check; what is only missing here is noted where it need not be here.

    Parameters
    ----------
    name
        Name of a shipped recipe, or path of a TOML file.
    preset, protocol
        Of the recipe; None: its own values.
    workers
        Processes at once; None: what the recipe says.
    until
        The last stage that is to run.
    here
        Whether it is to run on this machine.

    Raises
    ------
    InputError
        One sentence naming the file, the key, and what is allowed.
    """
    from tasks.run.checks import check_recipe

    recipe = with_workers(with_protocol(load_recipe(name, preset), protocol), workers)
    try:
        missing = check_recipe(recipe, until, here)
    except InputError as error:
        raise type(error)(f"{find_recipe(name).name}: {error}") from None
    for one in missing:
        print(f"note: {recipe.name} cannot run here: {one}", file=sys.stderr)
    return recipe


def with_workers(recipe: Recipe, workers: int | None) -> Recipe:
    """Return a recipe that runs so many processes at once.

    Raises
    ------
    InputError
        If there are none, or too many.
    """
    if workers is None:
        return recipe
    if not 1 <= workers <= MOST_WORKERS:
        raise InputError(f"--workers {workers} must be from 1 to {MOST_WORKERS:,}")
    resources = recipe.resources.model_copy(update={"workers": workers})
    return recipe.model_copy(update={"resources": resources})
