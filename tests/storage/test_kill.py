"""kill -9 at random times in a writer's loop: nothing that was acknowledged is lost, and nothing is unreadable.

A process that has imported all it needs forks a writer, kills it after a random time, and looks at what is left;
so a round costs no start of Python.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from storage.durable import write_text
from storage.ledger import Ledger
from storage.spool import SpoolWriter
from storage.store import Store
from storage.version import Column
from tests.conftest import ROOT

ROUNDS_A_STORE = 10
LONGEST = 0.08
"""Before a kill, s."""


def entry(name: str) -> dict[str, Any]:
    same = {"protocol": "p", "part": "A", "status": "ok", "energy": -1.0, "finished": 1.0}
    return {"configuration": name, **same}


def write_for_ever(folder: Path, start: int, pipe: int) -> None:
    """Add versions, labels by both ways, and reports, and say of each when it is done."""

    def say(what: str, number: int) -> None:
        os.write(pipe, f"{what} {number}\n".encode())

    store = Store(folder, create=True)
    with store.writing(), SpoolWriter(store.labels / "spool") as spool, Ledger.open(store.labels) as ledger:
        number = start
        while True:
            columns = {"x": Column(np.full(500, float(number)), "1", "a number", "this test")}
            store.add(
                *("dataset", "n", f"key{number}"),
                columns=columns,
                recipe="",
                inputs=[],
                engines={},
                facts={"n": number},
            )
            say("version", number)
            spool.append(entry(f"spool {number}"))
            say("spool", number)
            ledger.add([entry(f"ledger {number}")])
            say("ledger", number)
            write_text(store.path / "reports" / "n@1" / "report.html", f"<p>{number}</p>")
            say("report", number)
            if number % 7 == 0:
                ledger.ingest()
            number += 1


def check(folder: Path, said: dict[str, set[int]]) -> None:
    """See that all that was said is there, and that all that is there can be read."""
    if not folder.exists():
        assert not any(said.values())
        return
    store = Store(folder, create=True)
    found = set()
    for version in store.versions():
        (n,) = set(version.column("x"))
        assert version.attributes()["facts"] == {"n": n} and version.length("x") == 500
        found.add(int(n))
    assert said["version"] <= found
    report = store.path / "reports" / "n@1" / "report.html"
    if said["report"]:
        assert int(report.read_text().removeprefix("<p>").removesuffix("</p>")) >= max(said["report"])
    names = {f"{way} {number}" for way in ("spool", "ledger") for number in said[way]}
    with Ledger.read(store.labels) as ledger:
        assert names <= set(ledger.rows(names, "p"))


def kill_many(folder: Path, rounds: int, seed: int) -> None:
    """Fork, kill and look, `rounds` times; print what was found."""
    rng = random.Random(seed)
    acknowledged = 0
    for number in range(rounds):
        place = folder / str(number // ROUNDS_A_STORE)
        if number % ROUNDS_A_STORE == 0:
            said: dict[str, set[int]] = {what: set() for what in ("version", "spool", "ledger", "report")}
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            write_for_ever(place, 1000 * number, writing)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            # every other time it is spared until it has said something, however slow the machine is
            first = pipe.readline() if number % 2 else ""
            time.sleep(rng.uniform(0.0, LONGEST))
            os.kill(child, signal.SIGKILL)
            lines = (first + pipe.read()).splitlines()
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the writer ended by itself"
        acknowledged += len(lines)
        for what, count in (line.split() for line in lines):
            said[what].add(int(count))
        check(place, said)
    print(json.dumps({"kills": rounds, "acknowledged": acknowledged}))


@pytest.fixture
def memory() -> Iterator[Path]:
    """Provide a folder in memory where there is one: a kill leaves the same there, without waits for a disk."""
    place = Path("/dev/shm")
    with TemporaryDirectory(prefix="nmer-", dir=place if os.access(place, os.W_OK) else None) as folder:
        yield Path(folder)


def run(folder: Path, rounds: int, journal: str) -> dict[str, int]:
    code = (
        "import pathlib, sys\nfrom tests.storage.test_kill import kill_many\n"
        "kill_many(pathlib.Path(sys.argv[1]), int(sys.argv[2]), 7)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(rounds)],
        cwd=ROOT,
        env={**os.environ, "NMER_LEDGER_JOURNAL": journal},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("journal", "rounds"), [("wal", 30), ("rollback", 15)])
def test_some_kills(journal: str, rounds: int, memory: Path) -> None:
    found = run(memory, rounds, journal)
    assert found["kills"] == rounds and found["acknowledged"] > rounds


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("journal", ["wal", "rollback"])
def test_a_thousand_kills(journal: str, memory: Path) -> None:
    found = run(memory, 1000, journal)
    print(found)
    assert found["kills"] == 1000 and found["acknowledged"] > 1000
