"""Label configurations on a Dask cluster: find what is missing, keep the workers busy, write the ledger."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import dask
import numpy as np
from distributed import CancelledError, Client, Future, KilledWorker, wait
from numpy.typing import NDArray

from potentials.errors import StageError
from potentials.molecule import NMer
from recipes.schema import Labelling, Resources
from storage.configuration import configuration_ids
from storage.ledger import LabelRow, Ledger
from tasks.labelling.collect import failure
from tasks.labelling.engines import get_engine
from tasks.labelling.protocol import Protocol, protocol_of
from tasks.labelling.runner import Limits
from tasks.labelling.worker import LabelTask, run_task, worker_died
from tasks.progress import ProgressLine

IN_FLIGHT = 4
"""Labels handed to the cluster for each of its cores."""

GRACE = 300.0
"""Seconds beyond a label's own limit within which some label must end while there are workers."""

MAX_TROUBLE = 10
"""Labels in a row that may end without a result (disk full, lost file system) before the stage gives up."""


@dataclass(frozen=True)
class LabelCounts:
    """How the configurations of a labelling run stand at its end; duplicates count once.

    Attributes
    ----------
    ok
        Labels with every energy.
    failed
        Number of failed labels by status and reason, for example ``timeout: took longer than 600 s``.
    already
        Labels that had ended, well or not, before this run and were not tried again.
    computed
        Labels that ended in this run.
    missing
        Labels that have not ended: the trouble was not the label's own, and the next run tries them again.
    """

    ok: int
    failed: dict[str, int]
    already: int
    computed: int
    missing: int


@dataclass
class _Run:
    """What a labelling run carries along: the ledger, the cluster, and the tasks in flight."""

    ledger: Ledger
    client: Client
    protocol: Protocol
    timeout: float
    progress: ProgressLine | None
    done: int
    failed: int
    flying: dict[Future, LabelTask] = field(default_factory=dict)
    doubtful: list[LabelTask] = field(default_factory=list)  # each waits to be tried alone
    alone: set[str] = field(default_factory=set)
    started: float = field(default_factory=time.time)
    trouble: int = 0
    computed: int = 0


def label_configurations(
    nmer: NMer,
    positions: NDArray[np.float64],
    labelling: Labelling,
    resources: Resources,
    labels_folder: Path,
    client: Client,
    progress: ProgressLine | None,
    scratch: Path,
    retry: Collection[str] = (),
) -> LabelCounts:
    """Compute the labels that the ledger of a folder does not have, and write them there.

    It may be killed at any time and called again: what a worker had finished is in the spool and is not
    computed twice. A label that fails is a row with its reason and does not stop the others. Labels that ran
    into a limit are tried again when the limit is now higher.

    Parameters
    ----------
    nmer
        The n-mer.
    positions
        Shape (configurations, atoms, 3), Angstrom.
    labelling
        The protocol.
    resources
        Limits of one label: wall time (s) and memory (GiB).
    labels_folder
        Folder of the ledger, on a local disk of this machine; its ``spool`` must be seen by the workers.
    client
        Client of the cluster to compute on. Its workers should have one thread each: the kernel ends a label
        with the thread that started it.
    progress
        Where to count; None to count nowhere.
    scratch
        Folder for temporary files on the workers.
    retry
        Statuses to try again whatever the limits: ``failed``, ``timeout``, ``out-of-memory``.

    Raises
    ------
    InputError
        If the engine is missing or cannot do what is asked, or another process holds the ledger.
    StageError
        If the cluster has no workers for too long, is lost, or no label comes to an end.
    """
    engine = get_engine(labelling.engine)
    ghosts = labelling.counterpoise and len(nmer.fragments) > 1
    engine.check(labelling.method, labelling.basis, ghosts, nmer.symbols)
    protocol = protocol_of(nmer, labelling)
    geometries = dict(zip(configuration_ids(nmer, positions), positions, strict=True))
    limits = Limits(resources.label_timeout, resources.label_memory)
    with Ledger.open(labels_folder.resolve()) as ledger:
        ledger.record_protocol(protocol.id, protocol.settings)
        known = ledger.rows(list(geometries), protocol.id)
        needs = {i: missing_parts(known.get(i, {}), protocol, limits, retry) for i in geometries}
        work = {i: parts for i, parts in needs.items() if parts}
        tasks = (
            LabelTask(
                configuration=i,
                protocol=protocol.id,
                engine=labelling.engine,
                jobs=tuple(protocol.jobs(geometries[i], parts, limits.memory)),
                limits=limits,
                spool=ledger.spool,
                scratch=scratch.resolve(),
            )
            for i, parts in work.items()
        )
        failed = sum(failure(rows) is not None for i, rows in known.items() if i not in work)
        already = len(geometries) - len(work)
        run = _Run(ledger, client, protocol, limits.timeout, progress, already - failed, failed)
        try:
            _work_off(run, tasks)
        finally:
            _call_off(run)
            ledger.ingest()
        return _count(ledger, protocol, list(geometries), already, run.computed)


