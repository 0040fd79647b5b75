"""D-optimality: the greedy choice itself, better than chance, in any order of the frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from recipes.load import load_recipe
from recipes.schema.recipe import Fitting, SelectionSettings, SwitchingModel
from storage.keys import selection_key
from storage.records import TEST, TRAIN, Pool
from tasks.selection.choose import select
from tasks.selection.descriptors.sorted_distances import sorted_distances
from tasks.selection.doptimal import Greedy, design_rows
from tasks.selection.rules import Rules
from tasks.selection.table import Table

NONE = np.zeros(0, dtype=np.int64)
GAMMA = 5e-4


@pytest.fixture(scope="module")
def design(methyl_water: NMer, pool: Pool) -> np.ndarray:
    """Return 600 rows of a real design matrix of 82 terms."""
    function, terms = design_rows(methyl_water, Fitting(degree=2))
    assert terms == 82
    return function(pool.positions[:600]).astype(np.float32).astype(np.float64)


def greedy(design: np.ndarray, features: np.ndarray, rules: Rules, quotas: list[int], starts: list[int]) -> Greedy:
    tables = Table.of(design.astype(np.float32)), Table.of(features.astype(np.float32))
    return Greedy(*tables, rules, GAMMA, np.array(quotas), np.array(starts))


def log_det(rows: np.ndarray) -> float:
    return float(np.linalg.slogdet(rows.T @ rows + GAMMA**2 * np.eye(rows.shape[1]))[1])


def test_the_lazy_choice_is_the_greedy_one(design: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against all determinants in every step, below and above the number of terms."""
    rows, expected = design[:200, :12], []
    for _ in range(40):
        values = [-np.inf if n in expected else log_det(rows[[*expected, n]]) for n in range(200)]
        expected.append(int(np.argmax(values)))
    for active in (7, 64, 1024):
        monkeypatch.setattr("tasks.selection.doptimal.ACTIVE", active)
        taken = greedy(rows, rows, Rules(0.0, 0.0), [200], [0, 200]).take(40, NONE, NONE)
        assert taken.tolist() == expected


@pytest.mark.parametrize("count", [40, 82, 250])
def test_the_determinant_is_far_above_chance(design: np.ndarray, count: int) -> None:
    taken = greedy(design, design, Rules(0.0, 0.0), [600], [0, 600]).take(count, NONE, NONE)
    assert len(set(taken)) == count
    rng = np.random.default_rng(0)
    chance = [log_det(design[rng.choice(600, count, replace=False)]) for _ in range(50)]
    assert log_det(design[taken]) > max(chance) + 3 * (max(chance) - np.mean(chance))


def test_the_order_of_the_frames_does_not_matter(design: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.selection.doptimal.ACTIVE", 100)
    order = np.random.default_rng(1).permutation(600)
    first = greedy(design, design, Rules(0.0, 0.0), [600], [0, 600]).take(150, NONE, NONE)
    second = greedy(design[order], design, Rules(0.0, 0.0), [600], [0, 600]).take(150, NONE, NONE)
    assert set(order[second]) == set(first)


def test_distances_and_quotas_bind_the_choice(design: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.selection.doptimal.ACTIVE", 50)
    features = np.random.default_rng(2).uniform(size=(600, 2)).astype(np.float32).astype(np.float64)
    chosen, test = np.array([3, 4]), np.array([4])
    taken = greedy(design, features, Rules(0.02, 0.2), [30, 10], [0, 400, 600]).take(100, chosen, test)
    assert (taken < 400).sum() == 30 and (taken >= 400).sum() == 10, (
        "no more than the quotas, though 100 are wanted"
    )
    assert pdist(features[np.concatenate([taken, chosen])]).min() >= 0.02
    assert cdist(features[taken], features[test]).min() >= 0.2
    every = greedy(design, features, Rules(0.1, 0.2), [400, 200], [0, 400, 600]).take(600, chosen, test)
    free = np.setdiff1d(np.arange(600), every)
    near = cdist(features[free], features[np.concatenate([every, chosen])]).min(axis=1) < 0.1
    assert (near | (cdist(features[free], features[test])[:, 0] < 0.2)).all(), (
        "nothing is left that might be taken"
    )


def test_frames_beyond_the_switch_have_no_row(methyl_water: NMer, pool: Pool) -> None:
    switching = SwitchingModel(atoms=(0, 5), r_in=4.0, r_out=6.0)
    rows = design_rows(methyl_water, Fitting(degree=1, switching=switching))[0](pool.positions)
    apart = np.linalg.norm(pool.positions[:, 0] - pool.positions[:, 5], axis=1)
    assert (rows[apart > 6.0] == 0).all() and (np.abs(rows[apart < 6.0]).max(axis=1) > 0).all()
    bare = design_rows(methyl_water, Fitting(degree=1))[0](pool.positions)
    np.testing.assert_array_equal(rows[apart < 4.0], bare[apart < 4.0])


def test_a_selection_is_exact_and_keeps_its_distances(methyl_water: NMer, pool: Pool) -> None:
    settings = SelectionSettings(
        method="d-optimality", train=250, test=50, duplicate_distance=0.4, test_distance=0.6, stratify=("window",)
    )
    selection = select(methyl_water, pool, settings, Fitting(degree=2)).selection
    assert len(set(selection.frame)) == 300 and (selection.split == TEST).sum() == 50
    points = sorted_distances(methyl_water, selection.positions)[0]
    assert pdist(points).min() >= 0.4
    assert cdist(points[selection.split == TRAIN], points[selection.split == TEST]).min() >= 0.6
    counts = np.bincount(pool.window[selection.frame])
    assert (counts >= (300 - 12) // 3).all(), "equal parts but for the tails"


def test_the_test_set_is_that_of_the_clusters(methyl_water: NMer, pool: Pool) -> None:
    same = {"train": 150, "test": 40, "tails": 0}
    clusters = select(methyl_water, pool, SelectionSettings(**same)).selection
    optimal = select(
        methyl_water, pool, SelectionSettings(method="d-optimality", **same), Fitting(degree=2)
    ).selection
    np.testing.assert_array_equal(clusters.frame[clusters.split == TEST], optimal.frame[optimal.split == TEST])
    designs = [
        design_rows(methyl_water, Fitting(degree=2))[0](s.positions[s.split == TRAIN]) for s in (clusters, optimal)
    ]
    assert log_det(designs[1]) > log_det(designs[0]) + 10


def test_the_fit_is_needed_and_is_part_of_the_key(methyl_water: NMer, pool: Pool, tiny_recipe: Path) -> None:
    with pytest.raises(InputError, match="'d-optimality' needs the recipe's fitting section"):
        select(methyl_water, pool, SelectionSettings(method="d-optimality", train=20, test=5))
    recipe = load_recipe(str(tiny_recipe))
    other = recipe.model_copy(update={"fitting": recipe.fitting.model_copy(update={"degree": 2})})
    assert selection_key(recipe) == selection_key(other)
    optimal = recipe.selection.model_copy(update={"method": "d-optimality"})
    keys = [selection_key(r.model_copy(update={"selection": optimal})) for r in (recipe, other)]
    assert len({*keys, selection_key(recipe)}) == 3
    starts = other.fitting.model_copy(update={"starts": 7})
    more = other.model_copy(update={"selection": optimal, "fitting": starts})
    assert selection_key(more) == keys[1], "how the k are searched for decides nothing here"
