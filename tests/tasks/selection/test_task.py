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
from tasks.metrics import Errors
from tasks.plan import resolve
from tasks.selection.task import selection_task
from tasks.validation.report import Report, report_html
from tasks.validation.task import coverage_of, made_from, summary_of


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
    chain = made_from(store, [version])
    assert [v.kind for v in chain] == ["pool", "selection"]
    facts, rows = version.attributes()["facts"], coverage_of(chain)
    assert rows[0] == ("root mean square", facts["coverage_rms"], facts["random_rms"]) and len(rows) == 3
    assert summary_of(facts) == "train 18, test 4, frames 200"
    none = Errors(0, 1.0, 1.0, 1.0)
    report = Report("x@1", "t", "HF", "candidate", [], none, none, [], [], b"", "", rows)
    page = report_html(report)
    assert "Selection coverage" in page
    for _, chosen, random in rows:
        assert f'<td class="number">{chosen:.3g}</td><td class="number">{random:.3g}</td>' in page
    assert "Selection coverage" not in report_html(Report("x@1", "t", "HF", "c", [], none, none, [], [], b"", ""))
    assert coverage_of(chain[:1]) == []
