"""The fitting stage as a Prefect task: key of the dataset in, key of the potential out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from recipes.load import expanded_toml
from storage.contents import dataset_from_version, potential_columns, potential_facts
from storage.keys import potential_key
from storage.origins import strata
from storage.physics import version_of_physics
from storage.records import TRAIN
from storage.store import Store
from storage.version import Column, package_versions
from tasks.fitting.baseline import physics_of_dataset
from tasks.fitting.fit import FitResult, fit_potential
from tasks.plan import Plan
from tasks.progress import ProgressLine


@task(name="fitting", cache_policy=NO_CACHE)
def fitting_task(plan: Plan, store_path: Path, source: str, compute: Callable[..., Any]) -> str:
    """Fit a recipe's potential to a dataset unless the store has it, and return its key.

    Parameters
    ----------
    plan
        The recipe's plan.
    store_path
        Folder of the store, whose writer lock the caller holds.
    source
        Key of the dataset.
    compute
        Calls a function with arguments and a progress line, on this machine or a larger one.
    """
    recipe, store = plan.recipe, Store(store_path)
    key = potential_key(recipe, source, plan.baseline(store))
    if store.find("potential", key, recipe.name):
        return key
    dataset = store.get("dataset", source)
    name = recipe.fitting.baseline
    below = [] if name is None else [version_of_physics(store, name)]
    physics = physics_of_dataset(plan, store, dataset)
    whole = dataset_from_version(dataset)
    train, groups = whole.part(TRAIN), strata(store, dataset)
    if groups is not None:
        groups = groups[whole.split == TRAIN]
    with ProgressLine("fitting", recipe.fitting.starts, "starts") as progress:
        arguments = (plan.nmer, train.positions, train.energy, recipe.fitting)
        fit = partial(fit_potential, groups=groups, baseline=physics)
        result: FitResult = compute(fit, *arguments, progress=progress)
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
        inputs=[dataset, *below],
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
