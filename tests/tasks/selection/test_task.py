"""The stage in a store: from the pool's file to a version whose coverage the report shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from recipes.load import expanded_toml, load_recipe
from recipes.schema.recipe import Recipe
from storage.contents import pool_columns, selection_from_version
from storage.keys import pool_key, selection_key
from storage.records import TRAIN, Pool
from storage.store import Store
from storage.version import Version
from tasks.plan import resolve
from tasks.selection.task import selection_task
from tasks.validation.sections import coverage_of, sections


def selected(recipe: Recipe, pool: Pool, folder: Path) -> tuple[Store, Version]:
    store = Store(folder, create=True)
    store.add(
        "pool",
        recipe.name,
        pool_key(recipe),
        columns=pool_columns(pool),
        recipe=expanded_toml(recipe),
        inputs=[],
        engines={},
        facts={"frames": len(pool)},
    )
    plan = resolve(recipe)
    key = selection_task.fn(plan, folder)
    assert key == selection_key(recipe) == selection_task.fn(plan, folder)
    return store, store.get("selection", key)


def test_a_version_holds_the_choice_and_its_coverage(
    make_pool: Callable[[int], Pool], tiny_recipe: Path, tmp_path: Path
) -> None:
    recipe, pool = load_recipe(str(tiny_recipe)), make_pool(200)
    store, version = selected(recipe, pool, tmp_path / "store")
    selection = selection_from_version(version)
    assert (len(selection), (selection.split == TRAIN).sum()) == (22, 18)
    np.testing.assert_array_equal(selection.positions, pool.positions[selection.frame])
    facts = version.attributes()["facts"]
    assert (facts["train"], facts["test"], facts["frames"]) == (18, 4, 200)
    assert 0 < facts["coverage_rms"] < facts["random_rms"]
    assert not list((tmp_path / "store" / "scratch").glob("*"))
    assert len(store.versions("selection")) == 1


def test_the_report_compares_coverage_with_a_random_choice(
    make_pool: Callable[[int], Pool], tiny_recipe: Path, tmp_path: Path
) -> None:
    recipe = load_recipe(str(tiny_recipe))
    optimal = recipe.selection.model_copy(update={"method": "d-optimality"})
    recipe = recipe.model_copy(update={"selection": optimal})
    store, version = selected(recipe, make_pool(200), tmp_path / "store")
    facts = version.attributes()["facts"]
    rows = coverage_of(facts)
    assert rows[0] == ("root mean square", facts["coverage_rms"], facts["random_rms"]) and len(rows) == 3
    sampling, selection = sections({"pool": store.versions("pool")[0], "selection": version})
    assert ("frames", 200) in sampling.facts and ("training configurations", 18) in selection.facts
    assert selection.tables[0].rows == rows and ("method", "d-optimality") in selection.facts
    assert coverage_of({"coverage_rms": 1.0}) == []
