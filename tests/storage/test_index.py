"""Look-ups: one damaged file never hides the others, and an index that is not true costs time and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import nmer
from nmer.cli.main import main
from potentials.errors import InputError
from storage.index import FILE, MANY, DamagedWarning
from storage.removal import remove
from storage.store import Store
from storage.tags import set_tag
from storage.version import Column, Version
from tests.conftest import ROOT
from tests.storage.family import family, tiny


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index") / "store"
    family(folder)
    return family(folder, tiny(fitting={"gamma": 0.01})).path


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Store:
    """Return a copy with two potentials, each with its verdict, of one dataset, and an index that is true."""
    shutil.copytree(made, tmp_path / "s")
    for path in (tmp_path / "s").rglob("*.h5"):
        path.chmod(0o644)
    with Store(tmp_path / "s").writing():
        pass
    return Store(tmp_path / "s")


def add(store: Store, kind: str, nmer: str, key: str) -> Version:
    columns, facts = {"x": Column(np.arange(3.0), "1", "x", "this test")}, {"nmer": {"fragments": []}}
    return store.add(kind, nmer, key, columns=columns, recipe="", inputs=[], engines={}, facts=facts)


def newer(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["nmer_format"] = 7


def another(path: Path) -> None:
    shutil.copy(path.with_name("1.h5"), path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def no_key(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file.attrs["key"]


def replaced(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda p: p.write_bytes(b""), "cannot be read as HDF5"),
    "text": (lambda p: p.write_text("dear"), "cannot be read as HDF5"),
    "cut": (cut, "cannot be read as HDF5"),
    "zeros": (lambda p: p.write_bytes(bytes(5000)), "cannot be read as HDF5"),
    "no key": (no_key, "it has no attribute 'key'"),
    "another": (another, "holds tiny-water@1, which does not belong there"),
    "newer": (newer, "newer format 7"),
    "folder": (replaced(os.mkdir), "is not a file"),
    "pipe": (replaced(os.mkfifo), "is not a file"),
    "link to nowhere": (replaced(lambda p: p.symlink_to("nothing")), "is a link to nowhere"),
    "loop": (replaced(lambda p: p.symlink_to(p)), "Too many levels of symbolic links"),
    "device": (replaced(lambda p: p.symlink_to("/dev/zero")), "is not a file"),
}


@pytest.mark.parametrize("name", BAD)
def test_one_bad_file_is_skipped_and_named(name: str, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    change, said = BAD[name]
    before = [v.ref for v in store.versions()]
    index = (store.path / FILE).read_bytes()
    change(store.path / "potentials" / "tiny-water" / "2.h5")
    code = main(["versions", "--store", str(store.path), "--json"])
    out, err = capsys.readouterr()
    assert code == (2 if name == "newer" else 0)
    assert err.count("\n") == 1 and said in err and "potentials/tiny-water/2.h5" in err
    rows = json.loads(out)
    assert [r["ref"] for r in rows if "damage" not in r] == [ref for ref in before if ref != "tiny-water@2"]
    (bad,) = (r for r in rows if "damage" in r)
    assert (bad["ref"], bad["kind"], bad["key"]) == ("tiny-water@2", "potential", "")
    assert bad["status"] == ("newer" if name == "newer" else "damaged") and said in bad["damage"]
    code = main(["lineage", "tiny-water@latest", "--store", str(store.path)])
    out, err = capsys.readouterr()
    assert code == 0 and out.startswith("tiny-water@1 ") and said in err
    assert main(["get", "tiny-water@2", "--store", str(store.path), "--out", str(store.path / "x")]) == 2
    assert said in capsys.readouterr().err and not (store.path / "x").exists()
    with pytest.warns(DamagedWarning, match=r"2\.h5.* it is left out"):
        assert nmer.load("tiny-water@latest", store=store.path).name == "tiny-water@1"
    for other in (v for v in before if v != "tiny-water@2"):
        assert Store(store.path).resolve(other).ref == other
    assert (store.path / FILE).read_bytes() == index, "who reads a few files writes nothing"


@pytest.mark.parametrize("kind", ["pool", "selection", "dataset", "potential", "validation"])
def test_find_goes_on_past_a_bad_file_of_any_kind(kind: str, store: Store) -> None:
    versions = {v.kind: v for v in store.versions()}
    path = store.path / f"{kind}s" / "tiny-water" / "1.h5"
    path.write_bytes(b"")
    again = Store(store.path)
    with pytest.warns(DamagedWarning):
        assert again.find(kind, versions[kind].key) == (versions[kind] if versions[kind].number == 2 else None)
    with again.writing(), pytest.warns(DamagedWarning):
        new = add(again, kind, "tiny-water", "n")
    assert new.number == max(v.number for v in versions.values() if v.kind == kind) + 1
    assert path.read_bytes() == b""


def test_what_may_depend_on_it_is_not_removed(store: Store) -> None:
    (store.path / "validations" / "tiny-water" / "2.h5").write_bytes(b"")
    with (
        pytest.warns(DamagedWarning),
        pytest.raises(InputError, match=r"tiny-water@2 stays, because something .*validations/tiny-water/2\.h5"),
    ):
        remove(Store(store.path), [store.resolve("tiny-water@2")])


def test_damaged_tags_do_not_hide_versions(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    set_tag(store.path, store.resolve("tiny-water@1"), "draft")
    for text in ("{", '{"nmer_tags_format": "1"}', "[" * 50_000, '{"nmer_tags_format": 1, "tags": 3}'):
        (store.path / "tags.json").write_text(text)
        assert main(["versions", "--store", str(store.path)]) == 0
        out, err = capsys.readouterr()
        assert "tiny-water@2" in out and "tags.json' is damaged" in err and err.count("\n") == 1
        for words in (["remove", "tiny-water@2"], ["tag", "tiny-water@2", "new"], ["get", "tiny-water@draft"]):
            assert main([*words, "--store", str(store.path)]) == 2
            assert "tags.json' is damaged" in capsys.readouterr().err
        assert (store.path / "tags.json").read_text() == text


LOOK = """
import sys
import psutil
from storage.store import Store
store = Store(sys.argv[1])
print(",".join(v.ref for v in store.versions()))
key = store.resolve("validation:tiny-water@2").key
print(store.find("validation", key).ref, store.resolve("tiny-water@latest").ref)
print(store.status(store.resolve("tiny-water@2")), len(psutil.Process().children()))
"""


def look(store: Path) -> list[str]:
    """Return what a new process finds, and how many processes it had to start for it."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(store)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


