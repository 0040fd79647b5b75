"""The selection stage as a Prefect task: key of the pool in, key of the selection out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from recipes.load import expanded_toml
from storage.contents import PoolFile, selection_columns, selection_from_version
from storage.records import Selection
from storage.store import Store
from storage.version import package_versions
from tasks.plan import Plan
from tasks.progress import ProgressLine
from tasks.selection.descriptor import DESCRIPTORS
from tasks.selection.earlier import earlier

if TYPE_CHECKING:
    from tasks.selection.choose import Choice


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
    inputs = [store.get("pool", plan.pool)]
    if recipe.selection.method == "uncertainty":
        inputs.append(store.get("potential", recipe.selection.potential))
        choice = _add_uncertain(plan, store)
    else:
        choice = _select(plan, store)
    selection, facts = _nested(plan, PoolFile(inputs[0]), choice.selection)
    store.add(
        "selection",
        recipe.name,
        key,
        columns=selection_columns(selection),
        recipe=expanded_toml(recipe),
        inputs=inputs,
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


def _select(plan: Plan, store: Store) -> Choice:
    """Choose all configurations from the pool."""
    from tasks.selection.choose import select  # imports scikit-learn, which a finished selection does not need

    recipe, pool = plan.recipe, PoolFile(store.get("pool", plan.pool))
    wanted, scratch = recipe.selection.train + recipe.selection.test, store.scratch(plan.selection)
    with ProgressLine("selection", wanted, "configurations") as progress:
        choice = select(plan.nmer, pool, recipe.selection, recipe.fitting, scratch, progress.update)
        progress.update(done=wanted)
    return choice


def _add_uncertain(plan: Plan, store: Store) -> Choice:
    """Add frames of which a potential is least certain to the configurations that it was fitted to."""
    from tasks.selection.uncertain_pool import add_uncertain

    settings, pool = plan.recipe.selection, PoolFile(store.get("pool", plan.pool))
    found, scratch = earlier(plan.recipe, plan.pool, store), store.scratch(plan.selection)
    potential, kept = store.potential(found.potential.ref), selection_from_version(found.selection)
    with ProgressLine("selection", len(pool), "frames") as progress:
        choice = add_uncertain(pool, settings, potential, kept, scratch, progress.update)
        progress.update(done=len(pool))
    return choice
