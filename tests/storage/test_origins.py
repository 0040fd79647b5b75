"""The temperature and the window of a dataset's configurations, from the pool; and which fits have another key."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from potentials.errors import StageError
from recipes.load import load_recipe, presets, shipped_recipes
from recipes.schema.recipe import Recipe
from storage.keys import STAGE_FORMATS, potential_key, stage_digest, stage_format
from storage.origins import strata
from storage.store import Store
from tests.storage.family import family

CHOSEN = {
    *("ch-conh-ch", "ch-conh-ch3", "ch3-ch-conh", "ch3-conh-ch"),
    *("conh-ch-ch3", "conh-ch-conh", "conh-water", "conh-conh-pair"),
}
"""Recipes that choose their terms from more of them, with more labels than the preliminary fit takes."""


def test_each_configuration_has_the_temperature_and_window_of_its_frame(tmp_path: Path) -> None:
    store = family(tmp_path / "store")
    dataset, pool = store.resolve("dataset:tiny-water@1"), store.resolve("pool:tiny-water@1")
    found = strata(store, dataset)
    assert found is not None and found.shape == (len(dataset.column("energy")), 2)
    places = pool.column("positions")
    for place, (temperature, window) in zip(dataset.column("positions"), found, strict=True):
        frame = np.flatnonzero((places == place).all(axis=(1, 2)))[0]
        assert (pool.column("temperature")[frame], pool.column("window")[frame]) == (temperature, window)
    assert set(found[:, 0]) == {300.0, 500.0} and set(found[:, 1]) >= {0.0, 1.0}


def test_a_dataset_whose_pool_is_gone_is_named(tmp_path: Path) -> None:
    store = family(tmp_path / "store")
    dataset = store.resolve("dataset:tiny-water@1")
    store.resolve("pool:tiny-water@1").path.unlink()
    with pytest.raises(StageError, match="dataset:tiny-water@1: no pool with key"):
        strata(Store(store.path), dataset)


def test_only_fits_whose_preliminary_fit_draws_have_another_key() -> None:
    other = set()
    for name, path in shipped_recipes().items():
        for preset in (None, *presets(path)):
            recipe = load_recipe(name, preset)
            if len(recipe.nmer.fragments) > 2 or recipe.levels:
                continue  # their terms and walls are others for another reason; fits of levels count as well
            number = stage_format("fitting", recipe)
            assert potential_key(recipe, "d") == stage_digest("fitting", number, [recipe.fitting.content()], ["d"])
            assert number in (2, 3)
            if number == 3:
                other.add((name, preset))
            for stage in ("sampling", "selection", "labelling"):
                assert stage_format(stage, recipe) == {"sampling": 1, "selection": 2, "labelling": 1}[stage]
    assert other == {(name, preset) for name in CHOSEN for preset in (None, "paper")}
    assert potential_key(load_recipe("ch3-water", "paper"), "d").startswith("a1f3c0cc")


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({}, 2),
        ({"max_terms": 40}, 3),
        ({"max_terms": 82}, 2),  # all that there are
        ({"max_terms": 40, "optimizer": "fixed"}, 2),  # the k do not come from any data
        ({"max_terms": 40, "start_configurations": 720}, 2),  # all that are not held back
        ({"max_terms": 40, "start_configurations": 719}, 3),
        ({"max_terms": 40, "validation_fraction": 0.4, "start_configurations": 480}, 2),
    ],
)
def test_what_takes_all_rows_keeps_its_key(changes: dict[str, object], number: int) -> None:
    base = load_recipe("ch3-water", "laptop")
    fitting = base.fitting.model_copy(update={"degree": 2, "start_configurations": 500, **changes})
    selection = base.selection.model_copy(update={"train": 800})
    recipe: Recipe = base.model_copy(update={"fitting": fitting, "selection": selection})
    assert stage_format("fitting", recipe) == number
    assert STAGE_FORMATS["fitting"] == 3
