"""Lineage: from a potential down to every label, frame, seed, program, and setting."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from storage.keys import digest
from storage.lineage import lineage, lineage_text
from storage.store import Store
from storage.tags import set_tag
from tests.storage.family import family, tiny


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return family(tmp_path_factory.mktemp("lineage") / "store")


def test_every_stage_says_what_decided_it(store: Store) -> None:
    tree = lineage(store, store.resolve("tiny-water@1"))
    assert tree["status"] == "released" and tree["recipe"]["fitting"]["degree"] == 1
    dataset = tree["inputs"][0]
    assert dataset["engines"] == {"nmer": "0.1.0", "pyscf": "2.14.0"}
    assert dataset["not_default"] == {"labelling.method": "HF", "labelling.basis": "sto-3g"}
    labels = dataset["labels"]
    assert (labels["count"], labels["hosts"], labels["protocol"]) == (22, {"node7": 66}, "HF/sto-3g")
    assert labels["cpu_hours"] == pytest.approx(66 * 1.25 / 3600)
    assert labels["settings"]["versions"] == {"pyscf": "2.14.0"}
    ids = store.resolve("dataset:tiny-water@1").column("ids").tolist()
    assert labels["ids_sha256"] == digest(sorted(ids))
    pool = dataset["inputs"][0]["inputs"][0]
    assert [(w["seed"], w["temperature"], w["window"], w["frames"]) for w in pool["walkers"]] == [
        (2025, 300.0, 0, 10),
        (2026, 500.0, 0, 10),
        (2027, 300.0, 1, 10),
        (2028, 500.0, 1, 10),
    ]
    assert "label_list" not in dataset


def test_every_label_leads_to_its_frame_and_walker(store: Store) -> None:
    tree = lineage(store, store.resolve("tiny-water@1"), labels=True)
    dataset, pool = store.resolve("dataset:tiny-water@1"), store.resolve("pool:tiny-water@1")
    rows = tree["inputs"][0]["label_list"]
    assert [row["configuration"] for row in rows] == dataset.column("ids").tolist()
    frames = [row["frame"] for row in rows]
    np.testing.assert_array_equal(pool.column("positions")[frames], dataset.column("positions"))
    np.testing.assert_array_equal([row["seed"] for row in rows], pool.column("seed")[frames])
    np.testing.assert_array_equal([row["temperature"] for row in rows], pool.column("temperature")[frames])
    np.testing.assert_array_equal([row["window"] for row in rows], pool.column("window")[frames])
    assert rows[0]["source"] == "pbmetad ff14SB" and rows[0]["energy"] == dataset.column("energy")[0]


def test_what_is_missing_is_said_and_the_rest_is_told(tmp_path: Path) -> None:
    store = family(tmp_path / "s")
    set_tag(store.path, store.resolve("tiny-water@1"), "draft")
    store.resolve("pool:tiny-water@1").path.unlink()
    tree = lineage(store, store.resolve("tiny-water@draft"), labels=True)
    assert tree["tags"] == ["draft"]
    row = tree["inputs"][0]["label_list"][0]
    assert row["frame"] == 21 and row["seed"] is None
    text = lineage_text(tree)
    assert "pool:tiny-water@1" in text and "(no longer in the store)" in text
    assert "released  @draft" in text and "computed on node7 (66 parts)" in text


def test_the_tree_for_people_has_the_seeds_and_the_parent(tmp_path: Path) -> None:
    store = family(tmp_path / "s", tiny(selection={"train": 10}))
    text = lineage_text(lineage(store, store.resolve("tiny-water@1")))
    assert "40 frames of the seeds 2025, 2026, 2027, 2028" in text
    assert "recipe: selection.train = 10, selection.test = 4" in text
    assert "it extends" not in text
