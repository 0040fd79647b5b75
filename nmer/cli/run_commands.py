"""Commands about runs: run, status."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from nmer.cli.output import Json, Preset, StorePath, print_json, print_table
from recipes.load import load_recipe
from recipes.schema import Recipe

Stage = Literal["sampling", "selection", "labelling", "fitting", "validation"]


def run(
    recipe: str,
    *,
    preset: Preset = None,
    until: Annotated[Stage, Parameter(help="The last stage to run.")] = "validation",
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Train an n-mer's potential; what the store has already is not made again.

    Killed or interrupted, the same command goes on where it stopped.

    Example: nmer run ch3-water --preset smoke

    Parameters
    ----------
    recipe
        Name of a shipped recipe, or path of a TOML file.
    """
    from flows.state import check_engines, recipe_state, summary
    from storage.store import Store, default_store

    loaded = load_recipe(recipe, preset)
    check_engines(loaded)
    opened = Store(store or default_store(), create=True)
    states = recipe_state(loaded, opened)
    wanted = states[: [s.stage for s in states].index(until) + 1]
    there = all(s.version for s in wanted)
    if there:
        print("everything is there already", file=sys.stderr)
    else:
        _train(loaded, opened.path, until)
        states = recipe_state(loaded, opened)
    outcome = summary(loaded, opened, until)
    if json:
        print_json(outcome)
    else:
        _print_outcome(outcome)
    return 0 if outcome["passed"] else 1


def _train(recipe: Recipe, path: object, until: Stage) -> None:
    from deploy.environment import set_prefect_defaults

    set_prefect_defaults()
    print(f"{recipe.name}, preset {recipe.preset or 'none'}: starting the flow ...", file=sys.stderr)
    from flows.train import train_nmer

    train_nmer(recipe, path, until)  # type: ignore[arg-type]


def _print_outcome(outcome: dict[str, object]) -> None:
    raise NotImplementedError


def status(recipe: str, *, preset: Preset = None, store: StorePath = None, json: Json = False) -> int:
    """Show how far a recipe has come: per stage what is done, failed, and left.

    Works while a run is under way.

    Example: nmer status ch3-water --preset smoke

    Parameters
    ----------
    recipe
        Name of a shipped recipe, or path of a TOML file.
    """
    from flows.state import open_store, recipe_state

    loaded = load_recipe(recipe, preset)
    states = recipe_state(loaded, open_store(store))
    if json:
        print_json({"recipe": loaded.name, "preset": loaded.preset, "stages": [s.as_dict() for s in states]})
    else:
        print_table(
            ("stage", "done", "failed", "left", "version"),
            [(s.stage, str(s.done), str(s.failed), str(s.left), s.version or "-") for s in states],
        )
    return 0


COMMANDS = (run, status)