def missing_parts(
    rows: dict[str, LabelRow], protocol: Protocol, limits: Limits, retry: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the parts of a label to compute, given what is known of it; none if it has ended for good.

    Parameters
    ----------
    rows
        Its rows by part.
    protocol
        The protocol.
    limits
        The limits now: what ran into a lower one is tried again.
    retry
        Statuses to try again in any case.
    """
    for row in rows.values():
        if row.status != "ok" and row.status not in retry and not _ran_into_lower(row, limits):
            return ()
    return tuple(part for part in protocol.parts if part not in rows or rows[part].status != "ok")


def _ran_into_lower(row: LabelRow, limits: Limits) -> bool:
    now = {"timeout": ("limit_seconds", limits.timeout), "out-of-memory": ("limit_memory", limits.memory)}
    if row.status not in now:
        return False
    name, limit = now[row.status]
    return bool(limit > json.loads(row.details).get(name, float("inf")))


def _call_off(run: _Run) -> None:
    """Take back what is still in flight; a cluster that is gone has nothing to take back."""
    if run.flying:
        with suppress(OSError, TimeoutError, RuntimeError, CancelledError):
            run.client.cancel(list(run.flying))


def _work_off(run: _Run, tasks: Iterator[LabelTask]) -> None:
    no_workers = _seconds(dask.config.get("distributed.scheduler.no-workers-timeout", None), 600.0)
    sign_of_life = last_worker = time.monotonic()
    _report(run)
    while True:
        cores = sum(run.client.ncores().values())
        for task in _take(tasks, max(IN_FLIGHT * max(cores, 1) - len(run.flying), 0)):
            _submit(run, task)
        if not run.flying and run.doubtful:
            task = run.doubtful.pop()
            run.alone.add(task.configuration)
            _submit(run, task)
        if not run.flying:
            return
        ended = _wait_for_some(run.flying)
        now = time.monotonic()
        if cores:
            last_worker = now
        if ended or not cores:
            sign_of_life = now
        if ended:
            _take_in(run, ended)
            _report(run)
        elif now - last_worker > no_workers:
            raise StageError(f"the cluster had no workers for {no_workers:g} s; labels done so far are kept")
        elif now - sign_of_life > run.timeout + GRACE:
            raise StageError(
                f"no label ended within {run.timeout + GRACE:g} s, longer than the limit of one; "
                "look at the workers' logs; labels done so far are kept"
            )


def _submit(run: _Run, task: LabelTask) -> None:
    key = f"label-{task.configuration[:16]}-{uuid.uuid4().hex[:8]}"
    run.flying[run.client.submit(run_task, task, key=key, pure=False)] = task


def _take(tasks: Iterator[LabelTask], count: int) -> Iterator[LabelTask]:
    for _, task in zip(range(count), tasks, strict=False):
        yield task


def _wait_for_some(flying: Collection[Future]) -> list[Future]:
    try:
        return list(wait(list(flying), timeout=5.0, return_when="FIRST_COMPLETED").done)
    except (TimeoutError, CancelledError):
        return [future for future in flying if future.done()]


def _take_in(run: _Run, ended: Sequence[Future]) -> None:
    """Write what the ended tasks brought, and release them at once."""
    entries: list[dict[str, Any]] = []
    for future in ended:
        task = run.flying.pop(future)
        good = _outcome(run, future, task, entries)
        future.release()
        if good is not None:
            run.trouble = 0
            run.computed += 1
            run.done += good
            run.failed += not good
    run.ledger.add(entries)


def _outcome(run: _Run, future: Future, task: LabelTask, entries: list[dict[str, Any]]) -> bool | None:
    """Add what a task brought to the entries; return whether the label is good, or None if it did not end."""
    if future.status == "finished":
        try:
            mine = future.result(timeout=60)
        except Exception:  # whatever Dask says when a result was lost with its worker
            return _after_loss(run, task, entries)
        entries.extend(mine)
        return all(entry["status"] == "ok" for entry in mine)
    if future.status == "cancelled":
        raise StageError("the connection to the cluster was lost; labels done so far are kept")
    error = future.exception(timeout=60)
    if isinstance(error, KilledWorker):
        return _after_loss(run, task, entries)
    run.trouble += 1
    if run.trouble > MAX_TROUBLE:
        what = f"{type(error).__name__}: {error}"
        raise StageError(f"{run.trouble} labels in a row could not be computed: {what}; what is done is kept")
    return None


def _after_loss(run: _Run, task: LabelTask, entries: list[dict[str, Any]]) -> bool | None:
    """Judge a label that was lost with its worker by what the spool has of it.

    Dask suspects every label that was waiting at the worker, so one that has not ended is tried once more at
    the end, with no other beside it. If the worker is lost again, it is the label that failed.
    """
    run.ledger.ingest()
    rows = run.ledger.rows([task.configuration], task.protocol).get(task.configuration, {})
    known = {part: row for part, row in rows.items() if row.status == "ok" or row.finished >= run.started}
    left = missing_parts(known, run.protocol, task.limits)
    if not left:
        return failure(known) is None
    if task.configuration in run.alone:
        entries.append(worker_died(task, left[0], "the worker process died each time it computed this label"))
        return False
    run.doubtful.append(replace(task, jobs=tuple(job for job in task.jobs if job.part in left)))
    return None


def _report(run: _Run) -> None:
    if run.progress is not None:
        run.progress.update(run.done, run.failed)


def _count(ledger: Ledger, protocol: Protocol, ids: list[str], already: int, computed: int) -> LabelCounts:
    rows = ledger.rows(ids, protocol.id)
    ended = (row for parts in rows.values() for row in parts.values())
    reasons = Counter(f"{row.status}: {row.reason}" for row in ended if row.status != "ok")
    counts = ledger.counts(ids, protocol.id, protocol.parts)
    return LabelCounts(counts.done, dict(reasons.most_common()), already, computed, counts.missing)


def _seconds(value: Any, default: float) -> float:
    return default if value is None else float(dask.utils.parse_timedelta(value))
