"""Recipes: presets, expansion, and one clear sentence for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from potentials.errors import InputError
from recipes.estimate import estimate
from recipes.load import expanded_toml, load_recipe, presets, shipped_recipes
from recipes.protocols import find_protocol
from recipes.schema.recipe import Fitting, Recipe
from storage.citations import licence_of
from storage.keys import dataset_key, pool_key, potential_key, selection_key, stage_digest, validation_key
from tasks.sampling.samplers.scan.options import ScanOptions

SHIPPED = shipped_recipes()


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_every_shipped_preset_loads_and_expands_to_itself(name: str, tmp_path: Path) -> None:
    for preset in (None, *presets(SHIPPED[name])):
        recipe = load_recipe(name, preset)
        path = tmp_path / f"{name}-{preset}.toml"
        path.write_text(expanded_toml(recipe))
        assert load_recipe(str(path)) == recipe


def test_paper_preset_holds_the_published_settings() -> None:
    recipe = load_recipe("ch3-water", "paper")
    assert recipe.sampling.temperatures == (300, 500, 700)
    assert recipe.sampling.windows == ((0, 4), (4, 7), (7, 10))
    assert recipe.sampling.frames == 600_000
    assert (recipe.selection.train, recipe.selection.test) == (43_000, 2_000)
    assert recipe.labelling.level == "MP2/aug-cc-pVTZ + [FNO-CCSD(T*) - MP2]/aug-cc-pVDZ"
    assert recipe.labelling.counterpoise and recipe.labelling.frozen_core
    assert (recipe.fitting.degree, recipe.fitting.gamma, recipe.fitting.delta_e) == (3, 0.0005, 40)
    counts = {stage.stage: stage.count for stage in estimate(recipe)}
    assert counts == {
        "sampling": 600_000,
        "selection": 45_000,
        "labelling": 45_000,
        "fitting": 710,
        "validation": 45_000,
    }


def test_presets_label_with_protocols_that_have_a_name() -> None:
    for preset, name in (("laptop", "fno-aug-cc-pvdz"), ("paper", "composite-aug-cc-pvtz")):
        assert load_recipe("ch3-water", preset).labelling == find_protocol(name)


def test_a_recipe_is_frozen() -> None:
    with pytest.raises(ValidationError):
        load_recipe("ch3-water").name = "other"  # type: ignore[misc]


def test_keys_follow_what_decides_the_content(tiny_recipe: Path) -> None:
    base = load_recipe(str(tiny_recipe))

    def changed(section: str, **values: object) -> Recipe:
        return base.model_copy(update={section: getattr(base, section).model_copy(update=values)})

    assert pool_key(changed("sampling", seed=7)) != pool_key(base)
    assert pool_key(changed("selection", seed=7)) == pool_key(base)
    assert selection_key(changed("sampling", seed=7)) != selection_key(base)
    assert selection_key(changed("resources", workers=9)) == selection_key(base)
    assert potential_key(changed("fitting", gamma=0.1), "d") != potential_key(base, "d")
    assert potential_key(base, "e") != potential_key(base, "d")


def test_an_option_that_came_later_changes_no_key_while_it_has_its_default() -> None:
    """Stores of the first release are still found: its key of the smoke preset's pool."""
    recipe = load_recipe("ch3-water", "smoke")
    assert pool_key(recipe).startswith("e4241c4795111ff9")
    scan = recipe.sampling.options(ScanOptions).model_copy(update={"orientations": 2})
    other = recipe.model_copy(update={"sampling": recipe.sampling.model_copy(update={"scan": scan})})
    assert pool_key(other) != pool_key(recipe)


def test_a_key_of_several_atoms_is_written_and_read_again(tiny_recipe: Path, tmp_path: Path) -> None:
    mine, again = tmp_path / "mine.toml", tmp_path / "again.toml"
    mine.write_text(tiny_recipe.read_text().replace("atoms = [0, 5]", "atoms = [[2, 3, 4], [6, 7]]"))
    recipe = load_recipe(str(mine))
    assert recipe.fitting.switching is not None
    assert recipe.fitting.switching.build().keys == ((2, 3, 4), (6, 7))
    again.write_text(expanded_toml(recipe))
    assert load_recipe(str(again)) == recipe
    assert potential_key(load_recipe(str(again)), "d") == potential_key(recipe, "d")


