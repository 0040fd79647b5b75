"""The flow that trains one n-mer: sampling, selection, labelling, fitting, validation."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from prefect import flow

from deploy.machine import LocalMachine, Machine
from flows.machines import Clusters, check_fits, for_machine
from flows.state import label_cost_now
from flows.timing import record
from recipes.schema import Recipe
from storage.store import Store, default_store
from tasks.fitting.task import fitting_task
from tasks.labelling.task import labelling_task
from tasks.sampling.task import sampling_task
from tasks.selection.task import selection_task
from tasks.validation.task import validation_task

Stage = Literal["sampling", "selection", "labelling", "fitting", "validation"]


@flow(name="train-nmer", flow_run_name="train {recipe.name} {recipe.preset}")
def train_nmer(
    recipe: Recipe,
    store: Path | None = None,
    until: Stage = "validation",
    machine: Machine = LocalMachine(),  # noqa: B008 - it is immutable
) -> dict[str, str]:
    """Train one n-mer's potential; what the store has already is not made again.

    Parameters
    ----------
    recipe
        The recipe.
    store
        Folder of the store; by default ``NMER_STORE``, else ``nmer-store`` in the working directory.
    until
        The last stage to run.
    machine
        Where sampling, labels, and the fit are computed.

    Returns
    -------
    The key of what each stage made or found.

    Raises
    ------
    potentials.errors.StageError
        If a stage cannot deliver, or the machine cannot be had; the message says what to change.
    potentials.errors.InputError
        If the machine's jobs are too small or too short.
    """
    path = store or default_store()
    recipe = for_machine(recipe, machine)
    keys: dict[str, str] = {}
    opened = Store(path, create=True)
    cost = label_cost_now(recipe, opened)
    check_fits(recipe, machine, cost, until)
    with opened.writing(), Clusters(machine, recipe, path, cost) as clusters:
        stages: list[tuple[Stage, Callable[[], str]]] = [
            ("sampling", lambda: sampling_task(recipe, path, clusters.scheduler)),
            ("selection", lambda: selection_task(recipe, path)),
            ("labelling", lambda: labelling_task(recipe, path, clusters.scheduler)),
            ("fitting", lambda: fitting_task(recipe, path, keys["labelling"], clusters.fit)),
            ("validation", lambda: validation_task(recipe, path, keys["fitting"])),
        ]
        for name, run in stages:
            began = time.monotonic()
            keys[name] = run()
            record(path, keys[name], time.monotonic() - began)
            if name == until:
                break
    return keys
