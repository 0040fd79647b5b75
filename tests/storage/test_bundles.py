"""Bundles: everything travels, nothing is taken twice, and damaged ones leave no trace."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import nmer
from nmer.cli.main import main
from potentials.errors import InputError
from storage.bundle import MANIFEST, read_bundle, write_bundle
from storage.bundle_labels import SPOOL
from storage.contents import dataset_from_version
from storage.ledger import Ledger
from storage.lineage import lineage
from storage.spool import encode
from storage.store import Store
from storage.unbundle import take_in
from tests.storage.bundled import NMER, PROTOCOL, small_family


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_family(tmp_path_factory.mktemp("origin") / "store")


@pytest.fixture(scope="module")
def whole(origin: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "toy.zip"
    write_bundle(origin, origin.resolve("toy@1"), out)
    return out


@pytest.fixture
def bundle(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path / "toy.zip"))


def files_below(folder: Path) -> dict[Path, bytes]:
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_bundle_brings_all_of_it_into_another_store(origin: Store, bundle: Path, tmp_path: Path) -> None:
    store = small_family(tmp_path / "other", seed=2, before=1)
    with store.writing():
        taken = take_in(read_bundle(bundle), store)
    assert [(t.was, t.now.ref, t.new) for t in taken] == [
        ("pool:toy@1", "pool:toy@3", True),
        ("selection:toy@1", "selection:toy@2", True),
        ("dataset:toy@1", "dataset:toy@2", True),
        ("toy@1", "toy@2", True),
        ("validation:toy@1", "validation:toy@2", True),
    ]
    for one in taken:
        was, now = origin.resolve(one.was), one.now
        assert (was.key, was.created) == (now.key, now.created)
        with h5py.File(was.path) as old, h5py.File(now.path) as new:
            assert set(old) == set(new)
            for name in old:
                np.testing.assert_array_equal(old[name][()], new[name][()])
                assert dict(old[name].attrs) == dict(new[name].attrs)
            kept = set(old.attrs) - {"number", "inputs"}
            assert {a: old.attrs[a] for a in kept} == {a: new.attrs[a] for a in kept}
        assert now.path.stat().st_mode & 0o222 == 0
    tree = lineage(store, store.resolve("toy@2"))
    assert tree["inputs"][0]["ref"] == "dataset:toy@2"
    assert json.loads(json.dumps(store.resolve("toy@2").attributes()["inputs"]))[0]["ref"] == "dataset:toy@2"
    assert tree["inputs"][0]["inputs"][0]["inputs"][0]["ref"] == "pool:toy@3"
    assert store.status(store.resolve("toy@2")) == "released"
    energy = nmer.load("toy@2", store=store.path).energy(NMER.positions)
    assert energy == nmer.load("toy@1", store=origin.path).energy(NMER.positions)
    assert (store.report(store.resolve("toy@2")) / "report.html").read_text() == "<p>toy@1</p>"
    ids = [*dataset_from_version(origin.resolve("dataset:toy@1")).ids]
    for left in store.labels.glob("ledger.sqlite*"):
        left.rename(tmp_path / left.name)  # the spool alone has them too
    with Ledger.open(store.labels) as ledger:
        assert len(ledger.rows(ids, PROTOCOL)) == 4
    for left in tmp_path.glob("ledger.sqlite*"):
        left.rename(store.labels / left.name)
    with Ledger.read(origin.labels) as there, Ledger.read(store.labels) as here:
        assert here.rows(ids, PROTOCOL) == there.rows(ids, PROTOCOL) and len(here.rows(ids, PROTOCOL)) == 4
        assert here.protocols() == there.protocols()
        failed = [r for row in here.sample([PROTOCOL], 1000).values() for r in row if r.status == "timeout"]
        assert [r.reason for r in failed] == ["too slow", "too slow"]  # one was here, one came
    assert list((store.labels / "references").rglob("*.json"))


def test_taking_it_in_again_changes_nothing(origin: Store, bundle: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "empty", create=True)
    for _ in range(2):
        with store.writing():
            taken = take_in(read_bundle(bundle), store)
    assert not any(t.new for t in taken) and len(store.versions()) == 5
    assert len(list((store.labels / "spool").iterdir())) == 1
    before = files_below(origin.path)
    with origin.writing():
        assert not any(t.new for t in take_in(read_bundle(bundle), origin))
    after = files_below(origin.path)
    same = [p for p in before if p.suffix in (".h5", ".html", ".json")]
    assert len(same) == 8 and all(before[p] == after[p] for p in same)


def test_the_same_version_makes_the_same_bundle_which_unpacked_is_a_store(
    origin: Store, bundle: Path, tmp_path: Path
) -> None:
    write_bundle(origin, origin.resolve("toy@1"), tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path / "unpacked")
    store = Store(tmp_path / "unpacked")
    assert [v.ref for v in store.versions()] == [v.ref for v in origin.versions()]
    assert nmer.load("toy@released", store=store.path).name == "toy@1"
    ids = dataset_from_version(store.resolve("dataset:toy@1")).ids
    with Ledger.read(store.labels) as ledger:
        assert ledger.counts(ids, PROTOCOL, ["AB", "A in AB", "B in AB"]).done == 4


def test_a_potential_is_loaded_from_a_bundle_and_leaves_nothing_behind(origin: Store, bundle: Path) -> None:
    found = nmer.load("toy@latest", store=bundle)
    assert found.status == "released"
    x = NMER.positions + 0.01
    assert found.energy(x) == origin.potential("toy@1").energy(x)
    with pytest.raises(InputError, match="'toy@9' is not in the store"):
        nmer.load("toy@9", store=bundle)


def test_without_the_pool_it_says_what_is_missing(origin: Store, tmp_path: Path) -> None:
    made = write_bundle(origin, origin.resolve("toy@1"), tmp_path / "b.zip", pool=False)
    assert made.missing == ("pool:toy@1",) and "pool" not in {v.kind for v in made.versions}
    store = Store(tmp_path / "s", create=True)
    with store.writing():
        take_in(read_bundle(tmp_path / "b.zip"), store)
    tree = lineage(store, store.resolve("toy@1"))
    assert tree["inputs"][0]["inputs"][0]["inputs"][0]["missing"] is True


def test_the_commands(origin: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, store = str(tmp_path / "b.zip"), str(tmp_path / "s")
    assert main(["bundle", "toy@latest", "--out", out, "--store", str(origin.path)]) == 0
    assert "pool:toy@1" in capsys.readouterr().out
    assert main(["bundle", "toy@latest", "--out", out, "--store", str(origin.path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["unbundle", out, "--list", "--store", store]) == 0 and not Path(store).exists()
    capsys.readouterr()
    assert main(["unbundle", out, "--store", store, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [v["state"] for v in found["versions"]] == ["new"] * 5 and found["missing"] == []
    assert main(["unbundle", out, "--store", store]) == 0
    assert capsys.readouterr().out.count("was there") == 5
    assert main(["unbundle", str(tmp_path / "none.zip"), "--store", store]) == 2
    assert "does not exist" in capsys.readouterr().err


def rebuilt(bundle: Path, change: Callable[[dict[str, bytes]], None], fix: bool = False) -> Path:
    """Write a bundle again with other members; with `fix` its hashes fit again, as a forger would do it."""
    import hashlib

    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    if fix:
        found = json.loads(members[MANIFEST])
        found["files"] = {
            n: {"size": len(c), "sha256": hashlib.sha256(c).hexdigest()}
            for n, c in members.items()
            if n != MANIFEST
        }
        members[MANIFEST] = json.dumps(found).encode()
    with zipfile.ZipFile(bundle, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return bundle


def with_manifest(**values: object) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        members[MANIFEST] = json.dumps(json.loads(members[MANIFEST]) | values).encode()

    return change


def change_potential(members: dict[str, bytes], edit: Callable[[h5py.File], None]) -> None:
    file = io.BytesIO(members["potentials/toy/1.h5"])
    with h5py.File(file, "r+") as opened:
        edit(opened)
    members["potentials/toy/1.h5"] = file.getvalue()


def other_key(file: h5py.File) -> None:
    file.attrs["key"] = "e" * 64


def link_out(file: h5py.File) -> None:
    file["d"] = h5py.ExternalLink("/etc/passwd", "/")


def raw_outside(file: h5py.File) -> None:
    file.create_dataset("d", (10,), dtype="u1", external=[("/etc/hostname", 0, 10)])


def soft(file: h5py.File) -> None:
    file["d"] = h5py.SoftLink("/k")


def opaque(file: h5py.File) -> None:
    file.create_dataset("d", data=np.array([b"pickled"], dtype="V7"))


LABEL = {"configuration": "c", "protocol": PROTOCOL, "part": "A", "status": "ok", "energy": -1.0}
DAMAGE: dict[str, tuple[Callable[[dict[str, bytes]], None], bool, str]] = {
    "newer": (with_manifest(nmer_bundle_format=2), False, "newer format 2; allowed: nmer_bundle_format up to 1"),
    "no manifest": (lambda m: m.__delitem__(MANIFEST), False, "is not a bundle of nmer"),
    "not JSON": (lambda m: m.__setitem__(MANIFEST, b"{"), False, "manifest.json is not readable"),
    "list": (lambda m: m.__setitem__(MANIFEST, b"[]"), False, "manifest.json is not readable"),
    "version": (with_manifest(versions=[]), False, "its versions are not those"),
    "changed": (lambda m: m.__setitem__("README.txt", b"x" * 9), False, "'README.txt' is not what was written"),
    "added": (lambda m: m.__setitem__("reports/toy@1/new.html", b""), False, "its members are not those"),
    "left out": (lambda m: m.__delitem__("README.txt"), False, "its members are not those"),
    "up": (lambda m: m.__setitem__("../evil.txt", b""), True, "'../evil.txt' does not belong in a bundle"),
    "down": (lambda m: m.__setitem__("reports/toy@1/../../x", b""), True, "does not belong in a bundle"),
    "root": (lambda m: m.__setitem__("/tmp/evil.txt", b""), True, "does not belong in a bundle"),
    "hidden": (lambda m: m.__setitem__("reports/toy@1/.lock", b""), True, "does not belong in a bundle"),
    "other key": (lambda m: change_potential(m, other_key), True, "with another key or name"),
    "link": (lambda m: change_potential(m, link_out), True, "not an array of numbers or strings of its own"),
    "raw": (lambda m: change_potential(m, raw_outside), True, "not an array of numbers or strings of its own"),
    "soft": (lambda m: change_potential(m, soft), True, "not an array of numbers or strings of its own"),
    "opaque": (lambda m: change_potential(m, opaque), True, "not an array of numbers or strings of its own"),
    "not HDF5": (lambda m: m.__setitem__("pools/toy/1.h5", b"text"), True, "cannot be read as HDF5"),
    "torn label": (lambda m: m.__setitem__(SPOOL, m[SPOOL][:-9]), True, "1 damaged lines of labels"),
    "no time": (lambda m: m.__setitem__(SPOOL, encode(LABEL)), True, "not a row of the ledger"),
    "odd label": (
        lambda m: m.__setitem__(SPOOL, encode(LABEL | {"finished": 1.0, "t1": [1]})),
        True,
        "not a row of the ledger",
    ),
    "other protocol": (
        lambda m: m.__setitem__(SPOOL, encode(LABEL | {"finished": 1.0, "protocol": "x"})),
        True,
        "its protocol is not in the bundle",
    ),
    "no label": (lambda m: m.__setitem__(SPOOL, encode({"x": 1})), True, "not a row of the ledger"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_bundle_is_refused_and_nothing_is_written(
    damage: str, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, fix, message = DAMAGE[damage]
    rebuilt(bundle, change, fix)
    store = small_family(tmp_path / "s", seed=3)
    before = files_below(store.path)
    assert main(["unbundle", str(bundle), "--store", str(store.path)]) == 2
    assert message in capsys.readouterr().err
    after = files_below(store.path)
    for name in (".lock", ".lock-holder"):
        before.pop(Path(name), None)
        after.pop(Path(name), None)
    assert before == after
    assert not (tmp_path / "evil.txt").exists() and not Path("/tmp/evil.txt").exists()


def test_every_flipped_byte_of_a_bundle_is_noticed(bundle: Path, tmp_path: Path) -> None:
    whole = bundle.read_bytes()
    flipped = tmp_path / "flipped.zip"
    said = 0
    for place in np.linspace(0, len(whole) - 1, 400).astype(int):
        flipped.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            read = read_bundle(flipped)
        except InputError:
            said += 1
        else:  # a byte that says nothing, such as a time of the zip's headers
            assert (read.versions, read.files) == (read_bundle(bundle).versions, read_bundle(bundle).files)
    assert said > 350


def test_every_cut_bundle_is_refused(bundle: Path) -> None:
    whole = bundle.read_bytes()
    for length in np.linspace(0, len(whole) - 1, 50).astype(int):
        bundle.write_bytes(whole[:length])
        with pytest.raises(InputError):
            read_bundle(bundle)