FOUND = [
    "pool:tiny-water@1,selection:tiny-water@1,dataset:tiny-water@1,tiny-water@1,tiny-water@2,"
    "validation:tiny-water@1,validation:tiny-water@2",
    "validation:tiny-water@2 tiny-water@2",
]
"""Of the store, however it is looked at."""


def test_with_an_index_no_file_is_opened(store: Store) -> None:
    assert look(store.path) == [*FOUND, "released 0"]
    (store.path / FILE).unlink()
    assert look(store.path) == [*FOUND, "released 1"]


UNTRUE: dict[str, Callable[[Path], object]] = {
    "garbage": lambda p: p.write_bytes(os.urandom(3000)),
    "empty": lambda p: p.write_bytes(b""),
    "half": lambda p: p.write_bytes(p.read_bytes()[:200]),
    "deep": lambda p: p.write_text("[" * 100_000),
    "list": lambda p: p.write_text("[]"),
    "newer": lambda p: p.write_text(p.read_text().replace('"nmer_index_format":1', '"nmer_index_format":2')),
    "folder": replaced(os.mkdir),
    "times": lambda p: p.write_text(p.read_text().replace("[", "[1", 1)),
    "row": lambda p: p.write_text(p.read_text().replace("potentials/tiny-water/2.h5", "potentials/../../2.h5")),
    "kind": lambda p: p.write_text(p.read_text().replace("potentials/tiny-water/2.h5", "viruses/tiny-water/2.h5")),
    "more": lambda p: p.write_text(
        p.read_text().replace("potentials/tiny-water/2.h5", "potentials/tiny-water/3.h5")
    ),
    "null": lambda p: p.write_text(p.read_text().replace("true", "null")),
}


