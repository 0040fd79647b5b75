"""Stores that cannot be read or written: every command says so in one sentence, and nothing is written.

The superuser may do everything; the commands run in a process that has given that right up.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from nmer.cli.main import main
from storage.bundle import write_bundle
from storage.store import Store
from tests.conftest import ROOT
from tests.storage.bundled import small_family
from tests.storage.family import family

COMMANDS = """
import contextlib, io, json, sys
from nmer.cli.main import main
for words in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


def run(commands: list[list[str]], plain: bool = False) -> list[tuple[int, str, str]]:
    """Run commands one after the other in a process for which permissions hold."""
    words = [sys.executable, "-c", COMMANDS]
    if os.geteuid() == 0 and not plain:
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv is missing: permissions do not hold for the superuser")
        words = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *words]
    done = subprocess.run(
        words, cwd=ROOT, input=json.dumps(commands), capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def run_here(commands: list[list[str]]) -> list[tuple[int, str, str]]:
    """Run commands in this process, where permissions play no part."""
    found = []
    for words in commands:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main(words)
        found.append((code, out.getvalue(), err.getvalue()))
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return family(tmp_path_factory.mktemp("access") / "store").path


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "s"
    shutil.copytree(made, folder)
    (folder / "nmer-store.json").chmod(0o644)
    yield folder
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    origin = small_family(folder / "origin")
    write_bundle(origin, origin.resolve("dataset:toy@1"), folder / "b.zip")
    return folder / "b.zip"


@pytest.fixture(scope="module")
def xyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("xyz") / "t.xyz"
    path.write_text("".join(f"2\n{n}.5\nH 0 0 0\nH 0 0 0.7{n}\n" for n in range(5)))
    return path


def readers(store: Path, out: Path) -> list[list[str]]:
    recipe = str(store / "reports" / "tiny-water@1" / "recipe.toml")
    if not os.path.exists(recipe):
        recipe = "ch3-water"
    words = [
        ["versions"],
        ["lineage", "tiny-water@1"],
        ["cite", "tiny-water@latest"],
        ["diff", "tiny-water@1", "tiny-water@1"],
        ["get", "tiny-water@1", "--out", str(out / "got")],
        ["export", "tiny-water@released", "--format", "json", "--out", str(out / "p.json")],
        ["bundle", "tiny-water@1", "--out", str(out / "b.zip")],
        ["verify"],
        ["status", recipe],
    ]
    return [[*each, "--store", str(store)] for each in words]


def writers(store: Path, bundle: Path, xyz: Path) -> list[list[str]]:
    words = [
        ["tag", "tiny-water@1", "draft"],
        ["remove", "tiny-water@1"],
        ["gc"],
        ["gc", "--yes"],
        ["unbundle", str(bundle)],
        ["import", "h2", "--train", str(xyz), "--symmetry", "A2", "--unit", "kcal/mol"],
        ["run", "ch3", "--preset", "smoke", "--until", "sampling"],
    ]
    return [[*each, "--store", str(store)] for each in words]


def every(folder: Path) -> list[tuple[str, int, int]]:
    """Return every name below a folder with its length and the time of its change."""
    found = [folder, *sorted(folder.rglob("*"))]
    return [(str(p), p.lstat().st_size, p.lstat().st_mtime_ns) for p in found]


def check_refused(done: list[tuple[int, str, str]], words: list[list[str]], *said: str) -> None:
    for (code, out, err), each in zip(done, words, strict=True):
        lines = [line for line in err.strip().splitlines() if not line.startswith(("checking", "nmer: note:"))]
        assert (code, out) == (2, ""), (each, code, out, err)
        assert len(lines) == 1 and lines[0].startswith("nmer: "), (each, err)
        assert any(text in lines[0] for text in said), (each, err)
        assert "Traceback" not in err and "unexpected error" not in err


def check_read(done: list[tuple[int, str, str]], words: list[list[str]]) -> None:
    for (code, out, err), each in zip(done, words, strict=True):
        assert code == 0 and out, (each, code, err)
        assert "Traceback" not in err, each


def read_only(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o555)


def test_a_store_without_permission_to_write_is_read_and_not_written(
    store: Path, tmp_path: Path, bundle: Path, xyz: Path
) -> None:
    read_only(store)
    before = every(store)
    read, written = readers(store, tmp_path), writers(store, bundle, xyz)
    done = run(read + written)
    check_read(done[: len(read)], read)
    check_refused(done[len(read) :], written, "cannot be written: Permission denied")
    assert every(store) == before


def test_a_store_on_a_disk_that_is_mounted_to_read(store: Path, tmp_path: Path, bundle: Path, xyz: Path) -> None:
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    try:
        subprocess.run(["mount", "--bind", str(store), str(mounted)], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(mounted)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"nothing can be mounted here: {error}")
    try:
        before = every(store)
        read, written = readers(mounted, tmp_path), writers(mounted, bundle, xyz)
        done = run(read + written, plain=True)
        check_read(done[: len(read)], read)
        check_refused(done[len(read) :], written, "cannot be written: Read-only file system")
        assert every(store) == before
    finally:
        subprocess.run(["umount", "--lazy", str(mounted)], check=False)


def as_file(store: Path) -> None:
    shutil.rmtree(store)
    store.write_text("dear")


def marker(text: str) -> Callable[[Path], None]:
    def change(store: Path) -> None:
        (store / "nmer-store.json").write_text(text)

    return change


NO_STORES: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "unreadable folder": (lambda s: s.chmod(0), ("cannot be read: Permission denied",)),
    "folder without names": (lambda s: s.chmod(0o100), ("cannot be written: Permission", "cannot be read: Perm")),
    "unreadable marker": (lambda s: (s / "nmer-store.json").chmod(0), ("cannot be read: Permission denied",)),
    "a file": (as_file, ("is not a store of ours",)),
    "marker a folder": (
        lambda s: [(s / "nmer-store.json").unlink(), (s / "nmer-store.json").mkdir()],
        ("cannot be read: Is a directory",),
    ),
    "marker gone": (lambda s: (s / "nmer-store.json").unlink(), ("is not a store of ours",)),
    "marker link to nowhere": (
        lambda s: [(s / "nmer-store.json").unlink(), (s / "nmer-store.json").symlink_to("nothing")],
        ("cannot be read: No such file",),
    ),
    "marker empty": (marker(""), ("does not name a store format",)),
    "marker deep": (marker("[" * 100_000), ("does not name a store format",)),
    "marker list": (marker("[1]"), ("does not name a store format",)),
    "format text": (
        marker('{"nmer_store_format": "1"}'),
        ("nmer_store_format is '1'; allowed: whole numbers, 1 to 1",),
    ),
    "format 0": (marker('{"nmer_store_format": 0}'), ("nmer_store_format is 0; allowed",)),
    "format -1": (marker('{"nmer_store_format": -1}'), ("nmer_store_format is -1; allowed",)),
    "format 1.0": (marker('{"nmer_store_format": 1.0}'), ("nmer_store_format is 1.0; allowed",)),
    "format true": (marker('{"nmer_store_format": true}'), ("nmer_store_format is True; allowed",)),
    "format null": (marker('{"nmer_store_format": null}'), ("nmer_store_format is None; allowed",)),
    "format 2": (
        marker('{"nmer_store_format": 2}'),
        ("has the newer format 2; allowed: nmer_store_format up to 1",),
    ),
}


