"""Recipes of one's own: species from SMILES, where they are placed, how many terms they have, and the file."""

from __future__ import annotations

import tomllib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from nmer.cli.new_command import relaxed
from potentials.errors import InputError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from recipes.authoring.degrees import CANDIDATES, PAPER_TERMS, count_terms, exchanges, plan_terms
from recipes.authoring.own import MOST_ATOMS, OwnRecipe, own_nmer, own_recipe
from recipes.chemistry.molecules import lowest_conformer
from recipes.chemistry.placing import GAP, beside, central_atom, windows_of, windows_of_three
from recipes.chemistry.species import read_species
from recipes.families import FAMILIES
from recipes.load import expanded_toml, load_recipe, shipped_recipes
from tasks.bias.cvs import cv_families
from tasks.sampling.force_field import check_force_field, choose_force_field


def placed(smiles: str, partner: str | None = "water") -> NMer:
    texts = [smiles] if partner is None else [smiles, partner]
    return own_nmer("mine", *(read_species(text) for text in texts), relax=relaxed)


def made(smiles: str, partner: str | None = "water") -> OwnRecipe:
    nmer = placed(smiles, partner)
    texts = [smiles] if partner is None else [smiles, partner]
    return own_recipe(nmer, tuple(read_species(text).smiles for text in texts), *choose_force_field(nmer))


