"""Every prefix of every write: what a kill, and what a power cut, at any moment leaves is a readable store.

A process runs the store's writers while ``record_writes.c`` notes each write, rename, and fsync. The notes are
replayed one by one. After each, and after half of each write, two disks are looked at: what the kernel has, as
after kill -9, and what was certainly on the disk, as after a power cut.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from storage.bundle import read_bundle, write_bundle
from storage.durable import write_text
from storage.ledger import Ledger
from storage.spool import SpoolWriter, read_spool, spool_files
from storage.store import Store
from storage.unbundle import take_in
from storage.version import Column, Version
from tests.conftest import ROOT
from tests.storage.bundled import small_family


def add(store: Store, number: int) -> Version:
    columns = {
        "x": Column(np.full(2_000 if number % 2 else 11_000, float(number)), "1", "a number", "this test"),
        "names": Column((f"name {number}", "ü"), "1", "names", "this test"),
    }
    return store.add(
        "dataset", "n", f"key{number}", columns=columns, recipe="", inputs=[], engines={}, facts={"n": number}
    )


def entry(number: int) -> dict[str, object]:
    return {
        "configuration": f"c{number}",
        "protocol": "p",
        "part": "A",
        "status": "ok",
        "energy": -float(number),
        "finished": 1.0,
    }


def write_everything(folder: Path, bundle: Path) -> None:
    """Use every writer of a store, and say what is done as soon as it is done."""
    said = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def say(what: str) -> None:
        os.write(said, f"{what}\n".encode())

    store = Store(folder / "store", create=True)
    say("store")
    with store.writing():
        for number in range(4):
            add(store, number)
            say(f"version {number}")
        write_text(store.path / "reports" / "n@1" / "report.html", "<p>report</p>")
        say("report")
        with SpoolWriter(store.labels / "spool") as spool:
            for number in range(3):
                spool.append(entry(number))
                say(f"label {number}")
            with Ledger.open(store.labels) as ledger:
                for number in range(3, 6):
                    ledger.add([entry(number)])
                    say(f"label {number}")
                spool.extend([entry(6), entry(7)])
                say("label 6\nlabel 7")
                ledger.ingest()
        take_in(read_bundle(bundle), store)
        say("bundle")


@dataclass
class Disk:
    """A folder as the kernel has it, and as it is certain to be after a power cut.

    Files and folders have numbers. A name is safe when its folder was synced after it was given, and a file's
    content when the file was.
    """

    names: dict[str, int] = field(default_factory=dict)
    safe_names: dict[str, int] = field(default_factory=dict)
    content: dict[int, bytearray | None] = field(default_factory=dict)
    safe_content: dict[int, bytes] = field(default_factory=dict)

    def apply(self, what: str, path: str, number: int, data: bytes) -> None:
        if what in ("create", "mkdir"):
            self.names[path] = len(self.content)
            self.content[self.names[path]] = bytearray() if what == "create" else None
        elif what == "write":
            file = self._file(path)
            file.extend(bytes(max(0, number - len(file))))
            file[number : number + len(data)] = data
        elif what == "truncate":
            file = self._file(path)
            del file[number:]
            file.extend(bytes(number - len(file)))
        elif what == "rename":
            self.names[data.decode()] = self.names.pop(path)
        elif what in ("unlink", "rmdir"):
            del self.names[path]
        elif what == "fsync":
            self._sync(path)
        else:
            raise AssertionError(f"unknown operation {what}")

    def _file(self, path: str) -> bytearray:
        file = self.content[self.names[path]]
        assert file is not None
        return file

    def _sync(self, path: str) -> None:
        file = self.content[self.names[path]]
        if file is not None:
            self.safe_content[self.names[path]] = bytes(file)
            return
        of_folder = {name for name in {*self.names, *self.safe_names} if os.path.dirname(name) == path}
        for name in of_folder:
            self.safe_names.pop(name, None)
            if name in self.names:
                self.safe_names[name] = self.names[name]

    def lay_out(self, root: str, target: Path, after_power_cut: bool) -> None:
        """Write the files into a folder; of memory shared through a file, as SQLite's -shm, nothing stays."""
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        for name, number in sorted((self.safe_names if after_power_cut else self.names).items()):
            here = target / os.path.relpath(name, root)
            if here.parent.exists() and not name.endswith("-shm"):
                content = self.content[number]
                if content is None:
                    here.mkdir(exist_ok=True)
                else:
                    here.write_bytes(self.safe_content.get(number, b"") if after_power_cut else content)


