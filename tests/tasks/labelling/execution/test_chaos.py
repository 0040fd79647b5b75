"""Kill -9 anything, fill the disk: every finished label is there exactly once, and a rerun completes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from distributed import Client

from deploy.cluster import local_cluster
from potentials.errors import AGAIN, StoppedError
from storage.configuration import configuration_ids
from storage.ledger import Ledger
from tasks.labelling.execution import label_queue
from tasks.labelling.execution.dispatch import LabelCounts
from tasks.labelling.protocol import protocol_of
from tests.conftest import ROOT, spooled
from tests.tasks.labelling.execution.test_dispatch import DIMER, distances, kill_alone
from tests.tasks.labelling.execution.test_dispatch import label as label_positions
from tests.tasks.labelling.instant.instant import DEADLY, GREEDY, HANGING, SETTINGS, SLOW

pytestmark = pytest.mark.usefixtures("instant")
PARTS = ("AB", "A", "B")
Key = tuple[str, str]


def slow_labels(count: int) -> list[float]:
    """Return distances of labels that take 10 ms each."""
    return [SLOW + 0.001 * n for n in range(count)]


def label(
    folder: Path, client: Client, values: list[float], retry: tuple[str, ...] = (), **more: float
) -> LabelCounts:
    limits = {"label_timeout": 30.0, "label_memory": 1.0} | more
    return label_positions(folder, client, distances(values), SETTINGS, retry, **limits)


def in_ledger(folder: Path, values: list[float]) -> set[Key]:
    """Return the good parts of labels that a reader of the ledger sees."""
    ids = configuration_ids(DIMER, distances(values))
    with Ledger.read(folder / "labels") as ledger:
        rows = ledger.rows(ids, protocol_of(DIMER, SETTINGS).id)
    return {(i, part) for i, parts in rows.items() for part, row in parts.items() if row.status == "ok"}


def below(what: str) -> list[psutil.Process]:
    """Return the living processes below this one whose command line has a word."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if what in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@pytest.fixture
def client(instant: Path, tmp_path: Path) -> Iterator[Client]:
    with local_cluster(2, tmp_path / "dask") as address, Client(address) as client:
        yield client


@pytest.fixture
def hunt() -> Iterator[Callable[[str, int, float], None]]:
    """Provide a way to kill processes at random moments while a test goes on."""
    over, hunters = threading.Event(), []

    def chase(what: str, kills: int, pause: float) -> None:
        while kills and not over.wait(random.uniform(0.0, pause)):
            if prey := below(what):
                with suppress(psutil.Error):
                    random.choice(prey).kill()
                    kills -= 1

    def start(what: str, kills: int, pause: float) -> None:
        hunters.append(threading.Thread(target=chase, args=(what, kills, pause)))
        hunters[-1].start()

    yield start
    over.set()
    for hunter in hunters:
        hunter.join(timeout=60)


def check_workers_and_engines(
    folder: Path, client: Client, hunt: Callable[[str, int, float], None], count: int, kills: int
) -> None:
    values = slow_labels(count)
    hunt("tasks.labelling.execution.child", 2 * kills, 0.5)
    hunt("spawn_main", kills, 2.0)
    counts = label(folder, client, values)
    assert counts.missing == 0
    assert all("SIGKILL" in reason for reason in counts.failed), counts.failed
    assert counts.ok + sum(counts.failed.values()) == count
    assert set(spooled(folder)) <= in_ledger(folder, values)
    again = label(folder, client, values, retry=("SIGKILL",))
    assert (again.ok, again.failed, again.missing) == (count, {}, 0)
    assert len(in_ledger(folder, values)) == 3 * count
    twice = [key for key, times in Counter(spooled(folder)).items() if times > 1]
    assert len(twice) <= 3 * 10 * kills, "only a result that died on its way to the run is computed again"


def test_dead_workers_and_engines_cost_nothing_that_was_finished(
    tmp_path: Path, client: Client, hunt: Callable[[str, int, float], None]
) -> None:
    check_workers_and_engines(tmp_path, client, hunt, count=150, kills=2)


@pytest.mark.slow
def test_many_dead_workers_and_engines(
    tmp_path: Path, client: Client, hunt: Callable[[str, int, float], None]
) -> None:
    check_workers_and_engines(tmp_path, client, hunt, count=4000, kills=25)


def test_a_label_that_kills_its_worker_fails_and_the_others_do_not(tmp_path: Path, instant: Path) -> None:
    """Whatever takes long has its worker killed over it; the others must come through."""
    over = threading.Event()

    def hunt() -> None:
        while not over.wait(0.2):
            for engine in below("tasks.labelling.execution.child"):
                with suppress(psutil.Error):
                    if time.time() - engine.create_time() > 1.2:
                        engine.parent().kill()

    with local_cluster(1, tmp_path / "dask") as address, Client(address) as client:
        hunter = threading.Thread(target=hunt)
        hunter.start()
        try:
            counts = label(tmp_path, client, [3.0, 3.1, HANGING, 3.2, 3.3], label_timeout=500.0)
        finally:
            over.set()
            hunter.join(timeout=60)
    assert counts.failed == {"failed: the worker process died each time it computed this label": 1}
    assert (counts.ok, counts.missing) == (4, 0)
    assert len(spooled(tmp_path)) == 12, "the others are computed once"


RUN = """
import sys
from pathlib import Path
from distributed import Client
from deploy.cluster import local_cluster
from tests.tasks.labelling.execution.test_chaos import label, slow_labels

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with local_cluster(2, folder / "dask") as address, Client(address) as client:
        print("ready", flush=True)
        label(folder, client, slow_labels(int(sys.argv[2])))
"""


