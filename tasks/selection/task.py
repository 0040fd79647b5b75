"""The selection stage as a Prefect task: key of the pool in, key of the selection out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from recipes.load import expanded_toml
from storage.contents import PoolFile, selection_columns
from storage.records import Selection
from storage.store import Store
from storage.version import package_versions
from tasks.plan import Plan
from tasks.progress import ProgressLine
from tasks.selection.descriptor import DESCRIPTORS


@task(name="selection", cache_policy=NO_CACHE)
def selection_task(plan: Plan, store_path: Path) -> str:
    """Select a recipe's configurations unless the store has them, and return their key.

    Parameters
    ----------
    plan
        The recipe's plan.
    store_path
        Folder of the store, whose writer lock the caller holds.
    """
    recipe, store, key = plan.recipe, Store(store_path), plan.selection
    if store.find("selection", key, recipe.name):
        return key
    from tasks.selection.choose import select  # imports scikit-learn, which a finished selection does not need

    nmer, source = plan.nmer, store.get("pool", plan.pool)
    wanted = recipe.selection.train + recipe.selection.test
    with ProgressLine("selection", wanted, "configurations") as progress:
        choice = select(
            nmer, PoolFile(source), recipe.selection, recipe.fitting, store.scratch(key), progress.update
        )
        progress.update(done=wanted)
    selection, facts = _nested(plan, PoolFile(source), choice.selection)
    store.add(
        "selection",
        recipe.name,
        key,
        columns=selection_columns(selection),
        recipe=expanded_toml(recipe),
        inputs=[source],
        engines=package_versions(
            "nmer", "scikit-learn", "numpy", *DESCRIPTORS.get(recipe.selection.descriptor).packages
        ),
        facts=choice.facts() | facts,
    )
    return key


def _nested(plan: Plan, pool: PoolFile, selection: Selection) -> tuple[Selection, dict[str, Any]]:
    """Return a selection with the subsets of the recipe's levels, and the facts of these; none without levels."""
    if not plan.recipe.levels:
        return selection, {}
    from tasks.selection.nested import with_levels

    counts = [(level.train, level.test) for level in plan.levels]
    found = with_levels(plan.nmer, pool, selection, plan.recipe.selection, counts)
    return found.selection, {"levels": list(found.facts)}
