"""The potentials of sub-n-mers come from the store; which ones decides the key of a verdict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recipes.load import load_recipe
from storage.keys import validation_key
from storage.records import Dataset
from storage.store import Store
from storage.version import Version
from tasks.validation.bodies import find_bodies, lowest_energy, surroundings, total_labels
from tasks.validation.reach import thermal
from tasks.validation.whole import Whole, bodies_of
from tasks.validation.xtb_bodies import XtbBodies, factors
from tests.nmer.polyalanine import PARAMETERS, chain_parameters, potential, store_of
from tests.tasks.validation.surfaces import sampled

NAMES = ("conh", "ch", "conh-ch", "ch-conh", "conh-ch-conh")


def newest(store: Store, name: str) -> Version:
    return store.versions("potential", name)[-1]


def labelled(name: str, positions: np.ndarray, energy: np.ndarray) -> Dataset:
    unknown = np.full(len(positions), np.nan)
    return Dataset(
        positions=positions,
        split=np.arange(len(positions)) % 2,
        energy=energy,
        sub_energies=np.empty((len(positions), 0)),
        sub_names=(),
        t1=unknown,
        t2=unknown,
        cpu_seconds=unknown,
        ids=tuple(map(str, range(len(positions)))),
        d1=unknown,
    )


def test_the_newest_potentials_over_the_same_physics_are_taken(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", NAMES)
    version = newest(store, "conh-ch-conh")
    found = find_bodies(store, version)
    assert [v.ref for _, v in found.bodies if v] == ["conh@1", "ch@1", "conh@1", "conh-ch@1", "ch-conh@1"]
    assert not found.missing and len(found.keys) == 4
    recipe = load_recipe("conh-ch-conh")
    before = validation_key(recipe, version.key, found.keys)
    assert before != validation_key(recipe, version.key)

    store_of(tmp_path / "store", ["ch3", "conh-ch"], seed=2)
    later = find_bodies(store, version)
    assert [v.ref for _, v in later.bodies if v][3] == "conh-ch@2"
    assert validation_key(recipe, version.key, later.keys) != before
    store_of(tmp_path / "store", ["ch", "ch-conh"], chain_parameters(scale_15=0.4), seed=3)
    other = find_bodies(store, version)
    refs = [v.ref for _, v in other.bodies if v]
    assert refs == ["conh@1", "ch@2", "conh@1", "conh-ch@2", "ch-conh@1"]  # V_phys of a 1-mer is zero


def test_the_whole_is_made_of_them(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", NAMES)
    version, own = newest(store, "conh-ch-conh"), potential("conh-ch-conh")
    positions = sampled(own.nmer, 6)
    energy = np.asarray(own.energy(positions))
    data = labelled("conh-ch-conh", positions, energy + 0.5)
    around = surroundings(store, version, own, data)
    assert around.refs == {n: f"{n}@1" for n in NAMES[:-1]} and around.note == "" and around.effort is None
    assert around.whole is not None
    total = around.whole.evaluate(positions).energy
    np.testing.assert_allclose(total_labels(around.whole, data), total + 0.5, atol=1e-9)
    assert around.lowest == pytest.approx(min(0.0, total.min() + 0.5))


def test_what_stands_in_for_a_potential_is_said_and_decides_the_key(tmp_path: Path) -> None:
    pytest.importorskip("tblite")
    store = store_of(tmp_path / "store", ["ch3-water"])
    own = potential("ch3-water")
    positions = sampled(own.nmer, 4)
    around = surroundings(store, newest(store, "ch3-water"), own, labelled("", positions, np.zeros(4)))
    assert around.keys == ("GFN2-xTB", "q-TIP4P/F")
    assert "q-TIP4P/F" in around.note and "GFN2-xTB stands in" in around.note and around.effort is not None
    assert around.whole is not None and (around.whole.evaluate(positions).energy > 0.0).all()
    later = store_of(tmp_path / "store", ["ch3", "water"], seed=4)
    assert find_bodies(later, newest(later, "ch3-water")).keys != around.keys


def test_without_tblite_a_lone_potential_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.validation.bodies.lacks_tblite", lambda: "needs tblite, which is not installed")
    store = store_of(tmp_path / "store", ["conh-ch"])
    own = potential("conh-ch")
    data = labelled("", own.nmer.positions[None], np.zeros(1))
    around = surroundings(store, newest(store, "conh-ch"), own, data)
    assert around.whole is None and "no potentials of CONH--, CH---" in around.note
    assert around.keys == ("nothing",)


def test_energies_of_gfn2_xtb_add_up_and_have_their_gradient() -> None:
    pytest.importorskip("tblite")
    nmer = load_recipe("conh-ch-conh").build_nmer()
    bodies = list(bodies_of(nmer))
    counts = {body.title: factor for body, factor in factors(nmer, bodies).items()}
    assert counts == {"CONH--": 0, "CH---": -1, "CONHCH---": 1, "CHCONH---": 1}
    positions = sampled(nmer, 2)
    some = XtbBodies(nmer, bodies, positions)
    value, gradient = some.energy_and_gradient(positions)
    singly = sum(np.asarray(XtbBodies(nmer, [b], positions).energy_and_gradient(positions)[0]) for b in bodies)
    np.testing.assert_allclose(value, singly, atol=1e-3)  # each minimum is found to a few 1e-4
    step = 1e-3
    for atom in (2, 5, 8):
        moved = np.repeat(positions[None], 2, axis=0)
        moved[0, :, atom, 1] -= step
        moved[1, :, atom, 1] += step
        less, more = (np.asarray(some.energy_and_gradient(x)[0]) for x in moved)
        np.testing.assert_allclose((more - less) / (2 * step), gradient[:, atom, 1], atol=2e-2)


def test_the_lowest_energy_is_that_of_a_minimum_or_an_interaction() -> None:
    own, parts = potential("conh-conh-pair"), [potential("conh")] * 2
    whole = Whole(own, tuple(zip(bodies_of(own.nmer), parts, strict=True)))
    positions = sampled(own.nmer, 8)
    lower = whole.evaluate(positions).energy - np.asarray(own.energy(positions))
    data = labelled("", positions, np.linspace(-7.0, -1.0, 8))
    total = lower + data.energy
    assert lowest_energy(whole, data, True, 300.0) == pytest.approx(min(-7.0, total.min()))
    below = thermal(own.nmer, 300.0)[0]
    assert lowest_energy(whole, data, False, 300.0) == pytest.approx(total.min() - below) and below > 5.0
    assert PARAMETERS.digest == own.physics_digest
