"""The fitting stage as a Prefect task: key of the dataset in, key of the potential out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from recipes.load import expanded_toml
from recipes.schema.recipe import Recipe
from storage.contents import dataset_from_version, potential_columns, potential_facts
from storage.keys import potential_key
from storage.origins import strata
from storage.records import TRAIN
from storage.store import Store
from storage.version import Column, package_versions
from tasks.fitting.fit import FitResult, fit_potential
from tasks.progress import ProgressLine


@task(name="fitting", cache_policy=NO_CACHE)
def fitting_task(recipe: Recipe, store_path: Path, dataset: str, compute: Callable[..., Any]) -> str:
    """Fit the recipe's potential to a dataset unless the store has it, and return its key.

    Parameters
    ----------
    recipe
        The recipe.
    store_path
        Folder of the store, whose writer lock the caller holds.
    dataset
        Key of the dataset.
    compute
        Calls a function with arguments and a progress line, here or on a larger machine.
    """
    store, key = Store(store_path), potential_key(recipe, dataset)
    if store.find("potential", key, recipe.name):
        return key
    source = store.get("dataset", dataset)
    whole = dataset_from_version(source)
    train, groups = whole.part(TRAIN), strata(store, source)
    if groups is not None:
        groups = groups[whole.split == TRAIN]
    with ProgressLine("fitting", recipe.fitting.starts, "starts") as progress:
        arguments = (recipe.build_nmer(), train.positions, train.energy, recipe.fitting)
        result: FitResult = compute(partial(fit_potential, groups=groups), *arguments, progress=progress)
    store.add(
        "potential",
        recipe.name,
        key,
        columns=potential_columns(result.potential)
        | {
            "leverage": Column(
                result.leverage, "1", "how much each training configuration decides of its own value", "the fit"
            )
        },
        recipe=expanded_toml(recipe),
        inputs=[source],
        engines=package_versions("nmer", "numpy", "scipy"),
        facts=potential_facts(result.potential, recipe.nmer)
        | {
            "warnings": list(result.warnings),
            "largest_leverage": float(result.leverage.max()),
            "sigma": result.sigma,
            "terms_curve": [list(point) for point in result.curve],
        },
    )
    return key
