"""The recipes of the two papers: what the generator writes is what is shipped, with the published settings."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from recipes.authoring import generate
from recipes.authoring.generate import BY_HAND, recipe_texts
from recipes.families import FAMILIES, PUBLISHED, family
from recipes.load import load_recipe, shipped_recipes
from tasks.sampling.force_field import check_force_field

POLYALANINE, WATER = FAMILIES["polyalanine"], FAMILIES["polyalanine-water"]
ALL = (*POLYALANINE, *WATER)

TERMS = {
    "ch": 635,
    "ch3": 635,
    "conh": 815,
    "ch-ch3": 852,
    "ch3-conh": 1174,
    "conh-ch3": 1174,
    "ch-conh": 1998,
    "conh-ch": 1998,
    "ch3-ch-conh": 5115,
    "conh-ch-ch3": 5115,
    "ch3-conh-ch": 3611,
    "ch-conh-ch3": 3611,
    "ch-conh-ch": 5463,
    "conh-ch-conh": 14534,
    "ch-water": 710,
    "ch3-water": 710,
    "conh-water": 4642,
    "conh-conh-pair": 4713,
}
"""Terms that the rules leave; paper I has 635 and paper II 710."""


def test_the_shipped_files_are_what_the_generator_writes() -> None:
    """Word for word but for the coordinates, which may differ in the last digits from one rdkit to the next."""
    shipped = shipped_recipes()
    for name, text in recipe_texts().items():
        written = shipped[name].read_text()
        assert _without_geometry(text) == _without_geometry(written), f"{name}: run recipes.authoring.generate"
        mine, theirs = (
            [f["geometry"].split() for f in tomllib.loads(t)["nmer"]["fragments"]] for t in (text, written)
        )
        for a, b in zip(mine, theirs, strict=True):
            numbers = [np.array([float(w) for w in words if not w.isalpha()]) for words in (a, b)]
            np.testing.assert_allclose(*numbers, atol=0.01)
    assert sorted([*recipe_texts(), BY_HAND]) == sorted(ALL)


def _without_geometry(text: str) -> list[str]:
    return [line for line in text.splitlines() if len(line.split()) != 4 or line.count(".") != 3]


def test_the_generator_writes_beside_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "RECIPES", tmp_path)
    assert generate.main() == 0
    assert sorted(p.stem for p in tmp_path.glob("*.toml")) == sorted(set(ALL) - {BY_HAND})


@pytest.mark.parametrize("name", ALL)
def test_a_recipe_has_the_published_settings(name: str) -> None:
    recipe = load_recipe(name, "paper")
    nmer = recipe.build_nmer()
    several = len(nmer.fragments) > 1
    assert recipe.sampling.frames == (600_000 if several else 200_000)
    assert recipe.sampling.temperatures == (300, 500, 700)
    assert 10_000 <= recipe.selection.train <= 47_000 and 1_000 <= recipe.selection.test <= 2_000
    assert recipe.fitting.degree == (5 if name in ("ch", "ch3") else 3)
    assert (recipe.fitting.gamma, recipe.fitting.delta_e) == (0.0005, 40)
    assert recipe.fitting.terms == ("intermolecular" if several else "all")
    assert recipe.labelling == load_recipe("ch3-water", "paper").labelling
    assert load_recipe(name, "laptop").labelling == load_recipe("ch3-water", "laptop").labelling
    terms = recipe.fitting.build_basis(nmer).n_terms
    assert terms == TERMS[name]
    assert recipe.fitting.max_terms == (1267 if name == "conh-water" else 2871 if terms > 2871 else None)
    assert f"{min(terms, recipe.fitting.max_terms or terms)} " in shipped_recipes()[name].read_text()


@pytest.mark.parametrize("name", ALL)
def test_a_recipe_can_be_sampled_and_taken_apart(name: str) -> None:
    nmer = load_recipe(name).build_nmer()
    check_force_field(nmer, "ff14SB")
    order = name.count("-") + 1 if len(nmer.fragments) == 1 else 0
    assert len(nmer.fragments[0].parts) == (order if order > 1 else 0)
    np.testing.assert_allclose(nmer.place_caps(nmer.positions), nmer.positions, atol=2e-6)
    apart = np.linalg.norm(nmer.positions[:, None] - nmer.positions[None], axis=-1) + 9 * np.eye(nmer.natoms)
    assert apart.min() > 0.9
    for preset in ("smoke", "laptop"):
        assert load_recipe(name, preset).fitting.gamma == 0.0005


def test_the_1mer_is_the_same_alone_and_with_water() -> None:
    for name in WATER:
        alone, dimer = load_recipe(name.removesuffix("-water")), load_recipe(name)
        one, two = alone.build_nmer().fragments[0], dimer.build_nmer().fragments[0]
        assert (one.symbols, one.bonds, one.caps) == (two.symbols, two.bonds, two.caps)
        assert dimer.nmer.symmetry.split("_")[0] == alone.nmer.symmetry


def test_families() -> None:
    assert len(POLYALANINE) == 15 and len(WATER) == 3 and set(PUBLISHED) <= set(ALL)
    assert family("polyalanine") == POLYALANINE
