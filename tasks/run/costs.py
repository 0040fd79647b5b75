"""What is left to compute, and whether it may start without --yes."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from recipes.engines import LabelCost
from recipes.estimate import estimate, label_cost
from recipes.schema.labelling import Labelling
from recipes.stages import STAGES, stages_until
from storage.store import Store
from tasks.plan import Plan
from tasks.run.level_costs import level_rows
from tasks.run.state import StageState, label_costs_now, recipe_state

VARIABLE = "NMER_MAX_CORE_HOURS"

DEFAULT = 100.0
"""Core-hours that start without a preset and without --yes: two days on two cores."""

MANY = 1000
"""Labels of unknown cost that start without a preset and without --yes."""


@dataclass(frozen=True)
class Limit:
    """How much may start without --yes.

    Attributes
    ----------
    core_hours
        The limit.
    source
        Where it is set, for messages; empty: nowhere, and then naming a preset is enough consent.
    """

    core_hours: float = DEFAULT
    source: str = ""


@dataclass(frozen=True)
class CostLeft:
    """What is left to compute.

    Attributes
    ----------
    core_hours
        Core-hours of everything whose cost is known.
    unknown
        Labels whose cost is not known.
    """

    core_hours: float
    unknown: int = 0

    def __add__(self, other: CostLeft) -> CostLeft:
        return CostLeft(self.core_hours + other.core_hours, self.unknown + other.unknown)


def cost_limit(option: float | None = None, machine: float | None = None) -> Limit:
    """Return the limit that a user has set: by the option, else in the machine's profile, else in the environment.

    Parameters
    ----------
    option
        Value of --max-core-hours, if it was given.
    machine
        max_core_hours of the machine's profile, if it has one.

    Raises
    ------
    InputError
        If it is not a number of core-hours.
    """
    if option is not None:
        return _limit(option, "--max-core-hours")
    if machine is not None:
        return Limit(machine, "max_core_hours of the machine")
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return Limit()
    try:
        return _limit(float(text), VARIABLE)
    except ValueError:
        raise InputError(f"{VARIABLE} is {text[:60]!r}; allowed: core-hours, 0 or more") from None


@dataclass(frozen=True)
class RunCost:
    """The cost of a recipe's run as plain values.

    Attributes
    ----------
    stages
        For each stage what it makes, what is there, and its core-hours; those of the minima that energies count
        from are among those of labelling that are left.
    levels
        For each level what `tasks.run.level_costs.level_rows` returns.
    """

    stages: list[dict[str, Any]]
    levels: list[dict[str, Any]]

    @property
    def left(self) -> CostLeft:
        """What is left to compute."""
        return self.left_of([row["stage"] for row in self.stages])

    def left_of(self, stages: Collection[str]) -> CostLeft:
        """Return what some of the stages have left to compute."""
        rows = [row for row in self.stages if row["stage"] in stages]
        unknown = 0
        if "labelling" in stages:
            unknown = sum(row["labels"] - row["present"] for row in self.levels if row["core_hours_left"] is None)
        return CostLeft(sum(row["core_hours_left"] or 0.0 for row in rows), unknown)


def run_cost(plan: Plan, store: Store | None) -> RunCost:
    """Return the cost of each stage and each level of a recipe.

    Parameters
    ----------
    plan
        The recipe's plan.
    store
        The store, or None if there is none yet.
    """
    states, costs = {state.stage: state for state in recipe_state(plan, store)}, label_costs_now(plan, store)
    levels = level_rows(plan, store, states["labelling"], costs)
    stages = []
    for one in estimate(plan.recipe, costs):
        state = states[one.stage]
        left = None if one.core_hours is None else one.core_hours * _left(state)
        if one.stage == "labelling":
            known = [row[name] for row in levels for name in ("core_hours_left", "minima_core_hours")]
            left = None if None in known else sum(known)
        present = {"present": one.count if state.version else state.done, "version": state.version}
        stages.append(one.as_dict() | present | {"core_hours_left": left})
    return RunCost(stages, levels)


def cost_left(plan: Plan, store: Store | None, since: str = STAGES[0], until: str = STAGES[-1]) -> CostLeft:
    """Return what the stages from one to another have left to compute."""
    return run_cost(plan, store).left_of(stages_until(until, since))


def cost_of_labels(count: int, cost: LabelCost | None) -> CostLeft:
    """Return the cost of some labels."""
    return CostLeft(0.0, count) if cost is None else CostLeft(count * cost.cpu_seconds / 3600)


def cost_by_hand(configurations: Sequence[NMer], labelling: Labelling) -> CostLeft:
    """Return the cost of labels of configurations that need not be alike."""
    known: dict[tuple[Any, ...], LabelCost | None] = {}
    total = CostLeft(0.0)
    for nmer in configurations:
        key = tuple((f.symbols, f.charge) for f in nmer.fragments)
        if key not in known:
            known[key] = label_cost(nmer, labelling)
        total += cost_of_labels(1, known[key])
    return total


def is_above(left: CostLeft, limit: Limit, preset: bool) -> bool:
    """Return whether a cost needs --yes to start.

    Parameters
    ----------
    left
        What would be computed.
    limit
        How much may start.
    preset
        Whether a preset is named, which is consent to its size unless a user has set a limit.
    """
    if preset and not limit.source:
        return False
    return left.core_hours > limit.core_hours or left.unknown > MANY


def check_consent(what: str, left: CostLeft, limit: Limit, preset: str | None, yes: bool) -> None:
    """Raise InputError, with the numbers, if a cost needs --yes to start and it was not given.

    Parameters
    ----------
    what
        What would be computed, for the message.
    left
        Its cost.
    limit
        How much may start.
    preset
        The preset that is named, if one is.
    yes
        Whether --yes was given.
    """
    if yes or not is_above(left, limit, preset is not None):
        return
    raise InputError(f"{what}{f', preset {preset},' if preset else ''} would take {words(left, limit)}")


def words(left: CostLeft, limit: Limit) -> str:
    """Return a cost above a limit, and what to give, as the end of a sentence."""
    hours = f"about {left.core_hours:,.{0 if left.core_hours >= 10 else 2}f} core-hours"
    unknown = f"{left.unknown:,} labels whose cost is not known"
    told = f"{hours} and {unknown}" if left.core_hours and left.unknown else unknown if left.unknown else hours
    most = f"{limit.core_hours:g} core-hours" + (f" of {limit.source}" if limit.source else "")
    give = "--yes, or a smaller preset" if limit.source else "a preset (--preset smoke, laptop, or paper) or --yes"
    return (
        f"{told}, more than may start without --yes ({most}, or {MANY:,} labels of unknown cost); give {give}, or "
        f"raise the limit with --max-core-hours or {VARIABLE}"
    )


def _limit(value: float, source: str) -> Limit:
    if not (math.isfinite(value) and value >= 0):
        raise InputError(f"{source} is {value:g}; allowed: core-hours, 0 or more")
    return Limit(value, source)


def _left(state: StageState) -> float:
    """Return the part of a stage that is left to compute."""
    return 0.0 if state.version else max(0.0, 1 - state.done / state.total)
