"""Selection: distinct real frames, disjoint sets, better than chance, the same for a seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from potentials.errors import StageError
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import SelectionSettings
from storage.records import TEST, TRAIN, Pool
from tasks.selection.choose import select
from tasks.selection.coverage import coverage
from tasks.selection.descriptors.sorted_distances import sorted_distances, weighted_distances
from tasks.selection.kmeans import representatives, share_out
from tasks.selection.table import Scratch, Table


@pytest.fixture(scope="module")
def table(methyl_water: NMer, pool: Pool) -> Table:
    return Table.of(sorted_distances(methyl_water, pool.positions)[0].astype(np.float32))


def chance(table: Table, count: int) -> float:
    rng = np.random.default_rng(0)
    return min(coverage(table, rng.choice(len(table), count, replace=False))["rms"] for _ in range(10))


def test_the_descriptor_is_invariant_to_exchanges_of_equivalent_atoms(methyl_water: NMer, pool: Pool) -> None:
    distances, _ = sorted_distances(methyl_water, pool.positions)
    assert distances.shape == (3000, 28)
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turned = pool.positions[:, [0, 1, 3, 4, 2, 5, 7, 6]] @ rotation
    np.testing.assert_allclose(sorted_distances(methyl_water, turned)[0], distances, atol=1e-12)
    cap_moved = sorted_distances(methyl_water, pool.positions[:, [0, 2, 1, 3, 4, 5, 6, 7]])[0]
    assert np.abs(cap_moved - distances).max() > 0.1


def test_weights_scale_their_columns_of_the_descriptor(methyl_water: NMer, pool: Pool) -> None:
    plain, between = sorted_distances(methyl_water, pool.positions[:5])
    assert between.sum() == 15 and len(between) == 28
    settings = SelectionSettings(intermolecular_weight=2.0, intramolecular_weight=0.5)
    weighted = weighted_distances(methyl_water, pool.positions[:5], settings)
    np.testing.assert_allclose(weighted[:, between], 2 * plain[:, between])
    np.testing.assert_allclose(weighted[:, ~between], 0.5 * plain[:, ~between])


@pytest.mark.parametrize("levels", ["flat", "two"])
def test_a_selection_is_real_distinct_and_disjoint(methyl_water: NMer, pool: Pool, levels: str) -> None:
    choice = select(methyl_water, pool, SelectionSettings(train=200, test=40, levels=levels))
    selection = choice.selection
    assert len(set(selection.frame)) == 240 and (np.diff(selection.frame) > 0).all()
    np.testing.assert_array_equal(selection.positions, pool.positions[selection.frame])
    assert (selection.split == TRAIN).sum() == 200 and (selection.split == TEST).sum() == 40
    facts = choice.facts()
    assert (facts["train"], facts["test"], facts["frames"]) == (200, 40, 3000)
    for name in ("rms", "p99", "max"):
        assert 0 < facts[f"coverage_{name}"] < facts[f"random_{name}"]


def test_the_seed_determines_the_selection(methyl_water: NMer, pool: Pool) -> None:
    first, same, other = (
        select(methyl_water, pool, SelectionSettings(train=100, test=20, seed=s)).selection for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.frame, same.frame)
    np.testing.assert_array_equal(first.split, same.split)
    assert not np.array_equal(first.frame, other.frame)


def test_weights_change_what_is_covered(methyl_water: NMer, pool: Pool) -> None:
    """A larger weight gives better coverage of its distances."""
    between = sorted_distances(methyl_water, pool.positions)[1]
    gaps = []
    for weight in (0.1, 10.0):
        settings = SelectionSettings(train=60, test=10, tails=0, intermolecular_weight=weight, test_distance=0)
        frames = select(methyl_water, pool, settings).selection.frame
        distances = sorted_distances(methyl_water, pool.positions)[0].astype(np.float32)
        gaps.append([coverage(Table.of(distances[:, part]), frames)["rms"] for part in (between, ~between)])
    assert gaps[1][0] < 0.9 * gaps[0][0] and gaps[0][1] < 0.97 * gaps[1][1]


def test_clusters_cover_the_pool_better_than_chance(table: Table) -> None:
    with Scratch() as scratch:
        chosen = representatives(table, 100, 0, scratch).chosen
    assert coverage(table, chosen)["rms"] < 0.8 * chance(table, 100)
    assert coverage(table, np.arange(len(table)))["max"] == 0.0


def test_coverage_is_the_distance_from_the_nearest_chosen_frame(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = np.arange(0, 3000, 70)
    every = table.read(0, 3000).astype(np.float64)
    nearest = np.linalg.norm(every[:, None] - every[chosen][None], axis=2).min(axis=1)
    found = coverage(table, chosen)
    assert found["rms"] == pytest.approx(np.sqrt(np.mean(nearest**2)), rel=1e-5)
    assert found["p99"] == pytest.approx(np.percentile(nearest, 99), rel=1e-5)
    assert found["max"] == pytest.approx(nearest.max(), rel=1e-5)
    monkeypatch.setattr("tasks.selection.coverage.MEASURED", 2000)
    sampled = coverage(table, chosen)
    assert sampled["p99"] == pytest.approx(found["p99"], rel=0.3) and sampled != found


def test_repeated_frames_still_give_the_requested_number(table: Table) -> None:
    repeated = Table.of(np.repeat(table.read(0, 30), 10, axis=0))
    with Scratch() as scratch:
        found = representatives(repeated, 60, 0, scratch, spare=50)
    assert len(np.unique(found.chosen)) == 60
    assert len(np.unique(np.concatenate([found.chosen, found.far.rows]))) == 110


def test_every_row_may_be_chosen(table: Table) -> None:
    with Scratch() as scratch:
        np.testing.assert_array_equal(representatives(table, 3000, 0, scratch).chosen, np.arange(3000))
        assert len(np.unique(representatives(table, 2999, 0, scratch, two_levels=True).chosen)) == 2999


def test_the_error_of_too_small_a_pool_says_what_to_change(methyl_water: NMer, pool: Pool) -> None:
    small = replace(pool, positions=pool.positions[:50])
    with pytest.raises(StageError, match=r"60 configurations are asked for but the pool has 50 frames; raise"):
        select(methyl_water, small, SelectionSettings(train=50, test=10))


def test_two_levels_give_exactly_as_many_and_cover_as_well(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.selection.kmeans.COARSE", 15)
    told: list[int] = []
    with Scratch() as scratch:
        flat = representatives(table, 150, 0, scratch).chosen
        two = representatives(table, 150, 0, scratch, two_levels=True, progress=told.append).chosen
    assert len(np.unique(two)) == 150 and not np.array_equal(two, flat)
    assert coverage(table, two)["rms"] < 1.03 * coverage(table, flat)["rms"]
    assert coverage(table, two)["rms"] < chance(table, 150)
    assert told == sorted(told) and told[-1] == 150 and len(told) > 5


def test_shares_add_up_and_never_exceed_a_group() -> None:
    sizes = np.array([1, 500, 3, 0, 96])
    for count in (1, 7, 599, 600):
        shares = share_out(np.array([50.0, 1.0, 9.0, 0.0, 3.0]), sizes, count)
        assert shares.sum() == count and (shares <= sizes).all() and (shares >= 0).all()


def test_tails_shrink_the_largest_distance_and_are_training(methyl_water: NMer, pool: Pool) -> None:
    none, tenth = (select(methyl_water, pool, SelectionSettings(train=100, test=20, tails=t)) for t in (0.0, 0.1))
    assert tenth.coverage["max"] < 0.8 * none.coverage["max"]
    lone = np.argmax(pool.com_distance)
    place = np.flatnonzero(tenth.selection.frame == lone)
    assert len(place) == 1 and tenth.selection.split[place[0]] == TRAIN


def test_the_test_set_covers_the_pool_like_the_training_set(methyl_water: NMer, pool: Pool) -> None:
    selection = select(methyl_water, pool, SelectionSettings(train=300, test=100, tails=0)).selection
    apart = [pool.com_distance[selection.frame[selection.split == part]] for part in (TRAIN, TEST)]
    assert np.mean(apart[1]) == pytest.approx(np.mean(apart[0]), rel=0.2)
