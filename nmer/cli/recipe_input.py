"""Read a recipe with --protocol and --workers, with every check, and the machine of --on."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from deploy.profiles import load_machine, machine_files
from potentials.errors import InputError
from recipes.load import find_recipe, load_recipe
from recipes.protocols import protocols, replaced_levels, with_protocol
from recipes.schema.recipe import Recipe

if TYPE_CHECKING:
    from deploy.machine import AnyMachine

ProtocolName = Annotated[
    str | None,
    Parameter(
        name="--protocol", help=f"Label with this protocol in place of the recipe's own: {', '.join(protocols())}."
    ),
]
On = Annotated[
    str,
    Parameter(
        name="--on",
        help=f"Where to compute: the name or TOML file of a machine; names: {', '.join(machine_files())}.",
    ),
]
MOST_WORKERS = 10_000
PRESETS = ("smoke", "laptop", "paper")
"""The presets of a recipe that a command writes."""


def checked_recipe(
    name: str,
    preset: str | None,
    protocol: str | None = None,
    workers: int | None = None,
    until: str = "validation",
    here: bool = True,
) -> Recipe:
    """Return a recipe that has passed every check; print a note on what is missing if it need not run here.

    Parameters
    ----------
    name
        Name of a shipped recipe, or path of a TOML file.
    preset, protocol
        Names that replace values of the recipe; None: no change.
    workers
        Number of parallel processes; None: as in the recipe.
    until
        The last stage to run.
    here
        Whether the recipe will run on this machine.

    Raises
    ------
    InputError
        One sentence naming the file, the key, and what is allowed.
    """
    from tasks.run.checks import check_recipe

    recipe = read_recipe(name, preset, protocol, workers)
    try:
        missing = check_recipe(recipe, until, here)
    except InputError as error:
        raise type(error)(f"{find_recipe(name).name}: {error}") from None
    for one in missing:
        print(f"note: {recipe.name} cannot run here: {one}", file=sys.stderr)
    return recipe


def read_recipe(name: str, preset: str | None, protocol: str | None, workers: int | None) -> Recipe:
    """Return a recipe, as `checked_recipe` does, that has not been checked."""
    return with_workers(with_named_protocol(load_recipe(name, preset), protocol), workers)


def with_named_protocol(recipe: Recipe, protocol: str | None) -> Recipe:
    """Return the recipe with the protocol of --protocol; a note says if it replaces levels."""
    if note := replaced_levels(recipe, protocol):
        print(f"note: {note}", file=sys.stderr)
    return with_protocol(recipe, protocol)


def with_workers(recipe: Recipe, workers: int | None) -> Recipe:
    """Return the recipe with another number of parallel processes.

    Raises
    ------
    InputError
        If the number is not from 1 to 10,000.
    """
    if workers is None:
        return recipe
    if not 1 <= workers <= MOST_WORKERS:
        raise InputError(f"--workers {workers} must be from 1 to {MOST_WORKERS:,}")
    resources = recipe.resources.model_copy(update={"workers": workers})
    return recipe.model_copy(update={"resources": resources})


def machine_of(name: str) -> AnyMachine:
    """Return the machine that --on names, if it can be used from here.

    Raises
    ------
    InputError
        If it does not exist, its profile is invalid, or something it needs is missing.
    """
    from deploy.needs import check_machine

    machine = load_machine(name)
    check_machine(name, machine)
    return machine


def checked_text(file: str, text: str) -> dict[str, Recipe]:
    """Return the recipe of a text with each preset, after every check that needs no program.

    Parameters
    ----------
    file
        Name of the file that it is for.
    text
        The recipe as TOML.

    Raises
    ------
    InputError
        If a check fails; the sentence names the recipe and the preset.
    """
    from tasks.run.checks import check_recipe

    with TemporaryDirectory() as folder:
        draft = Path(folder) / file
        draft.write_text(text, encoding="utf-8")
        recipes = {preset: load_recipe(str(draft), preset) for preset in PRESETS}
    for preset, recipe in recipes.items():
        try:
            check_recipe(recipe, here=False)
        except InputError as error:
            raise InputError(f"{recipe.name}, preset {preset}: {error}") from None
    return recipes
