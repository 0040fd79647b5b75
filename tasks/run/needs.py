"""What a run needs from a machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recipes.engines import LabelCost
from recipes.estimate import estimate
from recipes.schema.recipe import Recipe
from recipes.stages import stages_until


def needs(
    recipe: Recipe, store: Path, cost: LabelCost | None, until: str = "validation", most: int = 0
) -> dict[str, Any]:
    """Return what a run needs from a machine, as the fields of `deploy.script.Work`.

    Parameters
    ----------
    recipe
        The recipe.
    store
        Folder of the store.
    cost
        What a label is expected to cost, if that is known.
    until
        The last stage of the run.
    most
        The largest useful number of processes; 0: no limit.
    """
    stages = stages_until(until)
    found: dict[str, Any] = {
        "name": recipe.name,
        "folder": store.resolve() / "scratch" / "dask",
        "workers": recipe.resources.workers,
        "memory": recipe.resources.label_memory,
        "seconds": None if cost is None else cost.cpu_seconds,
        "timeout": recipe.resources.label_timeout,
        "most": most,
        "expected_memory": None if cost is None else cost.memory,
        "source": "" if cost is None else cost.source,
        "labels": "labelling" in stages,
    }
    if "fitting" in stages:
        fit = next(stage for stage in estimate(recipe) if stage.stage == "fitting")
        found |= {"fit_memory": fit.memory, "fit_core_hours": fit.core_hours or 0.0}
    return found


def with_scratch(recipe: Recipe, folder: str) -> Recipe:
    """Return a recipe with a machine's folder for temporary files, unless there is none or the recipe has one."""
    if not folder or recipe.resources.scratch:
        return recipe
    resources = recipe.resources.model_copy(update={"scratch": folder})
    return recipe.model_copy(update={"resources": resources})