CASES = {
    "methanol": ("CO", "water", "A1B1C3D1_E1F2", 0, (3, 1548)),
    "ammonia": ("N", "water", "A1B3_C1D2", 0, (4, 1614)),
    "acetamide": ("CC(=O)N", "water", "A1B1C1D1E3F2_G1H2", 0, (3, 1743)),
    "co2": ("O=C=O", "water", "A2B1_C1D2", 0, (4, 1137)),
    "fluoride": ("[F-]", "water", "A1_B1C2", -1, (5, 222)),
    "methanol alone": ("CO", None, "A1B1C3D1", 0, (4, 904)),
    "two waters": ("water", "O", "A1B2_A1B2", 0, (5, 2269)),
    "sodium": ("[Na+]", "water", "A1_B1C2", 1, (5, 222)),
    "hydrogen": ("[H][H]", None, "A2", 0, (5, 5)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_recipe_is_whole(case: str, tmp_path: Path) -> None:
    smiles, partner, symmetry, charge, (degree, terms) = CASES[case]
    recipe = made(smiles, partner)
    path = tmp_path / "mine.toml"
    path.write_text(recipe.text)
    nmer = load_recipe(str(path)).build_nmer()
    assert (nmer.symmetry, nmer.charge) == (symmetry, charge)
    np.testing.assert_array_equal(nmer.positions, recipe.nmer.positions)
    for preset in ("smoke", "laptop", "paper"):
        loaded, planned = load_recipe(str(path), preset), getattr(recipe.terms, preset)
        again = tmp_path / "again.toml"
        again.write_text(expanded_toml(loaded))
        assert load_recipe(str(again)) == loaded
        assert loaded.fitting.build_basis(nmer).n_terms == planned.candidates
        assert loaded.fitting.max_terms == planned.max_terms and planned.count <= PAPER_TERMS
        assert loaded.selection.train >= planned.count and loaded.labelling.max_t1 > 0.02
        check_force_field(nmer, loaded.sampling.force_fields[0])
    assert (recipe.terms.paper.degree, recipe.terms.paper.count) == (degree, terms)
    assert f"{terms} terms" in recipe.text
    assert ("GFN2-xTB because" in recipe.text) == (case != "two waters")
    assert "caps" not in recipe.text
    if charge < 0:
        assert load_recipe(str(path), "smoke").labelling.basis == "aug-cc-pVDZ"
    if partner:
        assert recipe.text.count("switching = {") == 1 and "windows = [[0, 4], [4, 7], [7, 10]]" in recipe.text
    else:
        assert load_recipe(str(path), "paper").fitting.terms == "all" and "windows" not in recipe.text


def test_a_recipe_is_the_same_each_time_and_whatever_way_its_smiles_are_written() -> None:
    assert made("CC(N)=O", None).text == made("NC(C)=O", None).text
    assert placed("CC(N)=O") == placed("CC(=O)N")
    backslash = made("C/C=C\\C", None)
    assert tomllib.loads(backslash.text)["title"] == "C4H8"


def test_a_molecule_that_a_force_field_knows_is_sampled_with_it() -> None:
    force_field, why = choose_force_field(placed("CC(=O)NC"))
    assert force_field == "ff14SB" and "TIP4P/2005f" in why
    amide = made("CC(=O)NC", None)
    values = tomllib.loads(amide.text)
    assert "force_field" not in values["sampling"] and "ff14SB because" in amide.text
    assert values["presets"]["smoke"]["sampling"]["frames"] == 3000


@pytest.mark.parametrize(
    ("smiles", "length"), [("O=C=O", 1.14), ("N#N", 1.09), ("S=C=S", 1.56), ("[C-]#[O+]", 1.12), ("F", 0.92)]
)
def test_bonds_that_mmff_guesses_come_from_xtb(smiles: str, length: float) -> None:
    species = read_species(smiles)
    assert not lowest_conformer(species)[1]
    (fragment,) = own_nmer("mine", species, relax=relaxed).fragments
    i, j = fragment.bonds[0]
    apart = np.linalg.norm(np.array(fragment.positions[i]) - fragment.positions[j])
    assert apart == pytest.approx(length, abs=0.03)
    with pytest.raises(InputError, match=r"install it with: pip install 'nmer\[xtb\]'"):
        own_nmer("mine", species)


@pytest.mark.parametrize("smiles", ["O=C=O", "CC#N", "C#C", "CC#CC", "[F-]"])
def test_there_is_no_torsion_about_a_line(smiles: str) -> None:
    nmer = placed(smiles)
    found = [cv for family in cv_families(nmer) for cv in family.cvs]
    assert any(cv.kind == "distance" for cv in found)
    assert all(cv.kind != "torsion" for cv in found)


def test_fragments_do_not_touch_and_each_window_can_be_reached() -> None:
    for smiles in ("C", "CC(C)(C)C", "c1ccccc1"):
        one, water = placed(smiles).fragments
        moved, distance = beside(one, Fragment("water", water.symbols, water.positions, water.bonds))
        assert moved.positions == water.positions
        apart = np.linalg.norm(np.array(one.positions)[:, None] - np.array(water.positions), axis=2)
        assert apart.min() > 1.5 + GAP - 1.0
        (low, first), (again, second), (last, high) = windows_of(distance)
        assert (
            (low, again, last, high) == (0, first, second, 10) and first >= distance + 0.3 and first < second < 10
        )
    assert windows_of(3.6) == windows_of(3.7) == ((0, 4), (4, 7), (7, 10)) and windows_of(4.5)[0] == (0, 5)
    assert central_atom(placed("CC(=O)N").fragments[0]) == 1


def test_counts_of_terms() -> None:
    ammonia = placed("N")
    assert exchanges(ammonia) == 12 and exchanges(placed("water", "O")) == 8
    assert count_terms(ammonia, 4) == 1614 and count_terms(ammonia, 8) is None
    large = plan_terms(placed("OCC(O)CO"))
    assert large.rules == ("connected",) and large.paper.degree == 3
    assert large.paper.count == PAPER_TERMS < large.paper.candidates <= CANDIDATES
    assert (large.laptop.count, large.smoke.count) == (1000, 60)


@pytest.mark.parametrize(
    ("smiles", "partner", "expected"),
    [
        ("[CH3]", "water", "is a radical: 1 unpaired electron among 9"),
        ("[CH2]", "water", "is a radical: 2 unpaired electrons"),
        ("N=O", None, None),
        ("[N]=O", None, "is a radical"),
        ("O=O", "water", "is O2, whose ground state has two unpaired electrons"),
        ("[Na+].[Cl-]", "water", "is a salt of 2 ions, [Na+] and [Cl-]"),
        ("O.CO", None, "is 2 species, O and CO: make a recipe for one at a time"),
        ("[Na+]", "[Cl-]", "are both charged: at 10 A"),
        ("[F-]", None, "is a single atom: alone it has no geometry to learn; add a partner"),
        ("CCCCCCCCCCCCCCCCCCCC", "water", "20 heavy atoms and 62 in all, 65 with its partner: 2,080 distances"),
        ("CCCCCCCCCCCCCCCCCCCC", None, "take it apart with: nmer fragment 'CCCCCCCCCCCCCCCCCCCC'"),
        ("c1ccc2ccccc2c1O", "water", "choose a smaller molecule"),
        ("CCX", "water", "is not SMILES: it cannot be read from character 3, 'X', on"),
        ("C1CC", None, "a ring is opened by a number"),
        ("C(C", None, "a bracket '(' is not closed"),
        ("CC)C", None, "a bracket ')' was not opened"),
        ("C(C)(C)(C)(C)C", None, "its C (atom 0, counted from 0) has 5 bonds, more than C can have"),
        ("c1cccc1", None, "aromatic atoms"),
        ("C*", None, "stands for any element"),
        ("CO methanol", None, "has a blank in it"),
        ("", None, "is empty"),
        ("[H+]", "water", "has no electrons"),
        ("[O-2]", "water", "a second electron is not bound"),
        ("[Al+3]", "water", "takes an electron from its partner"),
        ("[Fe+2]", "water", "a metal whose shells are open"),
        ("[Ra+2]", "water", "which GFN2-xTB does not have"),
    ],
)
def test_honest_answers(smiles: str, partner: str | None, expected: str | None) -> None:
    if expected is None:
        assert placed(smiles, partner).natoms <= MOST_ATOMS
        return
    with pytest.raises(InputError) as caught:
        placed(smiles, partner)
    sentence = str(caught.value)
    assert expected in sentence and "\n" not in sentence and len(sentence) < 420


def test_three_waters() -> None:
    nmer = own_nmer("mine", *[read_species("water")] * 3, relax=relaxed)
    assert nmer.symmetry == "A1B2_A1B2_A1B2" and nmer.charge == 0
    parts = [nmer.positions[part] for part in nmer.slices]
    for one, other in combinations(parts, 2):
        assert np.linalg.norm(one[:, None] - other, axis=2).min() > 0.62 + GAP  # of two hydrogens
    plan = plan_terms(nmer)
    assert (plan.paper.degree, plan.paper.count) == (4, 2292)
    assert (plan.laptop.degree, plan.laptop.count) == (3, 215)
    assert (plan.smoke.degree, plan.smoke.candidates, plan.smoke.count) == (3, 215, 60)
    assert count_terms(nmer, 1) == 0 and count_terms(nmer, 6) is None


@pytest.mark.parametrize(
    ("smiles", "symmetry", "keys"),
    [
        (("[Na+]", "water", "water"), "A1_B1C2_B1C2", "[0, 1, 4]"),
        (("c1ccccc1", "water"), "A6B6_C1D2", "[[0, 1, 2, 3, 4, 5], 12]"),
        (("CC", "water", "N#N"), "A2B6_C1D2_E2", "[[0, 1], 8, [11, 12]]"),
        (("water", "C", "water"), "A1B2_C1D4_A1B2", "[0, 3, 8]"),
    ],
)
def test_the_switching_knows_no_order_of_equivalent_atoms(
    smiles: tuple[str, ...], symmetry: str, keys: str, tmp_path: Path
) -> None:
    species = [read_species(text) for text in smiles]
    nmer = own_nmer("mine", *species, relax=relaxed)
    made = own_recipe(nmer, tuple(one.smiles for one in species), *choose_force_field(nmer))
    assert nmer.symmetry == symmetry and f"switching = {{ atoms = {keys}, " in made.text
    path = tmp_path / "mine.toml"
    path.write_text(made.text)
    for preset in ("smoke", "laptop", "paper"):
        recipe = load_recipe(str(path), preset)
        count = getattr(made.terms, preset).candidates
        assert recipe.fitting.build_basis(nmer).n_terms == count > 0
    three = len(smiles) > 2
    assert ("three-body energies" in " ".join(made.text.split("\n# "))) == three
    assert ("mean over the pairs" in made.text) == ("product over all pairs" in made.text) == three


def test_windows_of_three() -> None:
    assert windows_of_three(3.2) == ((0, 4), (4, 5)) and windows_of_three(3.9) == ((0, 4.5), (4.5, 5.5))


@pytest.mark.parametrize(
    ("smiles", "message"),
    [
        (("[Na+]", "water", "[Cl-]"), r"Na\+ and Cl- are both charged: at 7.5 A, .* still -44 kcal/mol"),
        (("O", "O", "O", "O"), "H2O has 3 partners; allowed: one or two"),
        (("C", "O", "CCCCC"), "25 with its partners"),
    ],
)
def test_three_that_make_no_potential(smiles: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        own_nmer("mine", *(read_species(text) for text in smiles), relax=relaxed)


@pytest.mark.parametrize("name", FAMILIES["water"])
def test_the_recipes_of_water_are_what_nmer_new_decides(name: str) -> None:
    """But for geometries, degree and Gamma, the windows of three, and V_phys with shorter radii."""
    count = name.count("water")
    nmer = own_nmer(name, *[read_species("water")] * count, relax=relaxed)
    made = own_recipe(nmer, ("O",) * count, *choose_force_field(nmer)).text
    shipped = shipped_recipes()[name].read_text()
    ours, theirs = (tomllib.loads(text) for text in (made, shipped))
    for section in ("nmer", "title"):
        ours.pop(section), theirs.pop(section)
    if count == 1:
        parts = [theirs, *(theirs["presets"][preset] for preset in ("laptop", "paper"))]
        assert [part["fitting"].pop("degree") for part in parts] == [8, 6, 8]
        for part in (ours, *(ours["presets"][preset] for preset in ("laptop", "paper"))):
            part["fitting"].pop("degree")
    if count == 3:
        assert theirs["sampling"].pop("windows") == [[0, 3.5], [3.5, 4.5], [4.5, 5.5]]
        ours["sampling"].pop("windows")
    if count > 1:
        radii = theirs["fitting"].pop("switching")
        assert (radii.pop("r_in"), radii.pop("r_out")) == {2: (4.5, 6.5), 3: (4.0, 6.0)}[count]
        assert ours["fitting"].pop("switching")["atoms"] == radii["atoms"]
    assert theirs["fitting"].pop("baseline") == "physics:polyalanine"
    assert theirs["fitting"].pop("gamma") == {1: 1e-8, 2: 5e-5, 3: 0.0005}[count]
    ours["fitting"].pop("gamma")
    assert ours == theirs
    assert load_recipe(name).build_nmer().symmetry == nmer.symmetry
