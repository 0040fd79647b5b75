"""Verification: a flipped byte anywhere in what a store keeps is found and named."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import h5py
import numpy as np
import pytest

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from storage.apart import Apart, CrashedError
from storage.checksum import ARRAY, ROOT
from storage.spool import spool_files
from storage.store import Store
from storage.tags import set_tag
from storage.verify.versions import check_file
from storage.verify.whole import Verified, files_of, verify
from tests.storage.family import FACTORS, family

Verify = Callable[..., Verified]
KINDS = ("pool", "selection", "dataset", "potential", "validation")


def factors(nmer: NMer, counterpoise: bool) -> dict[str, int]:
    return FACTORS


@pytest.fixture(scope="module")
def reader() -> Iterator[Apart]:
    with Apart() as process:
        yield process


@pytest.fixture(scope="module")
def verified(reader: Apart) -> Verify:
    def run(store: Store, ref: str | None = None) -> Verified:
        return verify(store, factors, files_of(store, ref, reader), reader)

    return run


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return family(tmp_path_factory.mktemp("verify") / "store").path


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> Store:
    """Return a copy to damage."""
    shutil.copytree(sound, tmp_path / "store")
    for path in (tmp_path / "store").rglob("*.h5"):
        path.chmod(0o644)
    return Store(tmp_path / "store")


def flip(path: Path, place: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << bit
    path.write_bytes(data)


def places_of(path: Path, name: str) -> list[int]:
    """Return where an array's values begin, are half through, and end; of strings, where the first one is."""
    with h5py.File(path) as file:
        dataset = file[name]
        if h5py.check_string_dtype(dataset.dtype):
            return [found.start() for found in re.finditer(re.escape(dataset[0]), path.read_bytes())]
        assert dataset.chunks is None, "small arrays are in one piece"
        start, size = dataset.id.get_offset(), dataset.id.get_storage_size()
        return [start, start + size // 2, start + size - 1]


def arrays(path: Path) -> list[str]:
    with h5py.File(path) as file:
        return [name for name in file if file[name].size]


def test_a_sound_store_is_sound(sound: Path, verified: Verify) -> None:
    found = verified(Store(sound))
    assert found.damages == () and found.notes == ()
    assert set(found.files.values()) == {"ok"} and len(found.files) == 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_byte_of_any_array_is_named(store: Store, kind: str) -> None:
    path = store.path / f"{kind}s" / "tiny-water" / "1.h5"
    good = path.read_bytes()
    for name in arrays(path):
        named: set[str] = set()
        for number, place in enumerate(places_of(path, name)):
            flip(path, place, number % 8)
            damages = check_file(path, store.path).damages
            assert damages and all(d.file == f"{kind}s/tiny-water/1.h5" for d in damages), (name, place)
            named |= {d.what for d in damages}
            path.write_bytes(good)
        strings = h5py.check_string_dtype(h5py.File(path)[name].dtype)
        assert name in named if strings else named == {name}


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_byte_of_any_root_attribute_is_found(store: Store, kind: str) -> None:
    path = store.path / f"{kind}s" / "tiny-water" / "1.h5"
    good = path.read_bytes()
    with h5py.File(path) as file:
        texts = {name: value.encode() for name, value in file.attrs.items() if isinstance(value, str)}
    assert {"recipe", "inputs", "engines", "facts", "key", ROOT} <= set(texts)
    for name, text in texts.items():
        start = good.index(text)
        for place in (start, start + len(text) - 1):
            flip(path, place, 1)
            assert check_file(path, store.path).damages, name
            path.write_bytes(good)


def test_bytes_flipped_at_random_are_found_or_change_nothing(store: Store, reader: Apart) -> None:
    """HDF5's own structures have gaps, where nothing is lost; elsewhere damage may even crash HDF5."""
    rng = np.random.default_rng(5)
    found = 0
    for kind in KINDS:
        path = store.path / f"{kind}s" / "tiny-water" / "1.h5"
        good, content = path.read_bytes(), reader.call(content_of, path)
        for place, bit in zip(rng.integers(0, len(good), 20), rng.integers(0, 8, 20), strict=True):
            flip(path, int(place), int(bit))
            try:
                damaged = bool(reader.call(check_file, path, store.path).damages)
            except CrashedError:  # found as well, and this process lives
                damaged = True
            assert damaged or reader.call(content_of, path) == content, (path, place, bit)
            found += damaged
            path.write_bytes(good)
    assert found > 40


def content_of(path: Path) -> str:
    with h5py.File(path) as file:
        found = {
            name: (file[name].dtype, file[name][()].tolist(), dict(file[name].attrs)) for name in sorted(file)
        }
        root = {name: value for name, value in file.attrs.items() if name != "inputs"}  # see the test of names
        return repr((found, sorted(root.items())))


def crash() -> None:
    import ctypes

    ctypes.string_at(0)


def test_a_crash_of_the_reader_is_survived() -> None:
    with Apart() as reader:
        with pytest.raises(CrashedError, match="HDF5 crashes"):
            reader.call(crash)
        assert reader.call(abs, -3) == 3
        with pytest.raises(ValueError, match="invalid literal"):
            reader.call(int, "x")


def test_compressed_arrays_are_read_to_the_end(tmp_path: Path) -> None:
    from tests.storage import family as made

    made_frames, made.FRAMES = made.FRAMES, 1200
    try:
        store = family(tmp_path / "large")
    finally:
        made.FRAMES = made_frames
    path = store.resolve("pool:tiny-water@1").path
    path.chmod(0o644)
    with h5py.File(path) as file:
        positions = file["positions"]
        assert positions.chunks is not None
        chunk = positions.id.get_chunk_info(positions.id.get_num_chunks() - 1)
    flip(path, chunk.byte_offset + chunk.size // 2)
    damage = check_file(path, store.path).damages[0]
    assert damage.what == "positions" and "cannot be read" in damage.problem


def rewrite(path: Path, change: Callable[[h5py.File], None], seals: bool) -> None:
    """Change a file as a program would; without its checksums it is as one of the first releases."""
    with h5py.File(path, "a") as file:
        change(file)
        if not seals:
            del file.attrs[ROOT]
            for name in file:
                del file[name].attrs[ARRAY]


def unseal(store: Store) -> None:
    for path in store.path.glob("*s/*/*.h5"):
        rewrite(path, lambda file: None, seals=False)


def test_files_without_checksums_are_checked_by_what_they_allow(store: Store, verified: Verify) -> None:
    unseal(store)
    found = verified(store)
    assert found.damages == () and set(found.files.values()) == {"no checksum"}


OLD_DAMAGE: list[tuple[str, str, Callable[[np.ndarray], np.ndarray], str]] = [
    ("pool", "positions", lambda x: np.where(np.arange(x.size).reshape(x.shape) == 900, np.nan, x), "positions"),
    ("pool", "positions", lambda x: x + 1e-7, "selections/tiny-water/1.h5, positions: 22 of 22"),
    ("selection", "frame", lambda x: x + 100, "frame: names a frame that pool:tiny-water@1 does not have"),
    ("dataset", "positions", lambda x: x * 1.001, "ids: 22 of 22 are not those of the geometries (first: row 0)"),
    (
        "dataset",
        "energy",
        lambda x: x + np.eye(22)[3] * 1e-4,
        "energy: 1 of 22 are not the sum of sub_energies (first: row 3)",
    ),
    ("dataset", "sub_energies", lambda x: np.nextafter(x, 0.0), "sub_energies: is not what the ledger has"),
    ("dataset", "t1", lambda x: x + 1e-12, "t1: is not what the ledger has for the same labels"),
    ("potential", "coefficients", lambda x: x * 1.001, "predicted: 22 of 22 are not what tiny-water@1 gives"),
    ("validation", "predicted", lambda x: x + 1e-3, "predicted: 22 of 22 are not what tiny-water@1 gives"),
]


@pytest.mark.parametrize(("kind", "name", "change", "said"), OLD_DAMAGE)
def test_damage_without_checksums(
    store: Store, verified: Verify, kind: str, name: str, change: Callable[[np.ndarray], np.ndarray], said: str
) -> None:
    unseal(store)
    with h5py.File(store.path / f"{kind}s" / "tiny-water" / "1.h5", "a") as file:
        file[name][...] = change(file[name][()])
    found = verified(store)
    assert any(said in str(damage) for damage in found.damages), [str(d) for d in found.damages]


def test_another_recipe_or_key_is_found_without_checksums(store: Store) -> None:
    unseal(store)
    path = store.resolve("tiny-water@1").path
    with h5py.File(path, "a") as file:
        file.attrs["recipe"] = file.attrs["recipe"].replace("gamma = 0.0005", "gamma = 0.0006")
    (damage,) = check_file(path, store.path).damages
    assert damage.what == "key" and "not that of the recipe and the inputs" in damage.problem


def test_a_missing_input_and_a_wrong_name_are_found(store: Store, verified: Verify) -> None:
    dataset = store.resolve("dataset:tiny-water@1").path
    with h5py.File(dataset, "a") as file:
        file.attrs["inputs"] = file.attrs["inputs"].replace("tiny-water@1", "tiny-water@2")
    said = [str(d) for d in verified(store).damages]
    assert said == [
        "datasets/tiny-water/1.h5, inputs: selection:tiny-water@2 is named, and its key is that of "
        "selection:tiny-water@1"
    ]
    dataset.rename(dataset.with_name("7.h5"))
    said = [str(d) for d in verified(store).damages]
    assert "datasets/tiny-water/7.h5, attributes: its number is '1', and the file lies where '7' belongs" in said
    assert any(s.startswith("potentials/tiny-water/1.h5, inputs: dataset:tiny-water@1 with key") for s in said)


def ledger_places(path: Path) -> Iterator[tuple[str, int]]:
    """Yield where the ledger has some energies, ids, and details."""
    data = path.read_bytes()
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT configuration, energy, t1, details FROM labels LIMIT 6").fetchall()
    for configuration, energy, t1, details in rows:
        for what, raw in (
            ("energy", np.array(energy, dtype=">f8").tobytes()),
            ("t1", np.array(t1, dtype=">f8").tobytes()),
            ("id", configuration.encode()),
            ("details", details.encode()),
        ):
            yield what, data.index(raw) + len(raw) - 2


def test_a_flipped_byte_of_the_ledger_is_found(store: Store, verified: Verify) -> None:
    from storage.verify.labels import check_labels

    path = store.labels / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    good = path.read_bytes()
    for what, place in list(ledger_places(path)):
        flip(path, place, 2)
        damages = check_labels(store.labels, store.path)[0]
        assert damages and all("labels/ledger.sqlite" in d.file for d in damages), what
        path.write_bytes(good)
    for place in (0, 30, 4096 + 3, 2 * 4096 + 5):  # its header, and the heads of its pages
        flip(path, place, 6)
        assert verified(store).damages, place
        path.write_bytes(good)


def test_a_flipped_byte_of_any_line_of_the_spool_is_named(store: Store) -> None:
    from storage.verify.labels import check_labels

    (path,) = spool_files(store.labels / "spool")
    good = path.read_bytes()
    starts = [0, *(n + 1 for n, c in enumerate(good[:-1]) if c == ord("\n"))]
    for number in (0, 1, 30, len(starts) - 1):
        for place in (starts[number], starts[number] + 4, starts[number] + 200):
            flip(path, place, 3)
            (damage, *_) = check_labels(store.labels, store.path)[0]
            assert (damage.file, damage.what) == (f"labels/spool/{path.name}", f"line {number + 1}")
            path.write_bytes(good)
    for place in (starts[5] - 1, len(good) - 1):  # newlines
        flip(path, place, 1)
        assert check_labels(store.labels, store.path)[0]
        path.write_bytes(good)
    path.write_bytes(good[:-300])
    assert "its end is missing" in str(check_labels(store.labels, store.path)[0][0])
    path.write_bytes(good + b"0123abcd {half a li")
    damages, notes = check_labels(store.labels, store.path)
    assert not damages and "a killed process did not finish" in notes[0]


def test_lost_labels_and_changed_protocols_are_named(store: Store, verified: Verify) -> None:
    with closing(sqlite3.connect(store.labels / "ledger.sqlite")) as database, database:
        database.execute("DELETE FROM labels WHERE t1 < 0.001")
        database.execute("UPDATE protocols SET settings = replace(settings, 'sto-3g', 'sto-6g')")
    said = [str(d) for d in verified(store).damages]
    assert any("is missing; line" in s for s in said)
    assert any("labels are not in the ledger" in s for s in said)
    assert any("its id is not that of its settings" in s for s in said)


def test_minima_are_checked(store: Store, verified: Verify) -> None:
    with closing(sqlite3.connect(store.labels / "ledger.sqlite")) as database:
        protocol, settings = database.execute("SELECT protocol, settings FROM protocols").fetchone()
        energy = database.execute("SELECT energy FROM labels LIMIT 1").fetchone()[0]
    path = store.labels / "references" / protocol[:16] / "0123.json"
    path.parent.mkdir(parents=True)
    entry = {
        "symbols": ["O"],
        "positions": [[0.0, 0.0, 0.0]],
        "energy": energy,
        "protocol": protocol,
        "settings": json.loads(settings),
    }
    for change, said in (
        ({}, None),
        ({"energy": energy + 1e-5}, "energy: no label of its protocol has this energy"),
        ({"settings": {}}, "protocol: its id is not that of its settings"),
        ({"positions": [[0.0, 0.0]]}, "positions: are not a finite position"),
    ):
        path.write_text(json.dumps(entry | change))
        damages = [str(d) for d in verified(store).damages]
        assert (not damages) if said is None else (len(damages) == 1 and said in damages[0])
    path.write_text("{")
    assert "0123.json: cannot be read" in str(verified(store).damages[0])


def test_tags_are_checked(store: Store, verified: Verify) -> None:
    set_tag(store.path, store.resolve("tiny-water@1"), "draft")
    assert not verified(store).damages
    path = store.path / "tags.json"
    path.write_text(path.read_text().replace('"number": 1', '"number": 3'))
    assert "tags.json' is damaged: its checksum does not match" in str(verified(store).damages[0])


def test_one_version_is_verified_with_what_it_was_made_from(store: Store, verified: Verify, reader: Apart) -> None:
    assert list(verified(store, "dataset:tiny-water@latest").files) == [
        "datasets/tiny-water/1.h5",
        "selections/tiny-water/1.h5",
        "pools/tiny-water/1.h5",
    ]
    pool = store.path / "pools" / "tiny-water" / "1.h5"
    pool.write_bytes(b"not hdf5")
    found = verified(store, "dataset:tiny-water@1")
    assert [d.file for d in found.damages] == ["pools/tiny-water/1.h5"]
    (store.path / "potentials" / "tiny-water" / "1.h5").write_bytes(b"")
    assert verified(store, "tiny-water@1").damages[0].file == "potentials/tiny-water/1.h5"
    with pytest.raises(InputError, match=r"potentials/tiny-water/1\.h5' cannot be read"):
        files_of(store, "tiny-water@5", reader)
