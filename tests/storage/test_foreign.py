"""Files of strangers: each is refused in one sentence, wherever it comes in, and nothing is written."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest

import nmer
from nmer.cli.main import main
from potentials.errors import InputError
from storage.bundle import MANIFEST, write_bundle
from storage.store import Store
from storage.version import Version, read_version
from tests.conftest import ROOT
from tests.storage.bundled import small_family
from tests.storage.hostile import CONTENT, POTENTIAL, STRUCTURE, Change, files_below, make

EVERY = STRUCTURE | CONTENT | POTENTIAL


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_family(tmp_path_factory.mktemp("origin") / "store")


@pytest.fixture(scope="module")
def sound(origin: Store) -> Path:
    return origin.resolve("toy@1").path


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line that standard error has."""
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert captured.out == "" and len(lines) == 1 and "Traceback" not in captured.err, captured
    assert lines[0].startswith("nmer: ") and lines[0].isprintable(), lines
    return lines[0]


@pytest.mark.parametrize("name", EVERY)
def test_a_hostile_file_is_refused(
    name: str, sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, said = EVERY[name]
    path = make(tmp_path / "p.h5", sound, change, fix=name not in STRUCTURE)
    out = tmp_path / "out"
    assert main(["export", str(path), "--format", "json", "--out", str(out)]) == 2
    message = sentence(capsys)
    assert said in message and str(path) in message
    assert len(message) < 700
    assert [p.name for p in tmp_path.iterdir()] == ["p.h5"]
    with pytest.raises(InputError):
        nmer.load(path)
    if name not in POTENTIAL:
        assert main(["cite", str(path)]) == 2
        assert said in sentence(capsys)


def test_a_sound_file_is_read(sound: Path, origin: Store, capsys: pytest.CaptureFixture[str]) -> None:
    x = nmer.load("toy@1", store=origin.path).nmer.positions
    assert nmer.load(sound).energy(x) == nmer.load("toy@1", store=origin.path).energy(x)
    assert main(["cite", str(sound)]) == 0
    assert "polynomials" in capsys.readouterr().out


def test_a_changed_number_is_refused(sound: Path, tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        file["coefficients"][0] += 1.0

    with pytest.raises(InputError, match="coefficients: its content is not what its checksum says"):
        nmer.load(make(tmp_path / "p.h5", sound, change, fix=False))


@pytest.mark.parametrize("name", STRUCTURE)
def test_no_way_of_reading_an_array_follows_or_believes_it(name: str, sound: Path, tmp_path: Path) -> None:
    change, _ = STRUCTURE[name]
    path = make(tmp_path / "p.h5", sound, change, fix=False)
    with h5py.File(path) as file:
        arrays = [n for n in file if n in ("k", "more", "terms")]
    version = Version("potential", "toy", 1, "k", "", path)
    readers: list[Callable[[str], object]] = [
        version.column,
        version.length,
        version.has_column,
        lambda n: version.rows(n, 0, 1),
    ]
    for read in readers:
        for array in arrays:
            with suppress(InputError):  # some are sound arrays beside the one that is not
                found = read(array)
                assert not isinstance(found, np.ndarray) or found.nbytes < 1e6


@pytest.mark.parametrize("name", ["external link", "external storage", "virtual", "soft link to nowhere", "bomb"])
def test_the_length_of_an_array_elsewhere_is_refused(name: str, sound: Path, tmp_path: Path) -> None:
    """HDF5 opens a link's file to say whether it is there; nobody asks it to."""
    path = make(tmp_path / "p.h5", sound, STRUCTURE[name][0], fix=False)
    version = Version("potential", "toy", 1, "k", "", path)
    with pytest.raises(InputError):
        version.length("k")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with h5py.File(path, "r+") as file:
        file["pipe"] = h5py.ExternalLink(str(fifo), "/")
    assert version.has_column("pipe") is True  # opening the pipe would wait for ever
    with pytest.raises(InputError):
        version.length("pipe")


NOT_FILES: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "folder": os.mkdir,
    "device": lambda p: p.symlink_to("/dev/zero"),
    "link to nowhere": lambda p: p.symlink_to("nothing"),
    "loop": lambda p: p.symlink_to(p),
    "nothing": lambda p: None,
    "empty": lambda p: p.write_bytes(b""),
    "text": lambda p: p.write_text("dear"),
    "head only": lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(90)),
}


