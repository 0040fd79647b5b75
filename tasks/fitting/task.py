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
from storage.level_datasets import datasets_of_levels
from storage.origins import strata
from storage.physics import version_of_physics
from storage.records import TRAIN
from storage.store import Store
from storage.version import Column, package_versions
from tasks.fitting.baseline import physics_of_dataset
from tasks.fitting.levels import LevelsFit, fit_levels
from tasks.fitting.of_levels import level_coefficients, level_facts, steps_of
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
    beneath = [] if name is None else [version_of_physics(store, name)]
    chain = datasets_of_levels(store, dataset)
    datasets = [dataset_from_version(version) for version in chain]
    physics, groups = physics_of_dataset(plan, store, chain[0]), strata(store, chain[0])
    if groups is not None:
        groups = groups[datasets[0].split == TRAIN]
    steps = steps_of([level.title for level in plan.levels], datasets)
    data = [step.data(TRAIN, recipe.level_fitting(number)) for number, step in enumerate(steps)]
    with ProgressLine("fitting", recipe.fitting.starts, "starts") as progress:
        fit = partial(fit_levels, groups=groups, baseline=physics)
        found: LevelsFit = compute(fit, plan.nmer, data, progress=progress)
    result = found.result
    columns, facts = potential_columns(result.potential), potential_facts(result.potential, recipe.nmer)
    if recipe.levels:
        columns["level_coefficients"] = Column(
            level_coefficients(result.potential, found.levels),
            "kcal/mol",
            "share of each level in the coefficients (level, term)",
            "the fits of the levels",
        )
        facts["levels"] = level_facts(steps, datasets, found.levels)
    store.add(
        "potential",
        recipe.name,
        key,
        columns=columns
        | {
            "leverage": Column(
                result.leverage, "1", "how much each training configuration decides of its own value", "the fit"
            )
        },
        recipe=expanded_toml(recipe),
        inputs=[dataset, *beneath],
        engines=package_versions("nmer", "numpy", "scipy"),
        facts=facts
        | {
            "warnings": [*result.warnings, *(step.warning for step in steps if step.warning)],
            "largest_leverage": max(level.leverage for level in found.levels),
            "sigma": result.sigma,
            "terms_curve": [list(point) for point in result.curve],
        },
    )
    return key
