"""Selection: distinct real frames, disjoint sets, better than chance, the same for a seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from potentials.errors import StageError
from recipes.load import load_recipe
from recipes.schema import Selection as SelectionSettings
from storage.records import TEST, TRAIN, Pool
from tasks.selection.choose import select, weighted_descriptors
from tasks.selection.descriptor import sorted_distances
from tasks.selection.kmeans import coverage, farthest_frames, nearest_frames, share_out

NMER = load_recipe("ch3-water").build_nmer()


def make_pool(count: int) -> Pool:
    rng = np.random.default_rng(0)
    positions = NMER.positions + rng.normal(scale=0.1, size=(count, NMER.natoms, 3))
    positions[:, 5:, 2] += rng.exponential(1.5, (count, 1))
    zeros = np.zeros(count)
    ints = np.zeros(count, dtype=np.int64)
    return Pool(
        positions, zeros, ints, ints, zeros, zeros, np.zeros((count, 1)), ("x",), ints, ("pbmetad ff14SB",)
    )


POOL = make_pool(3000)


def test_the_descriptor_does_not_see_exchanges_of_equivalent_atoms() -> None:
    descriptors, _ = sorted_distances(NMER, POOL.positions)
    assert descriptors.shape == (3000, 28)
    turned = (
        POOL.positions[:, [0, 1, 3, 4, 2, 5, 7, 6]] @ np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    )
    np.testing.assert_allclose(sorted_distances(NMER, turned)[0], descriptors, atol=1e-12)
    cap_moved = sorted_distances(NMER, POOL.positions[:, [0, 2, 1, 3, 4, 5, 6, 7]])[0]
    assert np.abs(cap_moved - descriptors).max() > 0.1


def test_a_selection_is_real_distinct_and_disjoint() -> None:
    selection = select(NMER, POOL, SelectionSettings(train=200, test=40))
    assert len(set(selection.frame)) == 240
    np.testing.assert_array_equal(selection.positions, POOL.positions[selection.frame])
    assert (selection.split == TRAIN).sum() == 200 and (selection.split == TEST).sum() == 40


def test_the_seed_decides() -> None:
    first, same, other = (select(NMER, POOL, SelectionSettings(train=100, test=20, seed=s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.frame, same.frame)
    np.testing.assert_array_equal(first.split, same.split)
    assert not np.array_equal(first.frame, other.frame)


def test_clusters_cover_the_pool_better_than_chance() -> None:
    descriptors, _ = sorted_distances(NMER, POOL.positions)
    chosen = coverage(descriptors, nearest_frames(descriptors, 100, 0)[0])
    rng = np.random.default_rng(0)
    chance = [coverage(descriptors, rng.choice(3000, 100, replace=False)) for _ in range(10)]
    assert chosen["rms"] < min(c["rms"] for c in chance)
    assert coverage(descriptors, np.arange(3000))["max"] == pytest.approx(0.0, abs=1e-5)


def test_repeated_frames_still_give_as_many_as_asked() -> None:
    repeated = np.repeat(sorted_distances(NMER, POOL.positions[:30])[0], 10, axis=0)
    chosen, _ = nearest_frames(repeated, 60, 0)
    assert len(np.unique(chosen)) == 60


def test_too_small_a_pool_says_what_to_change() -> None:
    small = replace(POOL, positions=POOL.positions[:50])
    with pytest.raises(StageError, match=r"60 configurations are asked for but the pool has 50 frames; raise"):
        select(NMER, small, SelectionSettings(train=50, test=10))


def test_two_levels_give_exactly_as_many_and_cover_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.selection.kmeans.COARSE", 15)
    descriptors, _ = sorted_distances(NMER, POOL.positions)
    two, flat = (nearest_frames(descriptors, 150, 0, two_levels=t)[0] for t in (True, False))
    assert len(np.unique(two)) == 150 and not np.array_equal(two, flat)
    rng = np.random.default_rng(0)
    chance = min(coverage(descriptors, rng.choice(3000, 150, replace=False))["rms"] for _ in range(10))
    assert coverage(descriptors, two)["rms"] < 1.03 * coverage(descriptors, flat)["rms"]
    assert coverage(descriptors, two)["rms"] < chance


def test_shares_add_up_and_never_exceed_a_group() -> None:
    sizes = np.array([1, 500, 3, 0, 96])
    for count in (1, 7, 599, 600):
        shares = share_out(np.array([50.0, 1.0, 9.0, 0.0, 3.0]), sizes, count)
        assert shares.sum() == count and (shares <= sizes).all() and (shares >= 0).all()


def test_tails_are_the_farthest_and_shrink_the_largest_distance() -> None:
    descriptors, _ = sorted_distances(NMER, POOL.positions)
    chosen, bound = nearest_frames(descriptors, 100, 0)
    taken = farthest_frames(descriptors, chosen, bound, 20)
    nearest = np.linalg.norm(descriptors[:, None] - descriptors[chosen][None], axis=2).min(axis=1)
    assert (bound >= nearest - 1e-12).all()
    assert taken[0] == np.argmax(nearest)
    assert len(set(taken) | set(chosen)) == 120
    with_tails = coverage(descriptors, np.concatenate([chosen, taken]))["max"]
    assert with_tails < coverage(descriptors, nearest_frames(descriptors, 120, 0)[0])["max"]


def test_weights_scale_their_part_of_the_descriptor() -> None:
    plain, between = sorted_distances(NMER, POOL.positions[:5])
    assert between.sum() == 15 and len(between) == 28
    weighted = weighted_descriptors(NMER, POOL.positions[:5], SelectionSettings(intermolecular_weight=2.0))
    np.testing.assert_allclose(weighted[:, between], 2 * plain[:, between])
    np.testing.assert_allclose(weighted[:, ~between], plain[:, ~between])
