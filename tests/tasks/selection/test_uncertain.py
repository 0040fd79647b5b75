"""Picks of the most uncertain configurations: inside the range, apart from each other and from what is there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.pip.potential import Potential
from recipes.schema.recipe import Fitting, SelectionSettings
from tasks.fitting.fit import fit_potential
from tasks.selection.descriptors.sorted_distances import sorted_distances
from tasks.selection.uncertain import OUT, SPREAD, pick_uncertain, uncertainty_inside
from tests.tasks.fitting.surfaces import charged, walkers
from tests.tasks.fitting.test_fit import NMER

SETTINGS = SelectionSettings(duplicate_distance=0.05, test_distance=0.2)


@pytest.fixture(scope="module")
def frames() -> Floats:
    positions, _ = walkers(150, 1)
    return positions[np.random.default_rng(0).permutation(len(positions))]


@pytest.fixture(scope="module")
def potential(frames: Floats) -> Potential:
    """A fit to frames of which none is near to the other body: the nearest frames are outside of its range."""
    apart = frames[:, 5, 2] - frames[:, 0, 2] > 3.6
    train = frames[apart][:150]
    fit = Fitting(degree=2, terms="intermolecular", optimizer="fixed", k=1.0, ensemble=16)
    return fit_potential(NMER, train, charged(train)[0], fit).potential


def test_picks_are_uncertain_inside_the_range_and_spread(potential: Potential, frames: Floats) -> None:
    uncertain = uncertainty_inside(potential, frames)
    assert 0.05 < np.mean(uncertain == OUT) < 0.9, "the test needs frames on both sides"
    picks = pick_uncertain(potential, frames, 40, SETTINGS, 1)
    assert len(set(picks)) == 40 and (np.diff(picks) > 0).all()
    assert not np.asarray(potential.extrapolates(frames[picks])).any()
    np.testing.assert_allclose(uncertain[picks], potential.uncertainty(frames[picks]))
    ranked = np.argsort(-uncertain)
    assert set(picks) <= set(ranked[: 2 * SPREAD * 40].tolist())
    features = sorted_distances(NMER, frames)[0]
    assert np.linalg.norm(features[picks][:, None] - features[picks], axis=2)[np.triu_indices(40, 1)].min() >= 0.05
    among = features[ranked[: SPREAD * 40]]
    covered = [
        np.linalg.norm(among[:, None] - features[rows], axis=2).min(axis=1).mean() for rows in (picks, ranked[:40])
    ]
    assert covered[0] < 0.9 * covered[1], "they represent the uncertain ones better than the most uncertain do"


def test_the_seed_and_nothing_else_decides(potential: Potential, frames: Floats) -> None:
    first = pick_uncertain(potential, frames, 25, SETTINGS, 1)
    np.testing.assert_array_equal(first, pick_uncertain(potential, frames, 25, SETTINGS, 1))
    turned = frames @ np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    assert len(np.intersect1d(first, pick_uncertain(potential, turned, 25, SETTINGS, 1))) > 20


def test_no_pick_is_near_to_what_is_there(potential: Potential, frames: Floats) -> None:
    first = pick_uncertain(potential, frames, 60, SETTINGS, 1)
    taken, tests = frames[first[:30]], frames[first[30:]]
    moved = taken + np.random.default_rng(3).normal(scale=1e-4, size=taken.shape)
    picks = pick_uncertain(potential, frames, 60, SETTINGS, 1, moved, tests)
    features = sorted_distances(NMER, frames)[0]
    to_taken = np.linalg.norm(features[picks][:, None] - features[first[:30]], axis=2)
    to_tests = np.linalg.norm(features[picks][:, None] - features[first[30:]], axis=2)
    assert to_taken.min() > 0.9 * SETTINGS.duplicate_distance and to_tests.min() >= SETTINGS.test_distance
    doubled = np.concatenate([frames, frames])
    twice = pick_uncertain(potential, doubled, 60, SETTINGS, 1)
    assert len(set(twice % len(frames))) == 60, "repeated frames are picked once"


def test_fewer_are_picked_where_there_are_not_as_many(potential: Potential, frames: Floats) -> None:
    uncertain = uncertainty_inside(potential, frames)
    few = np.concatenate([np.flatnonzero(uncertain > 0)[:10], np.flatnonzero(uncertain == OUT)[:10]])
    np.testing.assert_array_equal(pick_uncertain(potential, frames[few], 40, SETTINGS, 1), np.arange(10))
    assert len(pick_uncertain(potential, frames[few[10:]], 5, SETTINGS, 1)) == 0
    assert len(pick_uncertain(potential, frames[:0], 5, SETTINGS, 1)) == 0
    assert len(pick_uncertain(potential, frames, 0, SETTINGS, 1)) == 0


def test_a_potential_without_an_ensemble_or_ranges_is_refused(potential: Potential, frames: Floats) -> None:
    with pytest.raises(InputError, match="no ensemble of fits"):
        pick_uncertain(replace(potential, ensemble=None), frames, 5, SETTINGS, 1)
    with pytest.raises(InputError, match="range of its training data"):
        pick_uncertain(replace(potential, ranges=None), frames, 5, SETTINGS, 1)