def operations(log: Path) -> Iterator[tuple[str, str, int, bytes]]:
    data, at = log.read_bytes(), 0
    while at < len(data):
        end = data.index(b"\n", at)
        what, path, number, length = data[at:end].decode().split("\t")
        at = end + 1 + int(length)
        yield what, path, int(number), data[end + 1 : at]


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("gcc") is None or sys.platform != "linux":
        pytest.skip("gcc is missing: on Debian: apt-get install gcc")
    library = tmp_path_factory.mktemp("recorder") / "record.so"
    source = Path(__file__).with_name("record_writes.c")
    subprocess.run(["gcc", "-O1", "-Wall", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


def record(recorder: Path, folder: Path, bundle: Path, journal: str) -> list[tuple[str, str, int, bytes]]:
    root, log = folder / "root", folder / "log"
    root.mkdir(parents=True)
    environment = {
        **os.environ,
        "LD_PRELOAD": str(recorder),
        "NMER_RECORD": str(log),
        "NMER_RECORD_ROOT": str(root),
        "NMER_LEDGER_JOURNAL": journal,
    }
    code = (
        "import sys, pathlib\n"
        "from tests.storage.test_crash_safety import write_everything\n"
        "write_everything(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(root), str(bundle)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return list(operations(log))


def check_versions(folder: Path, said: list[str], bundled: int) -> None:
    """See that every version that was said to be there is, and that all that are can be read whole."""
    if "store" not in said and not (folder / "store").exists():
        return
    assert "store" not in said or (folder / "store" / "nmer-store.json").exists()
    store = Store(folder / "store", create=True)
    versions = {v.number - 1: v for v in store.versions("dataset", "n")}
    assert sorted(versions) == list(range(len(versions)))
    for number, version in versions.items():
        assert version.attributes()["facts"] == {"n": number}
        assert set(version.column("x")) == {float(number)}
        assert list(version.column("names")) == [f"name {number}", "ü"]
    assert {f"version {number}" for number in versions} >= {s for s in said if s.startswith("version")}
    report = store.path / "reports" / "n@1" / "report.html"
    assert report.read_text() == "<p>report</p>" if report.exists() else "report" not in said
    others = [v for v in store.versions() if v.nmer != "n"]
    assert len(others) == bundled if "bundle" in said else len(others) <= bundled
    for version in others:
        assert len(version.column("positions")) == (4 if version.kind == "dataset" else 5)


def check_labels(folder: Path, said: list[str]) -> None:
    """See that every label that was said to be kept is, for who only looks and for who will write."""
    wanted = {f"c{s.split()[1]}" for s in said if s.startswith("label ")}
    for way in (Ledger.read, Ledger.open):
        with way(folder / "store" / "labels") as ledger:
            rows = ledger.rows([f"c{n}" for n in range(8)], "p")
            assert wanted <= set(rows)
            assert all(rows[f"c{n}"]["A"].energy == -float(n) for n in range(8) if f"c{n}" in rows)


def carry_on(folder: Path, bundle: Path) -> None:
    """Do all of it again in what was left; nothing half written stays."""
    write_everything(folder, bundle)
    store = Store(folder / "store")
    assert len(store.versions("dataset", "n")) == 4
    with store.writing():
        store.add("dataset", "n", "one more", columns={}, recipe="", inputs=[], engines={}, facts={})
    assert not list((store.path / "datasets" / "n").glob(".*")) and not list((store.path / "scratch").iterdir())


@pytest.mark.parametrize("journal", ["wal", "rollback"])
def test_every_prefix_of_every_write_is_a_readable_store(
    journal: str, recorder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NMER_LEDGER_JOURNAL", journal)
    origin = small_family(tmp_path / "origin")
    bundle = tmp_path / "b.zip"
    bundled = len(write_bundle(origin, origin.resolve("dataset:toy@latest"), bundle).versions)
    done = record(recorder, tmp_path / "recorded", bundle, journal)
    assert len(done) > 100 and {what for what, *_ in done} >= {"create", "write", "rename", "fsync", "mkdir"}
    root = str(tmp_path / "recorded" / "root")
    disk = Disk({root: 0}, {root: 0}, {0: None})
    said: list[str] = []
    for number, (what, path, at, data) in enumerate(done):
        pieces = [data]
        if path.endswith("/said"):
            said += data.decode().split("\n")[:-1]
        elif what == "write" and len(data) > 1:
            pieces.insert(0, data[: len(data) // 2])
        for piece in pieces:
            disk.apply(what, path, at, piece)
            # a sync changes only what a power cut leaves, and everything else only what a kill leaves
            disk.lay_out(root, tmp_path / "disk", after_power_cut=what == "fsync" or path.endswith("/said"))
            if "/labels" not in path:
                check_versions(tmp_path / "disk", said, bundled)
            if "/labels" in path or path.endswith("/said"):
                check_labels(tmp_path / "disk", said)
        if number % 40 == 0:
            disk.lay_out(root, tmp_path / "disk", False)
            carry_on(tmp_path / "disk", bundle)
    assert said[-1] == "bundle" and "label 7" in said


def test_every_prefix_of_the_last_line_of_a_spool_keeps_the_lines_before(tmp_path: Path) -> None:
    with SpoolWriter(tmp_path / "spool") as spool:
        spool.extend([entry(0), entry(1)])
        first = spool.end
        spool.append(entry(2))
    (path,) = spool_files(tmp_path / "spool")
    whole = path.read_bytes()
    for length in range(first, len(whole) + 1):
        path.write_bytes(whole[:length])
        with Ledger.read(tmp_path) as ledger:
            found = ledger.rows(["c0", "c1", "c2"], "p")
        assert set(found) == ({"c0", "c1", "c2"} if length == len(whole) else {"c0", "c1"})
        assert read_spool(path).skipped == (first < length < len(whole))


def test_a_file_system_without_locks_is_refused_in_one_sentence(recorder: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom nmer.cli.main import main\n"
        "sys.exit(main(['unbundle', sys.argv[1], '--store', sys.argv[2]]))"
    )
    origin = small_family(tmp_path / "origin")
    write_bundle(origin, origin.resolve("dataset:toy@latest"), tmp_path / "b.zip")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "b.zip"), str(tmp_path / "store")],
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": str(recorder), "NMER_NO_FLOCK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "has no flock; mount it with locks" in done.stderr
    assert sorted(p.name for p in (tmp_path / "store").iterdir()) == [".lock", "nmer-store.json"]
