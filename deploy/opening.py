"""Open a machine for a run: a cluster for sampling and labels, and a place for the fit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import dask

from deploy.batch import batch_cluster
from deploy.cluster import DASK_SETTINGS, local_cluster, worker_count
from deploy.dashboard import Show, print_dashboard
from deploy.kubernetes import kubernetes_cluster
from deploy.machine import AnyMachine, BatchMachine, KubernetesMachine, LocalMachine, SchedulerMachine
from deploy.needs import address_of, check_machine
from deploy.script import Work
from deploy.tls import using
from potentials.errors import StageError, StoppedError

TOPIC = "nmer-progress"


class Reporter:
    """Sends counts from a worker to the process of the run."""

    def update(self, done: int, failed: int = 0) -> None:
        """Send how many are done and how many failed."""
        from distributed import get_worker

        get_worker().log_event(TOPIC, [done, failed])


@contextmanager
def open_machine(machine: AnyMachine, work: Work, show: Show | None = None) -> Iterator[str]:
    """Open the cluster that samples and labels, and yield its scheduler's address.

    Parameters
    ----------
    machine
        The machine.
    work
        What is to be done there.
    show
        Called with the address of Dask's dashboard, if there is one.

    Raises
    ------
    InputError
        If what the machine needs is missing here.
    StageError
        If it cannot be used now.
    """
    check_machine(machine.system, machine)
    _silence_dask()
    if isinstance(machine, LocalMachine):
        workers = worker_count(work.workers, work.memory)
        with local_cluster(min(workers, work.most or workers), work.folder, show) as address:
            yield address
    elif isinstance(machine, BatchMachine):
        with batch_cluster(machine, machine.labels, work, show) as address:
            yield address
    elif isinstance(machine, KubernetesMachine):
        with kubernetes_cluster(machine, work, show) as address:
            yield address
    else:
        with _running_scheduler(machine, show) as address:
            yield address


@contextmanager
def open_fit(machine: AnyMachine, work: Work) -> Iterator[Callable[..., Any]]:
    """Open the place for the fit, a job of its own or this process, and yield a function that computes there.

    The function takes a function, its arguments, and a progress line, and calls the first with all of them.
    """
    if not isinstance(machine, BatchMachine) or machine.fit is None:
        yield lambda function, *arguments, progress: function(*arguments, progress)
        return
    from distributed import Client

    check_machine(machine.system, machine)
    _silence_dask()
    with batch_cluster(machine, machine.fit, work) as address, Client(address) as client:

        def compute(function: Callable[..., Any], *arguments: Any, progress: Any) -> Any:
            client.subscribe_topic(TOPIC, lambda event: progress.update(*event[1]))
            return client.submit(function, *arguments, Reporter(), pure=False).result()

        yield compute


class Clusters(ExitStack):
    """The clusters of a run on a machine; a context, which closes them at its end.

    Parameters
    ----------
    machine
        The machine.
    work
        What is to be done there.
    show
        Called with the address of Dask's dashboard, if there is one.
    """

    def __init__(self, machine: AnyMachine, work: Work, show: Show = print_dashboard) -> None:
        super().__init__()
        self._machine, self._work, self._show = machine, work, show
        self._address: str | None = None

    def __exit__(self, *_: object) -> None:
        """Close the clusters; the run's error is its own, and does not pass through them."""
        self._address = None
        super().__exit__(None, None, None)

    def scheduler(self) -> str:
        """Return the address of the scheduler that samples and labels; the first call opens the cluster.

        Raises
        ------
        StageError
            If the machine is not available.
        """
        if self._address is None:
            self._address = self.enter_context(open_machine(self._machine, self._work, self._show))
        return self._address

    def fit(self, function: Callable[..., Any], *arguments: Any, progress: Any) -> Any:
        """Call a function where the machine fits: in a job of its own, after those of the labels, or here.

        Parameters
        ----------
        function
            What to call.
        arguments
            Its arguments but the last.
        progress
            Its last argument.

        Raises
        ------
        StageError
            If the machine is not available, or the job died.
        """
        self.close()  # idle jobs should not hold their cores
        with open_fit(self._machine, self._work) as compute:
            return compute(function, *arguments, progress=progress)

    def close(self) -> None:
        """Close the cluster that is open; a later call may open another."""
        self._address = None
        super().close()


def _silence_dask() -> None:
    """Log nothing of Dask's below critical in this process: every failure is reported in one sentence.

    Dask's own setting changes the handlers of its own loggers only, not the one that Prefect adds for all.
    """
    import distributed  # noqa: F401 - its import sets the levels

    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def _running_scheduler(machine: SchedulerMachine, show: Show | None) -> Iterator[str]:
    from distributed import Client

    address = address_of(machine)
    with dask.config.set(DASK_SETTINGS), using(machine.tls):
        try:
            with Client(address, timeout=10) as client:
                workers = client.ncores()
                pages = "dashboard" in client.scheduler_info()["services"]
                link = str(client.dashboard_link) if pages else None
        except (OSError, TimeoutError, ValueError, TypeError) as error:
            raise StoppedError(f"no Dask scheduler answers at '{address}': {_short(error)}") from None
        if not workers:
            raise StoppedError(
                f"the Dask scheduler at '{address}' has no workers; start some with one thread each"
            )
        if any(threads > 1 for threads in workers.values()):
            raise StageError(
                f"the Dask scheduler at '{address}' has workers with more than one thread; labels need one each: "
                "start them with --nthreads 1 and as many as there are cores with --nworkers"
            )
        if show is not None and link is not None:
            show(link)
        yield address


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
