"""What dies under a run: members of its process tree at random, Dask's scheduler, Prefect's server."""

from __future__ import annotations

import json
import os
import random
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from distributed import Client

from storage.store import Store
from tests.conftest import free_port, spooled, until

BIN = Path(sys.executable).parent
SEED = 20261121
ROLES = {
    "tasks.labelling.execution.child": "label",
    "spawn_main": "worker",
    "bin/nmer": "run",
}
"""Who is who in a run's process tree."""

KILLS = {"label": 26, "worker": 17, "run": 4, "server": 3}
"""Fifty in all."""


@pytest.fixture(scope="module")
def recipe(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recipe whose labels take a minute."""
    path = tmp_path_factory.mktemp("faults") / "tiny-water.toml"
    text = tiny_recipe.read_text().replace("train = 18", "train = 50").replace("test = 4", "test = 10")
    path.write_text(text.replace('"HF"\nbasis = "sto-3g"', '"HF"\nbasis = "cc-pVDZ"'))
    return path


def command(recipe: Path, store: Path, *more: str) -> list[str]:
    return [str(BIN / "nmer"), "run", str(recipe), "--store", str(store), "--until", "labelling", "--json", *more]


@contextmanager
def running(words: list[str], **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command; whatever of its process tree outlives it is ended, and is a failure."""
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment
    )
    try:
        yield process
    finally:
        family = family_of(process)
        process.kill()
        process.communicate()
        left = psutil.wait_procs(family, timeout=60)[1]
        for one in left:
            one.kill()
    assert not left, [one.cmdline() for one in left]


def family_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def role_of(process: psutil.Process) -> str:
    with suppress(psutil.Error, ProcessLookupError):
        words = " ".join(process.cmdline())
        role = next((role for mark, role in ROLES.items() if mark in words), "other")
        own_session = os.getsid(process.pid) == process.pid
        return "server" if own_session and role in ("worker", "run") else role
    return "gone"


def rows(store: Path) -> set[tuple[str, str]]:
    """Return the labels of a ledger; each has one row, which is not that of a failure."""
    with sqlite3.connect(store / "labels" / "ledger.sqlite") as ledger:
        found = ledger.execute("SELECT configuration, part, status FROM labels").fetchall()
    assert {status for _, _, status in found} == {"ok"}
    assert len({row[:2] for row in found}) == len(found)
    return {row[:2] for row in found}


def failures_in(store: Path) -> list[str]:
    """Return why labels failed; a label has one row also then."""
    with sqlite3.connect(store / "labels" / "ledger.sqlite") as ledger:
        return [reason for (reason,) in ledger.execute("SELECT reason FROM labels WHERE status != 'ok'")]


