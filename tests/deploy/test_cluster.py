"""The local cluster: its size, its address, its workers' environment."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import dask
import psutil
import pytest
from distributed import Client

from deploy.cluster import local_cluster, worker_count


def environment() -> dict[str, str]:
    return dict(os.environ)


def test_workers_fit_cores_and_memory() -> None:
    cores = len(os.sched_getaffinity(0))
    assert worker_count(0, 0.001) == cores
    assert worker_count(0, 1e6) == 1
    assert worker_count(7, 1e6) == 7


def test_workers_are_on_loopback_with_one_thread_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")
    with local_cluster(2, tmp_path) as address, Client(address) as client:
        assert address.startswith("tls://127.0.0.1:")
        assert sorted(client.nthreads().values()) == [1, 1]
        found = client.submit(environment).result(timeout=60)
        assert found["OMP_NUM_THREADS"] == "1" and found["PYTHONSAFEPATH"] == "1"


def test_a_worker_that_takes_long_to_restart_comes_back(tmp_path: Path) -> None:
    """It would be given up, and with it the run, if it was not back 15 seconds after its death."""
    with local_cluster(1, tmp_path) as address, Client(address) as client:
        first = client.submit(os.getpid).result(timeout=60)
        psutil.Process(first).kill()
        second, until = None, time.monotonic() + 60
        while second is None and time.monotonic() < until:
            time.sleep(0.01)
            second = next((p for p in psutil.Process().children() if _is_worker(p) and p.pid != first), None)
        assert second is not None
        second.suspend()
        time.sleep(17)
        second.resume()
        assert client.submit(os.getpid, pure=False).result(timeout=120) == second.pid


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:  # it ended meanwhile
        return False


STRANGER = """
import sys
from contextlib import nullcontext
from distributed import Client
from deploy.tls import keys_in_memory

for address in sys.argv[1:]:
    for keys in (nullcontext(), keys_in_memory()):
        try:
            with keys, Client(address, timeout=3):
                print("came in at", address)
        except Exception as error:
            print(type(error).__name__)
"""


def test_nobody_without_the_keys_of_the_run_comes_in(tmp_path: Path) -> None:
    with local_cluster(1, tmp_path) as address, Client(address) as client:
        (worker,) = client.nthreads()
        assert worker.startswith("tls://127.0.0.1:")
        found = client.submit(environment).result(timeout=60)
        assert not any("PRIVATE KEY" in value for value in found.values())
        words = [sys.executable, "-c", STRANGER, address, address.replace("tls", "tcp")]
        said = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True).stdout
        assert "came in" not in said and said.count("Error") == 4, said
    assert dask.config.get("distributed.comm.tls.client.key", None) is None