@pytest.mark.parametrize("name", NOT_FILES)
def test_what_is_no_file_of_hdf5(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.h5"
    NOT_FILES[name](path)
    for words in (["export", str(path), "--format", "json", "--out", str(tmp_path / "o")], ["cite", str(path)]):
        assert main(words) == 2
        assert str(path) in sentence(capsys)
    with pytest.raises(InputError):
        read_version(path)
    bundle = tmp_path / "p.h5"
    assert main(["unbundle", str(bundle), "--store", str(tmp_path / "s")]) == 2
    assert not (tmp_path / "s").exists()


def bundle_with(origin: Store, out: Path, change: Change, fix: bool) -> Path:
    """Write a bundle whose potential was changed, with everything else as if it had been so from the start."""
    write_bundle(origin, origin.resolve("toy@1"), out)
    with zipfile.ZipFile(out) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    work = out.with_suffix(".h5")
    work.write_bytes(members["potentials/toy/1.h5"])
    make(work, work, change, fix)
    members["potentials/toy/1.h5"] = work.read_bytes()
    work.unlink()
    manifest = json.loads(members[MANIFEST])
    manifest["files"] = {
        n: {"size": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c in members.items() if n != MANIFEST
    }
    members[MANIFEST] = json.dumps(manifest).encode()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out


@pytest.mark.parametrize("name", STRUCTURE | CONTENT)
def test_a_hostile_member_of_a_bundle_is_refused(
    name: str, origin: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, said = (STRUCTURE | CONTENT)[name]
    bundle = bundle_with(origin, tmp_path / "b.zip", change, name not in STRUCTURE)
    store = small_family(tmp_path / "s", seed=3)
    before = files_below(store.path)
    assert main(["unbundle", str(bundle), "--store", str(store.path)]) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert said in message and f"'{bundle}': its member potentials/toy/1.h5" in message
    assert files_below(store.path) == before
    with pytest.raises(InputError):
        nmer.load("toy@1", store=bundle)


def flipped(path: Path, sound: Path, place: int) -> Path:
    data = bytearray(sound.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)
    return path


def test_random_damage_ends_in_an_answer(sound: Path, tmp_path: Path) -> None:
    """Structures of HDF5 that are damaged may crash it, or have it ask for any amount of memory."""
    rng, refused = np.random.default_rng(3), 0
    size = sound.stat().st_size
    for place in rng.integers(0, size, 60):
        path = flipped(tmp_path / "p.h5", sound, int(place))
        said = answer(path)
        assert said is None or str(path) in said
        refused += said is not None
    assert refused > 30


def answer(path: Path) -> str | None:
    """Return what is said of a file, None if it is read."""
    try:
        nmer.load(path)
    except InputError as error:
        return str(error)
    return None


def test_a_script_without_a_main_guard_reads_a_file(sound: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"import nmer\nprint(nmer.load({str(sound)!r}).status)\n")
    done = subprocess.run([sys.executable, str(script)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "candidate\n"), done.stderr


def test_the_reader_may_be_killed_between_two_files(sound: Path) -> None:
    nmer.load(sound)
    (process,) = (p for p in psutil.Process().children() if "storage.apart" in " ".join(p.cmdline()))
    process.kill()
    psutil.wait_procs([process], timeout=60)
    assert nmer.load(sound).status == "candidate"


def test_a_reader_that_cannot_start_is_not_the_file_s_fault(sound: Path, tmp_path: Path) -> None:
    """Not a word of damage: the helper failed."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "h5py.py").write_text("raise ImportError('no h5py today')")
    code = (
        "import sys\nfrom nmer.cli.main import main\nimport os\n"
        f"os.environ['PYTHONPATH'] = {str(broken)!r}\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    store = tmp_path / "s"
    shutil.copytree(sound.parents[2], store)
    for words in (["cite", str(sound)], ["verify", "--store", str(store)]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        last = done.stderr.strip().splitlines()[-1]
        assert done.returncode == 1 and "does not start: ImportError: no h5py today" in last, done.stderr
        assert "damaged" not in done.stdout + last