PERMISSIONS = ("unreadable folder", "folder without names", "unreadable marker")


@pytest.mark.parametrize("name", NO_STORES)
def test_what_cannot_be_opened_as_a_store(name: str, store: Path, tmp_path: Path, bundle: Path, xyz: Path) -> None:
    change, said = NO_STORES[name]
    change(store)
    words = writers(store, bundle, xyz)
    if name != "folder without names":  # there, what is named in full can be read, and nothing listed
        words += readers(store, tmp_path)
    done = run(words) if name in PERMISSIONS else run_here(words)
    store.chmod(0o755)
    check_refused(done, words, *said)
    assert not (tmp_path / "got").exists()
    assert not list(tmp_path.glob("*.zip")) and not list(tmp_path.glob("*.json"))


def test_what_a_killed_process_of_another_user_left_does_not_stop_a_writer(store: Path) -> None:
    (store / ".lock-holder").write_text("process 77 on somewhere-else\n")
    (store / ".lock-holder").chmod(0o444)
    ((code, out, err),) = run([["tag", "tiny-water@1", "draft", "--store", str(store)]])
    assert (code, err) == (0, "") and "draft" in out
    assert not (store / ".lock-holder").exists()


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    store = tmp_path / "nothing"
    words = [w for w in readers(store, tmp_path) if w[0] != "status"]
    words += [["tag", "tiny-water@1", "x"], ["remove", "tiny-water@1"], ["gc"]]
    words = [[*w, *(() if "--store" in w else ("--store", str(store)))] for w in words]
    check_refused(run_here(words), words, "there is no store at")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["pools", "pools/tiny-water", "pools/tiny-water/1.h5"])
def test_a_part_that_cannot_be_read_is_named_and_the_others_are_there(where: str, store: Path) -> None:
    (store / where).chmod(0)
    words = [
        ["versions"],
        ["lineage", "tiny-water@1"],
        ["verify"],
        ["get", "pool:tiny-water@1", "--out", str(store)],
    ]
    listed, tree, checked, copied = run([[*w, "--store", str(store)] for w in words])
    assert listed[0] == 0 and listed[1].count("tiny-water@1") == 4
    assert f"{where}' cannot be read: " in listed[2] and listed[2].count("\n") == 1
    assert tree[0] == 0 and "no longer in the store" in tree[1] and where in tree[2]
    assert checked[0] == 1 and "damaged: " in checked[1], checked
    assert copied[0] == 2 and "Traceback" not in copied[2]


PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ledger": ("labels/ledger.sqlite", ("status", "lineage")),
    "folder of labels": ("labels", ("status", "lineage")),
    "spool": ("labels/spool", ("bundle",)),
    "tags": ("tags.json", ("tag", "remove")),
    "report": ("reports/tiny-water@1", ("get",)),
}


@pytest.mark.parametrize("name", PARTS)
def test_other_parts_that_cannot_be_read(name: str, store: Path, tmp_path: Path) -> None:
    where, commands = PARTS[name]
    (store / "tags.json").write_text("{}")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(Store(store).resolve("tiny-water@1").attributes()["recipe"])
    (store / where).chmod(0)
    every_command = {
        "status": ["status", str(recipe)],
        "lineage": ["lineage", "tiny-water@1"],
        "bundle": ["bundle", "dataset:tiny-water@1", "--out", str(tmp_path / "b.zip")],
        "tag": ["tag", "tiny-water@1", "draft"],
        "remove": ["remove", "tiny-water@1"],
        "get": ["get", "tiny-water@1", "--out", str(tmp_path / "got")],
    }
    words = [[*every_command[c], "--store", str(store)] for c in commands]
    for (code, _, err), each in zip(run(words), words, strict=True):
        assert "Traceback" not in err and "unexpected error" not in err, (each, err)
        assert code in (0, 2) if name in ("spool", "report") else code == 2, (each, code, err)
        assert code == 0 or len(err.strip().splitlines()) == 1, (each, err)
