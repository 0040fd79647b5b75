"""Bundles of strangers: what a zip file claims is looked at before any of it is read, in little memory."""

from __future__ import annotations

import json
import os
import stat
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nmer.cli.main import main
from potentials.errors import InputError
from storage.bundle import MANIFEST, read_bundle, unpack, write_bundle
from storage.bundle_labels import SPOOL
from storage.spool import encode
from storage.store import Store
from storage.unbundle import take_in
from tests.conftest import ROOT
from tests.storage.bundled import small_family
from tests.storage.hostile import files_below
from tests.storage.test_bundles import LABEL, rebuilt


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_family(tmp_path_factory.mktemp("origin") / "store")


@pytest.fixture
def bundle(origin: Store, tmp_path: Path) -> Path:
    write_bundle(origin, origin.resolve("toy@1"), tmp_path / "b.zip")
    return tmp_path / "b.zip"


def with_members(bundle: Path, more: Callable[[zipfile.ZipFile], None], leave: tuple[str, ...] = ()) -> None:
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name not in leave}
    with zipfile.ZipFile(bundle, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        more(archive)


def compressed_manifest(bundle: Path) -> None:
    """Three billions of bytes in three millions: the manifest that took 6 GB of memory."""

    def more(archive: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo(MANIFEST)
        info.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(info, "w", force_zip64=True) as file:
            for _ in range(300):
                file.write(b" " * 10_000_000)

    with_members(bundle, more, (MANIFEST,))


def compressed_member(bundle: Path) -> None:
    def more(archive: zipfile.ZipFile) -> None:
        archive.writestr("reports/toy@1/z.html", bytes(100_000_000), zipfile.ZIP_DEFLATED)

    with_members(bundle, more)


def packed(kind: int) -> Callable[[Path], None]:
    def change(bundle: Path) -> None:
        with_members(bundle, lambda a: a.writestr("reports/toy@1/z.html", bytes(10_000), kind))

    return change


def long_manifest(bundle: Path) -> None:
    with_members(bundle, lambda archive: archive.writestr(MANIFEST, b" " * 9_000_000), (MANIFEST,))


def deep_manifest(bundle: Path) -> None:
    with_members(bundle, lambda archive: archive.writestr(MANIFEST, b"[" * 1_000_000), (MANIFEST,))


def manifest(**values: object) -> Callable[[Path], None]:
    def change(bundle: Path) -> None:
        def edit(members: dict[str, bytes]) -> None:
            members[MANIFEST] = json.dumps(json.loads(members[MANIFEST]) | values).encode()

        rebuilt(bundle, edit)

    return change


def named(name: str, mode: int = 0) -> Callable[[Path], None]:
    def change(bundle: Path) -> None:
        info = zipfile.ZipInfo("reports/toy@1/x")
        info.filename = info.orig_filename = name
        info.external_attr = mode << 16
        with_members(bundle, lambda archive: archive.writestr(info, b"/etc/passwd"))

    return change


def twice(bundle: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        with_members(bundle, lambda archive: archive.writestr("README.txt", b"other"))


def many(bundle: Path) -> None:
    def more(archive: zipfile.ZipFile) -> None:
        for number in range(21_000):
            archive.writestr(f"reports/toy@1/{number}", b"")

    with_members(bundle, more)


def long_list(bundle: Path) -> None:
    """Claim and have a list of members of 300 MB, each without a name."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    count = 300_000_000 // len(entry)
    with bundle.open("wb") as file:
        for _ in range(100):
            file.write(entry * (count // 100))
        size = file.tell()
        file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65_535, 65_535, size, 0, 0))


def overlapping(bundle: Path) -> None:
    """Let each of many members be the same megabytes of the file."""

    def more(archive: zipfile.ZipFile) -> None:
        archive.writestr("reports/toy@1/a", bytes(2_000_000))
        first = archive.getinfo("reports/toy@1/a")
        for number in range(50):
            again = zipfile.ZipInfo(f"reports/toy@1/b{number}")
            again.header_offset, again.CRC = first.header_offset, first.CRC
            again.file_size = again.compress_size = first.file_size
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again

    with_members(bundle, more)


def other_length(bundle: Path) -> None:
    data = bytearray(bundle.read_bytes())
    place = data.rindex(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<L", 2**31)  # the length of the last member, unpacked
    bundle.write_bytes(data)


def encrypted(bundle: Path) -> None:
    data = bytearray(bundle.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    bundle.write_bytes(data)


def nul_in_a_name(bundle: Path) -> None:
    with_members(bundle, lambda archive: archive.writestr("reports/toy@1/aXb", b""))
    bundle.write_bytes(bundle.read_bytes().replace(b"toy@1/aXb", b"toy@1/a\0b"))


def entry(**values: object) -> Callable[[Path], None]:
    label = LABEL | {"finished": 1.0} | values

    def change(bundle: Path) -> None:
        rebuilt(bundle, lambda m: m.__setitem__(SPOOL, encode(label)), fix=True)

    return change


def no_json(bundle: Path) -> None:
    import zlib

    text = b"[" * 200_000
    line = b"%08x " % zlib.crc32(text) + text + b"\n"
    rebuilt(bundle, lambda m: m.__setitem__(SPOOL, line), fix=True)


HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "manifest of 3 GB": (compressed_manifest, f"its member '{MANIFEST}' is compressed"),
    "member of 100 MB": (compressed_member, "is compressed, which those of a bundle are not"),
    "bzip2": (packed(zipfile.ZIP_BZIP2), "is compressed"),
    "lzma": (packed(zipfile.ZIP_LZMA), "is compressed"),
    "long manifest": (long_manifest, "has 9000000 bytes; allowed"),
    "deep manifest": (deep_manifest, "manifest.json is not readable"),
    "format text": (manifest(nmer_bundle_format="1"), "nmer_bundle_format is '1'"),
    "format 0": (manifest(nmer_bundle_format=0), "nmer_bundle_format is 0"),
    "format 1.5": (manifest(nmer_bundle_format=1.5), "is 1.5"),
    "format true": (manifest(nmer_bundle_format=True), "is True"),
    "format null": (manifest(nmer_bundle_format=None), "is None"),
    "files list": (manifest(files=[]), "manifest.json is not readable"),
    "protocols list": (manifest(protocols=[1]), "manifest.json is not readable"),
    "missing number": (manifest(missing=3), "manifest.json is not readable"),
    "version without a key": (manifest(versions=[{"kind": "pool"}]), "manifest.json is not readable"),
    "up": (named("reports/toy@1/../../../x"), "does not belong in a bundle"),
    "root": (named("/etc/cron.d/x"), "does not belong in a bundle"),
    "drive": (named("C:\\x"), "does not belong in a bundle"),
    "folder": (named("reports/toy@1/"), "does not belong in a bundle"),
    "device": (named("reports/toy@1/x", stat.S_IFCHR | 0o644), "is not a file"),
    "symlink": (named("reports/toy@1/x", stat.S_IFLNK | 0o777), "is not a file"),
    "escape": (named("reports/toy@1/\x1b[2J"), "characters that are not allowed"),
    "nul": (nul_in_a_name, "characters that are not allowed"),
    "twice": (twice, "is in it twice"),
    "many": (many, "members; allowed: 20000"),
    "long list": (long_list, "its list of members is too long"),
    "overlapping": (overlapping, "its members are longer than the file"),
    "other length": (other_length, "length is not the stated one"),
    "encrypted": (encrypted, "is encrypted"),
    "label with a time in words": (entry(finished="now"), "its finished is 'now'"),
    "label with an energy in words": (entry(energy="low"), "its energy is 'low'"),
    "label without an energy": (entry(energy=None), "it is ok and has no energy"),
    "label with a list": (entry(reason=["a"]), "its reason is"),
    "label of unknown status": (entry(status="fine"), "status 'fine' of a label"),
    "line that is no JSON": (no_json, "1 damaged lines of labels"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_refused_in_one_sentence(
    name: str, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, said = HOSTILE[name]
    change(bundle)
    store = small_family(tmp_path / "s", seed=3)
    before = files_below(store.path)
    for words in (["unbundle", str(bundle), "--store", str(store.path)], ["unbundle", str(bundle), "--list"]):
        if name.startswith(("label", "line")) and "--list" in words:
            continue  # what is in the members is looked at when they are taken in
        assert main(words) == 2
        last = capsys.readouterr().err.strip().splitlines()[-1]
        assert (said in last and str(bundle) in last) or "bundle has" in last, last
        assert "Traceback" not in last
    assert files_below(store.path) == before
    assert not (tmp_path / "x").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited by RLIMIT_AS")
@pytest.mark.parametrize("name", ["manifest of 3 GB", "long list", "many", "member of 100 MB", "deep manifest"])
def test_little_memory_is_enough_to_refuse_it(name: str, bundle: Path, tmp_path: Path) -> None:
    """The limit is what a start of the command takes, and 200 MB."""
    HOSTILE[name][0](bundle)
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom nmer.cli.main import main\n"
        "import storage.bundle, storage.unbundle, tasks.progress\n"
        "pages = int(Path('/proc/self/statm').read_text().split()[0])\n"
        "most = pages * resource.getpagesize() + 200_000_000\n"
        "resource.setrlimit(resource.RLIMIT_AS, (most, most))\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "unbundle", str(bundle), "--store", str(tmp_path / "s")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and HOSTILE[name][1] in done.stderr, done.stderr
    assert not (tmp_path / "s").exists()


def test_a_bundle_that_changes_after_it_was_checked_is_refused(bundle: Path, tmp_path: Path) -> None:
    found = read_bundle(bundle)
    rebuilt(bundle, lambda m: m.__setitem__("reports/toy@1/report.html", b"<p>toy@2</p>"))
    with pytest.raises(InputError, match=r"'reports/toy@1/report\.html' is not what was written"):
        unpack(found, ["reports/toy@1/report.html"], tmp_path / "u")


def test_a_pipe_is_no_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "b.zip")
    assert main(["unbundle", str(tmp_path / "b.zip"), "--list"]) == 2
    assert "b.zip' is not a file" in capsys.readouterr().err


def test_a_bundle_taken_in_on_a_full_disk(
    bundle: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """HDF5 used to write into the file where it lay, and took the process down with it."""
    store = small_family(small_disk / "store", seed=3)
    before = [v.ref for v in store.versions()]
    rest = small_disk / "rest"
    refused = 0
    for left in (12_000, 40_000, 80_000, 120_000, 160_000, 200_000):
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        rest.write_bytes(bytes(max(free - left, 0)))
        code = main(["unbundle", str(bundle), "--store", str(store.path)])
        last = capsys.readouterr().err.strip().splitlines()[-1]
        assert code == 0 or (code == 1 and ("disk is full" in last or "disk I/O error" in last)), last
        refused += code
        rest.unlink()
        found = Store(store.path).versions()
        assert [v.ref for v in found if v.number == 1] == before
        assert all(v.attributes()["key"] == v.key for v in found)
    assert refused
    assert main(["unbundle", str(bundle), "--store", str(store.path)]) == 0
    assert len(Store(store.path).versions()) == 10


def test_what_is_taken_in_is_in_the_index(bundle: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "s", create=True)
    with store.writing():
        take_in(read_bundle(bundle), store)
    assert '"potentials/toy/1.h5"' in (store.path / ".index").read_text()
