"""Labels that failed, from the command line: listed, tried again, taken into a new dataset."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from deploy.cluster import local_cluster
from recipes.load import load_recipe
from recipes.schema.recipe import Recipe
from storage.configuration import configuration_ids
from storage.contents import dataset_from_version, selection_columns
from storage.keys import selection_key
from storage.ledger import Ledger
from storage.records import Selection
from storage.spool import SpoolWriter
from storage.store import Store
from tasks.labelling.protocol import protocol_of
from tests.conftest import call

pytestmark = pytest.mark.usefixtures("instant")
DEADLY = 900.0
LEVEL = 'engine = "instant"\nmethod = "instant"\ncounterpoise = false\n'


@pytest.fixture
def recipe(tiny_recipe: Path, tmp_path: Path) -> Path:
    """Return the tiny recipe with labels of the instant engine."""
    text = tiny_recipe.read_text().replace('method = "HF"\nbasis = "sto-3g"\n', LEVEL)
    path = tmp_path / "tiny-water.toml"
    path.write_text(text + f'scratch = "{tmp_path / "elsewhere"}"\n')
    return path


@pytest.fixture
def store(recipe: Path, tmp_path: Path) -> Store:
    """Return a store with a selection of 22 configurations; the last one's label kills its process."""
    store, loaded = Store(tmp_path / "store", create=True), load_recipe(str(recipe))
    positions = np.repeat(loaded.build_nmer().positions[None], 22, axis=0)
    positions[:, 1, 2] += 0.001 * np.arange(22)
    positions[21, 1, 2] += DEADLY
    selection = Selection(positions, np.array([0] * 18 + [1] * 4), np.arange(22))
    columns = selection_columns(selection)
    version = {"recipe": "", "inputs": [], "engines": {}, "facts": {}}
    store.add("selection", loaded.name, selection_key(loaded), columns=columns, **version)  # type: ignore[arg-type]
    return store


def entries(recipe: Recipe, store: Store, places: range, **values: object) -> Iterator[dict[str, object]]:
    """Yield ledger entries of the selection's configurations; the part AB alone unless they are good."""
    nmer = recipe.build_nmer()
    protocol = protocol_of(nmer, recipe.labelling)
    ids = configuration_ids(nmer, store.resolve("selection:tiny-water@1").column("positions"))
    good = values.get("status", "ok") == "ok"
    for place in places:
        for part in protocol.parts if good else ("AB",):
            yield {
                "configuration": ids[place],
                "protocol": protocol.id,
                "part": part,
                "status": "ok",
                "energy": -1.0 if good else None,
                "finished": time.time(),
                "cpu_seconds": 0.5,
                "memory": 0.2,
                **values,
            }


def fill(recipe: Path, store: Store) -> None:
    """Let 18 labels be good, three have timed out, and one have crashed."""
    loaded = load_recipe(str(recipe))
    with Ledger.open(store.labels) as ledger:
        ledger.add(entries(loaded, store, range(18)))
        slow = {"status": "timeout", "reason": "took longer than 120 s", "limit_seconds": 120.0}
        ledger.add(entries(loaded, store, range(18, 21), **slow))
        ledger.add(
            entries(loaded, store, range(21, 22), status="failed", reason="its process was ended by SIGKILL")
        )


def test_reasons_are_listed_with_counts(capsys: pytest.CaptureFixture[str], recipe: Path, store: Store) -> None:
    words = ("retry", recipe, "--store", store.path)
    code, out, _ = call(capsys, *words, "--list")
    assert (code, out) == (0, "tiny-water, instant: no failed labels\n")
    fill(recipe, store)
    code, out, _ = call(capsys, *words, "--list")
    assert code == 0 and out.splitlines() == [
        "tiny-water, instant: 4 of 4 failed labels",
        "3  timeout: took longer than 120 s",
        "1  failed: its process was ended by SIGKILL",
    ]
    found = json.loads(call(capsys, *words, "--list", "--reason", "sigkill", "--json")[1])
    assert (found["failed"], found["chosen"]) == (4, {"failed: its process was ended by SIGKILL": 1})
    code, out, _ = call(capsys, *words, "--reason", "no such words")
    assert (code, out) == (
        0,
        "tiny-water, instant: none of 4 failed labels with 'no such words' in status or reason\n",
    )
    assert "reason" in call(capsys, "retry", "--help")[1] and "Example: nmer" in call(capsys, "retry", "--help")[1]


def test_retry_says_what_it_tries_and_what_came_of_it(
    capsys: pytest.CaptureFixture[str], recipe: Path, store: Store
) -> None:
    fill(recipe, store)
    code, out, _ = call(capsys, "retry", recipe, "--store", store.path, "--reason", "TIMEOUT")
    assert code == 0 and out.splitlines() == [
        "tiny-water, instant: retrying 3 of 4 failed labels with 'TIMEOUT' in status or reason",
        "3  timeout: took longer than 120 s",
        "3 of 3 are ok now",
        "nmer run makes a new dataset with them",
    ]
    code, out, _ = call(capsys, "retry", recipe, "--store", store.path, "--reason", "failed", "--json")
    found = json.loads(out)
    assert code == 1 and (found["ok"], found["missing"], sum(found["failed_again"].values())) == (0, 0, 1)
    assert not list((recipe.parent / "elsewhere").iterdir()), (
        "the scratch folder of the recipe was used and emptied"
    )
    status = json.loads(call(capsys, "status", recipe, "--store", store.path, "--json")[1])["stages"][2]
    assert (status["done"], status["failed"], status["left"]) == (21, 1, 0)


