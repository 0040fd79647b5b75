"""Recipes of the n-mers that no shipped recipe has: their terms, sizes and force fields, in every preset."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from recipes.authoring.degrees import CANDIDATES, LAPTOP_TERMS, PAPER_TERMS
from recipes.authoring.molecule import NMerRecipe, molecule_recipes, shipped_recipe
from recipes.chemistry.fragmentation import fragment_molecule
from recipes.chemistry.molecules import read_molecule
from recipes.load import load_recipe, shipped_recipes
from storage.keys import pool_key, selection_key
from tasks.run.checks import check_recipe
from tasks.sampling.force_field import check_force_field, choose_force_field

PAIR = "conh-conh-pair"


def missing(molecule: str, water: bool = False) -> dict[str, NMerRecipe]:
    made = molecule_recipes(molecule, fragment_molecule(read_molecule(molecule)), choose_force_field, water)
    return {one.nmer.name: one for one in made}


def test_polyalanine_lacks_none() -> None:
    assert not missing("AceAla3Nme", water=True)
    assert {shipped_recipe(one) for one in fragment_molecule(read_molecule("AceAla3Nme"))} <= set(
        shipped_recipes()
    )


def test_typed_chains_take_parameters_and_others_take_gfn2() -> None:
    glycine, butane = missing("AceGly2Nme"), missing("CCCC", water=True)
    assert set(glycine) == {
        "ch2", "ch2-conh", "conh-ch2", "ch2-conh-ch2", "ch2-conh-ch3", "ch3-conh-ch2", "conh-ch2-conh"
    }  # fmt: skip
    assert {one.force_field for one in glycine.values()} == {"ff14SB"}
    fields = {name: one.force_field for name, one in butane.items()}
    assert fields == dict.fromkeys(("ch2", "ch2-water"), "ff14SB") | dict.fromkeys(
        ("ch2-ch3", "ch2-ch2", "ch2-ch2-ch3"), "GFN2-xTB"
    )
    for one in butane.values():
        check_force_field(one.nmer, one.force_field)
        assert ("no types" in one.why) == (one.force_field == "GFN2-xTB") and one.why[:20] in one.text
    with pytest.raises(InputError, match="no ff14SB types"):
        check_force_field(butane["ch2-ch3"].nmer, "ff14SB")


@pytest.mark.parametrize("molecule", ["CCCC", "C1NC(=O)C1", "CNC(=O)C(=O)NNC(=O)C"])
def test_every_preset_can_be_loaded_and_has_the_terms_it_says(molecule: str, tmp_path: Path) -> None:
    for name, one in missing(molecule, water=molecule == "CCCC").items():
        path = tmp_path / f"{name}.toml"
        path.write_text(one.text)
        frames = {}
        for preset in ("smoke", "laptop", "paper"):
            recipe = load_recipe(str(path), preset)
            assert recipe.name == name and recipe.sampling.force_field == one.force_field
            nmer = recipe.build_nmer()
            assert nmer.symmetry == one.nmer.symmetry and nmer.symbols == one.nmer.symbols
            np.testing.assert_allclose(nmer.positions, one.nmer.positions, atol=1e-6)
            frames[preset] = recipe.sampling.frames
            if preset != "paper":
                found = recipe.fitting.build_basis(nmer).n_terms
                chosen = min(found, recipe.fitting.max_terms or found)
                told = re.search(
                    rf"\[presets.{preset}\]\n(?:.*\n)*?fitting .*# (?:(\d+) of )?(\d+) terms", one.text
                )
                assert told and (int(told[1] or told[2]), int(told[2])) == (chosen, found)
                assert found <= CANDIDATES
                assert chosen <= {"smoke": recipe.selection.train, "laptop": LAPTOP_TERMS}[preset]
            else:
                (told,) = re.findall(r"\n\[fitting\]\ndegree .*# (?:(\d+) of )?(\d+) terms\n", one.text)
                assert int(told[0] or told[1]) <= PAPER_TERMS and int(told[1]) <= CANDIDATES
        assert frames["smoke"] == {"GFN2-xTB": 300, "ff14SB": 9000 if "water" in name else 3000}[one.force_field]
        check_recipe(load_recipe(str(path), "smoke"), here=False)
        if one.nmer.fragments[0].parts:
            np.testing.assert_allclose(one.nmer.place_caps(nmer.positions), nmer.positions, atol=2e-6)


def test_an_n_mer_of_a_ring_with_the_name_of_a_shipped_recipe_is_refused() -> None:
    """No such ring is known; a skeleton with one bond more stands for it."""
    (one,) = [f for f in fragment_molecule(read_molecule("AceAlaNme")) if f.name == "ch3-conh-ch"]
    ring = replace(one, skeleton=replace(one.skeleton, bonds=tuple(sorted((*one.skeleton.bonds, (0, 8))))))
    assert shipped_recipe(one) == "ch3-conh-ch" and shipped_recipe(ring) is None

    def never(_: NMer) -> tuple[str, str]:
        raise AssertionError("nothing is chosen")

    with pytest.raises(InputError, match="other bonds than that of the shipped recipe ch3-conh-ch"):
        molecule_recipes("x", [ring], never)


def test_a_name_with_line_ends_stays_in_its_comment() -> None:
    found = fragment_molecule(read_molecule("CC"))
    (made,) = molecule_recipes("a\nb = 1\x1b[2J" + "x" * 200, found, choose_force_field)
    assert r"a b = 1\x1b[2Jxx" in made.text and "\x1b" not in made.text and "\nb = 1" not in made.text


def test_with_a_baseline_all_n_mers_are_over_it(tmp_path: Path) -> None:
    found = fragment_molecule(read_molecule("AceGly2Nme"))
    made = molecule_recipes("x", found, choose_force_field, True, "physics:mine@2", {PAIR, "ch3-ch3-pair"})
    names = [one.nmer.name for one in made]
    assert sorted(names) == sorted([*(f.name for f in found), "ch2-water", "ch3-water", "conh-water", PAIR])
    for one in made:
        path = tmp_path / f"{one.nmer.name}.toml"
        path.write_text(one.text)
        recipe = load_recipe(str(path))
        assert recipe.fitting.baseline == "physics:mine@2" and one.text.count("\nbaseline = ") == 1
        if one.nmer.name in shipped_recipes():
            shipped = load_recipe(one.nmer.name)
            fitting = recipe.fitting.model_copy(update={"baseline": shipped.fitting.baseline})
            assert recipe.model_copy(update={"fitting": fitting}) == shipped
            assert pool_key(recipe) == pool_key(shipped) and selection_key(recipe) == selection_key(shipped)
    radii = {one.nmer.name: load_recipe(str(tmp_path / f"{one.nmer.name}.toml")).fitting.switching for one in made}
    assert radii["ch2-water"].r_out == radii["ch3-water"].r_out == 6.5  # type: ignore[union-attr]
    (alone,) = [one for one in molecule_recipes("x", found, choose_force_field, True) if "water" in one.nmer.name]
    assert "r_in = 8.0, r_out = 10.0" in alone.text and "baseline" not in alone.text
