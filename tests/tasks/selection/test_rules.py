"""Distances checked by brute force, exact counts, and the error if both are impossible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from potentials.errors import StageError
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import SelectionSettings
from storage.records import TEST, TRAIN, Pool, Selection
from tasks.selection.choose import select
from tasks.selection.descriptors.sorted_distances import weighted_distances
from tasks.selection.kmeans import representatives
from tasks.selection.rules import Rules, add_farthest, distinct, farthest, near
from tasks.selection.table import Scratch, Table


def parts(nmer: NMer, selection: Selection, settings: SelectionSettings) -> tuple[np.ndarray, np.ndarray]:
    points = weighted_distances(nmer, selection.positions, settings)
    return points[selection.split == TRAIN], points[selection.split == TEST]


@pytest.fixture(scope="module")
def crowded(make_pool: Callable[[int], Pool]) -> Pool:
    """Return a pool of 1500 frames, each there twice: once as it is and once moved by 0.001 A."""
    pool = make_pool(1500)
    moved = pool.positions + np.random.default_rng(3).normal(scale=1e-3 / 5, size=pool.positions.shape)
    values = {
        name: np.concatenate([getattr(pool, name)] * 2) for name in ("temperature", "window", "seed", "energy")
    }
    more = {name: np.concatenate([getattr(pool, name)] * 2) for name in ("com_distance", "cvs", "source")}
    return replace(pool, positions=np.concatenate([pool.positions, moved]), **values, **more)


@pytest.mark.parametrize(
    ("duplicate", "test", "tails", "weight"),
    [(0.01, 0.02, 0.05, 1.0), (0.3, 0.7, 0.1, 1.0), (3.0, 4.0, 0.0, 10.0)],
)
def test_distances_hold_and_counts_are_exact(
    methyl_water: NMer, crowded: Pool, duplicate: float, test: float, tails: float, weight: float
) -> None:
    settings = SelectionSettings(
        train=250,
        test=50,
        duplicate_distance=duplicate,
        test_distance=test,
        tails=tails,
        intermolecular_weight=weight,
    )
    selection = select(methyl_water, crowded, settings).selection
    train, held = parts(methyl_water, selection, settings)
    assert (len(train), len(held)) == (250, 50) and len(set(selection.frame)) == 300
    assert pdist(np.concatenate([train, held])).min() >= duplicate
    assert cdist(train, held).min() >= test


def test_without_rules_near_frames_are_chosen(methyl_water: NMer, crowded: Pool) -> None:
    """Near frames are chosen without the rules."""
    settings = SelectionSettings(train=1300, test=500, tails=0, duplicate_distance=0, test_distance=0)
    train, held = parts(methyl_water, select(methyl_water, crowded, settings).selection, settings)
    assert pdist(np.concatenate([train, held])).min() < 0.01
    assert cdist(train, held).min() < 0.02


def test_all_distinct_frames_are_found_where_as_many_are_asked_for(methyl_water: NMer, crowded: Pool) -> None:
    """1500 places, of which K-means finds some twice: the whole pool is searched for the others."""
    settings = SelectionSettings(train=1200, test=300, tails=0, test_distance=0)
    train, held = parts(methyl_water, select(methyl_water, crowded, settings).selection, settings)
    assert pdist(np.concatenate([train, held])).min() >= 0.01


def test_impossible_distances_and_counts_are_an_error(methyl_water: NMer, crowded: Pool) -> None:
    with pytest.raises(
        StageError,
        match=r"only 1500 of 1501 configurations .* in 3000 frames that are 0\.01 A .* lower selection\.dup",
    ):
        select(methyl_water, crowded, SelectionSettings(train=1201, test=300, test_distance=0))
    with pytest.raises(
        StageError, match=r"of 120 configurations .* 5 A from the test set; lower .* test_distance"
    ):
        select(methyl_water, crowded, SelectionSettings(train=100, test=20, test_distance=5.0))
    with pytest.raises(StageError, match=r"only \d+ of 25 configurations"):
        select(methyl_water, crowded, SelectionSettings(train=5, test=20, duplicate_distance=8.0))


def test_repeated_frames_are_chosen_only_without_the_rule(methyl_water: NMer, pool: Pool) -> None:
    repeated = replace(pool, positions=np.repeat(pool.positions[:30], 100, axis=0))
    settings = SelectionSettings(train=50, test=10, duplicate_distance=0, test_distance=0)
    assert len(set(select(methyl_water, repeated, settings).selection.frame)) == 60
    with pytest.raises(StageError, match="only 30 of 60 configurations"):
        select(methyl_water, repeated, SelectionSettings(train=50, test=10))


def test_the_first_of_near_points_is_kept() -> None:
    points = np.array([[0.0], [10.0], [0.5], [20.0], [20.0], [20.0], [10.9]])
    assert distinct(points, 1.0).tolist() == [True, True, False, True, False, False, False]
    assert distinct(points, 0.9).tolist() == [True, True, False, True, False, False, True]
    assert distinct(points, 0.0).all()
    cloud = np.random.default_rng(0).uniform(size=(500, 3))
    kept = cloud[distinct(cloud, 0.2)]
    assert pdist(kept).min() >= 0.2 and pdist(cloud).min() < 0.2


def test_near_agrees_with_brute_force() -> None:
    rng = np.random.default_rng(0)
    points, others = rng.normal(size=(300, 5)), rng.normal(size=(40, 5))
    np.testing.assert_array_equal(near(points, others, 1.0), cdist(points, others).min(axis=1) < 1.0)
    assert not near(points, points, 0.0).any() and not near(points, others[:0], 1.0).any()


def test_farthest_is_farthest_point_sampling() -> None:
    rng = np.random.default_rng(1)
    points, begun = rng.normal(size=(400, 4)), rng.normal(size=(3, 4))
    left = cdist(points, begun).min(axis=1)
    forbidden = int(np.argmax(left))
    left[forbidden] = -1.0
    expected, remains = [], left.copy()
    for _ in range(25):
        expected.append(int(np.argmax(remains)))
        remains = np.minimum(remains, np.linalg.norm(points - points[expected[-1]], axis=1))
    taken = farthest(points, left, 25, 0.0)
    assert taken.tolist() == expected and forbidden not in taken
    everything = farthest(points, left, 400, 0.0)
    assert len(set(everything.tolist())) == 399, "not one twice, and never the forbidden one"
    apart = farthest(points, left, 400, 1.0)
    assert pdist(points[apart]).min() >= 1.0 and 25 < len(apart) < 399


def test_the_whole_table_is_searched_when_the_candidates_are_used_up() -> None:
    table = Table.of(np.random.default_rng(2).uniform(size=(2000, 2)).astype(np.float32))
    points = table.read(0, 2000).astype(np.float64)
    few, chosen, test = np.arange(3), np.array([5, 6, 7]), np.array([7])
    taken = add_farthest(table, Rules(0.05, 0.3), few, chosen, test, 100)
    assert len(taken) == 100
    everything = np.concatenate([points[chosen[:1]], points[taken]])
    assert pdist(everything).min() >= 0.05 and cdist(points[taken], points[test]).min() >= 0.3
    most = add_farthest(table, Rules(0.05, 0.3), few, chosen, test, 2000)
    reached = cdist(points, points[np.concatenate([chosen, most])]).min(axis=1) < 0.05
    assert (reached | (cdist(points, points[test])[:, 0] < 0.3)).all(), "nothing is left that might be taken"


def test_the_tails_lie_among_the_candidates(methyl_water: NMer, pool: Pool) -> None:
    """The search among candidates finds the same as a search of the whole pool."""
    table = Table.of(weighted_distances(methyl_water, pool.positions, SelectionSettings()).astype(np.float32))
    with Scratch() as scratch:
        found = representatives(table, 100, 0, scratch, spare=200)
    none, rules = np.zeros(0, dtype=np.int64), Rules(0.0, 0.0)
    cheap, whole = (
        add_farthest(table, rules, rows, found.chosen, none, 10) for rows in (found.far.rows, np.arange(3000))
    )
    assert len(set(cheap) & set(whole)) >= 9 and cheap[0] == whole[0]
