"""Versions: whole or not at all, immutable, and refused when they are not ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest

from potentials.errors import InputError
from storage.citations import citations
from storage.lineage import lineage, lineage_text
from storage.store import Store
from storage.version import Column, Version, read_version


def add(store: Store, key: str, kind: str = "dataset", inputs: list[Version] | None = None) -> Version:
    return store.add(
        kind,
        "ch3-water",
        key,
        columns={
            "energy": Column(np.arange(5.0), "kcal/mol", "n-body energy"),
            "ids": Column(("a", "ü"), "1", "names"),
        },
        recipe="name = 'x'",
        inputs=inputs or [],
        engines={"numpy": "2"},
        facts={"train": 4},
    )


def test_a_version_comes_back_as_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path / "s", create=True)
    version = add(store, "k1")
    assert version.ref == "dataset:ch3-water@1"
    again = Store(tmp_path / "s").resolve("dataset:ch3-water@1")
    assert again == version
    np.testing.assert_array_equal(again.column("energy"), np.arange(5.0))
    assert list(again.column("ids")) == ["a", "ü"]
    assert again.attributes()["facts"] == {"train": 4}
    with h5py.File(version.path) as file:
        assert file["energy"].attrs["unit"] == "kcal/mol"
        assert file.attrs["recipe"] == "name = 'x'"


def test_versions_are_immutable_and_numbered(tmp_path: Path) -> None:
    store = Store(tmp_path / "s", create=True)
    first, same, second = add(store, "k1"), add(store, "k1"), add(store, "k2")
    assert same == first and second.number == 2
    assert first.path.stat().st_mode & 0o222 == 0
    assert store.resolve("dataset:ch3-water@latest") == second


def test_lineage_leads_to_the_inputs_and_names_what_is_gone(tmp_path: Path) -> None:
    store = Store(tmp_path / "s", create=True)
    pool = add(store, "p", "pool")
    selection = add(store, "s", "selection", [pool])
    dataset = add(store, "d", "dataset", [selection])
    tree = lineage(store, dataset)
    assert tree["inputs"][0]["ref"] == "selection:ch3-water@1"
    assert tree["inputs"][0]["inputs"][0]["key"] == "p"
    pool.path.unlink()
    assert lineage(store, dataset)["inputs"][0]["inputs"][0]["missing"] is True


def test_what_many_versions_were_made_from_is_told_once(tmp_path: Path) -> None:
    """With two ways at each of 30 steps there are 2^30 ways down: the time shows that none is taken twice."""
    store = Store(tmp_path / "s", create=True)
    above = [add(store, "start", "selection")]
    for step in range(30):
        above = [add(store, f"{step}{side}", "selection", above) for side in "ab"]
    tree = lineage(store, above[0])
    names, told, waiting = [], 0, [tree]
    while waiting:
        node = waiting.pop()
        waiting += node["inputs"]
        names += [] if node.get("told") else [node["key"]]
        told += bool(node.get("told"))
    assert len(names) == len(set(names)) == 60 and told == 57
    assert lineage_text(tree).count("(told above)") == told
    assert "mini-batch K-means" in {one.subject for one in citations(above[0], store.find)}


def test_another_writer_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path / "s", create=True)
    caught: list[str] = []

    def second() -> None:
        try:
            with Store(tmp_path / "s").writing():
                caught.append("entered")
        except InputError as error:
            caught.append(str(error))

    with store.writing():
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert f"process {os.getpid()}" in caught[0]
    with store.writing():
        pass


def test_a_foreign_folder_and_a_newer_store_are_refused(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "note.txt").write_text("dear")
    with pytest.raises(InputError, match=r"letters' is not a store of ours"):
        Store(tmp_path / "letters", create=True)
    assert sorted(p.name for p in (tmp_path / "letters").iterdir()) == ["note.txt"]
    with pytest.raises(InputError, match="there is no store at"):
        Store(tmp_path / "nothing")
    Store(tmp_path / "s", create=True)
    (tmp_path / "s" / "nmer-store.json").write_text('{"nmer_store_format": 99}')
    with pytest.raises(InputError, match="newer format 99; allowed: nmer_store_format up to 1"):
        Store(tmp_path / "s")


def test_a_newer_or_damaged_version_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "s", create=True)
    path = add(store, "k1").path
    path.chmod(0o644)
    with h5py.File(path, "a") as file:
        file.attrs["nmer_format"] = 9
    with pytest.raises(InputError, match=r"1\.h5' has the newer format 9; allowed: nmer_format up to 1"):
        read_version(path)
    path.write_bytes(b"not hdf5")
    with pytest.raises(InputError, match="cannot be read as HDF5"):
        read_version(path)


@pytest.mark.parametrize("ref", ["ch3-water", "ch3-water@", "@1", "energy:ch3-water@1", "CH3@1"])
def test_an_unreadable_reference_says_what_is_allowed(ref: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="NAME@NUMBER, NAME@latest, NAME@released"):
        Store(tmp_path / "s", create=True).resolve(ref)


WRITER = """
import sys
from pathlib import Path
import numpy as np
from storage.store import Store
from storage.version import Column
store = Store(Path(sys.argv[1]), create=True)
for number in range(10_000):
    with store.writing():
        columns = {"x": Column(np.full(20_000, number), "1", "x")}
        version = store.add("dataset", "n", f"key{number}", columns=columns,
                            recipe="", inputs=[], engines={}, facts={})
    print(version.number, flush=True)
"""


def test_kill_9_loses_no_acknowledged_version(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    acknowledged = 0
    for _ in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "s")], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        threading.Event().wait(float(rng.uniform(0.0, 0.05)))
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
        writer.wait()
        if rest:
            acknowledged = max(acknowledged, int(rest[-1]))
        versions = Store(tmp_path / "s").versions("dataset")
        assert [v.number for v in versions] == list(range(1, len(versions) + 1))
        assert len(versions) >= acknowledged
        for version in versions:
            assert len(np.unique(version.column("x"))) == 1
