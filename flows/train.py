"""The flow that trains one n-mer: sampling, selection, labelling, fitting, validation."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from prefect import flow

from deploy.cluster import local_cluster, worker_count
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
def train_nmer(recipe: Recipe, store: Path | None = None, until: Stage = "validation") -> dict[str, str]:
    """Train one n-mer's potential; what the store has already is not made again.

    Parameters
    ----------
    recipe
        The recipe.
    store
        Folder of the store; by default ``NMER_STORE``, else ``nmer-store`` in the working directory.
    until
        The last stage to run.

    Returns
    -------
    The key of what each stage made or found.

    Raises
    ------
    potentials.errors.StageError
        If a stage cannot deliver; the message says what to change.
    """
    path = store or default_store()
    keys: dict[str, str] = {}
    with Store(path, create=True).writing(), ExitStack() as stack:
        scheduler = _cluster_on_demand(stack, recipe, path)
        stages: list[tuple[Stage, Callable[[], str]]] = [
            ("sampling", lambda: sampling_task(recipe, path, scheduler)),
            ("selection", lambda: selection_task(recipe, path)),
            ("labelling", lambda: labelling_task(recipe, path, scheduler)),
            ("fitting", lambda: fitting_task(recipe, path, keys["labelling"])),
            ("validation", lambda: validation_task(recipe, path, keys["fitting"])),
        ]
        for name, run in stages:
            began = time.monotonic()
            keys[name] = run()
            record(path, keys[name], time.monotonic() - began)
            if name == until:
                break
    return keys


def _cluster_on_demand(stack: ExitStack, recipe: Recipe, path: Path) -> Callable[[], str]:
    """Return a function that opens the cluster at its first call and gives the scheduler's address."""
    address: list[str] = []

    def scheduler() -> str:
        if not address:
            workers = worker_count(recipe.resources.workers, recipe.resources.label_memory)
            address.append(stack.enter_context(local_cluster(workers, path / "scratch" / "dask")))
        return address[0]

    return scheduler
