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

from deploy import script, watch
from deploy.machine import BatchMachine, LabelJobs
from deploy.opening import open_machine
from tests.conftest import spooled, until
from tests.deploy.test_slurm import Slurm, running, work
from tests.tasks.labelling.execution.test_chaos import in_ledger, label, slow_labels
from tests.tasks.labelling.instant.instant import HANGING

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


@contextmanager
def cluster(folder: Path, jobs: LabelJobs) -> Iterator[Client]:
    """Open a cluster of jobs and wait for all of them."""
    machine = BatchMachine(system="slurm", labels=jobs)
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}),
        open_machine(machine, work(folder / "scratch" / "dask")) as address,
        Client(address) as client,
    ):
        client.wait_for_workers(jobs.jobs, timeout=90)
        yield client


def test_a_node_that_hangs_is_given_up(slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its labels are computed elsewhere, its job is replaced, and what it says when it wakes harms nothing."""
    monkeypatch.setattr(watch, "PATIENCE", 5.0)
    values, hung = slow_labels(400), list[str]()

    def hang() -> None:
        job = running(slurm)[0]
        for process in processes(job):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)
        hung.append(job)

    quick = dask.config.set({"distributed.comm.timeouts.connect": "3s"})
    with quick, cluster(tmp_path, LabelJobs(jobs=2, cores=1)) as client:
        with meanwhile(lambda: len(spooled(tmp_path)) > 60, hang):
            counts = label(tmp_path, client, values, label_timeout=600.0)
        assert (counts.ok, counts.failed, counts.missing) == (400, {}, 0)
        assert len(hung) == 1
        assert until(lambda: hung[0] not in running(slurm)), "its job is cancelled"
        assert until(lambda: len(running(slurm)) == 2), "and replaced"
    assert until(lambda: not running(slurm))
    assert len(in_ledger(tmp_path, values)) == 1200
    twice = [key for key, times in Counter(spooled(tmp_path)).items() if times > 1]
    assert set(spooled(tmp_path)) == in_ledger(tmp_path, values)
    assert len(twice) <= 120, "Slurm wakes a job that it cancels, which then computes until it is killed"


def test_jobs_that_leave_before_their_walltime_are_replaced(
    slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "lifetime", lambda jobs, work: (6, 1))
    values = slow_labels(600)
    with cluster(tmp_path, LabelJobs(jobs=2, cores=1)) as client:
        first = set(running(slurm))
        counts = label(tmp_path, client, values)
        assert until(lambda: len(now := set(running(slurm))) == 2 and not first & now)
    assert until(lambda: not running(slurm))
    assert (counts.ok, counts.failed, counts.missing) == (600, {}, 0)
    assert len(spooled(tmp_path)) == len(in_ledger(tmp_path, values)) == 1800


@pytest.mark.slow  # Slurm looks at the limits twice a minute
def test_a_job_that_slurm_ends_at_its_time_limit_is_replaced(slurm: Slurm, tmp_path: Path) -> None:
    values, ended = slow_labels(400), list[str]()

    def end() -> None:
        ended.append(running(slurm)[0])
        slurm("scontrol", "update", f"JobId={ended[0]}", "EndTime=now")

    def has_ended() -> bool:
        return "TIMEOUT" in slurm("scontrol", "show", "job", ended[0])

    with cluster(tmp_path, LabelJobs(jobs=2, cores=1)) as client:
        with meanwhile(lambda: len(spooled(tmp_path)) > 60, end):
            counts = label(tmp_path, client, [*values, HANGING], label_timeout=45.0)
        assert until(has_ended) and until(lambda: len(running(slurm)) == 2)
    assert (counts.ok, counts.missing) == (400, 0)
    assert counts.failed == {"timeout: took longer than 45 s": 1}, "the one that hung"
    assert len(in_ledger(tmp_path, values)) == 1200
    assert len(spooled(tmp_path)) <= 1203, "only the label at hand is computed again"


@pytest.mark.slow
def test_a_label_that_never_fits_the_walltime_fails_and_says_so(slurm: Slurm, tmp_path: Path) -> None:
    values = slow_labels(1000)
    with cluster(tmp_path, LabelJobs(jobs=2, cores=1, walltime="0:01:00")) as client:
        counts = label(tmp_path, client, [*values[:500], HANGING, *values[500:]], label_timeout=3600.0)
    assert until(lambda: not running(slurm))
    assert (counts.ok, counts.missing) == (1000, 0)
    ((reason, count),) = counts.failed.items()
    assert count == 1 and reason == (
        "failed: the worker process died each time it computed this label; "
        "if the walltime of its jobs, 0:01:00, was too short, raise labels.walltime"
    )
    assert len(spooled(tmp_path)) == len(in_ledger(tmp_path, values)) == 3000
