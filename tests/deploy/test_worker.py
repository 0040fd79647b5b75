"""Workers at the end of their lifetime, and the schedulers of others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest
from distributed import Client, LocalCluster

from deploy.cluster import DASK_SETTINGS
from deploy.machine import SchedulerMachine
from deploy.opening import open_fit, open_machine
from deploy.script import Work
from deploy.tls import temporary_tls
from deploy.worker import DrainingWorker
from potentials.errors import StageError, StoppedError

WORK = Work(name="x", folder=Path(), workers=0, memory=1.0, seconds=None, timeout=60.0)


def slow(folder: str, number: int) -> int:
    """Take seconds, and leave a line for every time it is begun and ended."""
    for word in ("begun", "ended"):
        with open(f"{folder}/{word}", "a") as file:
            file.write(f"{number}\n")
        if word == "begun":
            time.sleep(4.0)
    return os.getpid()


def test_a_worker_ends_what_it_has_begun_and_begins_nothing_new(tmp_path: Path) -> None:
    with (
        dask.config.set(DASK_SETTINGS),
        LocalCluster(
            n_workers=0,
            host="127.0.0.1",
            dashboard_address=None,
            threads_per_worker=1,
            local_directory=str(tmp_path / "dask"),
        ) as cluster,
        Client(cluster) as client,
    ):
        cluster.new_spec["options"] |= {"lifetime": "2s", "worker_class": DrainingWorker}
        cluster.scale(1)
        client.wait_for_workers(1, timeout=60)
        mortal = client.submit(slow, str(tmp_path), 1, pure=False)
        while not (tmp_path / "begun").exists():
            time.sleep(0.05)
        cluster.new_spec["options"] |= {"lifetime": None}
        cluster.scale(2)
        first = mortal.result(timeout=60)
        rest = [client.submit(slow, str(tmp_path), n, pure=False) for n in (2, 3)]
        others = client.gather(rest)
        assert first not in others
        for word in ("begun", "ended"):
            assert sorted((tmp_path / word).read_text().split()) == ["1", "2", "3"]


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[tuple[SchedulerMachine, list[str]]]:
    """Start a scheduler with TLS as somebody else would; yield it and the words that start a worker."""
    place = tmp_path / "address.json"
    loopback = ["--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
    with temporary_tls(tmp_path / "keys") as keys:
        files = ["--tls-ca-file", keys.ca, "--tls-cert", keys.cert, "--tls-key", keys.key]
        scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--protocol", "tls"]
        started = subprocess.Popen([*scheduler, "--scheduler-file", str(place), *loopback, *files])
        try:
            while not place.exists() or not place.read_text().endswith("}"):
                assert started.poll() is None
                time.sleep(0.1)
            address = json.loads(place.read_text())["address"]
            worker = [
                sys.executable,
                "-m",
                "distributed.cli.dask_worker",
                address,
                "--no-nanny",
                *loopback,
                *files,
            ]
            yield SchedulerMachine(address=address, tls=keys), worker
        finally:
            started.kill()
            started.wait()


def test_the_scheduler_of_others(shared: tuple[SchedulerMachine, list[str]], tmp_path: Path) -> None:
    machine, words = shared
    with pytest.raises(StoppedError, match="has no workers"), open_machine(machine, WORK):
        pass
    for threads, said in (("2", "more than one thread"), ("1", "")):
        worker = subprocess.Popen([*words, "--nthreads", threads, "--local-directory", str(tmp_path)])
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                try:
                    with open_machine(machine, WORK) as address, Client(address) as client:
                        assert not said and client.submit(os.getpid).result(timeout=60) == worker.pid
                        break
                except StageError as error:
                    if said and said in str(error):
                        break
                    time.sleep(0.2)
            else:
                pytest.fail(f"workers of {threads} threads")
        finally:
            worker.kill()
            worker.wait()
    stranger = machine.model_copy(update={"tls": None})
    with pytest.raises(StoppedError, match="no Dask scheduler answers at"), open_machine(stranger, WORK):
        pass
    with open_fit(machine, WORK) as compute:
        assert compute(pow, 2, progress=3) == 8, "a shared scheduler fits here"
