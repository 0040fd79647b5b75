"""Keep a Dask cluster busy with labels: hand tasks out, take results in, and judge what is lost with a worker."""

from __future__ import annotations

import errno
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import dask
from distributed import CancelledError, Client, Future, KilledWorker, wait

from potentials.errors import NmerError, StoppedError
from storage.ledger import Ledger
from storage.spool import spool_files
from tasks.clock import Clock
from tasks.labelling.engines.interface import FAILED, OK
from tasks.labelling.execution.runner import Limits
from tasks.labelling.execution.worker import Finished, LabelTask, LabelWork, make_entry, run_task
from tasks.progress import ProgressLine

IN_FLIGHT = 4
"""Tasks handed to the cluster for each of its cores."""

GRACE = 300.0
"""Seconds beyond a label's own limit within which some label must end while there are workers."""

LOOK = 5.0
"""Seconds between two looks at the labels that are with the cluster."""

MAX_TROUBLE = 10
"""Tasks in a row that may end without a result (lost file system) before the stage gives up."""

MAX_DEATHS = 2
"""Workers that may die over a label among others; then it is tried alone, and as many may die again."""


class Flight:
    """The labels of one run that are with the cluster.

    Parameters
    ----------
    ledger
        Open for writing.
    client
        Client of the cluster.
    parts
        Names of all parts of a label.
    limits
        Limits of each label.
    progress
        Where to count; None to count nowhere.
    done, failed
        Labels that had ended before, well and not.
    """

    def __init__(
        self,
        ledger: Ledger,
        client: Client,
        parts: Sequence[str],
        limits: Limits,
        progress: ProgressLine | None,
        done: int,
        failed: int,
    ) -> None:
        self.computed = 0
        self._ledger, self._client, self._progress = ledger, client, progress
        self._parts, self._limits = tuple(parts), limits
        self._done, self._failed = done, failed
        self._flying: dict[Future, LabelTask] = {}
        self._again: list[LabelTask] = []  # lost with their worker through no fault of their own
        self._alone: list[LabelTask] = []  # each waits to be tried with no other beside it
        self._deaths: Counter[str] = Counter()
        self._started = time.time()
        self._trouble = 0
        self._ended_at_restart = -1
        self._give_back: Callable[[], None] = _judge_deaths_here(client)

    def work_off(self, tasks: Iterator[LabelTask]) -> None:
        """Have every task computed and written to the ledger.

        Raises
        ------
        StageError
            If the cluster has no workers for too long, is lost, a disk is full, or no label comes to an end.
        """
        no_workers = _seconds(dask.config.get("distributed.scheduler.no-workers-timeout", None), 600.0)
        clock = Clock(4 * LOOK)
        sign_of_life = last_worker = clock.now()
        spooled = -1
        self._report()
        while True:
            cores = sum(self._client.ncores().values())
            self._fill(tasks, IN_FLIGHT * max(cores, 1))
            if not self._flying:
                return
            ended = _wait_for_some(self._flying)
            now = clock.now()
            if cores:
                last_worker = now
            if ended or not cores:
                sign_of_life = now
            if ended:
                self._take_in(ended)
                self._report()
            elif now - last_worker > no_workers:
                raise StoppedError(f"the cluster had no workers for {no_workers:g} s")
            elif (size := self._spooled()) != spooled:  # a task of many labels shows in the spool that it lives
                spooled, sign_of_life = size, now
            elif now - sign_of_life > self._limits.timeout + GRACE:
                self._restart_workers()
                sign_of_life = now

    def call_off(self) -> None:
        """Take back what is still with the cluster; one that is gone has nothing to take back."""
        with suppress(OSError, TimeoutError, RuntimeError, CancelledError):
            if self._flying:
                self._client.cancel(list(self._flying))
            self._give_back()

    def _restart_workers(self) -> None:
        """Start the workers anew that hold labels but end none; give up if that was of no use the last time."""
        if self._ended_at_restart == self.computed:
            raise StoppedError(
                f"no label ended within {self._limits.timeout + GRACE:g} s, longer than the limit of one, "
                "although the workers were started anew; look at their logs and at the disks of their machines"
            )
        self._ended_at_restart = self.computed

        async def restart(keys: list[str], dask_scheduler: Any = None) -> None:
            found = (dask_scheduler.tasks.get(key) for key in keys)
            holders = {task.processing_on.address for task in found if task is not None and task.processing_on}
            await dask_scheduler.restart_workers(
                list(holders), wait_for_workers=False, on_error="return", stimulus_id="no-label-ended"
            )

        self._client.run_on_scheduler(restart, [future.key for future in self._flying])

    def _fill(self, tasks: Iterator[LabelTask], most: int) -> None:
        while len(self._flying) < most:
            task = self._again.pop() if self._again else next(tasks, None)
            if task is None:
                break
            self._submit(task)
        if not self._flying and self._alone:
            self._submit(self._alone.pop())

    def _submit(self, task: LabelTask) -> None:
        key = f"label-{task.labels[0].configuration[:16]}-{uuid.uuid4().hex[:8]}"
        self._flying[self._client.submit(run_task, task, key=key, pure=False)] = task

    def _take_in(self, ended: Sequence[Future]) -> None:
        """Write what the ended tasks brought, all in one transaction, and release them at once."""
        brought: list[tuple[LabelTask, Finished]] = []
        for future in ended:
            task = self._flying.pop(future)
            finished = self._result(future, task)
            future.release()
            if finished is not None:
                brought.append((task, finished))
        self._ledger.add(
            [entry for _, finished in brought for entry in finished.entries],
            [finished.seen for _, finished in brought if finished.seen is not None],
        )
        for task, finished in brought:
            self._count(task, finished.entries)
            if finished.trouble is None:
                self._trouble = 0
            else:
                self._stumble(finished.trouble)

    def _result(self, future: Future, task: LabelTask) -> Finished | None:
        """Return what a task brought and why it came to nothing, or None if it was lost with its worker."""
        if future.status == "cancelled":
            raise StoppedError("the connection to the cluster was lost; see that its scheduler and workers run")
        if future.status == "finished":
            try:
                result: Finished = future.result(timeout=60)
            except Exception:  # whatever Dask says when a result was lost with its worker
                self._after_loss(task)
                return None
            return result
        error = future.exception(timeout=60)
        if isinstance(error, KilledWorker):
            self._after_loss(task)
            return None
        return Finished(trouble=error)

    def _count(self, task: LabelTask, entries: Collection[dict[str, Any]]) -> None:
        """Count the labels of a task that have ended."""
        ends: dict[str, list[bool]] = {}
        for entry in entries:
            ends.setdefault(entry["configuration"], []).append(entry["status"] == OK)
        for label in task.labels:
            parts = ends.get(label.configuration, [])
            if len(parts) == len(label.jobs) or not all(parts):
                self._end(all(parts))

    def _end(self, good: bool) -> None:
        self.computed += 1
        self._done += good
        self._failed += not good

    def _stumble(self, error: BaseException) -> None:
        """Note a task that ended without results through no fault of a label; give up where more would too."""
        self._trouble += 1
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = error.filename or self._ledger.spool
            raise StoppedError(f"a worker's disk is full ({where}); make room on it")
        if isinstance(error, NmerError) and not error.retry_helps:
            raise error
        if self._trouble > MAX_TROUBLE:
            what = f"{type(error).__name__}: {error}"
            raise StoppedError(f"{self._trouble} tasks in a row could not be computed: {what}")

    def _after_loss(self, task: LabelTask) -> None:
        """Judge a task that was lost with its worker by what the spool has of it.

        A worker computes the labels of a task in order: the first that has not ended is the suspect, and goes on
        by itself; the others after it go on together. A suspect that has cost `MAX_DEATHS` workers waits until
        no other label is with the cluster; when it costs as many again, it has failed.
        """
        self._ledger.ingest()
        left = [rest for label in task.labels if (rest := self._rest(label, task.protocol)) is not None]
        if not left:
            return
        suspect, others = left[0], left[1:]
        if others:
            self._again.append(replace(task, labels=tuple(others)))
        self._deaths[suspect.configuration] += 1
        deaths, alone = self._deaths[suspect.configuration], replace(task, labels=(suspect,))
        if deaths < MAX_DEATHS:
            self._again.append(alone)
        elif deaths < 2 * MAX_DEATHS:
            self._alone.append(alone)
        else:
            reason = "the worker process died each time it computed this label"
            if walltime := dask.config.get("nmer.walltime", None):  # that of the batch system's jobs
                reason += f"; if the walltime of its jobs, {walltime}, was too short, raise labels.walltime"
            values = {"part": suspect.jobs[0].part, "status": FAILED, "reason": reason}
            self._ledger.add([make_entry(task, suspect.configuration, values)])
            self._end(good=False)

    def _rest(self, label: LabelWork, protocol: str) -> LabelWork | None:
        """Return what is left of a label by what the ledger knows, or None, counted, if it has ended."""
        rows = self._ledger.rows([label.configuration], protocol).get(label.configuration, {})
        known = {part: row for part, row in rows.items() if row.status == OK or row.finished >= self._started}
        jobs = tuple(job for job in label.jobs if job.part not in known)
        good = all(row.status == OK for row in known.values())
        if good and jobs:
            return replace(label, jobs=jobs)
        self._end(good)
        return None

    def _spooled(self) -> int:
        return sum(path.stat().st_size for path in spool_files(self._ledger.spool))

    def _report(self) -> None:
        if self._progress is not None:
            self._progress.update(self._done, self._failed)


def _wait_for_some(flying: Collection[Future]) -> list[Future]:
    try:
        return list(wait(list(flying), timeout=LOOK, return_when="FIRST_COMPLETED").done)
    except (TimeoutError, CancelledError):
        return [future for future in flying if future.done()]


def _judge_deaths_here(client: Client) -> Callable[[], None]:
    """Have the scheduler report a worker's death at once, and return how to take that back.

    By itself it would have a task computed again from its first label, whatever of it is in the spool.
    """

    def allow(count: int, dask_scheduler: Any = None) -> int:
        before: int = dask_scheduler.allowed_failures
        dask_scheduler.allowed_failures = count
        return before

    before = client.run_on_scheduler(allow, 0)
    return lambda: client.run_on_scheduler(allow, before)


def _seconds(value: Any, default: float) -> float:
    return default if value is None else float(dask.utils.parse_timedelta(value))
