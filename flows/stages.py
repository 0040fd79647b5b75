"""The stages of one n-mer in their order, and the flows that run some of them alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from prefect import flow

from deploy.fits import check_fits
from deploy.machine import LocalMachine, Machine, scratch_of
from deploy.run_clusters import Clusters
from deploy.script import Work
from flows.artifacts import log_stage, log_start, show_dashboard, show_outcome
from flows.names import run_name, run_stage
from flows.progress import show_progress
from recipes.schema.recipe import Recipe
from storage.store import Store, default_store
from tasks.fitting.task import fitting_task
from tasks.labelling.task import labelling_task
from tasks.progress import watched_by
from tasks.run.checks import check_recipe
from tasks.run.needs import needs, with_scratch
from tasks.run.state import check_complete, label_cost_now, recipe_state
from tasks.run.timing import record
from tasks.sampling.task import sampling_task
from tasks.selection.task import selection_task
from tasks.validation.task import validation_task

Stage = Literal["sampling", "selection", "labelling", "fitting", "validation"]


def run_stages(
    recipe: Recipe, store: Path | None, machine: Machine, until: Stage, since: Stage = "sampling"
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

    Returns
    -------
    The key of what each stage up to the last made or found.

    Raises
    ------
    potentials.errors.StageError
        If a stage before the first is not complete, a stage cannot deliver, or the machine cannot be had; the
        message says what to change.
    potentials.errors.InputError
        If the recipe does not pass a check, or the machine's jobs are too small or too short.
    """
    path = store or default_store()
    check_recipe(recipe, until)
    recipe = with_scratch(recipe, scratch_of(machine))
    keys: dict[str, str] = {}
    opened = Store(path, create=True)
    states = recipe_state(recipe, opened)
    check_complete(recipe, states, since)
    made_before = {state.stage for state in states if state.version is not None}
    cost = label_cost_now(recipe, opened)
    work = Work(**needs(recipe, path, cost, until))
    check_fits(machine, work)
    log_start(recipe, path)
    with (
        opened.writing(),
        Clusters(machine, work, partial(show_dashboard, recipe)) as clusters,
        watched_by(partial(show_progress, recipe)),
    ):
        stages: list[tuple[Stage, Callable[[], str]]] = [
            ("sampling", lambda: run_stage(sampling_task, recipe, path, clusters.scheduler)),
            ("selection", lambda: run_stage(selection_task, recipe, path)),
            ("labelling", lambda: run_stage(labelling_task, recipe, path, clusters.scheduler)),
            ("fitting", lambda: run_stage(fitting_task, recipe, path, keys["labelling"], clusters.fit)),
            ("validation", lambda: run_stage(validation_task, recipe, path, keys["fitting"])),
        ]
        for name, run in stages:
            began = time.monotonic()
            keys[name] = run()
            took = time.monotonic() - began
            if name not in made_before:
                record(path, keys[name], took)
            log_stage(recipe, name, keys[name], took)
            if name == until:
                break
    show_outcome(recipe, path, until)
    return keys


@flow(name="sample-nmer", flow_run_name=run_name("sample"))
def sample(
    recipe: Recipe,
    store: Path | None = None,
    machine: Machine = LocalMachine(),  # noqa: B008 - it is immutable
) -> dict[str, str]:
    """Sample an n-mer's pool and choose configurations from it; see `run_stages`."""
    return run_stages(recipe, store, machine, "selection")


@flow(name="label-nmer", flow_run_name=run_name("label"))
def label(
    recipe: Recipe,
    store: Path | None = None,
    machine: Machine = LocalMachine(),  # noqa: B008 - it is immutable
) -> dict[str, str]:
    """Label the configurations of an n-mer, which must be there; see `run_stages`."""
    return run_stages(recipe, store, machine, "labelling", since="labelling")


@flow(name="fit-nmer", flow_run_name=run_name("fit"))
def fit(
    recipe: Recipe,
    store: Path | None = None,
    machine: Machine = LocalMachine(),  # noqa: B008 - it is immutable
) -> dict[str, str]:
    """Fit a potential to an n-mer's labels, which must be there; see `run_stages`."""
    return run_stages(recipe, store, machine, "fitting", since="fitting")


@flow(name="validate-nmer", flow_run_name=run_name("validate"))
def validate(
    recipe: Recipe,
    store: Path | None = None,
    machine: Machine = LocalMachine(),  # noqa: B008 - it is immutable
) -> dict[str, str]:
    """Judge an n-mer's potential, which must be there, and write its report; see `run_stages`."""
    return run_stages(recipe, store, machine, "validation", since="validation")
