"""Kill -9 random members of a run's process tree, run again, and end where an undisturbed run ends."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from storage.store import Store

NMER = str(Path(sys.executable).with_name("nmer"))
SEED = 20261121


@pytest.fixture(scope="module")
def cheap_recipe(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recipe of many cheap labels."""
    pytest.importorskip("tblite")
    path = tmp_path_factory.mktemp("faults") / "tiny-water.toml"
    text = tiny_recipe.read_text().replace('method = "HF"\nbasis = "sto-3g"', LABELLING)
    path.write_text(text.replace("train = 18", "train = 150").replace("test = 4", "test = 20"))
    return path


LABELLING = 'engine = "xtb"\nmethod = "GFN2-xTB"\ncounterpoise = false'


def command(store: Path, word: str, recipe: Path, *more: str) -> list[str]:
    return [NMER, word, str(recipe), "--store", str(store), "--json", *more]


def role(process: psutil.Process) -> str:
    words = " ".join(process.cmdline())
    for name, mark in (
        ("engine", "tasks.labelling.child"),
        ("worker", "spawn_main"),
        ("server", "uvicorn"),
        ("tracker", "resource_tracker"),
    ):
        if mark in words:
            return name
    return "flow"


def hunt(
    run: subprocess.Popen[bytes], kills: int, chance: random.Random, killed: Counter[str]
) -> list[psutil.Process]:
    """Kill members of a run's tree at random moments until it ends or there were enough; return who was in it."""
    family: set[psutil.Process] = set()
    while run.poll() is None and killed.total() < kills:
        time.sleep(chance.uniform(0.1, 3.0))
        with suppress(psutil.Error):
            tree = psutil.Process(run.pid)
            family |= set(tree.children(recursive=True))
            by_role: dict[str, list[psutil.Process]] = {}
            for process in [tree, *tree.children(recursive=True)]:
                by_role.setdefault(role(process), []).append(process)
            name = chance.choice(sorted(by_role))
            chance.choice(by_role[name]).kill()
            killed[name] += 1
    return list(family)


def train_under_fire(recipe: Path, store: Path, kills: int, chance: random.Random, killed: Counter[str]) -> None:
    """Run until the dataset is there, whatever is killed; labels that were killed are tried again."""
    for _ in range(kills + 3):
        run = subprocess.Popen(
            command(store, "run", recipe, "--until", "labelling"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        family = hunt(run, kills, chance, killed)
        code = run.wait(timeout=500)
        left = psutil.wait_procs(family, timeout=60)[1]
        for process in left:
            process.kill()
        assert not left, "nothing outlives a run"
        if code == 0:
            return
        if (store / "selections").exists():
            again = command(store, "retry", recipe, "--reason", "SIGKILL")
            subprocess.run(again, check=False, capture_output=True, timeout=500)
    pytest.fail("the run did not come to an end")


def rows(store: Path) -> tuple[int, int, int]:
    """Return the number of rows, of different label parts, and of those that are not ok."""
    with sqlite3.connect(store / "labels" / "ledger.sqlite") as ledger:
        found = ledger.execute(
            "SELECT count(*), count(DISTINCT configuration || protocol || part), sum(status != 'ok') FROM labels"
        ).fetchone()
    return tuple(found)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_fifty_kills(cheap_recipe: Path, tmp_path: Path) -> None:
    calm = tmp_path / "calm"
    done = subprocess.run(
        command(calm, "run", cheap_recipe, "--until", "labelling"), capture_output=True, check=True
    )
    assert json.loads(done.stdout)["passed"]
    (expected,) = Store(calm).versions("dataset")
    parts = rows(calm)
    assert parts == (510, 510, 0)
    chance, killed, place = random.Random(SEED), Counter[str](), 0
    while killed.total() < 50:
        place += 1
        store = tmp_path / f"store-{place}"
        train_under_fire(cheap_recipe, store, min(50, killed.total() + 10), chance, killed)
        assert Store(store).versions("dataset")[-1].key == expected.key
        assert rows(store) == parts
    print(dict(killed), "in", place, "stores")
    assert {"flow", "worker", "server"} <= set(killed)
