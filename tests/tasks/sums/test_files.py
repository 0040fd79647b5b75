"""The file of a sum: the same sum from it, and what is refused."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomlkit

import nmer
from potentials.systems.cell import Cell
from recipes.chemistry.molecules import read_molecule
from recipes.chemistry.solvation import WATER
from recipes.chemistry.systems import molecule_of
from storage.store import Store
from tasks.sums.files import FORMAT, LARGEST_FILE, OF_MOLECULES, contents_of, load_sum, write_sum
from tasks.sums.make import sum_potential
from tests.nmer.polyalanine import PAIR, PARAMETERS, chain_parameters, store_of

CHAIN = read_molecule("AceAla3Nme").embedded()
AT = np.array(CHAIN.positions)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return store_of(tmp_path_factory.mktemp("sums") / "store")


@pytest.fixture
def file(store: Store, tmp_path: Path) -> Path:
    model = sum_potential(CHAIN, family="polyalanine", store=store.path)
    write_sum(tmp_path / "sum.toml", contents_of(model, CHAIN, 0, store))
    return tmp_path / "sum.toml"


def test_the_same_sum_is_made_from_the_file(file: Path, store: Store) -> None:
    model = sum_potential(CHAIN, family="polyalanine", store=store.path)
    again = nmer.load_sum(file, store.path)
    assert again.counts == model.counts and again.remarks == model.remarks and again.symbols == model.symbols
    energy, gradient = model.energy_and_gradient(AT)
    assert again.energy(AT) == pytest.approx(energy, abs=1e-9)
    np.testing.assert_allclose(again.energy_and_gradient(AT)[1], gradient, rtol=0, atol=1e-9)
    listed = tomllib.loads(file.read_text())
    assert (
        listed["format"] == OF_MOLECULES
        and "water" not in listed
        and listed["physics"]
        == {
            "name": "physics:toy@1",
            "digest": PARAMETERS.digest,
        }
    )
    rows = {row["nmer"]: row for row in listed["potentials"]}
    assert rows[PAIR]["occurrences"] == 3 and rows["ch"]["ref"] == "ch@1" and rows["ch"]["status"] == "candidate"
    assert {name: row["key"] for name, row in rows.items()} == {v.nmer: v.key for v in store.versions("potential")}


def test_a_system_has_its_cell_and_its_model_of_water_in_the_file(tmp_path: Path) -> None:
    """V_phys in a cell would need a larger one; without it a small one is enough."""
    names = ("water", "water-water", "water-water-water")
    kept = store_of(tmp_path / "store", names, None)
    rng = np.random.default_rng(0)
    places = rng.permutation(np.array([(x, y, z) for x in (1, 8, 15) for y in (1, 8, 15) for z in (1, 8, 15)]))[:6]
    one = np.array(WATER[1])
    positions = np.concatenate([one + p for p in places])
    bonds = tuple((3 * n, 3 * n + h) for n in range(6) for h in (1, 2))
    cell = Cell(((21.0, 0.0, 0.0), (0.0, 21.5, 0.0), (1.0, 0.0, 22.0)), (True, True, True))
    system = nmer.System(("O", "H", "H") * 6, positions, bonds, cell)
    for water in ("own", "q-TIP4P/F"):
        path = tmp_path / f"{water[:1]}.toml"
        model = sum_potential(system, water=water, store=kept.path)
        write_sum(path, contents_of(model, molecule_of(system), 0, kept, water))
        again = load_sum(path, kept.path)
        assert again.cell == cell and again.counts == model.counts
        energy, gradient = model.energy_and_gradient(positions)
        assert abs(float(energy)) > 1e-3 and again.energy(positions) == pytest.approx(energy, abs=1e-12)
        np.testing.assert_allclose(again.energy_and_gradient(positions)[1], gradient, rtol=0, atol=1e-12)
    listed = tomllib.loads((tmp_path / "o.toml").read_text())
    assert listed["format"] == FORMAT and listed["water"] == "own" and listed["cell"][2] == [1.0, 0.0, 22.0]
    assert [(row["nmer"], row["near"]) for row in listed["potentials"]] == [
        ("water", False),
        ("water-water", True),
        ("water-water-water", True),
    ]
    for change, message in (
        ({"cell": [[1.0, 0.0]]}, "is damaged"),
        ({"cell": [[0.0, 0.0, 0.0]] * 3}, "is damaged"),
        ({"water": "TIP3P"}, "water is 'TIP3P'; allowed: own"),
    ):
        bad = tmp_path / "bad.toml"
        bad.write_text(tomlkit.dumps(listed | change))
        with pytest.raises(nmer.InputError, match=message):
            load_sum(bad, kept.path)


def test_the_cut_off_of_v_phys_in_a_cell_is_in_the_file(tmp_path: Path) -> None:
    kept = store_of(tmp_path / "store", ("water", "water-water", "water-water-water"))
    one = np.array(WATER[1])
    positions = np.concatenate([one, one + np.array([0.3, 2.9, 4.0]), one + 8.0])
    bonds = tuple((3 * n, 3 * n + h) for n in range(3) for h in (1, 2))
    cell = Cell(((21.0, 0.0, 0.0), (0.0, 21.0, 0.0), (0.0, 0.0, 21.0)), (True, True, True))
    system = nmer.System(("O", "H", "H") * 3, positions, bonds, cell)
    usual, shorter = (sum_potential(system, store=kept.path, cutoff=cutoff) for cutoff in (9.0, 7.0))
    assert abs(float(usual.energy(positions)) - float(shorter.energy(positions))) > 1e-6
    write_sum(tmp_path / "x.toml", contents_of(shorter, molecule_of(system), 0, kept, "own"))
    again = load_sum(tmp_path / "x.toml", kept.path)
    assert again.energy(positions) == pytest.approx(shorter.energy(positions), abs=1e-10)


def test_a_newer_version_does_not_change_what_the_file_says(file: Path, tmp_path: Path) -> None:
    other = store_of(tmp_path / "store")
    before = load_sum(file, other.path).energy(AT)
    store_of(other.path, ["ch", PAIR], seed=2)
    assert load_sum(file, other.path).energy(AT) == pytest.approx(before, abs=1e-9)
    assert abs(float(sum_potential(CHAIN, store=other.path).energy(AT)) - float(before)) > 1e-3


def test_pairs_that_the_file_lacks_stay_out(tmp_path: Path, store: Store) -> None:
    model = sum_potential(CHAIN, family="polyalanine", store=store.path)
    refs = {name: f"{name}@1" for name in model.counts if name != PAIR}
    few = sum_potential(CHAIN, refs, store=store.path)
    write_sum(tmp_path / "few.toml", contents_of(few, CHAIN, 0, store))
    again = load_sum(tmp_path / "few.toml", store.path)
    assert PAIR not in again.counts and again.remarks == few.remarks
    assert again.energy(AT) == pytest.approx(few.energy(AT), abs=1e-9)


def changed(file: Path, *path: Any, value: Any) -> None:
    """Write another value into the file."""
    contents = tomllib.loads(file.read_text())
    *above, last = path
    table: Any = contents
    for step in above:
        table = table[step]
    if value is None:
        del table[last]
    else:
        table[last] = value
    file.write_text(tomlkit.dumps(contents))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("format",), FORMAT + 1, "not a sum of `nmer sum`; allowed: format 1"),
        (("format",), True, "not a sum"),
        (("format",), 0, "not a sum"),
        (("potentials",), None, "not a sum"),
        (("potentials",), "ch", "is damaged"),
        (("potentials", 0, "key"), "0" * 64, "with the key 000000000000; the store's has"),
        (("potentials", 0, "key"), None, "is damaged: KeyError.*key"),
        (("potentials", 0, "ref"), "ch3@7", "'ch3@7' is not in the store"),
        (("potentials", 0, "ref"), "../x@1", "not readable"),
        (("potentials", 0, "ref"), "pool:ch@1", "not in the store"),
        (("potentials", 0, "nmer"), "ch2", "missing for the n-mers ch3"),
        (("physics", "digest"), "f" * 64, "lists V_phys ffffffffffff; the potentials have"),
        (("physics",), {}, "lists V_phys none; the potentials have"),
        (("physics",), 3, "is damaged"),
        (("bonds", 0), [0, 42], "is damaged.*bond"),
        (("bonds", 0), [3, 3], "is damaged.*bond"),
        (("bonds", 0), [0], "is damaged"),
        (("bonds",), 7, "is damaged"),
        (("symbols", 0), "Qq", "Qq is not an element"),
        (("symbols", 0), "X", "X is not an element"),
        (("symbols", 0), "F", "1-mer"),
        (("waters",), -1, "waters is -1"),
        (("waters",), 10**12, "waters is 10"),
        (("waters",), "many", "is damaged"),
        (("waters",), 1.5, "1.5 is not a whole number"),
        (("waters",), float("inf"), "inf is not a whole number"),
        (("waters",), True, "True is not a whole number"),
        (("bonds", 0), [0, 1.5], "1.5 is not a whole number"),
        (("waters",), 1, "missing for the n-mers ch3-water"),
    ],
)
def test_a_changed_file_is_refused_in_one_sentence(
    file: Path, store: Store, path: tuple[Any, ...], value: Any, said: str
) -> None:
    changed(file, *path, value=value)
    with pytest.raises(nmer.InputError, match=said) as caught:
        load_sum(file, store.path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a sum"),
        (b"format = ", "cannot be read as TOML"),
        (b"\xff\xfe", "cannot be read as TOML"),
        (b"a = " + b"[" * 100_000, "nested deeper"),
        (b"#" * (LARGEST_FILE + 1), "larger than a sum"),
    ],
)
def test_what_is_no_sum_is_refused(tmp_path: Path, store: Store, content: bytes, said: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(nmer.InputError, match=said) as caught:
        load_sum(path, store.path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_files_and_stores_that_are_not_there_are_refused(file: Path, store: Store, tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none.toml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(nmer.InputError, match=said):
            load_sum(path, store.path)
    with pytest.raises(nmer.InputError, match="there is no store"):
        load_sum(file, tmp_path / "none")


def test_potentials_over_another_v_phys_have_other_keys(file: Path, tmp_path: Path) -> None:
    other = store_of(tmp_path / "other", beneath=chain_parameters(thole_charge=0.3))
    with pytest.raises(nmer.InputError, match="the store's has"):
        load_sum(file, other.path)


def test_no_file_is_overwritten(file: Path, store: Store, tmp_path: Path) -> None:
    before = file.read_bytes()
    model = sum_potential(CHAIN, family="polyalanine", store=store.path)
    contents = contents_of(model, CHAIN, 0, store)
    with pytest.raises(nmer.InputError, match="exists already"):
        write_sum(file, contents)
    assert file.read_bytes() == before
    with pytest.raises(nmer.InputError, match="cannot be written"):
        write_sum(file / "below" / "x.toml", contents)
