"""How far a recipe has come in a store, without running anything and without Prefect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from potentials.errors import InputError, StageError
from recipes.engines import LabelCost
from recipes.estimate import label_cost
from recipes.schema.recipe import Recipe
from recipes.stages import STAGE, STAGES, StageName, stages_until
from storage.contents import selection_from_version
from storage.keys import potential_key, validation_key
from storage.ledger import Ledger
from storage.records import Selection
from storage.store import Store, default_store
from storage.version import Version
from tasks.labelling.calibrate import expected_cost_in
from tasks.labelling.collect import FAILURES, FLAGGED, MISSING, collect_labels
from tasks.labelling.dataset import key_of
from tasks.plan import Plan, resolve
from tasks.sampling.sampler import frames_kept
from tasks.selection.earlier import earlier
from tasks.validation.bodies import find_bodies


@dataclass(frozen=True)
class LevelState:
    """How far the labels of one level have come; the counts are those of `StageState`.

    Attributes
    ----------
    title
        Its level of theory.
    done, failed, total
        Counts of its labels.
    version
        Reference of its dataset, or None while it is not complete.
    flagged
        Labels with an energy and a diagnostic above its threshold.
    """

    title: str
    done: int
    failed: int
    total: int
    version: str | None
    flagged: int = 0

    @property
    def left(self) -> int:
        """What is neither done nor failed."""
        return self.total - self.done - self.failed


@dataclass(frozen=True)
class StageState:
    """How far one stage has come.

    Attributes
    ----------
    stage
        Which stage.
    done, failed, total
        Counts of what the stage makes: frames, configurations, labels, terms, errors.
    version
        Reference of the stage's version, or None while it is not complete.
    flagged
        Labels with an energy and a diagnostic above its threshold. They count as done where the recipe keeps
        them, and as failed elsewhere.
    levels
        The labels of each level, the first level's first; none for other stages and without levels.
    """

    stage: str
    done: int
    failed: int
    total: int
    version: str | None
    flagged: int = 0
    levels: tuple[LevelState, ...] = ()

    @property
    def left(self) -> int:
        """What is neither done nor failed."""
        return self.total - self.done - self.failed

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        found = asdict(self) | {
            "left": self.left,
            "levels": [asdict(one) | {"left": one.left} for one in self.levels],
        }
        return found if self.levels else {key: value for key, value in found.items() if key != "levels"}


def open_store(path: str | None) -> Store | None:
    """Return the store to look into, or None if there is none yet.

    Raises
    ------
    InputError
        If the folder exists and is not a store of ours.
    """
    folder = Path(path) if path else default_store()
    try:
        there = folder.is_file() or (folder.exists() and any(folder.iterdir()))
    except OSError as error:
        raise InputError(f"the store at '{folder}' cannot be read: {error.strerror}") from None
    return Store(folder) if there else None


def check_complete(recipe: Recipe, states: Sequence[StageState], since: str) -> None:
    """Raise StageError if a stage before another is not complete.

    Parameters
    ----------
    recipe
        The recipe.
    states
        Its states, from `recipe_state`.
    since
        The stage that is to run.
    """
    for state in states[: STAGES.index(since)]:
        if state.version is None:
            raise StageError(
                f"{recipe.name}: {since} needs what {state.stage} makes, which is not complete in this store "
                f"({state.done} of {state.total}); run that first: nmer run RECIPE --until {state.stage}"
            )


def recipe_state(plan: Plan, store: Store | None) -> list[StageState]:
    """Return the state of every stage of a recipe, in order.

    Parameters
    ----------
    plan
        The recipe's plan.
    store
        The store, or None if there is none yet.
    """
    states: dict[StageName, StageState] = {
        stage: StageState(stage, 0, 0, plan.total(stage), None) for stage in STAGES
    }
    if store is None:
        return list(states.values())
    recipe, name = plan.recipe, plan.recipe.name

    def found(stage: StageName, key: str) -> Version | None:
        version = store.find(STAGE[stage].makes, key, name)
        if version is not None:
            total = plan.total(stage)
            if stage == "fitting" and recipe.levels:  # the sum of the levels' fits has terms of all of them
                total = int(version.attributes()["facts"]["number_of_terms"])
            states[stage] = StageState(stage, total, 0, total, version.ref)
        return version

    if found("sampling", plan.pool) is None:
        states["sampling"] = replace(states["sampling"], done=frames_kept(store.scratch(plan.pool)))
    if recipe.selection.method == "uncertainty" and store.find("selection", plan.selection, name) is None:
        states["labelling"] = _kept(plan, store)
    if (selection := found("selection", plan.selection)) is not None:
        states["labelling"], dataset = _labelling(plan, store, selection)
        if dataset is not None:
            try:
                key = potential_key(recipe, dataset.key, plan.baseline(store))
            except InputError:  # the parameters of V_phys are not there yet, so no potential is
                return list(states.values())
            if (fitted := found("fitting", key)) is not None:
                found("validation", validation_key(recipe, key, find_bodies(store, fitted).keys))
    return list(states.values())


def completed(recipe: Recipe, store: Store | None, until: str) -> Plan | None:
    """Return the plan of a recipe if a store has all that its stages make up to one of them, otherwise None."""
    if store is None:
        return None
    try:
        plan = resolve(recipe, store)
    except InputError:  # the checks of a run say more
        return None
    states = recipe_state(plan, store)[: len(stages_until(until))]
    return plan if all(state.version for state in states) else None


def _labelling(plan: Plan, store: Store, selection: Version) -> tuple[StageState, Version | None]:
    """Return the state of labelling, and the dataset if it is complete: with levels that of the last.

    What workers have finished counts, whether or not the run has received it. The state of a level whose engine is
    not installed here cannot be determined; it counts as not begun.
    """
    chosen, levels, made = selection_from_version(selection), list[LevelState](), list[Version]()
    with Ledger.read(store.labels) as ledger:
        for number in range(len(plan.levels)):
            found, dataset = _level_state(plan, number, chosen.of_level(number), made, store, ledger)
            levels.append(found)
            made += [dataset] if dataset is not None else []
    done, failed, flagged = (sum(getattr(one, n) for one in levels) for n in ("done", "failed", "flagged"))
    whole = made[-1] if len(made) == len(levels) else None
    return (
        StageState(
            "labelling",
            done,
            failed,
            sum(one.total for one in levels),
            whole.ref if whole else None,
            flagged,
            tuple(levels) if plan.recipe.levels else (),
        ),
        whole,
    )


def _level_state(
    plan: Plan, number: int, chosen: Selection, made: Sequence[Version], store: Store, ledger: Ledger
) -> tuple[LevelState, Version | None]:
    """Return the state of a level, and its dataset if it and those below, which are `made`, are complete."""
    level = plan.levels[number]
    total = len(chosen)
    if level.protocol is None:
        return LevelState(level.title, 0, 0, total, None), None
    table = collect_labels(level.protocol, chosen.positions, ledger)
    flagged, missing = table.status.count(FLAGGED), table.status.count(MISSING)
    failed = sum(status in FAILURES for status in table.status) + (0 if table.keep_flagged else flagged)
    dataset = None
    if not missing and len(made) == number:
        below = [one.key for one in made]
        relative = bool(level.references)
        key = key_of(plan.recipe, table, level.protocol.id, plan.selection, relative, number, below)
        dataset = store.find("dataset", key, plan.recipe.name)
    done = total - failed - missing
    return LevelState(level.title, done, failed, total, dataset.ref if dataset else None, flagged), dataset


def _kept(plan: Plan, store: Store) -> StageState:
    """Return the state of labelling before configurations are added to those of an earlier potential."""
    before = earlier(plan.recipe, plan.pool, store)
    state, _ = _labelling(plan, store, before.selection)
    return replace(state, total=plan.total("labelling"), version=None)


def newest_dataset(recipe: Recipe, path: str | None) -> Version | None:
    """Return the dataset that a recipe's labels make up, or None while they are not complete.

    Parameters
    ----------
    recipe
        The recipe.
    path
        Folder of the store.
    """
    store = open_store(path)
    plan = resolve(recipe, store)
    selection = store.find("selection", plan.selection, recipe.name) if store else None
    return _labelling(plan, store, selection)[1] if store and selection else None


def label_cost_now(plan: Plan, store: Store | None) -> LabelCost | None:
    """Return what a label is expected to cost, with levels one of the last; None if unknown."""
    return label_costs_now(plan, store)[-1]


def label_costs_now(plan: Plan, store: Store | None) -> list[LabelCost | None]:
    """Return what a label of each level is expected to cost, with what a store has measured; None if unknown."""
    if store is None:
        return [label_cost(plan.nmer, level.labelling) for level in plan.levels]
    return [expected_cost_in(store.labels, plan.nmer, level.labelling) for level in plan.levels]


def outcome(plan: Plan, store: Store, until: str) -> dict[str, Any]:
    """Return what a finished run has: versions per stage, and errors and verdict of the potential.

    ``passed`` is true when no label failed or was flagged and every gate passed, as far as the run went.
    """
    recipe, states = plan.recipe, {s.stage: s for s in recipe_state(plan, store)}
    wanted = stages_until(until)
    result: dict[str, Any] = {
        "recipe": recipe.name,
        "preset": recipe.preset,
        "store": str(store.path),
        "stages": [states[stage].as_dict() for stage in wanted],
        "failed_labels": states["labelling"].failed if "labelling" in wanted else 0,
    }
    result["passed"] = result["failed_labels"] == 0
    fitted = states["fitting"].version
    if "fitting" in wanted and fitted:
        version = store.resolve(fitted)
        result |= {"potential": fitted, "terms": states["fitting"].total, "status": store.status(version)}
        result["warnings"] = version.attributes()["facts"]["warnings"]
        if "validation" in wanted and states["validation"].version:
            facts = store.resolve(states["validation"].version).attributes()["facts"]
            result |= {name: facts[name] for name in ("train", "test", "gates")}
            result["report"] = str(store.report(version) / "report.html")
            result["passed"] = result["passed"] and facts["passed"]
    return result


def failed_gates(result: dict[str, Any]) -> list[str]:
    """Return a sentence for each gate that the potential of an `outcome` has not passed."""
    return [
        f"gate not passed: {gate['meaning']} is {gate['value']:.3g}, the limit is {gate['limit']:.3g}"
        + (f"; {gate['advice']}" if gate.get("advice") else "")
        for gate in result.get("gates", [])
        if not gate["passed"]
    ]
