"""The flow that improves the potentials of a family, or one, by turns, as ``nmer improve`` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from deploy.fits import check_fits
from deploy.machine import LocalMachine, Machine, scratch_of
from deploy.opening import Clusters
from deploy.script import Work
from flows.names import run_stage, tagged
from flows.progress import show_line
from flows.stages import learning_curve_of, run_stages
from recipes.families import FAMILIES
from storage.store import Store
from storage.version import Version
from tasks.improving.labels import Order, here
from tasks.improving.loop import Improved, improve
from tasks.improving.refitted import refitted
from tasks.improving.report import write_pages
from tasks.improving.settings import ImproveSettings
from tasks.improving.sources import FamilySource, PoolSource, Source
from tasks.improving.training import Training, training_of
from tasks.improving.turn import Means
from tasks.labelling.calibrate import expected_cost_in
from tasks.labelling.execution.dispatch import scratch_folder
from tasks.labelling.execution.elsewhere import label_elsewhere
from tasks.plan import Plan, resolve
from tasks.progress import ProgressLine, watched_by
from tasks.run.needs import with_scratch

QUICK = 600.0
"""Expected processor time of labels up to which this machine computes them without a cluster, s."""


@flow(name="improve", flow_run_name="improve {name}")
def improve_potentials(
    name: str,
    store: Path | None = None,
    turns: int = 2,
    core_hours: float | None = None,
    molecules: list[str] = [],  # noqa: B006 - Prefect shows it as the default; it is not changed
    settings: ImproveSettings = ImproveSettings(),  # noqa: B008 - it is immutable
    gates: bool = True,
    machine: Machine = LocalMachine(),  # noqa: B008 - it is immutable
) -> dict[str, Any]:
    """Improve potentials by turns; what the store has already is not computed again.

    Parameters
    ----------
    name
        Name of a family, or the newest potential of an n-mer, ``ch3-water@1``.
    store
        Folder of the store; by default ``NMER_STORE``, else ``nmer-store`` in the working directory.
    turns
        Number of turns in all, with those that the store has.
    core_hours
        What labels, fits and simulations of all turns may take; None: no limit.
    molecules
        Molecules in place of the family's own.
    settings
        The settings of a turn.
    gates
        Whether the gates of a family are measured before each turn and at the end; it stops if they pass.
    machine
        Where labels, and whole fits, are computed. Simulations run in this process.

    Returns
    -------
    What ``nmer improve --json`` prints.

    Raises
    ------
    potentials.errors.InputError, potentials.errors.StageError
        See `tasks.improving.loop.improve`.
    """
    opened = Store(store)
    opened.check_writable()
    source: Source = FamilySource(name, opened, molecules) if name in FAMILIES else PoolSource.of(name, opened)
    means = Means(
        partial(_label, machine),
        partial(_train, opened, machine),
        partial(_validate, opened, machine),
        _step,
    )
    with tagged(source.name, None), watched_by(partial(show_line, f"nmer-improve-{source.name}")):
        found = improve(opened, source, settings, means, turns, core_hours, gates)
    return document(opened, found)


def document(store: Store, found: Improved) -> dict[str, Any]:
    """Return what ``nmer improve --json`` prints, and write the pages of the turns."""
    return {
        "name": found.name,
        "store": str(store.path),
        "turns": [{"ref": turn.version.ref, "core_hours": turn.core_hours, **turn.facts} for turn in found.turns],
        "new": found.new,
        "stopped": found.stopped,
        "gates": found.gates,
        "core_hours": found.core_hours,
        "files": [str(path) for path in write_pages(store, found.name, found.turns)] if found.turns else [],
    }


def _step(name: str, function: Callable[[], Any]) -> Any:
    """Call a function as a task of its own, so that Prefect's pages show its state and time."""

    def call() -> None:
        found.append(function())  # not returned: Prefect would look through it

    found: list[Any] = []
    task(name=name, cache_policy=NO_CACHE)(call)()
    get_run_logger().info("%s: done", name)
    return found[0]


def _plan(store: Store, machine: Machine, training: Training, selection: str) -> Plan:
    """Return the plan of a recipe that goes on from a selection."""
    recipe = with_scratch(training.recipe, scratch_of(machine))
    return replace(resolve(recipe, store), pool=training.pool.key, selection=selection)


def _label(machine: Machine, store: Store, orders: Sequence[Order], told: Callable[[int], None]) -> None:
    """Compute labels: here if that is quick, else on the machine, one n-mer after the other."""
    expected = 0.0
    for one in orders:
        each = one.expected_seconds(store.labels)
        expected += one.missing(store.labels) * (float("inf") if each is None else each)
    if isinstance(machine, LocalMachine) and expected <= QUICK:
        return here(store, orders, told)
    for one in orders:
        one.derive(store.labels)
        protocol = one.protocol
        cost = expected_cost_in(store.labels, protocol.nmer, protocol.labelling)
        work = Work(
            name=protocol.nmer.name,
            folder=store.path.resolve() / "scratch" / "dask",
            workers=one.resources.workers,
            memory=one.resources.label_memory,
            seconds=None if cost is None else cost.cpu_seconds,
            timeout=one.resources.label_timeout,
            most=one.missing(store.labels),
            expected_memory=None if cost is None else cost.memory,
            source="" if cost is None else cost.source,
        )
        check_fits(machine, work)
        missing = work.most
        scratch = scratch_folder(one.resources, store.path)
        with (
            Clusters(machine, work) as clusters,
            ProgressLine(f"labels of {work.name}", len(one.positions), "labels") as line,
        ):
            address = clusters.scheduler()
            label_elsewhere(address, protocol, one.positions, one.resources, store.labels, line, scratch)
        told(missing)
    return None


def _train(store: Store, machine: Machine, training: Training, selection: Version, refit: str) -> Version:
    """Return the trial potential of a selection whose labels are in the ledger."""
    recipe = training.recipe
    until = "labelling" if refit == "coefficients" else "fitting"
    plan = _plan(store, machine, training, selection.key)
    keys = run_stages(recipe, store.path, machine, until, "labelling", plan)  # type: ignore[arg-type]
    if refit != "coefficients":
        return store.get("potential", keys["fitting"])
    dataset = store.get("dataset", keys["labelling"])

    def fit() -> Version:
        with store.writing():
            return refitted(store, training, dataset)

    found: Version = _step(f"fit {recipe.name}", fit)
    return found


def _validate(store: Store, machine: Machine, potential: Version) -> None:
    """Measure the gates of a potential that was kept, and write its report."""
    training = training_of(store, potential)
    assert isinstance(training, Training)  # it was made of one
    plan = _plan(store, machine, training, training.selection.key)
    validation = import_module("tasks.validation.task").validation_task
    with store.writing():
        run_stage(validation, plan.recipe, plan, store.path, potential.key, learning_curve_of)
