"""The labels of each level, and the minima that energies count from: what is there, and what is left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recipes.engines import LabelCost
from recipes.estimate import LevelEstimate, label_cost, level_estimates
from storage.exchange.minima import minimum_path
from storage.store import Store
from tasks.labelling.reference import usual_energies
from tasks.plan import LevelPlan, Plan
from tasks.run.state import LevelState, StageState

_NOWHERE = Path("labels")


def level_rows(
    plan: Plan, store: Store | None, state: StageState, costs: Sequence[LabelCost | None]
) -> list[dict[str, Any]]:
    """Return the cost of each level as plain values, the first level's first.

    Parameters
    ----------
    plan
        The recipe's plan.
    store
        The store, or None if there is none yet.
    state
        How far its labelling has come.
    costs
        What a label of each level is expected to cost; None where that is not known.

    Returns
    -------
    list of dict
        ``level``, ``labels``, ``derived`` (those that follow from labels of a higher level), ``present``,
        ``cpu_seconds`` and ``memory`` (GiB) of a label and their ``source``, ``core_hours`` of the labels, and
        ``core_hours_left``; ``minima``, the number of searches left, and ``minima_core_hours``. None where the
        cost of a label is not known.
    """
    nothing = [LevelState(level.title, 0, 0, level.train + level.test, None) for level in plan.levels]
    states: Sequence[LevelState | StageState] = state.levels or (nothing if plan.recipe.levels else [state])
    found = []
    for level, estimate, cost, one in zip(
        plan.levels, level_estimates(plan.recipe, costs), costs, states, strict=True
    ):
        present, whole = one.done + one.failed, one.version is not None
        searches = {} if whole else missing_minima(level, store, cost)
        found.append(
            {
                "level": level.title,
                "labels": estimate.labels,
                "derived": estimate.derived,
                "present": estimate.labels if whole else present,
                "cpu_seconds": None if cost is None else cost.cpu_seconds,
                "memory": None if cost is None else cost.memory,
                "source": "" if cost is None else cost.source,
                "core_hours": estimate.core_hours,
                "core_hours_left": 0.0 if whole else _hours_left(estimate, present),
                "minima": len(searches),
                "minima_core_hours": _sum(list(searches.values())),
            }
        )
    return found


def missing_minima(level: LevelPlan, store: Store | None, cost: LabelCost | None) -> dict[str, float | None]:
    """Return the minima that a level's energies count from and that a store lacks, each with its core-hours.

    They are by the file that each is kept in: recipes with the same piece of a molecule share it.

    Parameters
    ----------
    level
        The level.
    store
        The store, or None if there is none yet.
    cost
        What a label of the n-mer is expected to cost; where it was measured, the formula of the smaller molecules
        is scaled with it.
    """
    own = label_cost(level.nmer, level.labelling)
    scale = cost.cpu_seconds / own.cpu_seconds if cost and own else 1.0
    found: dict[str, float | None] = {}
    for molecule, _ in level.references:
        name = level.protocol.of(molecule).id if level.protocol else level.title
        path = minimum_path(store.labels if store else _NOWHERE, name, molecule.fragments[0])
        if store is None or not path.exists():
            one = label_cost(molecule, level.labelling)
            hours = (
                None if one is None else scale * usual_energies(molecule, level.labelling) * one.cpu_seconds / 3600
            )
            found[f"{path.parent.name}/{path.name}"] = hours
    return found


def _hours_left(estimate: LevelEstimate, present: int) -> float | None:
    """Return the core-hours of the labels that are neither there nor follow from those of a higher level."""
    left = max(0, estimate.labels - max(present, estimate.derived))
    if left and estimate.cost is None:
        return None
    return 0.0 if estimate.cost is None else left * estimate.cost.cpu_seconds / 3600


def _sum(hours: Sequence[float | None]) -> float | None:
    return None if None in hours else float(sum(filter(None, hours)))