@pytest.fixture(scope="module")
def calm(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store of a run that nothing happened to; nothing of it listened to the network."""
    store = tmp_path_factory.mktemp("calm") / "store"
    with running(command(recipe, store)) as run:
        assert until(lambda: len(spooled(store)) > 10)
        tree = [psutil.Process(run.pid), *family_of(run)]
        heard = {
            connection.laddr.ip
            for process in tree
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert heard == {"127.0.0.1"}
        out, err = run.communicate(timeout=500)
    assert run.returncode == 0, err
    assert json.loads(out)["passed"]
    return store


def kill_one(run: subprocess.Popen[str], role: str, chance: random.Random) -> bool:
    """Kill -9 somebody of a role in a run's process tree, if there is anybody."""
    prey = []
    with suppress(psutil.Error):
        everybody = [psutil.Process(run.pid), *family_of(run)]
        prey = [process for process in everybody if role_of(process) == role]
    if not prey or run.poll() is not None:
        return False
    chance.choice(prey).kill()
    return True


def run_under_fire(
    recipe: Path, store: Path, fire: Callable[[subprocess.Popen[str]], None] = lambda run: None
) -> None:
    """Run until the labels have ended, one way or another; what was finished survives whatever is killed."""
    while not Store(store, create=True).versions("dataset"):
        kept = set(spooled(store))
        with running(command(recipe, store)) as run:
            while run.poll() is None:
                if spooled(store):
                    fire(run)
                time.sleep(0.1)
            err = run.communicate()[1]
        assert kept <= set(spooled(store))
        assert "Traceback" not in err, err


@pytest.mark.timeout(1500)
def test_fifty_kills_over_the_process_tree(recipe: Path, calm: Path, tmp_path: Path) -> None:
    chance, stores = random.Random(SEED), []
    to_kill = [role for role, times in KILLS.items() for _ in range(times)]
    chance.shuffle(to_kill)

    def fire(run: subprocess.Popen[str]) -> None:
        if to_kill:
            time.sleep(chance.uniform(0.0, 2.0))
            if kill_one(run, to_kill[-1], chance):
                to_kill.pop()

    while to_kill:
        stores.append(tmp_path / f"store-{len(stores) + 1}")
        run_under_fire(recipe, stores[-1], fire)
    tried_again = 0
    for store in stores:
        if failed := failures_in(store):  # killed twice over one label
            assert all("SIGKILL" in reason for reason in failed), failed
            tried_again += len(failed)
            words = [str(BIN / "nmer"), "retry", str(recipe), "--store", str(store), "--reason", "SIGKILL"]
            subprocess.run(words, check=True, capture_output=True, timeout=500)
            subprocess.run(command(recipe, store), check=True, capture_output=True, timeout=500)
        assert Store(store).versions("dataset")[-1].key == Store(calm).versions("dataset")[0].key
        assert rows(store) == rows(calm)
    lines = [len(spooled(store)) - len(rows(calm)) for store in stores]
    print(f"{KILLS} killed, {len(stores)} stores of {len(rows(calm))} rows, {tried_again} labels retried")
    print(f"computed and not needed: {lines}")


@contextmanager
def dask_cluster(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a scheduler and two workers, as a user would on machines of their own."""
    dask = [str(BIN / "dask")]
    address = f"tcp://127.0.0.1:{port}"
    host = ["--host", "127.0.0.1", "--no-dashboard"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    scheduler = subprocess.Popen([*dask, "scheduler", *host, "--port", str(port)], **quiet)
    workers = subprocess.Popen([*dask, "worker", address, *host, "--nworkers", "2", "--nthreads", "1"], **quiet)
    try:
        with Client(address, timeout=60) as client:
            client.wait_for_workers(2, timeout=60)
        yield scheduler
    finally:
        family = psutil.Process(workers.pid).children(recursive=True) if workers.poll() is None else []
        for process in (workers, scheduler):
            process.terminate()
            process.wait(timeout=60)
        for left in psutil.wait_procs(family, timeout=30)[1]:
            left.kill()


@contextmanager
def prefect_on(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start a Prefect server as a user would."""
    words = [str(BIN / "prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert until(lambda: port_answers(port))
        yield server
    finally:
        family = psutil.Process(server.pid).children(recursive=True) if server.poll() is None else []
        server.terminate()
        server.wait(timeout=60)
        for left in psutil.wait_procs(family, timeout=30)[1]:
            left.kill()


def port_answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow  # three runs; the loop above is every day's
@pytest.mark.timeout(900)
def test_servers_of_the_users_own_that_die(recipe: Path, calm: Path, tmp_path: Path) -> None:
    """Each time one sentence says what is gone, and the next run goes on."""
    store, dask, prefect = tmp_path / "store", free_port(), free_port()
    where = {
        "DASK_SCHEDULER_ADDRESS": f"tcp://127.0.0.1:{dask}",
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
        "PREFECT_API_URL": f"http://127.0.0.1:{prefect}/api",
        "PREFECT_CLIENT_MAX_RETRIES": "1",
    }
    words = command(recipe, store, "--on", "scheduler")

    def killed(server: subprocess.Popen[bytes]) -> str:
        before = len(spooled(store))
        with running(words, **where) as run:
            assert until(lambda: len(spooled(store)) > before + 5 or run.poll() is not None)
            server.kill()
            err = run.communicate(timeout=300)[1]
        assert run.returncode == 1 and "Traceback" not in err, err
        return str(err.strip().splitlines()[-1])

    with prefect_on(prefect) as server:
        with dask_cluster(dask, tmp_path) as scheduler:
            said = killed(scheduler)
        assert "the connection to the cluster was lost" in said and "run the same command again" in said
        kept = set(spooled(store))
        with dask_cluster(dask, tmp_path):
            said = killed(server)
            assert f"server at {where['PREFECT_API_URL']} no longer answers" in said
            assert kept < set(spooled(store))
            kept = set(spooled(store))
            with prefect_on(prefect), running(words, **where) as run:
                err = run.communicate(timeout=500)[1]
            assert run.returncode == 0, err
    assert kept <= set(spooled(store)) and rows(store) == rows(calm)
    assert Store(store).versions("dataset")[0].key == Store(calm).versions("dataset")[0].key
    assert len(spooled(store)) <= len(rows(calm)) + 4, "only what was at work when a server died is computed twice"