THREE = shipped_recipes()["water-water-water"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("atoms = [0, 3, 6]", "atoms = [0, 3]", ["one key in each of the 3 fragments"]),
        ("atoms = [0, 3, 6]", "atoms = [0, 3, 4]", ["one key in each of the 3 fragments"]),
        (
            "atoms = [0, 3, 6]",
            "atoms = [0, [4, 5], 6]",
            ["[0, [4, 5], 6] tells fragments A1B2, which are alike, apart"],
        ),
        ("atoms = [0, 3, 6]", "atoms = [0, 3, 6, 7]", ["at most 3 items"]),
        ("[fitting]\ndegree = 4 ", "[fitting]\ndegree = 1 ", ["it takes 2 distances to join 3 fragments"]),
        ("[fitting]", '[fitting]\nrules = ["inter <= 1"]', ["the rules leave no terms"]),
    ],
)
def test_a_mistake_about_three_fragments(old: str, new: str, words: list[str], tmp_path: Path) -> None:
    check_refused(THREE.read_text(), old, new, words, tmp_path)


def check_refused(text: str, old: str, new: str, words: list[str], folder: Path) -> None:
    """Assert that a recipe with one change is refused in one sentence that has some words."""
    assert old in text
    path = folder / "mine.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load_recipe(str(path))
    message = str(caught.value)
    assert message.startswith("mine.toml: ") and "\n" not in message
    for word in words:
        assert word in message, message


def test_keys_of_three_fragments_are_new_and_those_of_two_are_not() -> None:
    """Their pools and their terms are others than in the first release, under the same settings."""
    three, two = load_recipe("water-water-water", "smoke"), load_recipe("ch3-water", "smoke")
    for recipe, pool, fit in ((three, 2, 3), (two, 1, 2)):
        contents = [recipe.nmer.content(), recipe.sampling.content()]
        assert pool_key(recipe) == stage_digest("sampling", pool, contents, [])
        assert potential_key(recipe, "d") == stage_digest("fitting", fit, [recipe.fitting.content()], ["d"])


def test_the_basis_options_change_no_key_while_they_have_their_defaults() -> None:
    later = {"variables", "rules", "lone_pairs", "d", "d_bounds"}
    assert not later & set(Fitting().content())
    assert set(Fitting().content()) == {
        "degree", "terms", "gamma", "delta_e", "optimizer", "k_bounds", "starts", "max_iterations",
        "validation_fraction", "switching", "seed",
    }  # fmt: skip
    chosen = Fitting(variables={"inter": "coul"}, rules=("connected",))
    assert chosen.content()["variables"] == {"intra": "exp", "inter": "coul"}
    assert chosen.content()["rules"] == ["connected"]


def test_a_symmetry_left_out_is_the_one_written_out(tiny_recipe: Path, tmp_path: Path) -> None:
    told, text, mine = load_recipe(str(tiny_recipe)), tiny_recipe.read_text(), tmp_path / "mine.toml"
    for silent in ('symmetry = ""', ""):
        mine.write_text(text.replace('symmetry = "A1B1C3_D1E2"', silent))
        derived = load_recipe(str(mine))
        assert derived.nmer == told.nmer and pool_key(derived) == pool_key(told)
        assert 'symmetry = "A1B1C3_D1E2"' in expanded_toml(derived)
    mine.write_text(mine.read_text().replace("caps = [1]", "caps = [7]"))
    with pytest.raises(InputError, match="atom 7"):
        load_recipe(str(mine))


def test_a_recipe_says_which_terms(tiny_recipe: Path, tmp_path: Path) -> None:
    """The options of the basis, as a recipe writes them."""
    text = tiny_recipe.read_text()
    options = """
rules = ["connected", "intra <= 1"]
variables = { intra = "exp0", inter = "coul" }
lone_pairs = [{ atoms = [5, 6, 7] }]
"""
    mine = tmp_path / "mine.toml"
    mine.write_text(text.replace("[fitting]", f"[fitting]{options}"))
    recipe = load_recipe(str(mine))
    basis = recipe.fitting.build_basis(recipe.build_nmer())
    assert set(basis.variables.forms) == {"exp0", "coul"} and "D-X inter" not in basis.pair_names
    assert "A-X inter" in basis.pair_names


def test_samplers_share_the_frames_out(tiny_recipe: Path, tmp_path: Path) -> None:
    path = tmp_path / "mixed.toml"
    axis = "axes = [{ lower = 3, upper = 6, points = 7 }, { atoms = [0, 5], lower = 3, upper = 4, points = 2 }]"
    more = f"normal_modes = {{ frames = 20 }}\nscan = {{ {axis}, orientations = 3 }}\n"
    names = 'sampler = ["scan", "pbmetad", "normal-modes"]\nforce_field = ["ff14SB", "GFN2-xTB"]\n'
    path.write_text(tiny_recipe.read_text().replace("[sampling]\n", f"[sampling]\n{names}{more}"))
    sampling = load_recipe(str(path)).sampling
    assert sampling.shares == {"scan": 42, "pbmetad": 138, "normal-modes": 20}
    assert sampling.force_fields == ("ff14SB", "GFN2-xTB")
    assert sampling.walkers == 2 * 2 * 2


