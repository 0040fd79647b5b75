"""What the labels of each level and the minima that energies count from have left to compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recipes.engines import LabelCost
from recipes.families import FAMILIES
from recipes.load import load_recipe
from storage.exchange.minima import minimum_path
from storage.store import Store
from tasks.labelling.reference import usual_energies
from tasks.plan import resolve
from tasks.run.costs import run_cost
from tasks.run.level_costs import level_rows, missing_minima
from tasks.run.state import LevelState, StageState


def test_labels_that_are_there_or_follow_are_not_left() -> None:
    plan = resolve(load_recipe("ch-water", "levels"))
    counts = [level.train + level.test for level in plan.levels]
    done = [0, 200, counts[2], 25]
    state = StageState(
        "labelling",
        sum(done),
        0,
        sum(counts),
        None,
        levels=tuple(
            LevelState(level.title, n, 0, count, "ch-water@1" if n == count else None)
            for level, n, count in zip(plan.levels, done, counts, strict=True)
        ),
    )
    costs = [LabelCost(3600.0, 1.0)] * len(done)
    rows = level_rows(plan, None, state, costs)
    assert [row["present"] for row in rows] == done
    left = [counts[0], counts[1] - 200, 0, counts[3] - 25]  # 200 are more than those that follow
    assert [row["core_hours_left"] for row in rows] == pytest.approx(left)
    assert [row["derived"] for row in rows] == [0, counts[3], counts[3], 0]
    assert {row["minima"] for row in rows} == {0}  # of several molecules the constants cancel


def test_minima_that_the_store_has_cost_nothing(tmp_path: Path) -> None:
    plan = resolve(load_recipe("ch-ch3", "levels"))
    store, top = Store(tmp_path / "store", create=True), plan.levels[-1]
    missing = missing_minima(top, store, None)
    assert len(missing) == len(top.references) == 3 and all(hours and hours > 0 for hours in missing.values())
    molecule = max((one for one, _ in top.references), key=lambda one: one.natoms)
    path = minimum_path(store.labels, top.labels().of(molecule).id, molecule.fragments[0])
    path.parent.mkdir(parents=True)
    path.touch()
    assert set(missing) - set(missing_minima(top, store, None)) == {f"{path.parent.name}/{path.name}"}


def test_energies_of_a_search_are_counted_by_its_directions() -> None:
    plan = resolve(load_recipe("ch-ch3", "levels"))
    sizes = {one.natoms: usual_energies(one, plan.recipe.labelling) for one, _ in plan.references}
    assert sizes[8] == 2 * (3 * 8 - 6 - 2) + 2  # two caps; central differences once, and one energy
    assert sizes[5] in (3 * (2 * (15 - 6 - 3) + 1), 3 * (2 * (15 - 6 - 1) + 1))


def test_the_papers_nmers_at_the_preset_levels_take_at_most_60_core_hours() -> None:
    """Labels near CCSD(T)/aug-cc-pVTZ; with the laptop preset 965, for labels in aug-cc-pVDZ."""
    papers = [one for one in FAMILIES["polyalanine"] if one != "conh-conh-pair"] + [*FAMILIES["polyalanine-water"]]
    hours = [run_cost(resolve(load_recipe(name, "levels")), None).left for name in papers]
    assert len(papers) == 17 and not any(one.unknown for one in hours)
    assert 30 < np.sum([one.core_hours for one in hours]) < 60
