"""The datasets of a recipe with levels: one version for each, which names those of the levels below it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from potentials.errors import InputError
from recipes.schema.labelling import Labelling
from recipes.schema.recipe import Recipe
from storage.store import Store
from storage.version import Version


def datasets_of_levels(store: Store, dataset: Version) -> list[Version]:
    """Return the datasets of a dataset's level and of all levels below it, the first level's first, itself last.

    Parameters
    ----------
    store
        The store that has them.
    dataset
        The dataset; one of a recipe without levels is returned alone.

    Raises
    ------
    InputError
        If the store lacks one of them.
    """
    found = []
    for number, key in enumerate(lower_keys(dataset.attributes()["facts"])):
        below = store.find("dataset", key, dataset.nmer)
        if below is None:
            raise InputError(
                f"the dataset of level {number} with key {key[:12]}, which {dataset.ref} rests on, is not in the "
                f"store '{store.path}'; nmer run makes it again from the labels"
            )
        found.append(below)
    return [*found, dataset]


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
