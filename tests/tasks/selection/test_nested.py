"""Nested subsets of a selection: real rows of the subset before, that span the whole selection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from potentials.errors import StageError
from potentials.nmers.nmer import NMer
from recipes.load import load_recipe
from recipes.schema.recipe import SelectionSettings
from storage.contents import selection_from_version
from storage.records import TEST, TRAIN, Pool
from tasks.selection.choose import select
from tasks.selection.nested import with_levels
from tests.tasks.selection.test_task import selected

LEVELS = """
[[levels]]
protocol = "gfn2-xtb"

[[levels]]
labelling = { method = "HF", basis = "sto-3g" }
train = 6
test = 2
"""


def test_every_subset_is_within_the_one_before_and_spans_it(methyl_water: NMer, pool: Pool) -> None:
    settings = SelectionSettings(train=300, test=60)
    chosen = select(methyl_water, pool, settings).selection
    assert not chosen.level.any()
    counts = [(300, 60), (100, 30), (25, 30)]
    first, again = (with_levels(methyl_water, pool, chosen, settings, counts) for _ in range(2))
    nested = first.selection
    np.testing.assert_array_equal(nested.level, again.selection.level)
    np.testing.assert_array_equal(nested.frame, chosen.frame)
    for number, (train, test) in enumerate(counts):
        mine = nested.of_level(number)
        assert ((mine.split == TRAIN).sum(), (mine.split == TEST).sum()) == (train, test)
        assert set(mine.frame) <= set(nested.of_level(max(0, number - 1)).frame)
    for facts in first.facts[1:]:
        assert 0 < facts["coverage_rms"] < facts["random_rms"], "nearer to all others than a random subset"
        assert facts["coverage_max"] < facts["random_max"]


def test_the_smallest_subset_does_not_depend_on_those_between(methyl_water: NMer, pool: Pool) -> None:
    """Subsets of subsets have an ever larger share of rare configurations; these are chosen from all."""
    settings = SelectionSettings(train=300, test=60)
    chosen = select(methyl_water, pool, settings).selection
    few, many = [(300, 60), (25, 10)], [(300, 60), (150, 40), (60, 20), (25, 10)]
    one, other = (with_levels(methyl_water, pool, chosen, settings, counts).selection for counts in (few, many))
    np.testing.assert_array_equal(one.of_level(1).frame, other.of_level(3).frame)


def test_what_has_a_level_already_keeps_it(methyl_water: NMer, pool: Pool) -> None:
    """A selection that extends another uses the labels of the best level that are there."""
    settings = SelectionSettings(train=300, test=60)
    chosen = select(methyl_water, pool, settings).selection
    before = with_levels(methyl_water, pool, chosen, settings, [(300, 60), (80, 20), (20, 20)]).selection
    after = with_levels(methyl_water, pool, before, settings, [(300, 60), (120, 20), (30, 20)]).selection
    assert (after.level >= before.level).all()
    for number, (train, test) in enumerate([(300, 60), (120, 20), (30, 20)]):
        mine = after.of_level(number)
        assert ((mine.split == TRAIN).sum(), (mine.split == TEST).sum()) == (train, test)
    fewer = with_levels(methyl_water, pool, before, settings, [(300, 60), (60, 20)]).selection
    assert (fewer.level == 1).sum() == 80, "a smaller subset is chosen anew"


def test_a_level_cannot_have_more_than_the_level_before(methyl_water: NMer, pool: Pool) -> None:
    settings = SelectionSettings(train=30, test=6)
    chosen = select(methyl_water, pool, settings).selection
    with pytest.raises(StageError, match="level 1 asks for 40 configurations, and the level before it has 30"):
        with_levels(methyl_water, pool, chosen, settings, [(30, 6), (40, 6)])


def test_the_stage_stores_the_level_of_each_configuration(
    make_pool: Callable[[int], Pool], tiny_recipe: Path, tmp_path: Path
) -> None:
    plain = load_recipe(str(tiny_recipe))
    text = tiny_recipe.read_text()
    labelling = text[text.index("[labelling]") : text.index("[fitting]")]
    file = tmp_path / "levels.toml"
    file.write_text(text.replace(labelling, "") + LEVELS)
    _, version = selected(load_recipe(str(file)), make_pool(200), tmp_path / "store")
    selection = selection_from_version(version)
    assert (len(selection), len(selection.of_level(1)), selection.level.max()) == (22, 8, 1)
    first, top = version.attributes()["facts"]["levels"]
    assert (first, top["train"], top["test"]) == ({"train": 18, "test": 4}, 6, 2)
    _, without = selected(plain, make_pool(200), tmp_path / "other")
    assert not without.has_column("level") and without.key != version.key
    np.testing.assert_array_equal(selection_from_version(without).frame, selection.frame)
