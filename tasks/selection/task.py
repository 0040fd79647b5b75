"""The selection stage as a Prefect task: key of the pool in, key of the selection out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from recipes.load import expanded_toml
from recipes.schema import Recipe
from storage.contents import pool_from_version, selection_columns
from storage.keys import pool_key, selection_key
from storage.records import TEST, TRAIN
from storage.store import Store
from storage.version import package_versions
from tasks.progress import ProgressLine
from tasks.selection.choose import select, weighted_descriptors
from tasks.selection.kmeans import coverage


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
        pool = pool_from_version(source)
        selection = select(nmer, pool, recipe.selection)
        cover = coverage(weighted_descriptors(nmer, pool.positions, recipe.selection), selection.frame)
        progress.update(done=len(selection))
    store.add(
        "selection",
        recipe.name,
        key,
        columns=selection_columns(selection),
        recipe=expanded_toml(recipe),
        inputs=[source],
        engines=package_versions("nmer", "scikit-learn", "numpy"),
        facts={
            "train": int(np.sum(selection.split == TRAIN)),
            "test": int(np.sum(selection.split == TEST)),
            "coverage_rms": cover["rms"],
            "coverage_p99": cover["p99"],
            "coverage_max": cover["max"],
        },
    )
    return key
