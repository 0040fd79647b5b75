"""Parameters of V_phys in the store and as TOML."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from potentials.errors import InputError
from potentials.physics.parameters import COLUMNS, PhysicsParameters
from recipes.physics import table
from recipes.physics.table import DerivedPhysics, physics_toml, read_physics_toml
from storage.apart import Apart
from storage.bundle import read_bundle, write_bundle
from storage.citations import citations
from storage.diff import difference
from storage.lineage import lineage, lineage_text
from storage.physics import derived_of_version, find_physics, load_physics, read_physics, write_physics
from storage.removal import remove
from storage.store import Store
from storage.unbundle import take_in
from storage.verify.versions import Damage
from storage.verify.whole import files_of, verify

WATER = PhysicsParameters(
    ("water:O", "water:H"), *(np.array(pair) for pair in (
        (-0.7, 0.35), (0.8, 0.3), (300.0, 20.0), (0.8, 0.3), (1.7, 1.2), (0.15, 0.02), (1.7, 0.6)
    ))
)  # fmt: skip

FACTS = {
    "method": "charges by ESP, XDM with the Becke-Roussel hole, R^-12 of ff14SB",
    "basis": "aug-cc-pvdz",
    "geometries": ["water, its minimum"],
    "sources": ["PySCF 2.9"],
    "residuals": {"water": {"esp_relative_rms": 0.1234567890123456, "dipole_debye": 0.04}},
    "warnings": [],
}


def derived(charge: float = -0.7) -> DerivedPhysics:
    parameters = replace(WATER, charge=np.array([charge, -charge / 2]), c6=np.array([1000 / 3, 0.1]))
    return DerivedPhysics(parameters, "pbe0/aug-cc-pvdz", FACTS)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store", create=True)
    with store.writing():
        assert write_physics(store, "polyalanine", derived()) == "physics:polyalanine@1"
    return store


def damages_of(store: Store) -> tuple[Damage, ...]:
    with Apart() as reader:
        return verify(store, lambda nmer, counterpoise: {}, files_of(store, None, reader), reader).damages


def same(one: PhysicsParameters, other: PhysicsParameters) -> bool:
    return one.digest == other.digest and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in COLUMNS
    )


def test_the_same_content_is_the_same_version(store: Store) -> None:
    with store.writing():
        assert write_physics(store, "polyalanine", derived()) == "physics:polyalanine@1"
        assert write_physics(store, "polyalanine", derived(-0.8)) == "physics:polyalanine@2"
        other = replace(derived(), level="pbe0/aug-cc-pvtz")
        assert write_physics(store, "polyalanine", other) == "physics:polyalanine@3"
    for ref, number in (("physics:polyalanine@1", 1), ("polyalanine@latest", 3), ("physics:polyalanine", 3)):
        found, version = find_physics(store, ref)
        assert version is not None and version.number == number
        assert found.parameters.name == f"physics:polyalanine@{number}"
    assert same(load_physics(store, "physics:polyalanine@1"), derived().parameters)
    again = derived_of_version(store.resolve("physics:polyalanine@1"))
    assert again.facts == FACTS and again.level == "pbe0/aug-cc-pvdz"


def test_a_set_that_is_not_there_is_refused(store: Store) -> None:
    for ref in ("physics:polyalanine@7", "physics:other", "pool:polyalanine@1", "physics:other@latest"):
        with pytest.raises(InputError, match=r"polyalanine@1|names no physics"):
            load_physics(store, ref)
    with pytest.raises(InputError, match="no store is given"):
        load_physics(None, "polyalanine@1")
    with pytest.raises(InputError, match="not a set of physics parameters"):
        read_physics(replace(store.resolve("physics:polyalanine@1"), kind="pool"))


def test_a_file_whose_digest_is_another_is_refused(store: Store) -> None:
    version = store.resolve("physics:polyalanine@1")
    version.path.chmod(0o644)
    with h5py.File(version.path, "a") as file:
        file["charge"][0] = -0.71
    with pytest.raises(InputError, match="digest"):
        read_physics(version)
    assert [d.file for d in damages_of(store)] == ["physics/polyalanine/1.h5"]


def test_the_kind_is_known_everywhere(store: Store, tmp_path: Path) -> None:
    with store.writing():
        write_physics(store, "polyalanine", derived(-0.8))
    one, two = store.versions("physics", "polyalanine")
    assert not damages_of(store)
    changed = [row["key"] for row in difference(store, one, two)["recipe"]]
    assert changed == ["digest", *(f"types.{kind}.charge" for kind in WATER.types)]
    assert "physics:polyalanine@1" in lineage_text(lineage(store, one))
    assert {"thole", "xdm", "becke-roussel", "ff14sb"} <= {
        {"10.1016/0301-0104(81)85176-2": "thole", "10.1063/1.2795701": "xdm"}.get(c.doi)
        or {"10.1103/PhysRevA.39.3761": "becke-roussel", "10.1021/acs.jctc.5b00255": "ff14sb"}.get(c.doi)
        for c in citations(one)
    }
    bundle = write_bundle(store, one, tmp_path / "one.zip")
    other = Store(tmp_path / "other", create=True)
    with other.writing():
        take_in(read_bundle(bundle.path), other)
    assert same(load_physics(other, "polyalanine@latest"), derived().parameters)
    with store.writing():
        assert [gone.what for gone in remove(store, [two])] == ["physics:polyalanine@2"]
    assert [v.ref for v in store.versions()] == ["physics:polyalanine@1"]


def test_toml_gives_the_same_numbers_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(physics_toml(derived(), "mine"))
    again = read_physics_toml(path)
    assert same(again.parameters, derived().parameters) and again.facts == FACTS
    assert again.parameters.name == "physics:mine"
    monkeypatch.setattr("storage.physics.shipped_physics", lambda: {"mine": path})
    store = Store(tmp_path / "store", create=True)
    assert find_physics(store, "physics:mine")[1] is None
    assert same(load_physics(store, "mine"), derived().parameters)
    with store.writing():
        write_physics(store, "mine", derived(-0.9))
    assert load_physics(store, "physics:mine").name == "physics:mine@1"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("charge = -0.7", "charge = -0.71", "not those of its digest"),
        ("charge = -0.7", "charge = nan", "finite"),
        ("charge = -0.7", 'charge = "a"', "finite"),
        ("charge = -0.7", "mass = 1.0", "must have the numbers"),
        ("format = 1", "format = 2", "format"),
        ("format = 1", "format = 1\nnew = 2", "unknown"),
        ("thole_charge = 0.4", "thole_charge = -0.4", "positive"),
        ("thole_charge = 0.4\n", "", "thole_charge"),
        ("epsilon = 0.15", "epsilon = -0.15", "negative"),
        ("[facts]", "[facts]\nday = 2020-01-01", "allowed: texts"),
        ("[facts]", "[facts", "TOML"),
        ('"kcal/mol"', '"eV"', "units"),
    ],
)
def test_bad_toml_is_one_sentence(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = physics_toml(derived(), "mine")
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=said) as caught:
        read_physics_toml(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_shipped_can_be_read() -> None:
    for name, path in table.shipped_physics().items():
        assert read_physics_toml(path).parameters.name == f"physics:{name}"


def test_texts_that_could_harm_a_terminal_are_refused() -> None:
    with pytest.raises(InputError, match="printable"):
        DerivedPhysics(WATER, "x\x1b[2J")
    with pytest.raises(InputError, match="printable"):
        DerivedPhysics(WATER, "x", {"sources": ["a\nb"]})
    with pytest.raises(InputError, match="visible"):
        DerivedPhysics(replace(WATER, types=("a b", "c")), "x")
