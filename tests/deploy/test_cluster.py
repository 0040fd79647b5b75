"""The local cluster: its size, its address, its workers' environment."""

from __future__ import annotations

import os
from pathlib import Path

from distributed import Client

from deploy.cluster import local_cluster, worker_count


def environment() -> dict[str, str]:
    return dict(os.environ)


def test_workers_fit_cores_and_memory() -> None:
    cores = len(os.sched_getaffinity(0))
    assert worker_count(0, 0.001) == cores
    assert worker_count(0, 1e6) == 1
    assert worker_count(7, 1e6) == 7


def test_workers_are_on_loopback_with_one_thread_each(tmp_path: Path) -> None:
    with local_cluster(2, tmp_path) as address, Client(address) as client:
        assert address.startswith("tcp://127.0.0.1:")
        assert sorted(client.nthreads().values()) == [1, 1]
        found = client.submit(environment).result(timeout=60)
        assert found["OMP_NUM_THREADS"] == "1" and found["PYTHONSAFEPATH"] == "1"