FAMILY = "[sampling.bias]\nfamilies = [{ variables = [%s] }]\n\n[selection]"
MISTAKES = [
    (
        "[sampling]\n",
        '[sampling]\nsampler = "scam"\n',
        ["'sampling.sampler'", "'scam'", "allowed:", "normal-modes", "scan"],
    ),
    (
        "[sampling]\n",
        '[sampling]\nsampler = ["pbmetad", "scam"]\n',
        ["'sampling.sampler'", "'scam'", "allowed:", "normal-modes", "scan"],
    ),
    (
        "[sampling]\n",
        "[sampling]\nforce_field = []\n",
        ["'sampling.force_field'", "empty list", "allowed: ff14SB"],
    ),
    (
        "[sampling]\n",
        '[sampling]\nforce_field = ["ff14SB", "ff14SB"]\n',
        ["force_field", "names one of them twice"],
    ),
    (
        "[sampling]\n",
        '[sampling]\nsampler = ["pbmetad", "normal-modes"]\n',
        ["'normal-modes'", "set normal_modes.frames"],
    ),
    ("[sampling]\n", '[sampling]\nsampler = "scan"\n', ["'scan'", "[[sampling.scan.axes]]"]),
    (
        "[sampling]\n",
        '[sampling]\nsampler = "scan"\nscan = { axes = [{ lower = 3, upper = 4, points = 5 }] }\n',
        ["make 5 frames", "frames = 200"],
    ),
    (
        "[sampling]\n",
        '[sampling]\nsampler = "conformations"\nconformations = { molecules = ["../chain.pdb"] }\n',
        ["sampling.conformations.molecules", "'../chain.pdb'", "must be the name of a chain"],
    ),
    (
        "[sampling]\n",
        '[sampling]\nsampler = ["pbmetad", "conformations"]\nconformations = { molecules = ["CC"] }\n',
        ["'conformations'", "set conformations.frames"],
    ),
    ("[selection]", "[selection]\nshares = [0.5, 0.5]", ["selection.shares has 2 fractions", "['pbmetad']"]),
    ("[selection]", "[selection]\nshares = [0.5]", ["'selection'", "add up to 0.5; they must add up to 1"]),
    ("[selection]", FAMILY % "[0, 1], [0, 1, 5]", ["'sampling.bias.families.0'", "one kind"]),
    ("[selection]", FAMILY % "[0, 99]", ["[0, 99]", "from 0 to 7"]),
    ("frames = 200", "frmaes = 200", ["sampling.frmaes", "did you mean 'frames'", "allowed:"]),
    (
        "temperatures = [300, 500]",
        "temperatures = [0.3]",
        ["sampling.temperatures", "0.3", "K", "greater than"],
    ),
    ("windows = [[0, 4], [4, 7]]", "windows = [[4, 4]]", ["sampling", "[4, 4] (A)", "lower < upper"]),
    ("stride = 20", "stride = 0", ["sampling.stride", "(time between frames (fs))", "greater than 0"]),
    ("degree = 1", "degree = 1.5", ["fitting.degree", "1.5", "valid integer"]),
    ('method = "HF"', 'method = "CCSDT"', ["labelling.method", "CCSDT", "'CCSD(T)'"]),
    ('method = "HF"', 'method = "LNO-CCSD(T)"', ["engine 'pyscf' cannot run", "HF, DFT, MP2, CCSD, CCSD(T)"]),
    ('method = "HF"', 'method = "DFT"', ["'labelling'", "functional and method 'DFT' need each other"]),
    ('method = "HF"', 'method = "HF"\nmp2_basis = "cc-pVTZ"', ["mp2_basis needs engine 'pyscf' with method CCSD"]),
    ('method = "HF"', 'engine = "xtb"\nmethod = "GFN2-xTB"', ["no ghost atoms; set counterpoise = false"]),
    ("A1B1C3_D1E2", "A1B4_D1E2", ["key 'nmer': symmetry", "letter B", "cap", "may share a letter"]),
    ("A1B1C3_D1E2", "A1B1C4_D1E2", ["key 'nmer': symmetry", "describes 6 atoms", "has 5"]),
    ("A1B1C3_D1E2", "A1B1C3", ["key 'nmer': symmetry", "1 blocks", "2 fragments"]),
    ("A1B1C3_D1E2", "a1", ["key 'nmer': symmetry", "not readable", "A1B1C3_D1E2"]),
    ("H   0.000000   0.000000   1.140000", "H   0.0 1.14", ["nmer.fragments.0", "line 2", "element x y z"]),
    ("caps = [1]", "caps = [7]", ["nmer.fragments.0", "atom 7", "0 to 4"]),
    ("C   0.000000", "Q   0.000000", ["nmer.fragments.0", "'Q'", "element"]),
    ("train = 18", "train = 300", ["selection.train + selection.test = 304", "sampling.frames = 200"]),
    ("r_in = 8.0", "r_in = 11.0", ["fitting.switching", "r_in = 11 A", "less than r_out"]),
    ("atoms = [0, 5]", "atoms = [0, 9]", ["fitting.switching.atoms", "0 to 7"]),
    ("atoms = [0, 5]", "atoms = [0, [6, 9]]", ["fitting.switching.atoms", "0 to 7"]),
    ("atoms = [0, 5]", "atoms = [0, 1]", ["one key in each of the 2 fragments"]),
    ("atoms = [0, 5]", "atoms = [0, 5, 6]", ["one key in each of the 2 fragments"]),
    ("atoms = [0, 5]", "atoms = [0, [1, 5]]", ["one key in each of the 2 fragments"]),
    ("atoms = [0, 5]", "atoms = [2, 5]", ["tells equivalent atoms of fragment 'CH3-' apart", "[2, 3, 4]"]),
    ("atoms = [0, 5]", "atoms = [0, [6]]", ["tells equivalent atoms of fragment 'water' apart", "[6, 7]"]),
    ("atoms = [0, 5]", "atoms = [0, [6, 6]]", ["'fitting.switching'", "different atoms"]),
    ("atoms = [0, 5]", "atoms = [5]", ["'fitting.switching.atoms'", "at least 2 items"]),
    ("atoms = [0, 5]", "atoms = [0, []]", ["'fitting.switching.atoms.1'", "is not an atom"]),
    ("atoms = [0, 5]", "atoms = [0, 5.0]", ["'fitting.switching.atoms.1'", "5.0 is not an atom"]),
    ("atoms = [0, 5]", 'atoms = [0, "O"]', ["'fitting.switching.atoms.1'", "'O' is not an atom"]),
    ("atoms = [0, 5]", "atoms = [true, 5]", ["'fitting.switching.atoms.0'", "true is not an atom"]),
    ("atoms = [0, 5]", "atoms = [0, [5, -6]]", ["'fitting.switching.atoms.1'", "[5, -6] is not an atom"]),
    ("[fitting]", '[fitting]\nrules = ["linked"]', ["fitting.rules", "'linked' is not a rule", "connected"]),
    ("[fitting]", '[fitting]\nrules = ["A-F <= 1"]', ["'A-F <= 1' applies to no distance", "A-B intra"]),
    ("[fitting]", "[fitting]\nlone_pairs = [{ atoms = [0, 2, 3] }]", ["only atom of its letter"]),
    ("[fitting]", "[fitting]\nlone_pairs = [{ atoms = [5, 6, 6] }]", ["a centre and two neighbours"]),
    ("[fitting]", '[fitting]\nvariables = { inter = "morse" }', ["variables.inter", "'exp0'"]),
    ("[fitting]", "[fitting]\nd_bounds = [3, 2]", ["d_bounds [3.0, 2.0] (A) must rise"]),
    ("[gates]", "[gates", ["not valid TOML"]),
    ("format = 1", "format = 2", ["format", "2", "1"]),
]


