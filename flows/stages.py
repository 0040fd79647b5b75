"""The stages of one n-mer in their order, and the flows that run some of them alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from prefect import flow

from deploy.fits import check_fits
from deploy.machine import LocalMachine, Machine, scratch_of
from deploy.opening import Clusters
from deploy.script import Work
from flows.artifacts import log_stage, log_start, show_dashboard, show_outcome
from flows.names import run_name, run_stage
from flows.progress import show_progress
from recipes.families import FAMILIES
from recipes.physics.levels import PREFIX, divided
from recipes.schema.recipe import Recipe
from recipes.stages import PARTS, STAGE, StageName, stages_until
from storage.physics import has_physics
from storage.store import Store, default_store
from storage.version import Version
from tasks.metrics import LearningPoint
from tasks.plan import Plan, resolve
from tasks.progress import watched_by
from tasks.run.checks import check_recipe
from tasks.run.needs import needs, with_scratch
from tasks.run.state import check_complete, label_cost_now, recipe_state
from tasks.run.timing import record


def run_stages(
    recipe: Recipe,
    store: Path | None,
    machine: Machine,
    until: StageName,
    since: StageName = "sampling",
    plan: Plan | None = None,
) -> dict[str, str]:
    """Run an n-mer's stages from one to another; what the store has already is not made again.

    Parameters
    ----------
    recipe
        The recipe.
    store
        Folder of the store; by default ``NMER_STORE``, else ``nmer-store`` in the working directory.
    machine
        Where sampling, labels, and the fit are computed.
    until
        The last stage to run.
    since
        The first; those before it must be complete.
    plan
        The recipe's plan where it goes on from another selection than its own; by default it is resolved here.

    Returns
    -------
    The key of what each stage up to the last made or found.

    Raises
    ------
    potentials.errors.StageError
        If a stage before the first is not complete, a stage fails, or the machine is not available; the message
        says what to change.
    potentials.errors.InputError
        If the recipe does not pass a check, or the machine's jobs are too small or too short.
    """
    path = store or default_store()
    check_recipe(recipe, until)
    opened, keys = Store(path, create=True), dict[str, str]()
    if "fitting" in stages_until(until):
        _derive_baseline(recipe, opened)
    if plan is None:
        plan = resolve(with_scratch(recipe, scratch_of(machine)), opened)
    recipe = plan.recipe
    if "fitting" in stages_until(until):
        plan.baseline(opened)  # labels take days: what the fit lacks is said before them
    states = recipe_state(plan, opened)
    check_complete(recipe, states, since)
    complete = {state.stage for state in states if state.version is not None}
    work = Work(**needs(recipe, path, label_cost_now(plan, opened), until))
    check_fits(machine, work)
    log_start(recipe, path)
    with (
        opened.writing(),
        Clusters(machine, work, partial(show_dashboard, recipe)) as clusters,
        watched_by(partial(show_progress, recipe)),
    ):
        given: dict[str, Any] = {
            "scheduler": clusters.scheduler,
            "compute": clusters.fit,
            "learning": learning_curve_of,
        }
        for name in stages_until(until):
            began = time.monotonic()
            task = getattr(import_module(f"tasks.{name}.task"), f"{name}_task")  # only what runs is imported
            key = run_stage(task, recipe, plan, path, *(given[one] for one in STAGE[name].takes))
            took = time.monotonic() - began
            keys[name] = given["source"] = key
            if name not in complete:
                record(path, key, took)
            log_stage(recipe, name, key, took)
    show_outcome(plan, path, until)
    return keys


def _derive_baseline(recipe: Recipe, store: Store) -> None:
    """Derive the parameters of V_phys of a family's name that neither the store nor nmer has."""
    baseline = recipe.fitting.baseline
    if baseline is None or "@" in baseline:
        return
    name, level = divided(baseline)
    if name in FAMILIES and not has_physics(store, baseline):
        from tasks.physics.levels import DENSITY
        from tasks.physics.task import physics_task

        with store.writing():
            physics_task(baseline.removeprefix(PREFIX), [name], level or DENSITY, None, store.path)


def learning_curve_of(store: Store, potential: Version) -> Sequence[LearningPoint]:
    """Return the learning curve of a stored potential."""
    from tasks.fitting.learning import learning_curve

    return learning_curve(store, potential)


def _part(name: str) -> Any:
    """Return the flow that runs a part alone."""
    part = PARTS[name]  # type: ignore[index]

    def run(
        recipe: Recipe,
        store: Path | None = None,
        machine: Machine = LocalMachine(),  # noqa: B008 - it is immutable
    ) -> dict[str, str]:
        return run_stages(recipe, store, machine, part.last, part.first)

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"{part.title}; what it needs must be there. See `run_stages`."
    return flow(name=f"{name}-nmer", flow_run_name=run_name(name))(run)


def __getattr__(name: str) -> Any:
    """Return the flow of a part, made at its first use: Prefect then writes the schema of its parameters."""
    if name not in PARTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, _part(name))
