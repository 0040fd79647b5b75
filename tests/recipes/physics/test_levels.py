"""The level of V_phys' parameters follows that of the labels, and a mixture is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from potentials.errors import InputError
from recipes.load import load_recipe
from recipes.physics.levels import beneath, divided, named_at
from recipes.physics.table import read_physics_toml, shipped_physics
from recipes.protocols import with_protocol
from storage.physics import has_physics, load_physics
from storage.store import Store
from tasks.plan import resolve


def test_a_baseline_without_a_version_has_the_level_of_the_labels() -> None:
    assert beneath("physics:polyalanine", "xtb") == "physics:polyalanine-gfn2-xtb"
    assert beneath("physics:polyalanine-gfn2-xtb", "pyscf") == "physics:polyalanine"
    assert beneath("physics:polyalanine@2", "xtb") == "physics:polyalanine@2"
    assert beneath(None, "xtb") is None
    assert divided("physics:polyalanine-gfn2-xtb@3") == ("polyalanine", "gfn2-xtb")
    recipe = load_recipe("ch-conh", "laptop")
    assert recipe.fitting.baseline == "physics:polyalanine"
    assert with_protocol(recipe, "gfn2-xtb").fitting.baseline == "physics:polyalanine-gfn2-xtb"


def test_parameters_of_a_rehearsal_are_named_after_their_level() -> None:
    assert named_at("polyalanine", "pbe0/aug-cc-pvdz") == "polyalanine"
    for name in ("polyalanine", "polyalanine-gfn2-xtb"):
        assert named_at(name, "gfn2-xtb") == "polyalanine-gfn2-xtb"
    with pytest.raises(InputError, match="is for --level gfn2-xtb"):
        named_at("polyalanine-gfn2-xtb", "pbe0/aug-cc-pvdz")


@pytest.mark.parametrize("name", sorted(shipped_physics()))
def test_the_shipped_parameters_have_every_type_of_the_family_and_neutral_1mers(name: str) -> None:
    derived = read_physics_toml(shipped_physics()[name])
    charge = dict(zip(derived.parameters.types, derived.parameters.charge, strict=True))
    assert derived.level == (divided(name)[1] or "pbe0/aug-cc-pvdz")
    for one in ("ch3", "ch3@C", "ch3@N", "ch3@ch"):
        assert abs(charge[f"{one}:C"] + 3 * charge[f"{one}:H"]) < 1e-9
    assert abs(charge["ch:C"] + charge["ch:H"]) < 1e-9
    assert abs(sum(charge[f"conh:{element}"] for element in "CONH")) < 1e-9
    assert abs(charge["water:O"] + 2 * charge["water:H"]) < 1e-9


def test_labels_over_parameters_of_another_level_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", create=True)
    assert has_physics(store, "physics:polyalanine") and not has_physics(store, "physics:polyglycine")
    recipe = load_recipe("ch-conh", "laptop")
    rehearsal = with_protocol(recipe, "gfn2-xtb")
    assert resolve(recipe, store).physics == load_physics(store, "physics:polyalanine").digest
    assert resolve(rehearsal, store).physics == load_physics(store, "physics:polyalanine-gfn2-xtb").digest
    for one, labels in ((recipe, rehearsal), (rehearsal, recipe)):
        mixed = one.model_copy(update={"labelling": labels.labelling})
        with pytest.raises(InputError, match=r"level .* a version of physics:polyalanine"):
            resolve(mixed, store).baseline(store)
