"""Open a Dask cluster whose workers are jobs of a batch system."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import dask
from dask.utils import parse_timedelta

from deploy.cluster import DASK_SETTINGS
from deploy.dashboard import Show, has_pages, show_pages
from deploy.machine import BatchMachine, FitJob, LabelJobs, clock, seconds_of
from deploy.script import Work, job_count, job_memory, job_options
from deploy.tls import temporary_tls, using
from deploy.watch import watch
from potentials.errors import StageError, StoppedError

AGAIN = 60.0
"""Seconds after which a job that the batch system rejected is submitted again."""

WALLTIME = "nmer.walltime"
"""Dask setting in the process of the run: the walltime of its jobs, for messages about lost workers."""

GATHER = 10.0
"""Seconds to wait for the other workers once the first one is there."""


def cluster_class(system: str) -> type[Any]:
    """Return a cluster of dask-jobqueue that replaces every lost job, and records why one was rejected."""
    import dask_jobqueue
    from distributed.deploy.spec import ProcessInterface

    base = getattr(dask_jobqueue, f"{system.upper()}Cluster")

    class ResubmittedJob(base.job_cls):  # type: ignore[misc, name-defined]
        """A job that is submitted again later if the batch system rejects it."""

        refusals: ClassVar[list[str]] = []

        async def start(self) -> None:
            """Submit it."""
            try:
                await super().start()
            except (OSError, RuntimeError, ValueError) as error:
                self.refusals.append(_last_line(str(error)))
                await ProcessInterface.start(self)  # to the cluster a job like others, without a worker
                asyncio.get_running_loop().call_later(AGAIN, self._submit_again)

        async def close(self) -> None:
            """Cancel it."""
            await super().close()
            await ProcessInterface.close(self)  # which dask-jobqueue leaves out

        def _submit_again(self) -> None:
            if (cluster := self._cluster()) is not None:
                cluster.replace_if_lost(str(self.name))

    class ReplacingCluster(base):  # type: ignore[misc, valid-type]
        """dask-jobqueue itself does not notice the loss of a job with more than one process."""

        job_cls = ResubmittedJob

        def _update_worker_status(self, op: str, msg: Any) -> None:
            if op == "remove":
                job = str(self.scheduler_info["workers"][msg]["name"]).rsplit("-", 1)[0]
                wait = parse_timedelta(dask.config.get("distributed.deploy.lost-worker-timeout"))
                asyncio.get_running_loop().call_later(wait, self.replace_if_lost, job)
            super()._update_worker_status(op, msg)

        def replace_if_lost(self, job: str) -> None:
            """Submit a job again unless one of its workers is alive."""
            alive = [str(worker["name"]) for worker in self.scheduler_info["workers"].values()]
            if job in self.workers and not any(name.rsplit("-", 1)[0] == job for name in alive):
                self._futures.add(asyncio.ensure_future(self.workers.pop(job).close()))

    return ReplacingCluster


@contextmanager
def batch_cluster(
    machine: BatchMachine, jobs: LabelJobs | FitJob, work: Work, show: Show | None = None
) -> Iterator[str]:
    """Submit jobs, wait for their workers, and yield the scheduler's address; the jobs end with the context.

    Parameters
    ----------
    machine
        The machine.
    jobs
        Which of its jobs.
    work
        What they are for.
    show
        Called with the address of the dashboard; None: no dashboard.

    Raises
    ------
    StageError
        If the batch system accepts no job, or none starts within the machine's `patience`.
    """
    work.folder.mkdir(parents=True, exist_ok=True)
    patience = seconds_of(machine.patience)
    settings = DASK_SETTINGS | {
        "distributed.scheduler.no-workers-timeout": f"{patience} seconds",
        WALLTIME: clock(jobs.seconds),
    }
    with temporary_tls(work.folder) as files, dask.config.set(settings):
        tls = files if machine.encrypt else None
        with using(tls):
            options = job_options(machine, jobs, work, tls, sys.executable, has_pages(show))
            count, kind = job_count(jobs, work), cluster_class(machine.system)
            with kind(**options, silence_logs="critical") as cluster:
                watch(cluster)
                show_pages(cluster, show)
                cluster.adapt(minimum_jobs=count, maximum_jobs=count)
                print(
                    f"{machine.system}: {count} job{'s' if count > 1 else ''} of {jobs.cores} "
                    f"core{'s' if jobs.cores > 1 else ''}, {job_memory(jobs, work):.1f} GiB, "
                    f"{clock(jobs.seconds)} each; waiting for them to start ...",
                    file=sys.stderr,
                )
                _wait_for_workers(cluster, count * options["processes"], patience, machine.system)
                yield str(cluster.scheduler_address)


def _wait_for_workers(cluster: Any, count: int, patience: float, system: str) -> None:
    """Wait for a first worker, and then `GATHER` seconds for the others."""
    began, first = time.monotonic(), None
    while True:
        there, now = len(cluster.scheduler_info["workers"]), time.monotonic()
        if there and first is None:
            first = now
        if there >= count or (first is not None and now - first > GATHER):
            return
        if cluster.job_cls.refusals and not there:
            raise StageError(f"{system} rejected the job: {cluster.job_cls.refusals[-1]}")
        if first is None and now - began > patience:
            raise StoppedError(
                f"no job of {system} started a worker within {clock(patience)}; look at its queue and at the logs "
                "in the store's folder scratch/dask/logs"
            )
        time.sleep(0.1)


def _last_line(text: str) -> str:
    """Return the last line of a command's standard error, from dask-jobqueue's report of it."""
    said = text.split("stderr:", 1)[-1].strip().splitlines()
    return said[-1].strip() if said else "it gave no reason"
