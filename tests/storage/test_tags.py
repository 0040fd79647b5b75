"""Tags: names of one's own that lead to versions, and are not lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import nmer
from potentials.errors import InputError
from storage.store import Store
from storage.tags import read_tags, remove_tag, set_tag, tags_of
from tests.storage.family import family, tiny


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("tags") / "store"
    family(folder)
    return family(folder, tiny(fitting={"gamma": 0.01}))


def test_a_tag_leads_where_it_was_set(store: Store) -> None:
    first, dataset = store.resolve("tiny-water@1"), store.resolve("dataset:tiny-water@1")
    assert set_tag(store.path, first, "paper-draft") and not set_tag(store.path, first, "paper-draft")
    assert set_tag(store.path, dataset, "paper-draft")
    assert store.resolve("tiny-water@paper-draft") == first
    assert store.resolve("dataset:tiny-water@paper-draft") == dataset
    assert nmer.load("tiny-water@paper-draft", store=store.path).name == "tiny-water@1"
    assert tags_of(first, read_tags(store.path)) == ["paper-draft"]
    assert store.resolve("tiny-water@latest").number == 2
    with pytest.raises(InputError, match=r"'tiny-water@nothing' is not in the store .* tiny-water@paper-draft"):
        store.resolve("tiny-water@nothing")


def test_a_tag_is_moved_only_by_force(store: Store) -> None:
    first, second = store.resolve("tiny-water@1"), store.resolve("tiny-water@2")
    set_tag(store.path, first, "v1")
    with pytest.raises(InputError, match="'v1' is on tiny-water@1; --force moves it to tiny-water@2"):
        set_tag(store.path, second, "v1")
    assert store.resolve("tiny-water@v1") == first
    assert set_tag(store.path, second, "v1", force=True)
    assert store.resolve("tiny-water@v1") == second
    with pytest.raises(InputError, match="tiny-water@1 does not carry the tag 'v1'"):
        remove_tag(store.path, first, "v1")
    remove_tag(store.path, second, "v1")
    with pytest.raises(InputError, match="is not in the store"):
        store.resolve("tiny-water@v1")


@pytest.mark.parametrize("name", ["7", "2nd", "latest", "released", "Draft", "a b", "", "a@b", "x.h5", "-a"])
def test_what_a_tag_may_be_called(store: Store, name: str) -> None:
    with pytest.raises(InputError, match="allowed: lowercase letters, digits, and dashes"):
        set_tag(store.path, store.resolve("tiny-water@1"), name)


def test_a_damaged_file_of_tags_is_named(tmp_path: Path) -> None:
    store = family(tmp_path / "s")
    set_tag(store.path, store.resolve("tiny-water@1"), "draft")
    path = store.path / "tags.json"
    text = path.read_text()
    values = json.loads(text)
    for damaged in (
        text[:-20],
        text.replace("draft", "drift"),
        "[]",
        json.dumps(values | {"tags": [{"kind": 1}]}),
    ):
        path.write_text(damaged)
        with pytest.raises(InputError, match=r"tags\.json' is damaged: ") as caught:
            store.resolve("tiny-water@draft")
        assert "\n" not in str(caught.value)
        assert store.resolve("tiny-water@1").number == 1, "numbers work without the tags"
    path.write_text(json.dumps(values | {"nmer_tags_format": 9}))
    with pytest.raises(InputError, match="newer format 9; allowed: nmer_tags_format up to 1"):
        read_tags(store.path)


TAGGER = """
import sys
from storage.store import Store
from storage.tags import set_tag
store = Store(sys.argv[1])
version = store.resolve("tiny-water@1")
for number in range(10_000):
    set_tag(store.path, version, f"tag-{number}")
    print(number, flush=True)
"""


def test_kill_9_loses_no_tag(tmp_path: Path) -> None:
    store, rng = family(tmp_path / "s"), np.random.default_rng(1)
    for _ in range(2):
        (store.path / "tags.json").unlink(missing_ok=True)
        tagger = subprocess.Popen(
            [sys.executable, "-c", TAGGER, str(store.path)], stdout=subprocess.PIPE, text=True
        )
        assert tagger.stdout is not None
        tagger.stdout.readline()
        threading.Event().wait(float(rng.uniform(0.0, 0.1)))
        tagger.send_signal(signal.SIGKILL)
        said = [0, *(int(word) for word in tagger.stdout.read().split())]
        tagger.wait()
        names = {tag.name for tag in read_tags(store.path)}
        assert names >= {f"tag-{number}" for number in said}
