"""What the facts of a dataset say of levels: which one it is of, its protocol, and the datasets below it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recipes.schema.labelling import Labelling
from recipes.schema.recipe import Recipe


def lower_keys(facts: Mapping[str, Any]) -> list[str]:
    """Return the keys of the datasets of the levels below a dataset, the first level's first."""
    return [str(key) for key in facts.get("levels", ())]


def level_of(facts: Mapping[str, Any]) -> int | None:
    """Return which level's dataset it is, from 0; None for one of a recipe without levels."""
    number = facts.get("level")
    return None if number is None else int(number)


def labelling_of(facts: Mapping[str, Any], recipe: Recipe) -> Labelling:
    """Return the labelling section of a dataset: that of its level, or the recipe's.

    Parameters
    ----------
    facts
        Those of the dataset.
    recipe
        Its recipe.
    """
    number = level_of(facts)
    if number is None or number >= len(recipe.levels):
        return recipe.labelling
    return recipe.levels[number].labelling


def labelling_table(facts: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same as `labelling_of` from the tables of a recipe's text; empty where they have none."""
    number, levels = level_of(facts), recipe.get("levels", ())
    if number is None or number >= len(levels):
        return dict(recipe.get("labelling", {}))
    return dict(levels[number]["labelling"])
