"""The selection stage as a Prefect task: key of the pool in, key of the selection out."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from recipes.load import expanded_toml
from recipes.schema.recipe import Recipe
from storage.contents import PoolFile, selection_columns
from storage.keys import pool_key, selection_key
from storage.store import Store
from storage.version import package_versions
from tasks.progress import ProgressLine
from tasks.selection.choose import select

_LIBRARIES = {"soap": ("dscribe",)}
"""What else decides the numbers of a descriptor."""


@task(name="selection", cache_policy=NO_CACHE)
def selection_task(recipe: Recipe, store_path: Path) -> str:
    """Select the recipe's configurations unless the store has them, and return their key.

    Parameters
    ----------
    recipe
        The recipe.
    store_path
        Folder of the store, whose writer lock the caller holds.
    """
    store, key = Store(store_path), selection_key(recipe)
    if store.find("selection", key, recipe.name):
        return key
    nmer, source = recipe.build_nmer(), store.get("pool", pool_key(recipe))
    wanted = recipe.selection.train + recipe.selection.test
    with ProgressLine("selection", wanted, "configurations") as progress:
        choice = select(
            nmer, PoolFile(source), recipe.selection, recipe.fitting, store.scratch(key), progress.update
        )
        progress.update(done=wanted)
    store.add(
        "selection",
        recipe.name,
        key,
        columns=selection_columns(choice.selection),
        recipe=expanded_toml(recipe),
        inputs=[source],
        engines=package_versions(
            "nmer", "scikit-learn", "numpy", *_LIBRARIES.get(recipe.selection.descriptor, ())
        ),
        facts=choice.facts(),
    )
    return key
