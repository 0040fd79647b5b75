"""Figures of labelling, printed and never judged: pytest -m benchmark -s benchmarks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from distributed import Client

from deploy.cluster import local_cluster
from recipes.schema.recipe import Resources
from storage.configuration import configuration_ids
from storage.ledger import Ledger
from tasks.labelling.collect import collect_labels
from tasks.labelling.execution.dispatch import label_configurations, work_left
from tasks.labelling.execution.runner import Limits
from tasks.labelling.protocol import protocol_of
from tests.tasks.labelling.execution.test_dispatch import DIMER, distances
from tests.tasks.labelling.instant.instant import SETTINGS

pytestmark = [pytest.mark.benchmark, pytest.mark.usefixtures("instant")]
RESOURCES = Resources(label_timeout=60.0, label_memory=1.0)


def many(count: int) -> np.ndarray:
    """Return that many configurations, all of them different."""
    return distances((2.5 + np.arange(count) * 1e-5).tolist())


def all_cpu() -> float:
    """Return the CPU time (s) of this process, of those below it, and of those of theirs that have ended."""
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return sum(sum(p.cpu_times()[:4]) for p in family)


@pytest.fixture
def client(instant: Path, tmp_path: Path) -> Iterator[Client]:
    with local_cluster(2, tmp_path / "dask") as address, Client(address) as client:
        yield client


@pytest.mark.timeout(1800)
def test_overhead_of_a_label_and_of_a_restart(tmp_path: Path, client: Client) -> None:
    """The whole path with an engine that takes no time, three parts a label; then 40,000 labels found again."""

    protocol = protocol_of(DIMER, SETTINGS)

    def label(count: int) -> None:
        counts = label_configurations(
            protocol, many(count), RESOURCES, tmp_path / "labels", client, None, tmp_path / "scratch"
        )
        assert (counts.ok, counts.missing) == (count, 0)

    label(400)  # imports on the workers
    before, wall = all_cpu(), time.perf_counter()
    label(10_400)
    cpu, wall = all_cpu() - before, time.perf_counter() - wall
    print(f"\n10,000 labels of 3 parts: {cpu / 10:.2f} CPU-ms a label, {wall / 10:.2f} ms of wall time")
    label(40_000)

    positions = many(40_000)
    limits = Limits(RESOURCES.label_timeout, RESOURCES.label_memory)

    def restart() -> None:
        with Ledger.open(tmp_path / "labels") as ledger:
            table = collect_labels(protocol, positions, ledger)
            assert table.usable.all()
            assert not work_left(ledger, protocol, configuration_ids(DIMER, positions), limits)[0]

    def status() -> None:
        with Ledger.read(tmp_path / "labels") as ledger:
            assert collect_labels(protocol, positions, ledger).usable.all()

    for name, what in (("restart", restart), ("status", status)):
        print(f"{name} with 40,000 labels in the ledger: {best_of_three(what)}")


def best_of_three(what: Callable[[], None]) -> str:
    """Return the shortest CPU and wall time; the machine is shared."""
    cpu, wall = [], []
    for _ in range(3):
        marks = time.process_time(), time.perf_counter()
        what()
        cpu.append(time.process_time() - marks[0])
        wall.append(time.perf_counter() - marks[1])
    return f"{min(cpu):.2f} CPU-s, {min(wall):.2f} s of wall time"
