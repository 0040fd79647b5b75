"""Extending: more configurations, or another protocol, computes what is missing and nothing twice."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.cluster import local_cluster
from recipes.schema.recipe import Recipe
from storage.spool import read_spool, spool_files
from storage.store import Store
from tasks.labelling.task import labelling_task
from tasks.plan import resolve
from tasks.selection.task import selection_task
from tests.storage import family

INSTANT = {"engine": "instant", "method": "instant", "counterpoise": False}


def recipe(tmp_path: Path, **sections: dict[str, Any]) -> Recipe:
    resources = {"scratch": str(tmp_path / "elsewhere")}
    return family.tiny(**({"labelling": INSTANT, "resources": resources} | sections))


def labelled(store: Store) -> list[tuple[str, str, str]]:
    """Return what was computed, once for each time."""
    entries = [e for path in spool_files(store.labels / "spool") for e in read_spool(path).entries]
    return [(e["configuration"], e["protocol"], e["part"]) for e in entries]


def ledger_rows(store: Store) -> set[tuple[Any, ...]]:
    with closing(sqlite3.connect(store.labels / "ledger.sqlite")) as database:
        return set(database.execute("SELECT * FROM labels"))


@pytest.mark.usefixtures("instant")
def test_extending_repeats_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", create=True)
    base, more = recipe(tmp_path), recipe(tmp_path, selection={"train": 24})
    other = recipe(tmp_path, labelling=INSTANT | {"scf_tolerance": 1e-7})
    pool = family.pool_of(store, base)
    with local_cluster(1, tmp_path / "dask") as address:

        def run(recipe: Recipe) -> tuple[list[str], dict[str, Any]]:
            plan = resolve(recipe)
            selection_task.fn(plan, store.path)
            version = store.get("dataset", labelling_task.fn(plan, store.path, lambda: address))
            return version.column("ids").tolist(), version.attributes()

        first, _ = run(base)
        assert len(labelled(store)) == 3 * 22
        second, facts = run(more)
        new = set(second) - set(first)
        assert len(second) == 28 and 0 < len(new) < 28, "the two selections overlap"
        assert len(labelled(store)) == len(set(labelled(store))) == 3 * (22 + len(new))
        before = ledger_rows(store)
        third, _ = run(other)
        assert third == first, "the same selection"
        assert len(labelled(store)) == len(set(labelled(store))) == 3 * (44 + len(new))
        assert before < ledger_rows(store), "labels of another protocol stand beside the old ones"
        run(recipe(tmp_path, fitting={"degree": 2}))
    assert [v.ref for v in store.versions()] == [
        "pool:tiny-water@1",
        "selection:tiny-water@1",
        "selection:tiny-water@2",
        "dataset:tiny-water@1",
        "dataset:tiny-water@2",
        "dataset:tiny-water@3",
    ]
    assert all(v.attributes()["inputs"][0]["key"] == pool.key for v in store.versions("selection"))
    assert ("parent" in facts["facts"]) == (set(first) < set(second))


def test_a_dataset_names_the_one_it_extends(tmp_path: Path) -> None:
    """Labels that were flagged and are taken in later make a dataset with all the labels of the one before."""
    store = family.family(tmp_path / "store")
    version = store.resolve("dataset:tiny-water@1")
    from tasks.labelling.task import extended_version

    ids, protocol = version.column("ids").tolist(), version.attributes()["facts"]["protocol_id"]
    assert extended_version(store, "tiny-water", protocol, [*ids, "0" * 64]) == {"parent": version.key}
    assert extended_version(store, "tiny-water", protocol, ids) == {}, "the same labels extend nothing"
    assert extended_version(store, "tiny-water", protocol, [*ids[1:], "0" * 64]) == {}
    assert extended_version(store, "tiny-water", "another", [*ids, "0" * 64]) == {}
    assert np.isfinite(version.column("energy")).all()