@pytest.mark.parametrize(("old", "new", "words"), MISTAKES, ids=[m[1] for m in MISTAKES])
def test_a_mistake_gets_one_sentence(
    old: str, new: str, words: list[str], tiny_recipe: Path, tmp_path: Path
) -> None:
    check_refused(tiny_recipe.read_text(), old, new, words, tmp_path)


def test_unknown_names_list_what_is_allowed() -> None:
    with pytest.raises(
        InputError, match=r"'ch3-watr' is unknown \(did you mean 'ch3-water'\?\); allowed: .*ch3-water"
    ):
        load_recipe("ch3-watr")
    with pytest.raises(
        InputError, match=r"ch3-water\.toml: preset 'tiny' is unknown; allowed: laptop, levels, paper, smoke"
    ):
        load_recipe("ch3-water", "tiny")
    with pytest.raises(InputError, match=r"recipe file 'none\.toml' does not exist"):
        load_recipe("none.toml")


def test_the_licence_is_part_of_no_key(tmp_path: Path) -> None:
    base = load_recipe("ch3-water", "smoke")
    path = tmp_path / "mine.toml"
    path.write_text('licence = "CC-BY-4.0"\n' + expanded_toml(base).replace('licence = "not stated"\n', ""))
    mine = load_recipe(str(path))
    assert (base.licence, mine.licence) == ("not stated", "CC-BY-4.0")
    assert pool_key(base) == pool_key(mine) and selection_key(base) == selection_key(mine)
    assert dataset_key(base, ["x"]) == dataset_key(mine, ["x"])
    assert potential_key(base, "d") == potential_key(mine, "d")
    assert validation_key(base, "p") == validation_key(mine, "p")
    assert licence_of(expanded_toml(mine)) == "CC-BY-4.0"
