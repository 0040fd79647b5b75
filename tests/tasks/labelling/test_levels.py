"""Labels of levels with real engines: a dataset for each, by its own protocol, and nothing computed twice."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil
import pytest

from deploy.cluster import local_cluster
from potentials.errors import InputError
from recipes.load import expanded_toml, load_recipe
from storage.citations import citations
from storage.configuration import configuration_ids
from storage.contents import dataset_from_version, selection_columns, selection_from_version
from storage.keys import selection_key
from storage.ledger import Ledger
from storage.level_datasets import datasets_of_levels
from storage.lineage import lineage, lineage_text
from storage.records import TEST, TRAIN, Selection
from storage.spool import read_spool, spool_files
from storage.store import Store
from storage.verify.versions import recomputed_key
from tasks.labelling.task import labelling_task
from tasks.plan import Plan, resolve
from tasks.run.state import recipe_state
from tests.conftest import ROOT, call, until

LEVELS = """
[[levels]]
protocol = "gfn2-xtb"

[[levels]]
labelling = { method = "HF", basis = "sto-3g" }
train = 8
test = 3

[[levels]]
labelling = { method = "MP2", basis = "sto-3g" }
train = 4
test = 2
fitting = { degree = 1 }
"""
TITLES = ["GFN2-xTB", "HF/sto-3g", "MP2/sto-3g"]
COUNTS = [24, 11, 6]


@pytest.fixture
def file(tiny_recipe: Path, tmp_path: Path) -> Path:
    """Return a recipe with three levels and 24 configurations."""
    text = tiny_recipe.read_text()
    text = text.replace(text[text.index("[labelling]") : text.index("[fitting]")], "")
    path = tmp_path / "tiny-water.toml"
    path.write_text(text.replace("train = 18", "train = 20") + LEVELS)
    return path


@pytest.fixture
def store(file: Path, tmp_path: Path) -> Store:
    """Return a store with the recipe's selection."""
    recipe, store = load_recipe(str(file)), Store(tmp_path / "store", create=True)
    rng = np.random.default_rng(5)
    positions = recipe.build_nmer().positions + rng.normal(scale=0.03, size=(24, 8, 3))
    split = np.array([TRAIN] * 20 + [TEST] * 4)
    level = np.array([2] * 4 + [1] * 4 + [0] * 12 + [2] * 2 + [1, 0])
    store.add(
        "selection",
        recipe.name,
        selection_key(recipe),
        columns=selection_columns(Selection(positions, split, np.arange(24), level)),
        recipe=expanded_toml(recipe),
        inputs=[],
        engines={},
        facts={},
    )
    return store


def computed(store: Store) -> list[tuple[str, str, str]]:
    """Return what engines computed with success, once for each time."""
    entries = [e for path in spool_files(store.labels / "spool") for e in read_spool(path).entries]
    return [(e["configuration"], e["protocol"], e["part"]) for e in entries if e["status"] == "ok"]


def rows(store: Store) -> dict[tuple[str, str, str], float]:
    """Return the CPU time of every good row of the ledger, s."""
    with closing(sqlite3.connect(store.labels / "ledger.sqlite")) as ledger:
        found = ledger.execute(
            "SELECT configuration, protocol, part, cpu_seconds FROM labels WHERE status = 'ok'"
        ).fetchall()
    return {row[:3]: row[3] for row in found}


def check(store: Store, plan: Plan, key: str) -> None:
    """Compare the datasets of a plan's levels with each other, with the selection and with the ledger."""
    top = store.get("dataset", key)
    made = datasets_of_levels(store, top)
    assert [version.ref for version in made] == [f"dataset:tiny-water@{n}" for n in (1, 2, 3)]
    assert datasets_of_levels(store, made[1]) == made[:2]
    selection = selection_from_version(store.get("selection", plan.selection))
    for number, (version, level) in enumerate(zip(made, plan.levels, strict=True)):
        facts, dataset = version.attributes()["facts"], dataset_from_version(version)
        assert (facts["protocol"], facts["level"]) == (TITLES[number], number)
        assert facts["protocol_id"] == level.labels().id and facts["levels"] == [one.key for one in made[:number]]
        np.testing.assert_array_equal(dataset.positions, selection.of_level(number).positions)
        assert recomputed_key(version) == (version.key, "")
        below = [each["key"] for each in version.attributes()["inputs"] if each["kind"] == "dataset"]
        assert below == facts["levels"]


