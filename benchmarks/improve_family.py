"""The family that is improved: 250 terms an n-mer, fitted to a few hundred GFN2-xTB labels, without a verdict.

Made from a store that has the pools of a family, such as that of ``nmer run --all polyalanine --preset smoke
--protocol gfn2-xtb``. Stages are called without Prefect; what the store has is not made again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recipes.families import FAMILIES
from recipes.load import load_recipe, recipe_of_text
from recipes.schema.recipe import Recipe
from storage.contents import selection_from_version
from storage.store import Store
from storage.version import Version
from tasks.fitting.task import fitting_task
from tasks.labelling.execution.dispatch import scratch_folder
from tasks.labelling.execution.runner import Limits
from tasks.labelling.here import label_here
from tasks.labelling.task import labelling_task
from tasks.plan import Plan, resolve
from tasks.selection.task import selection_task

FAMILY = "polyalanine"
TERMS, TRAIN, TEST = 250, 300, 40


def base_recipe(made: Version, gamma: float | None) -> Recipe:
    """Return the recipe of a stored potential with more labels and 250 terms of the laptop preset.

    Labels are of the recipe's own protocol: gradients are fitted if they have them. `gamma` replaces its ridge.
    """
    recipe = recipe_of_text(made.attributes()["recipe"])
    fitting = load_recipe(made.nmer, "laptop").fitting
    changes = {"max_terms": TERMS, "starts": 2, "max_iterations": 40, "baseline": recipe.fitting.baseline}
    if gamma is not None:
        changes["gamma"] = gamma
    return recipe.model_copy(
        update={
            "selection": recipe.selection.model_copy(update={"train": TRAIN, "test": TEST}),
            "fitting": fitting.model_copy(update=changes),
        }
    )


def no_cluster() -> str:
    """Stand for a cluster that is not needed, because the labels are there."""
    raise RuntimeError("a label is missing")


def compute(function: Callable[..., Any], *arguments: Any, progress: Any) -> Any:
    """Call a fit in this process."""
    return function(*arguments, progress=progress)


def frozen(store: Store, plan: Plan, positions: Any) -> str:
    """Label configurations without a cluster, and return the key of the dataset; the caller holds the lock."""
    limits = Limits(plan.recipe.resources.label_timeout, plan.recipe.resources.label_memory)
    label_here(plan.labels(), positions, limits, store.labels, scratch_folder(plan.recipe.resources, store.path))
    return labelling_task.fn(plan, store.path, no_cluster)


def make_family(store: Store, family: str, gamma: float | None) -> dict[str, Version]:
    """Return the potentials of a family with 250 terms each, by n-mer; the store must have their pools."""
    found: dict[str, Version] = {}
    for name in FAMILIES[family]:
        recipe = base_recipe(store.versions("potential", name)[0], gamma)
        plan = resolve(recipe, store)
        with store.writing():
            selection = store.get("selection", selection_task.fn(plan, store.path))
            dataset = frozen(store, plan, selection_from_version(selection).positions)
            key = fitting_task.fn(plan, store.path, dataset, compute)
        found[name] = store.get("potential", key)
    return found


def as_made(store: Store, family: str) -> dict[str, Version]:
    """Return the first potentials of a family in a store, by n-mer."""
    return {name: store.versions("potential", name)[0] for name in FAMILIES[family]}


def copied(store: Path, to: Path) -> Store:
    """Return a store with hard links to the versions of another, and with labels of its own."""
    if not (to / "nmer-store.json").exists():
        shutil.rmtree(to, ignore_errors=True)
        for part in ("pools", "selections", "datasets", "physics", "potentials"):
            shutil.copytree(store / part, to / part, copy_function=lambda a, b: Path(b).hardlink_to(a))
        shutil.copytree(store / "labels", to / "labels")
        shutil.copy2(store / "nmer-store.json", to / "nmer-store.json")
    return Store(to)
