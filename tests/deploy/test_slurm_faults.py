"""What may happen to a job of a real Slurm while it labels: its node hangs, its time is up."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dask
import psutil
import pytest
from distributed import Client

from deploy import watch
from deploy.machine import BatchMachine, LabelJobs
from deploy.opening import open_machine
from tests.deploy.test_slurm import Slurm, running, until, work
from tests.tasks.labelling.conftest import instant  # noqa: F401 - a fixture
from tests.tasks.labelling.test_chaos import in_ledger, label, slow_labels, spooled

pytestmark = pytest.mark.usefixtures("instant")


def processes(job: str) -> list[psutil.Process]:
    """Return every process of a job."""
    steps = [
        p for p in psutil.process_iter(["cmdline"]) if f"slurmstepd: [{job}." in " ".join(p.info["cmdline"] or ())
    ]
    return [process for step in steps for process in step.children(recursive=True)]


@contextmanager
def meanwhile(ready: Callable[[], bool], act: Callable[[], None]) -> Iterator[None]:
    """Do something once it is time, while the body goes on."""
    over = threading.Event()

    def wait() -> None:
        if until(lambda: ready() or over.is_set()) and not over.is_set():
            act()

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=60)


def test_a_node_that_hangs_is_given_up(slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its labels are computed elsewhere, its job is replaced, and what it says when it wakes harms nothing."""
    monkeypatch.setattr(watch, "PATIENCE", 5.0)
    quick = {"distributed.comm.timeouts.connect": "3s", "distributed.deploy.lost-worker-timeout": "1s"}
    machine = BatchMachine(system="slurm", labels=LabelJobs(jobs=2, cores=1))
    values, hung = slow_labels(400), list[str]()

    def hang() -> None:
        job = running(slurm)[0]
        for process in processes(job):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)
        hung.append(job)

    with (
        dask.config.set(quick),
        open_machine(machine, work(tmp_path / "scratch" / "dask")) as address,
        Client(address) as client,
    ):
        client.wait_for_workers(2, timeout=90)
        with meanwhile(lambda: len(spooled(tmp_path)) > 60, hang):
            counts = label(tmp_path, client, values, label_timeout=600.0)
        assert (counts.ok, counts.failed, counts.missing) == (400, {}, 0)
        assert len(hung) == 1
        assert until(lambda: hung[0] not in running(slurm)), "its job is cancelled"
        assert until(lambda: len(running(slurm)) == 2), "and replaced"
    assert until(lambda: not running(slurm))
    assert len(in_ledger(tmp_path, values)) == 1200
    twice = [key for key, times in Counter(spooled(tmp_path)).items() if times > 1]
    assert set(spooled(tmp_path)) == in_ledger(tmp_path, values) and len(twice) <= 3