SHORT = """
from deploy import watch
from tasks.labelling.execution import label_queue

watch.PATIENCE = 5.0
label_queue.GRACE_PERIOD = label_queue.POLL_INTERVAL = 0.5

"""
LIMIT = "slow_labels(int(sys.argv[2])), label_timeout=6.0"


def check_killed_runs(folder: Path, client: Client, count: int, kills: int) -> None:
    """Kill the run itself, with everything below it left to the kernel, and see that nothing is lost or redone."""
    script = folder / "run_labels.py"
    script.write_text(RUN)
    values, kept = slow_labels(count), set[Key]()
    for _ in range(kills):
        run = subprocess.Popen(
            [sys.executable, str(script), str(folder), str(count)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert run.stdout is not None
        assert run.stdout.readline() == b"ready\n"
        time.sleep(random.uniform(0.0, 2.0))
        kill_alone(run)
        now = spooled(folder)
        assert len(now) == len(set(now)), "nothing is computed twice"
        assert kept <= set(now) == in_ledger(folder, values), "a reader sees what the spool has"
        kept = set(now)
    counts = label(folder, client, values)
    assert (counts.ok, counts.failed, counts.missing) == (count, {}, 0)
    every = spooled(folder)
    assert kept <= set(every) and len(every) == len(set(every)) == 3 * count
    assert in_ledger(folder, values) == set(every)
    assert not list((folder / "scratch").iterdir()), "what killed runs left in the scratch folder is swept"


def test_a_killed_run_loses_nothing_and_repeats_nothing(tmp_path: Path, client: Client) -> None:
    check_killed_runs(tmp_path, client, count=300, kills=2)


@pytest.mark.slow
def test_many_killed_runs(tmp_path: Path, client: Client) -> None:
    check_killed_runs(tmp_path, client, count=2000, kills=15)


def stop(process: psutil.Process) -> None:
    with suppress(psutil.Error):
        process.suspend()


@pytest.mark.parametrize("always", [False, True])
def test_workers_that_end_no_label_are_started_anew_once(
    tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch, always: bool
) -> None:
    monkeypatch.setattr(label_queue, "GRACE_PERIOD", 1.0)
    monkeypatch.setattr(label_queue, "POLL_INTERVAL", 1.0)
    values, over = slow_labels(200), threading.Event()

    def stop_workers() -> None:
        while not over.wait(0.05):
            if always or len(spooled(tmp_path)) > 30:
                for engine in below("tasks.labelling.execution.child"):
                    with suppress(psutil.Error):
                        engine.parent().suspend()
                        if not always:
                            return

    stopper = threading.Thread(target=stop_workers)
    stopper.start()
    try:
        if always:
            with pytest.raises(StoppedError, match=r"no label ended within 3 s.*although the workers were"):
                label(tmp_path, client, values, label_timeout=2.0)
        else:
            counts = label(tmp_path, client, values, label_timeout=2.0)
            assert (counts.ok, counts.failed, counts.missing) == (200, {}, 0)
            assert len(in_ledger(tmp_path, values)) == 600
    finally:
        over.set()
        stopper.join(timeout=60)
        for worker in below("spawn_main"):
            worker.resume()


def test_a_run_that_sleeps_goes_on_when_it_wakes(tmp_path: Path, instant: Path) -> None:
    """Longer than any limit there is: of a label, of a heartbeat, and of all waiting."""
    script, count = tmp_path / "run_labels.py", 300
    script.write_text(
        RUN.replace("if __name__", SHORT + "if __name__").replace("slow_labels(int(sys.argv[2]))", LIMIT)
    )
    run = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path), str(count)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    try:
        while len(spooled(tmp_path)) < 60:
            assert run.poll() is None
            time.sleep(0.05)
        family = [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]
        for process in family:
            stop(process)
        before = spooled(tmp_path)
        time.sleep(12.0)
        for process in family:
            with suppress(psutil.Error):
                process.resume()
        assert run.wait(timeout=120) == 0
    finally:
        run.kill()
    every = spooled(tmp_path)
    assert len(before) < 3 * count == len(in_ledger(tmp_path, slow_labels(count)))
    assert len(every) == 3 * count, "nothing is computed twice"


def test_bad_labels_do_not_hurt_their_neighbours(tmp_path: Path, client: Client) -> None:
    good = [3.0 + 0.01 * n for n in range(40)]
    counts = label(tmp_path, client, [*good, GREEDY, HANGING, DEADLY], label_timeout=2.0, label_memory=0.3)
    assert (counts.ok, counts.missing) == (40, 0)
    assert {reason.split(" (")[0]: n for reason, n in counts.failed.items()} == {
        "out-of-memory: used more than 0.3 GiB": 1,
        "timeout: took longer than 2 s": 1,
        "failed: its process was ended by SIGKILL": 1,
    }
    assert not list((tmp_path / "scratch").iterdir())


def test_a_full_disk_is_one_sentence_and_a_rerun_completes(
    small_disk: Path,
    client: Client,
) -> None:
    values = [3.0 + 0.001 * n for n in range(1200)]
    with pytest.raises(StoppedError) as caught:
        label(small_disk, client, values)
    said = str(caught.value)
    assert "disk is full" in said and said.endswith(AGAIN) and "\n" not in said
    finished = set(spooled(small_disk))
    assert finished
    (small_disk / "ballast").unlink()
    assert in_ledger(small_disk, values) >= finished
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    counts = label(small_disk, client, values)
    assert (counts.ok, counts.failed, counts.missing) == (1200, {}, 0)
    assert len(in_ledger(small_disk, values)) == 3600
