"""Removing versions: what has to stay, what is gone, numbers that are never given again, and what is left over."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from potentials.errors import InputError
from storage.ledger import Ledger
from storage.removal import clear, leftovers, remove, unused
from storage.store import Store
from storage.tags import remove_tag, set_tag
from tests.storage.family import PARTS, family, tiny, two_potentials


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return two_potentials(tmp_path / "s")


def refs(store: Store) -> list[str]:
    return [version.ref for version in store.versions()]


def test_what_others_need_stays(store: Store) -> None:
    before = refs(store)
    for ref, others in (
        ("pool:tiny-water@1", "selection:tiny-water@1"),
        ("selection:tiny-water@1", "dataset:tiny-water@1"),
        ("dataset:tiny-water@1", "tiny-water@1, tiny-water@2, validation:tiny-water@1"),
    ):
        with pytest.raises(InputError, match=f"{ref} stays, because {others}.* depends? on it"):
            remove(store, [store.resolve(ref)])
    with pytest.raises(InputError, match="it is the verdict on tiny-water@2"):
        remove(store, [store.resolve("validation:tiny-water@2")])
    set_tag(store.path, store.resolve("tiny-water@2"), "draft")
    with pytest.raises(InputError, match="tiny-water@2 carries the tag 'draft' and stays"):
        remove(store, [store.resolve("tiny-water@2")])
    assert refs(store) == before


def test_a_potential_goes_with_its_verdict_and_its_number_is_not_given_again(store: Store) -> None:
    gone = remove(store, [store.resolve("tiny-water@2")])
    assert [one.what for one in gone] == ["validation:tiny-water@2", "tiny-water@2", "report of tiny-water@2"]
    assert "tiny-water@2" not in refs(store) and not (store.path / "reports" / "tiny-water@2").exists()
    with pytest.raises(InputError, match="'tiny-water@2' was removed from the store"):
        store.resolve("tiny-water@2")
    assert store.resolve("tiny-water@latest").ref == "tiny-water@1"
    again = family(store.path, tiny(fitting={"gamma": 0.01}))
    assert store.resolve("tiny-water@latest").ref == "tiny-water@3"
    assert again.resolve("validation:tiny-water@latest").ref == "validation:tiny-water@3"


def test_a_whole_family_goes_at_once_and_the_labels_stay(store: Store) -> None:
    remove(store, store.versions())
    assert refs(store) == []
    family(store.path)
    assert refs(store) == [
        "pool:tiny-water@2",
        "selection:tiny-water@2",
        "dataset:tiny-water@2",
        "tiny-water@3",
        "validation:tiny-water@3",
    ]
    version = store.resolve("dataset:tiny-water@2")
    protocol = version.attributes()["facts"]["protocol_id"]
    with Ledger.read(store.labels) as ledger:
        assert ledger.counts(list(version.column("ids")), protocol, PARTS).done == 22
    assert len(list((store.labels / "spool").iterdir())) <= 3, "nothing was labelled twice"


def test_a_removal_that_was_killed_is_taken_up_again(store: Store) -> None:
    version = store.resolve("tiny-water@2")
    version.path.with_suffix(".removed").write_text("{}")  # as if killed before the file went
    assert store.resolve("tiny-water@2") == version
    assert [one.what for one in remove(store, [version])][1] == "tiny-water@2"


def dead_process() -> int:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def old(path: Path) -> Path:
    past = time.time() - 7200
    for each in (*path.rglob("*"), path) if path.is_dir() else (path,):
        os.utime(each, (past, past))
    return path


def make(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 1000)
    return path


def test_leftovers_are_what_nothing_needs(store: Store) -> None:
    dead, pool = dead_process(), store.resolve("pool:tiny-water@1")
    gone = [
        make(store.scratch(pool.key) / "walker-0000" / "frames").parents[1],
        old(make(store.path / "scratch" / "dask" / "worker" / "a").parents[1]),
        old(make(store.path / "labels" / f".reference.json.{dead}.tmp")),
        old(make(store.path / f".tags.json.{dead}.tmp")),
        old(make(store.path / f".tags.json.{os.getpid()}.tmp")),  # numbers of processes say nothing
        old(make(store.path / "plumed" / ".toy-0123.89abcdef01234567.tmp" / "walker" / "HILLS").parents[1]),
    ]
    kept = [
        make(store.path / "scratch" / "0123456789abcdef" / "walker-0000" / "frames"),  # of an unfinished run
        make(store.path / "scratch" / "labels" / "host-1-x" / "running"),  # touched just now
        make(store.path / f".timings.json.{dead}.tmp"),  # touched just now
    ]
    before = refs(store)
    found = leftovers(store)
    assert sorted(one.path for one in found) == sorted(gone)
    assert found[0].size == 1000 and "pool:tiny-water@1, which is finished" in {one.what[11:] for one in found}
    clear(found)
    assert not any(path.exists() for path in gone) and all(path.exists() for path in kept)
    assert refs(store) == before and leftovers(store) == []


def test_the_report_that_a_killed_removal_left_is_left_over(store: Store) -> None:
    remove(store, [store.resolve("tiny-water@2")])
    report = make(store.path / "reports" / "tiny-water@2" / "report.html").parent
    assert [one.path for one in leftovers(store)] == [report]


def test_what_nothing_depends_on_is_told_unless_it_has_a_tag(store: Store) -> None:
    assert unused(store) == []
    remove(store, [v for v in store.versions() if v.kind in ("potential", "validation")])
    dataset = store.resolve("dataset:tiny-water@1")
    assert unused(store) == [dataset]
    set_tag(store.path, dataset, "kept")
    assert unused(store) == []
    remove_tag(store.path, dataset, "kept")
    assert unused(store) == [dataset]
