"""Submit labels to a Dask cluster, write their results to the ledger, and retry what is lost with a worker."""

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

TASKS_PER_CORE = 4
"""Tasks submitted at once for each core of the cluster."""

GRACE_PERIOD = 300.0
"""Seconds beyond a label's own limit within which some label must end while there are workers."""

POLL_INTERVAL = 5.0
"""Seconds between two checks of the labels that are submitted."""

MAX_ERRORS_IN_A_ROW = 10
"""Tasks in a row that may end with an error of the machine, such as a lost file system; then the stage fails."""

MAX_WORKER_DEATHS = 2
"""Workers that may die while they compute a label; then it is computed alone, and as many may die again."""


class LabelQueue:
    """The labels of one run: those to submit, those submitted, and those to retry.

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
        Progress line to update; None: no progress is shown.
    done, failed
        Labels that had succeeded and failed before.
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
        self._submitted: dict[Future, LabelTask] = {}
        self._retries: list[LabelTask] = []  # lost with their worker
        self._isolated: list[LabelTask] = []  # to be computed with no other label submitted
        self._deaths: Counter[str] = Counter()
        self._started = time.time()
        self._errors_in_a_row = 0
        self._ended_at_restart = -1
        self._restore: Callable[[], None] = _report_deaths_at_once(client)

    def run(self, tasks: Iterator[LabelTask]) -> None:
        """Compute every task and write its labels to the ledger.

        Raises
        ------
        StageError
            If the cluster has no workers for too long, is lost, a disk is full, or no label finishes.
        """
        limit = dask.config.get("distributed.scheduler.no-workers-timeout", None)
        no_workers = 600.0 if limit is None else float(dask.utils.parse_timedelta(limit))
        clock = Clock(4 * POLL_INTERVAL)
        last_progress = last_worker = clock.now()
        spooled = -1
        self._report()
        while True:
            cores = sum(self._client.ncores().values())
            self._fill(tasks, TASKS_PER_CORE * max(cores, 1))
            if not self._submitted:
                return
            ended = _wait_for_some(self._submitted)
            now = clock.now()
            if cores:
                last_worker = now
            if ended or not cores:
                last_progress = now
            if ended:
                self._record(ended)
                self._report()
            elif now - last_worker > no_workers:
                raise StoppedError(f"the cluster had no workers for {no_workers:g} s")
            elif (size := self._spooled()) != spooled:  # a task of many labels has written some to the spool
                spooled, last_progress = size, now
            elif now - last_progress > self._limits.timeout + GRACE_PERIOD:
                self._restart_workers()
                last_progress = now

    def cancel(self) -> None:
        """Cancel what is still submitted, if the cluster still answers."""
        with suppress(OSError, TimeoutError, RuntimeError, CancelledError):
            if self._submitted:
                self._client.cancel(list(self._submitted))
            self._restore()

    def _restart_workers(self) -> None:
        """Restart the workers that hold labels and finish none; fail if the last restart did not help."""
        if self._ended_at_restart == self.computed:
            raise StoppedError(
                f"no label ended within {self._limits.timeout + GRACE_PERIOD:g} s, longer than the limit of one, "
                "although the workers were restarted; check their logs and the disks of their machines"
            )
        self._ended_at_restart = self.computed

        async def restart(keys: list[str], dask_scheduler: Any = None) -> None:
            found = (dask_scheduler.tasks.get(key) for key in keys)
            holders = {task.processing_on.address for task in found if task is not None and task.processing_on}
            await dask_scheduler.restart_workers(
                list(holders), wait_for_workers=False, on_error="return", stimulus_id="no-label-ended"
            )

        self._client.run_on_scheduler(restart, [future.key for future in self._submitted])

    def _fill(self, tasks: Iterator[LabelTask], most: int) -> None:
        while len(self._submitted) < most:
            task = self._retries.pop() if self._retries else next(tasks, None)
            if task is None:
                break
            self._submit(task)
        if not self._submitted and self._isolated:
            self._submit(self._isolated.pop())

    def _submit(self, task: LabelTask) -> None:
        key = f"label-{task.labels[0].configuration[:16]}-{uuid.uuid4().hex[:8]}"
        self._submitted[self._client.submit(run_task, task, key=key, pure=False)] = task

    def _record(self, ended: Sequence[Future]) -> None:
        """Write the results of the tasks that have ended, all in one transaction, and release the tasks."""
        results: list[tuple[LabelTask, Finished]] = []
        for future in ended:
            task = self._submitted.pop(future)
            finished = self._result(future, task)
            future.release()
            if finished is not None:
                results.append((task, finished))
        self._ledger.add(
            [entry for _, finished in results for entry in finished.entries],
            [finished.seen for _, finished in results if finished.seen is not None],
        )
        for task, finished in results:
            self._count(task, finished.entries)
            if finished.error is None:
                self._errors_in_a_row = 0
            else:
                self._note_error(finished.error)

    def _result(self, future: Future, task: LabelTask) -> Finished | None:
        """Return the result of a task, or None if it was lost with its worker."""
        if future.status == "cancelled":
            raise StoppedError(
                "the connection to the cluster was lost; check that its scheduler and workers are running"
            )
        if future.status == "finished":
            try:
                result: Finished = future.result(timeout=60)
            except Exception:  # Dask raises various errors when a result was lost with its worker
                self._retry_lost(task)
                return None
            return result
        error = future.exception(timeout=60)
        if isinstance(error, KilledWorker):
            self._retry_lost(task)
            return None
        return Finished(error=error)

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

    def _note_error(self, error: BaseException) -> None:
        """Count a task that ended with an error of the machine; fail if the disk is full, or at too many."""
        self._errors_in_a_row += 1
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = error.filename or self._ledger.spool
            raise StoppedError(f"a worker's disk is full ({where}); make room on it")
        if isinstance(error, NmerError) and not error.retry_helps:
            raise error
        if self._errors_in_a_row > MAX_ERRORS_IN_A_ROW:
            what = f"{type(error).__name__}: {error}"
            raise StoppedError(f"{self._errors_in_a_row} tasks in a row could not be computed: {what}")

    def _retry_lost(self, task: LabelTask) -> None:
        """Submit again what the spool does not have of a task that was lost with its worker.

        A worker computes the labels of a task in order: the first that has not ended may be the cause, and is
        submitted by itself; those after it are submitted together. A label during which `MAX_WORKER_DEATHS`
        workers died is computed when no other is submitted; after as many deaths again it has failed.
        """
        self._ledger.ingest()
        left = [rest for label in task.labels if (rest := self._rest(label, task.protocol)) is not None]
        if not left:
            return
        first, others = left[0], left[1:]
        if others:
            self._retries.append(replace(task, labels=tuple(others)))
        self._deaths[first.configuration] += 1
        deaths, alone = self._deaths[first.configuration], replace(task, labels=(first,))
        if deaths < MAX_WORKER_DEATHS:
            self._retries.append(alone)
        elif deaths < 2 * MAX_WORKER_DEATHS:
            self._isolated.append(alone)
        else:
            reason = "the worker process died each time it computed this label"
            if walltime := dask.config.get("nmer.walltime", None):  # that of the batch system's jobs
                reason += f"; if the walltime of its jobs, {walltime}, was too short, raise labels.walltime"
            values = {"part": first.jobs[0].part, "status": FAILED, "reason": reason}
            self._ledger.add([make_entry(task, first.configuration, values)])
            self._end(good=False)

    def _rest(self, label: LabelWork, protocol: str) -> LabelWork | None:
        """Return the parts of a label that the ledger does not have, or None, counted, if it has ended."""
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


def _wait_for_some(submitted: Collection[Future]) -> list[Future]:
    try:
        return list(wait(list(submitted), timeout=POLL_INTERVAL, return_when="FIRST_COMPLETED").done)
    except (TimeoutError, CancelledError):
        return [future for future in submitted if future.done()]


def _report_deaths_at_once(client: Client) -> Callable[[], None]:
    """Have the scheduler report a worker's death at once, and return a function that restores its setting.

    Otherwise it computes a lost task again from its first label, whatever of it is in the spool.
    """

    def allow(count: int, dask_scheduler: Any = None) -> int:
        before: int = dask_scheduler.allowed_failures
        dask_scheduler.allowed_failures = count
        return before

    before = client.run_on_scheduler(allow, 0)
    return lambda: client.run_on_scheduler(allow, before)