def test_retry_of_nothing_is_bad_input(capsys: pytest.CaptureFixture[str], recipe: Path, store: Store) -> None:
    code, _, err = call(capsys, "retry", recipe, "--store", store.path)
    assert code == 2 and "--reason TEXT, or --list" in err
    code, _, err = call(capsys, "retry", recipe, "--store", store.path / "none", "--list")
    assert code == 2 and "there is no store" in err
    code, _, err = call(capsys, "retry", "ch3-water", "--store", store.path, "--list")
    assert code == 2 and "has no selection" in err


def test_status_sees_what_lies_in_the_spool(
    capsys: pytest.CaptureFixture[str], recipe: Path, store: Store
) -> None:
    loaded = load_recipe(str(recipe))
    with SpoolWriter(store.labels / "spool") as spool:
        spool.extend(entries(loaded, store, range(5)))
        spool.extend(entries(loaded, store, range(5, 7), status="timeout", reason="took longer than 120 s"))
        spool.extend(list(entries(loaded, store, range(7, 8)))[:2])
    before = sorted(store.path.rglob("*"))
    state = json.loads(call(capsys, "status", recipe, "--store", store.path, "--json")[1])["stages"][2]
    assert (state["done"], state["failed"], state["left"]) == (5, 2, 15)
    assert sorted(store.path.rglob("*")) == before


def test_plan_tells_where_the_cost_of_a_label_comes_from(
    capsys: pytest.CaptureFixture[str], recipe: Path, store: Store
) -> None:
    words = ("plan", recipe, "--store", store.path)
    assert "a label: 0.01 CPU-s, 0.2 GiB (formula)" in call(capsys, *words)[1]
    with Ledger.open(store.labels) as ledger:
        loaded = load_recipe(str(recipe))
        protocol = protocol_of(loaded.build_nmer(), loaded.labelling)
        ledger.record_protocol(protocol.id, protocol.settings)
        ledger.add(entries(loaded, store, range(12), system="CH4 + H2O"))
    assert "a label: 1.5 CPU-s, 0.2 GiB (calibrated from 12 labels like these)" in call(capsys, *words)[1]
    found = json.loads(call(capsys, *words, "--json")[1])
    assert found["label"]["cpu_seconds"] == 1.5
    assert found["stages"][2]["core_hours"] == pytest.approx(22 * 1.5 / 3600)


def test_flags_decide_what_a_dataset_takes(recipe: Path, store: Store, tmp_path: Path) -> None:
    from tasks.labelling.task import labelling_task
    from tasks.plan import resolve

    loaded = load_recipe(str(recipe))
    with Ledger.open(store.labels) as ledger:
        ledger.add(entries(loaded, store, range(2, 19), t1=0.01, d1=0.03, t2=0.1))
        ledger.add(entries(loaded, store, range(0, 1), t1=0.03))
        ledger.add(entries(loaded, store, range(1, 2), d1=0.09))
        ledger.add(entries(loaded, store, range(19, 20), t2=0.3))
        ledger.add(entries(loaded, store, range(20, 21), status="out-of-memory", reason="x", limit_memory=3.0))
        ledger.add(entries(loaded, store, range(21, 22), status="timeout", reason="x", limit_seconds=120.0))

    def dataset(**flags: object) -> tuple[list[int], dict[str, object]]:
        settings = loaded.labelling.model_copy(update=flags)
        changed = loaded.model_copy(update={"labelling": settings})
        key = labelling_task.fn(resolve(changed), store.path, lambda: pytest.fail("nothing is to be computed"))
        version = store.get("dataset", key)
        found = dataset_from_version(version)
        positions = store.resolve("selection:tiny-water@1").column("positions")
        places = [int(np.flatnonzero((positions == xyz).all(axis=(1, 2)))[0]) for xyz in found.positions]
        return places, version.attributes()["facts"]

    places, facts = dataset()
    assert "parent" not in facts
    assert places == list(range(1, 19)) and facts["flagged_labels"] == 2 and facts["labels"] == 18
    assert (facts["out_of_memory_labels"], facts["timeout_labels"]) == (1, 1)
    assert dataset(max_d1=0.05)[0] == list(range(2, 19))
    kept, facts = dataset(max_d1=0.05, keep_flagged=True)
    assert kept == list(range(20)) and facts["flagged_labels"] == 3 and facts["flagged_kept"]
    assert facts["parent"] == store.resolve("dataset:tiny-water@1").key, "the same labels and two more"
    cost = facts["cost"]
    assert isinstance(cost, dict) and cost["labels"] == 22 and cost["cpu_seconds"] == 1.5
    assert cost["expected_from"] == "formula" and cost["memory"] == 0.2
    d1 = dataset_from_version(store.resolve("dataset:tiny-water@3")).d1
    assert d1[1] == 0.09 and np.isnan(d1[0]) and len(d1) == 20


def test_a_raised_limit_is_enough_to_try_again(recipe: Path, store: Store, tmp_path: Path) -> None:
    from tasks.labelling.task import labelling_task
    from tasks.plan import resolve

    fill(recipe, store)
    loaded = load_recipe(str(recipe))
    patient = loaded.model_copy(update={"resources": loaded.resources.model_copy(update={"label_timeout": 300.0})})
    with local_cluster(1, tmp_path / "dask") as address:
        key = labelling_task.fn(resolve(patient), store.path, lambda: address)
    facts = store.get("dataset", key).attributes()["facts"]
    assert facts["labels"] == 21 and facts["failed_labels"] == 1 and "timeout_labels" not in facts


def test_scratch_is_a_whole_path(capsys: pytest.CaptureFixture[str], recipe: Path) -> None:
    recipe.write_text(recipe.read_text().replace('scratch = "/', 'scratch = "'))
    code, _, err = call(capsys, "show", recipe)
    assert code == 2 and "must be a whole path" in err