def test_the_best_level_comes_first_and_its_labels_hold_those_below(
    file: Path, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = resolve(load_recipe(str(file)), store)
    with local_cluster(1, tmp_path / "dask") as address, store.writing():
        key = labelling_task.fn(plan, store.path, lambda: address)
    told = [line for line in capsys.readouterr().err.splitlines() if " 0 left" in line]
    assert [line.split("labels of ")[1].split(",")[0] for line in told] == ["MP2/sto-3g", "HF/sto-3g", "GFN2-xTB"]
    check(store, plan, key)
    assert labelling_task.fn(plan, store.path, lambda: pytest.fail("everything is there")) == key

    hf, mp2 = plan.levels[1].labels().id, plan.levels[2].labels().id
    done, known = computed(store), rows(store)
    assert len(done) == len(set(done)) == 3 * (24 + (11 - 6) + 6), (
        "the Hartree-Fock energies of MP2 labels are taken"
    )
    derived = [row for row in known if row not in set(done)]
    assert len(known) == 3 * sum(COUNTS) and len(derived) == 3 * 6
    assert {row[1] for row in derived} == {hf} and {known[row] for row in derived} == {0.0}
    assert {row[0] for row in derived} == {row[0] for row in done if row[1] == mp2}

    labelling = recipe_state(plan, store)[2]
    assert (labelling.done, labelling.left, labelling.version) == (41, 0, "dataset:tiny-water@3")
    assert [(one.title, one.done, one.version) for one in labelling.levels] == [
        (TITLES[n], COUNTS[n], f"dataset:tiny-water@{n + 1}") for n in range(3)
    ]
    code, out, _ = call(capsys, "status", file, "--store", store.path)
    assert code == 0 and [line.split()[0] for line in out.splitlines()[4:7]] == TITLES
    shown = json.loads(call(capsys, "status", file, "--store", store.path, "--json")[1])["stages"]
    assert [one["total"] for one in shown[2]["levels"]] == COUNTS and "levels" not in shown[0]

    options = ("--degrees", "1", "--gammas", "1e-3", "--delta-es", "40", "--store", store.path, "--json")
    code, out, err = call(capsys, "tune", file, *options)
    assert code == 0, err
    tuned = json.loads(out)
    assert tuned["learning"][-1]["configurations"] == 16, "four fifths of those of the first level"
    assert tuned["notes"][0].startswith("the recipe has levels, and these are the labels of the first, GFN2-xTB")

    text = lineage_text(lineage(store, store.get("dataset", key)))
    assert text.count("labelling.method = HF") == 1 and "protocol HF/sto-3g" in text
    assert text.count("selection:tiny-water@1") == 3 and text.count("(told above)") == 3
    damaged = [line for line in call(capsys, "verify", "--store", store.path)[1].splitlines() if "damaged" in line]
    assert damaged == ["damaged: selections/tiny-water/1.h5: cannot be read: 'pool'"], "this store has no pool"
    cited = {each.subject for each in citations(store.get("dataset", key), store.find)}
    assert any("GFN2-xTB" in subject for subject in cited), cited

    store.resolve("dataset:tiny-water@1").path.chmod(0o644)
    store.resolve("dataset:tiny-water@1").path.unlink()
    with pytest.raises(InputError, match=r"dataset of level 0 .* is not in the store"):
        datasets_of_levels(store, store.get("dataset", key))


def test_labels_that_fail_are_left_out_of_their_own_level_alone(
    file: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """What failed is data: it is counted by level, and `nmer retry` lists it by level."""
    recipe = load_recipe(str(file))
    plan = resolve(recipe, store)
    fill(store, plan, failed={1: 3})
    key = labelling_task.fn(plan, store.path, lambda: pytest.fail("nothing is to be computed"))
    made = datasets_of_levels(store, store.get("dataset", key))
    assert [version.length("ids") for version in made] == [24, 10, 6]
    assert made[1].attributes()["facts"]["timeout_labels"] == 1
    left_out = set(made[0].column("ids")) - set(made[1].column("ids"))
    assert len(left_out) == 24 - 10 and len(set(made[2].column("ids")) & left_out) == 1, (
        "its label of the top level stays"
    )
    state = recipe_state(plan, store)[2]
    assert (state.failed, [one.failed for one in state.levels]) == (1, [0, 1, 0])
    code, out, _ = call(capsys, "retry", file, "--store", store.path, "--list")
    assert code == 0 and out.splitlines() == [
        "tiny-water, GFN2-xTB: no failed labels",
        "tiny-water, HF/sto-3g: 1 of 1 failed labels",
        "1  timeout: took longer than 120 s",
        "tiny-water, MP2/sto-3g: no failed labels",
    ]
    found = json.loads(call(capsys, "retry", file, "--store", store.path, "--list", "--json")[1])
    assert (found["failed"], [one["failed"] for one in found["levels"]]) == (1, [0, 1, 0])


def fill(store: Store, plan: Plan, failed: dict[int, int]) -> None:
    """Add labels of all levels to the ledger; of some levels one configuration's has timed out."""
    selection = selection_from_version(store.get("selection", plan.selection))
    with Ledger.open(store.labels) as ledger:
        for number, level in enumerate(plan.levels):
            protocol = level.labels()
            ledger.record_protocol(protocol.id, protocol.settings)
            ids = dataset_ids(plan, selection.of_level(number))
            entries = []
            for place, configuration in enumerate(ids):
                bad = failed.get(number) == place
                for part in protocol.parts:
                    more = {"status": "timeout", "reason": "took longer than 120 s", "limit_seconds": 120.0}
                    good = {"status": "ok", "energy": -1.0 - 0.01 * place}
                    row = {"configuration": configuration, "protocol": protocol.id, "part": part}
                    entries.append(row | (more if bad else good) | {"finished": time.time(), "cpu_seconds": 0.5})
            ledger.add(entries)


def dataset_ids(plan: Plan, selection: Selection) -> tuple[str, ...]:
    return configuration_ids(plan.nmer, selection.positions)


RUN = """
import sys
from pathlib import Path
from deploy.cluster import local_cluster
from recipes.load import load_recipe
from storage.store import Store
from tasks.labelling.task import labelling_task
from tasks.plan import resolve

if __name__ == "__main__":
    store = Store(Path(sys.argv[2]))
    plan = resolve(load_recipe(sys.argv[1]), store)
    with store.writing(), local_cluster(1, store.path / "scratch" / "dask") as address:
        labelling_task.fn(plan, store.path, lambda: address)
"""


@pytest.mark.slow  # five runs, each a process of its own
@pytest.mark.timeout(900)
def test_killed_at_any_time_nothing_is_computed_twice(file: Path, store: Store, tmp_path: Path) -> None:
    """The run and all its workers are killed in the top level, at its end, below it, and in the last."""
    script = tmp_path / "run.py"
    script.write_text(RUN)
    words = [sys.executable, str(script), str(file), str(store.path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    before = 0
    for goal in (2, 15, 20, 34):
        with subprocess.Popen(words, env=environment, start_new_session=True) as run:
            reached(lambda goal=goal: len(computed(store)) >= goal, run)
            family = psutil.Process(run.pid).children(recursive=True)
            os.killpg(run.pid, signal.SIGKILL)
            for one in family:
                one.kill()
        assert len(computed(store)) >= max(before, goal)
        before = len(computed(store))
    subprocess.run(words, env=environment, check=True)
    plan = resolve(load_recipe(str(file)), store)
    key = labelling_task.fn(plan, store.path, lambda: pytest.fail("everything is there"))
    check(store, plan, key)
    times = Counter(computed(store))
    assert set(times.values()) == {1} and len(times) == 3 * (24 + 5 + 6)
    assert len(rows(store)) == 3 * sum(COUNTS)


def reached(condition: Callable[[], bool], run: subprocess.Popen[bytes]) -> None:
    assert until(lambda: condition() or run.poll() is not None)
    assert run.poll() is None, "it ended before it was killed"
