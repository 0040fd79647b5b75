"""Open the Dask cluster that a run computes on."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import psutil

from deploy.dashboard import LOOPBACK, Show, has_pages, show_pages
from deploy.tls import keys_in_memory
from deploy.watch import watch
from potentials.errors import StoppedError

_GIB = 1024**3

STARTS = 3
"""How often worker processes on this machine are started before that is an error."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""The variables that set the threads of linear algebra."""

WORKER_ENVIRONMENT = {
    "PYTHONSAFEPATH": "1",  # a folder of the same name in the working directory is never imported
    **dict.fromkeys(THREADS, "1"),  # the cluster fills the cores, not the threads of one label
}

DASK_SETTINGS: dict[str, Any] = {
    "distributed.nanny.pre-spawn-environ": WORKER_ENVIRONMENT,
    "distributed.scheduler.worker-ttl": None,  # deploy.watch handles workers that hang
    "distributed.scheduler.no-workers-timeout": "10 minutes",  # not forever
    "distributed.scheduler.allowed-failures": 2,
    "distributed.scheduler.worker-saturation": 1.0,  # no label waits at a busy worker while another is free
    "distributed.diagnostics.nvml": False,
    # a worker and a scheduler that wait take 1 to 2 % of a core with these three, and 4 to 6 % without
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "5s",
    **{f"distributed.worker.memory.{what}": False for what in ("target", "spill", "pause", "terminate")},
}

_STAYING = {"distributed.deploy.lost-worker-timeout": "1000 days"}
"""A worker of this machine that died restarts, however long it takes; Dask would give it up after 15 seconds."""


def worker_count(wanted: int, memory: float) -> int:
    """Return how many labels run at once on this machine.

    Parameters
    ----------
    wanted
        Number asked for; 0 is one per core, as many as fit in memory.
    memory
        Memory of one label (GiB).
    """
    if wanted:
        return wanted
    cores = len(os.sched_getaffinity(0))
    fit = int(psutil.virtual_memory().total / _GIB / memory)
    return max(1, min(cores, fit))


@contextmanager
def local_cluster(workers: int, scratch: Path, show: Show | None = None) -> Iterator[str]:
    """Open worker processes on this machine and yield the scheduler's address.

    Scheduler and workers listen on the loopback interface and require the keys of this run, which clients in this
    process use automatically while the context lasts.

    Parameters
    ----------
    workers
        Number of processes, each computing one thing at a time.
    scratch
        Folder for Dask's own temporary files; it is made.
    show
        Called with the address of the dashboard; None: no dashboard.

    Raises
    ------
    StoppedError
        If worker processes die at their start `STARTS` times.
    """
    from distributed import LocalCluster

    scratch.mkdir(parents=True, exist_ok=True)
    with keys_in_memory(), dask.config.set(DASK_SETTINGS | _STAYING):
        # workers inherit this and ignore Ctrl-C: the run, which receives it too, closes them
        with _interrupts_ignored(), _main_not_imported():
            cluster = _start_cluster(
                lambda: LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    protocol="tls://",
                    dashboard_address=LOOPBACK,
                    scheduler_kwargs={"dashboard": has_pages(show)},
                    memory_limit=0,
                    local_directory=str(scratch),
                    silence_logs=50,  # a worker that ends logs tracebacks
                )
            )
        with cluster:
            watch(cluster)
            show_pages(cluster, show)
            yield str(cluster.scheduler_address)


def _start_cluster(cluster: Callable[[], Any]) -> Any:
    """Return a cluster; if a worker dies at its start, Dask closes the cluster, and it is started again."""
    for attempt in range(1, STARTS + 1):
        try:
            return cluster()
        except RuntimeError as error:
            if attempt == STARTS:
                raise StoppedError(
                    f"worker processes died {STARTS} times as they started ({error}); check the memory; "
                    "resources.workers sets their number"
                ) from None


@contextmanager
def _main_not_imported() -> Iterator[None]:
    """Keep new worker processes from importing the script that runs here, which they do not need."""
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if file is None or getattr(main, "__spec__", None) is not None:
        yield
        return
    del main.__file__
    try:
        yield
    finally:
        main.__file__ = file


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set signal handlers
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def connect(address: str) -> Any:
    """Return a Dask client, a context, of the scheduler at an address."""
    from distributed import Client

    return Client(address)