@pytest.mark.parametrize("name", UNTRUE)
def test_an_index_that_is_not_true_is_made_again(name: str, store: Store) -> None:
    UNTRUE[name](store.path / FILE)
    again = Store(store.path)
    assert [v.ref for v in again.versions()] == FOUND[0].split(",")
    assert again.resolve("tiny-water@latest").ref == "tiny-water@2"
    assert again.status(again.resolve("tiny-water@2")) == "released"
    if (store.path / FILE).is_dir():
        (store.path / FILE).rmdir()
    with Store(store.path).writing():
        pass
    rows = json.loads((store.path / FILE).read_text())["files"]
    assert sorted(rows) == sorted(str(v.path.relative_to(store.path)) for v in store.versions())


def test_a_row_of_another_file_does_not_count(store: Store) -> None:
    """The file behind a name was replaced: same length, same time of change, another content."""
    path = store.path / "potentials" / "tiny-water" / "2.h5"
    at = path.stat()
    path.rename(path.with_name("old"))
    path.write_bytes(bytes(at.st_size))
    os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))
    with pytest.warns(DamagedWarning):
        assert Store(store.path).resolve("tiny-water@latest").ref == "tiny-water@1"


@pytest.mark.parametrize("how", ["cp -a", "rsync -a", "tar"])
def test_a_copied_store_is_looked_at_again(how: str, store: Store, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    if how.startswith("rsync") and shutil.which("rsync") is None:
        pytest.skip("rsync is missing: on Debian: apt-get install rsync")
    words = {
        "cp -a": ["cp", "-a", str(store.path), str(copy)],
        "rsync -a": ["rsync", "-a", f"{store.path}/", str(copy)],
        "tar": ["sh", "-c", f"mkdir {copy} && tar -C {store.path} -cf - . | tar -C {copy} -xf -"],
    }[how]
    subprocess.run(words, check=True)
    (copy / "potentials" / "tiny-water" / "1.h5").write_bytes(b"")
    with pytest.warns(DamagedWarning):
        assert [v.ref for v in Store(copy).versions("potential")] == ["tiny-water@2"]


def test_two_writers_of_the_index_at_once_lose_nothing(store: Store) -> None:
    """Readers of a store without an index write one too, whenever they have looked at many files."""
    with store.writing():
        for number in range(MANY):
            columns = {"x": Column(np.arange(3.0), "1", "x", "this test")}
            facts = {"nmer": {"fragments": []}}
            store.add(
                "pool", "other", f"k{number}", columns=columns, recipe="", inputs=[], engines={}, facts=facts
            )
    (store.path / FILE).unlink()
    code = "import sys\nfrom storage.store import Store\nprint(len(Store(sys.argv[1]).versions()))"
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(store.path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for number in range(5):
        with store.writing():
            add(store, "pool", "new", f"k{number}")
    for reader in readers:
        assert MANY + 7 <= int(reader.communicate()[0]) <= MANY + 12
    assert len(Store(store.path).versions()) == MANY + 12
    assert not list(store.path.glob(".*.tmp"))
    assert len(json.loads((store.path / FILE).read_text())["files"]) >= MANY


def test_an_old_store_is_read_as_it_is(tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(Path(__file__).parent / "store-format-1", old)
    before = sorted(p.relative_to(old) for p in old.rglob("*"))
    assert len(Store(old).versions()) == 5
    assert sorted(p.relative_to(old) for p in old.rglob("*")) == before
