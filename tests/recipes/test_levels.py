"""Levels in a recipe: named protocols, sizes and fits that agree, keys, and one sentence for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from potentials.errors import InputError
from recipes.load import expanded_toml, load_recipe, recipe_of_text
from recipes.protocols import find_protocol, replaced_levels, with_protocol
from recipes.schema.recipe import Recipe
from storage.keys import dataset_key, pool_key, potential_key, selection_key
from tasks.plan import resolve

LEVELS = """
[[levels]]
protocol = "gfn2-xtb"

[[levels]]
protocol = "ccsd-t-cc-pvdz"
labelling = { method = "HF", max_t1 = 0.03 }
train = 12
test = 3

[[levels]]
protocol = "ccsd-t-cc-pvdz"
train = 8
test = 2
fitting = { degree = 1, max_terms = 5 }
"""


@pytest.fixture
def text(tiny_recipe: Path) -> str:
    plain = tiny_recipe.read_text()
    return plain.replace(plain[plain.index("[labelling]") : plain.index("[fitting]")], "") + LEVELS


def loaded(text: str, folder: Path, preset: str | None = None) -> Recipe:
    file = folder / "mine.toml"
    file.write_text(text)
    return load_recipe(str(file), preset)


def test_names_of_protocols_become_their_settings(text: str, tmp_path: Path) -> None:
    recipe = loaded(text, tmp_path)
    first, middle, top = recipe.levels
    assert first.labelling == find_protocol("gfn2-xtb") and first.counts == (18, 4)
    assert (middle.title, middle.labelling.max_t1, middle.labelling.basis) == ("HF/cc-pVDZ", 0.03, "cc-pVDZ")
    assert recipe.labelling == top.labelling == find_protocol("ccsd-t-cc-pvdz")
    written = expanded_toml(recipe)
    assert "gfn2-xtb" not in written and recipe_of_text(written) == recipe
    assert Recipe.model_validate(dict(recipe)) == Recipe.model_validate(recipe.model_dump(mode="json")) == recipe
    plan = resolve(recipe)
    assert [level.title for level in plan.levels] == ["GFN2-xTB", "HF/cc-pVDZ", "CCSD(T)/cc-pVDZ"]
    assert plan.total("labelling") == 22 + 15 + 10 and plan.total("selection") == 22


def test_a_level_without_a_size_of_the_selection_sets_it(text: str, tmp_path: Path) -> None:
    silent = text.replace("train = 18\ntest = 4\n", "").replace(
        'protocol = "gfn2-xtb"', 'protocol = "gfn2-xtb"\ntrain = 20\ntest = 5'
    )
    selection = loaded(silent, tmp_path).selection
    assert (selection.train, selection.test) == (20, 5)


def test_the_fit_of_a_difference_has_the_forms_and_rules_of_the_first(text: str, tmp_path: Path) -> None:
    recipe = loaded(text.replace("degree = 1\nstarts", 'degree = 3\nrules = ["connected"]\nstarts'), tmp_path)
    assert recipe.level_fitting(0) == recipe.fitting
    middle, top = recipe.level_fitting(1), recipe.level_fitting(2)
    assert (middle.degree, middle.max_terms, top.degree, top.max_terms) == (2, None, 1, 5)
    for fit in (middle, top):
        assert (fit.rules, fit.switching, fit.gamma) == (
            ("connected",),
            recipe.fitting.switching,
            recipe.fitting.gamma,
        )
        assert (fit.optimizer, fit.baseline) == ("fixed", None)


def test_keys_follow_what_decides_each(text: str, tmp_path: Path) -> None:
    base = loaded(text, tmp_path)

    def keys(changed: Recipe) -> list[bool]:
        """Which keys differ: pool, selection, first, middle and top dataset, potential."""
        same = [
            pool_key(changed) == pool_key(base),
            selection_key(changed) == selection_key(base),
            *(dataset_key(changed, ["x"], "s", n) == dataset_key(base, ["x"], "s", n) for n in range(3)),
            potential_key(changed, "d") == potential_key(base, "d"),
        ]
        return [not one for one in same]

    def edited(old: str, new: str) -> Recipe:
        assert old in text
        return loaded(text.replace(old, new), tmp_path)

    assert keys(base) == [False] * 6
    assert keys(edited("train = 8", "train = 7")) == [False, True, False, False, False, False]
    assert keys(edited('"HF"', '"MP2"')) == [False, False, False, True, False, False]
    assert keys(edited("max_terms = 5", "max_terms = 4")) == [False, False, False, False, False, True]
    assert dataset_key(base, ["x"], "s", 2, ["a", "b"]) != dataset_key(base, ["x"], "s", 2, ["a", "c"])
    plain = with_protocol(base, "ccsd-t-cc-pvdz")
    assert not plain.levels and selection_key(plain) != selection_key(base)
    assert potential_key(plain, "d") != potential_key(base, "d")


def test_a_protocol_replaces_all_levels_and_says_so(text: str, tmp_path: Path) -> None:
    recipe = loaded(text, tmp_path)
    other = with_protocol(recipe, "gfn2-xtb")
    assert not other.levels and other.labelling == find_protocol("gfn2-xtb") and len(resolve(other).levels) == 1
    said = replaced_levels(recipe, "gfn2-xtb")
    assert "replaces the 3 levels (GFN2-xTB, HF/cc-pVDZ, CCSD(T)/cc-pVDZ) by one" in said and "all 22" in said
    assert replaced_levels(recipe, None) == replaced_levels(other, "gfn2-xtb") == ""


def test_a_presets_labels_replace_those_of_the_file(text: str, tmp_path: Path) -> None:
    own = '\n[presets.one.labelling]\nmethod = "HF"\nbasis = "sto-3g"\n'
    assert loaded(text + own, tmp_path, "one").levels == ()
    several = text.replace(LEVELS, '\n[labelling]\nmethod = "HF"\n') + LEVELS.replace(
        "levels", "presets.many.levels"
    )
    assert loaded(several, tmp_path).levels == ()
    assert len(loaded(several, tmp_path, "many").levels) == 3


WRONG = {
    "more than before": ("train = 8", "train = 13", "levels.2.train = 13 is more than levels.1.train = 12"),
    "more tests": ("test = 3", "test = 5", "levels.1.test = 5 is more than levels.0.test = 4"),
    "one level": (LEVELS[LEVELS.index('[[levels]]\nprotocol = "ccsd') :], "", "levels has 1; allowed: 2 to 6"),
    "no protocol": ('protocol = "gfn2-xtb"', "", "'levels.0': protocol is missing; give the name of one"),
    "an unknown one": ('"gfn2-xtb"', '"gfn3-xtb"', "'gfn3-xtb' is unknown (did you mean 'gfn2-xtb'?)"),
    "a number": ('"gfn2-xtb"', "3", "key 'levels.0.protocol'"),
    "no table": ('labelling = { method = "HF", max_t1 = 0.03 }', "labelling = 3", "key 'levels.1.labelling'"),
    "an unknown setting": ("max_t1 = 0.03", "max_t0 = 0.03", "key 'levels.1.labelling.max_t0' is unknown"),
    "labelling beside": (
        "[fitting]",
        '[labelling]\nmethod = "HF"\n\n[fitting]',
        "labelling is given beside levels",
    ),
    "another size": ('"gfn2-xtb"', '"gfn2-xtb"\ntrain = 17', "levels.0.train = 17 and selection.train = 18"),
    "no size": ("train = 12\n", "", "key 'levels.1.train' is missing"),
    "the same twice": ('labelling = { method = "HF", max_t1 = 0.03 }', "", "the same protocol as levels.1"),
    "a fit of the first": (
        '"gfn2-xtb"',
        '"gfn2-xtb"\nfitting = { degree = 2 }',
        "levels.0.fitting does not apply",
    ),
    "a field of [fitting]": ("max_terms = 5", "starts = 5", "key 'levels.2.fitting.starts' is unknown"),
    "no reference": ("max_t1 = 0.03", 'reference = "none"', "levels.1.labelling.reference = 'none' must be that"),
    "no list": (LEVELS, "\n", ""),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_in_one_sentence(what: str, text: str, tmp_path: Path) -> None:
    old, new, said = WRONG[what]
    assert old in text
    changed = text.replace(old, new, 1)
    if what == "no list":
        changed, said = f"levels = 3\n{changed}", "key 'levels'"
    with pytest.raises(InputError) as caught:
        loaded(changed, tmp_path)
    told = str(caught.value)
    assert told.startswith("mine.toml: ") and said in told and "\n" not in told, told
