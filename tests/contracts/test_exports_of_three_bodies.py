"""Every format has the switching of three bodies and the terms that join them; old files mean what they meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import nmer
from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis, BasisOptions
from potentials.pip.potential import Potential
from potentials.pip.variables import Forms
from recipes.load import load_recipe
from recipes.schema.recipe import NMerModel
from storage.contents import potential_columns, potential_facts
from storage.exchange.exporter import FORMATS, write_export
from storage.exchange.subject import PotentialSubject, subject_of
from storage.version import write_version
from tests.contracts.test_exporters import of_kind, run_check

RECIPE = load_recipe("water-water-water")
NMER = RECIPE.build_nmer()
KINDS: dict[str, tuple[BasisOptions, Switching | None]] = {
    "product": (BasisOptions(), Switching((0, 3, 6), 3.0, 5.0)),
    "means": (BasisOptions(("intra <= 1",)), Switching(((1, 2), (4, 5), (7, 8)), 3.0, 5.0)),
    "unswitched": (BasisOptions(forms=Forms("exp", "coul")), None),
}


def potential_of(kind: str) -> Potential:
    options, switching = KINDS[kind]
    basis = Basis.build(NMER, 3, "intermolecular", options)
    rng = np.random.default_rng(len(kind))
    k, c = rng.uniform(0.3, 1.5, len(basis.pair_names)), rng.normal(size=basis.n_terms)
    return Potential(NMER, 3, "intermolecular", k, c, switching, options=options)


def written(potential: Potential, path: Path, model: NMerModel = RECIPE.nmer, **changes: Any) -> Path:
    """Write a potential's file, with other facts where they are given."""
    facts = potential_facts(potential, model) | changes
    more = {"columns": potential_columns(potential), "recipe": "", "inputs": [], "engines": {}, "facts": facts}
    write_version(path, "potential", "toy", 1, "0" * 64, **more)
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", of_kind("potential"))
def test_an_export_holds_where_the_product_acts_and_beyond(name: str, kind: str, tmp_path: Path) -> None:
    subject = subject_of(str(written(potential_of(kind), tmp_path / "toy.h5")))
    assert isinstance(subject, PotentialSubject)
    found, switching = subject.references, subject.potential.switching
    if switching is not None:
        factor, largest = switching.evaluate(found.positions)[0], switching.distances(found.positions).max(axis=1)
        assert ((factor > 0.0) & (factor < 1.0)).sum() >= 25
        assert (largest >= switching.r_out).sum() >= 10 and not found.energy[largest >= switching.r_out].any()
    out = tmp_path / "out" / "export"
    write_export(FORMATS.get(name), subject, out)
    done = run_check(FORMATS.get(name), out)
    assert done.returncode == 0 and "holds" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_files_give_the_same_potential_back(kind: str, tmp_path: Path) -> None:
    made = potential_of(kind)
    path = written(made, tmp_path / "toy.h5")
    subject = subject_of(str(path))
    assert isinstance(subject, PotentialSubject)
    write_export(FORMATS.get("json"), subject, tmp_path / "toy.json")
    document = json.loads((tmp_path / "toy.json").read_text())
    assert (document["filter"], document["rules"][0]) == ("all", "joined")
    for found in (nmer.load(path), nmer.load(tmp_path / "toy.json")):
        assert isinstance(found, Potential)
        assert (found.terms, found.options, found.switching) == (made.terms, made.options, made.switching)
        np.testing.assert_array_equal(found.energy(NMER.positions), made.energy(NMER.positions))


def test_a_file_of_before_means_terms_with_any_intermolecular_distance(tmp_path: Path) -> None:
    """Its filter was called intermolecular, and its 409 coefficients belong to other terms than today's 215."""
    options = BasisOptions(rules=("intermolecular",))
    rng = np.random.default_rng(1)
    c = rng.normal(size=409)
    old = Potential(NMER, 3, "all", np.full(5, 0.8), c, Switching((0, 3), 8.0, 10.0), options=options)
    facts = {"filter": "intermolecular", "options": {"rules": [], "forms": {}, "lone_pairs": []}}
    found = nmer.load(written(old, tmp_path / "old.h5", **facts))
    assert isinstance(found, Potential)
    assert len(found.coefficients) == 409 and found.switching == Switching((0, 3), 8.0, 10.0)
    x = NMER.positions + rng.normal(scale=0.1, size=(5, 9, 3))
    np.testing.assert_array_equal(found.energy(x), old.energy(x))
    subject = subject_of(str(tmp_path / "old.h5"))
    assert isinstance(subject, PotentialSubject)
    write_export(FORMATS.get("json"), subject, tmp_path / "old.json")
    document = json.loads((tmp_path / "old.json").read_text())
    assert (document["filter"], document["rules"]) == ("all", ["intermolecular"])
    (tmp_path / "old.json").write_text(json.dumps(document | {"filter": "intermolecular", "rules": []}))
    again = nmer.load(tmp_path / "old.json")
    np.testing.assert_array_equal(again.energy(x), old.energy(x))


def test_files_of_two_fragments_are_written_as_ever(tmp_path: Path) -> None:
    recipe = load_recipe("water-water")
    pair = recipe.build_nmer()
    basis = Basis.build(pair, 2, "intermolecular")
    made = Potential(pair, 2, "intermolecular", np.ones(5), np.ones(basis.n_terms), Switching((0, 3), 8.0, 10.0))
    facts = potential_facts(made, recipe.nmer)
    assert (facts["filter"], facts["options"]["rules"]) == ("intermolecular", [])
    assert facts["switching"] == {"atoms": [0, 3], "r_in": 8.0, "r_out": 10.0}
    path = written(made, tmp_path / "pair.h5", recipe.nmer)
    with h5py.File(path) as file:
        assert file["coefficients"].shape == (basis.n_terms,)
    assert isinstance(found := nmer.load(path), Potential) and found.terms == "intermolecular"
