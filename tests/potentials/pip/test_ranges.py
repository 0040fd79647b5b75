"""The range of the training data: what is outside, for any order of equivalent atoms, and within the switching."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.nmers.switching import Switching
from potentials.pip.points import Points
from potentials.pip.ranges import LEAST, MARGIN, MOST, Ranges, SortedDistances, training_ranges
from tests.potentials.pip.test_basis import make
from tests.potentials.pip.test_held import moved, nmer, toy
from tests.potentials.pip.test_held import shaken as shaken_nmer
from tests.potentials.pip.test_many_bodies import BENT, potential

METHYL_WATER, WATERS = make("A1B1C3_D1E2"), make("D1E2_D1E2_D1E2")
DIMER = np.random.default_rng(5).normal(size=(8, 3)) + np.repeat([[0.0] * 3, [4.0, 0.0, 0.0]], [5, 3], axis=0)
CORNERS = np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0], [1.5, 2.6, 0.0]])
TRIMER = np.concatenate([corner + BENT for corner in CORNERS])
SWITCHING = Switching((0, 3, 6), 4.0, 5.0)


def shaken(base: np.ndarray, size: float, count: int) -> np.ndarray:
    noise = np.random.default_rng([count, round(1000 * size)])
    return base + noise.normal(scale=size, size=(count, *base.shape))


def means_by_hand(positions: np.ndarray, letters: str, fragments: list[int]) -> tuple[list[float], list[float]]:
    """Return the means of the r shortest, and of the r longest distances of every kind, in plain Python."""
    kinds: dict[tuple[str, bool], list[float]] = {}
    for i in range(len(letters)):
        for j in range(i + 1, len(letters)):
            kind = "".join(sorted((letters[i], letters[j]))), fragments[i] == fragments[j]
            kinds.setdefault(kind, []).append(float(np.linalg.norm(positions[i] - positions[j])))
    shortest, longest = [], []
    for values in kinds.values():
        for r in range(1, len(values) + 1):
            shortest.append(sum(sorted(values)[:r]) / r)
            longest.append(sum(sorted(values)[-r:]) / r)
    return shortest, longest


def test_a_geometry_is_outside_as_the_definition_says() -> None:
    training, asked = shaken(DIMER, 0.15, 30), shaken(DIMER, 0.17, 200)
    letters, fragments = "ABCCCDEE", [0] * 5 + [1] * 3
    known = [means_by_hand(x, letters, fragments) for x in training]
    lows = [min(column) for column in zip(*(low for low, _ in known), strict=True)]
    highs = [max(column) for column in zip(*(high for _, high in known), strict=True)]
    expected = []
    for one in asked:
        outside = False
        for low, high, short, long in zip(lows, highs, *means_by_hand(one, letters, fragments), strict=True):
            factor = min(max((high / low) ** MARGIN, LEAST), MOST)
            outside |= short < low / factor or long > high * factor
        expected.append(outside)
    assert 20 < sum(expected) < 180
    limits = training_ranges(METHYL_WATER, None, training)
    assert limits is not None and limits.shape == (2, 28)
    ranges = Ranges(METHYL_WATER, None, limits)
    assert ranges.extrapolates(asked).tolist() == expected
    assert [found is not None for found in ranges.farthest(asked)] == expected
    assert not ranges.extrapolates(training, 0.0).any()
    assert ranges.extrapolates(asked, 0.0).sum() > sum(expected)


def test_an_exchange_of_equivalent_atoms_and_fragments_changes_nothing() -> None:
    training, asked = shaken(TRIMER, 0.1, 40), shaken(TRIMER, 0.17, 60)
    limits = training_ranges(WATERS, None, training)
    assert limits is not None
    ranges = Ranges(WATERS, None, limits)
    expected = ranges.extrapolates(asked)
    assert 0 < expected.sum() < 60
    for order in Points.of(WATERS).generators():
        np.testing.assert_allclose(training_ranges(WATERS, None, training[:, order]), limits, rtol=1e-14)
        np.testing.assert_array_equal(ranges.extrapolates(asked[:, order]), expected)


def test_a_symmetric_geometry_among_distorted_ones_is_inside() -> None:
    """No training configuration has three equal distances, but their mean over all exchanges has."""
    methane = make("A1B4")
    base = np.array([[0.0, 0.0, 0.0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.63
    stretched = np.stack([base, base])
    stretched[:, 1] *= [[1.3], [1.2]]
    stretched[:, 2] *= [[0.7], [0.8]]
    limits = training_ranges(methane, None, stretched)
    assert limits is not None
    ranges = Ranges(methane, None, limits)
    assert not ranges.extrapolates(base[None], 0.0).any()
    together = base.copy()  # all four bonds as short as the shortest one: each is inside, their mean is not
    together[1:] *= 0.82
    (found,) = ranges.farthest(together[None])
    assert found is not None and len(found.pairs) > 1 and found.mean < found.limit


def test_what_is_farthest_outside_is_named_with_its_atoms() -> None:
    limits = training_ranges(METHYL_WATER, None, shaken(DIMER, 0.02, 30))
    assert limits is not None
    ranges, near, torn = Ranges(METHYL_WATER, None, limits), DIMER.copy(), DIMER.copy()
    arrow = (DIMER[5] - DIMER[0]) / np.linalg.norm(DIMER[5] - DIMER[0])
    near[5], torn[1] = DIMER[0] + 0.2 * arrow, DIMER[0] + 9.0 * (DIMER[1] - DIMER[0])
    inside, short, long = ranges.farthest(np.stack([DIMER, near, torn]))
    assert inside is None and short is not None and long is not None
    assert (short.kind, short.pairs) == ("A-D inter", ((0, 5),))
    known = np.linalg.norm(DIMER[0] - DIMER[5])
    assert short.mean == pytest.approx(0.2) and short.limit == pytest.approx(known, abs=0.2)
    assert all(1 in pair for pair in long.pairs) and long.mean > long.limit
    assert long.mean == pytest.approx(np.mean([np.linalg.norm(torn[i] - torn[j]) for i, j in long.pairs]))
    near[5] = near[0]
    (found,) = ranges.farthest(near[None])
    assert found is not None and found.mean == 0.0


def test_switched_off_nothing_counts_and_between_fragments_r_out_is_the_longest() -> None:
    training = shaken(TRIMER, 0.05, 30)
    far = training[:5].copy()
    far[:, 3:] += np.array([40.0, 0.0, 0.0])
    limits = training_ranges(WATERS, SWITCHING, training)
    assert limits is not None
    np.testing.assert_array_equal(training_ranges(WATERS, SWITCHING, np.concatenate([training, far])), limits)
    assert training_ranges(WATERS, SWITCHING, far) is None
    ranges = Ranges(WATERS, SWITCHING, limits)
    assert not ranges.extrapolates(far).any() and ranges.farthest(far) == [None] * 5
    apart = TRIMER.copy()
    apart[3:6] += np.array([1.4, 0.0, 0.0])
    assert ranges.extrapolates(apart[None]).all()  # oxygens at 4.4 A are switched on, and were at 3 A in training
    wide = np.concatenate([place + BENT for place in 4.9 / 3.0 * CORNERS])
    turned, angle = wide.copy(), np.radians(-38.0)
    turning = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    turned[3:6] = wide[3] + BENT @ turning  # a hydrogen goes from 6.4 to 6.6 A of another, both beyond r_out
    longest = []
    for switching in (None, SWITCHING):
        distances = SortedDistances.of(WATERS, switching)
        place = distances.kinds.index("E-E inter")
        longest.append(distances.means(np.stack([wide, turned]))[0][:, 1, place])
    np.testing.assert_allclose(longest[0], [6.42, 6.65], atol=0.01)
    np.testing.assert_array_equal(longest[1], [5.0, 5.0])


def test_a_potential_tells_or_says_that_it_does_not_know() -> None:
    model = potential(WATERS, SWITCHING)
    with pytest.raises(InputError, match="does not have the range of its training data; fit it again"):
        model.extrapolates(TRIMER)
    known = replace(model, ranges=training_ranges(WATERS, SWITCHING, shaken(TRIMER, 0.05, 30)))
    near = TRIMER.copy()
    near[3:6] -= np.array([1.2, 0.0, 0.0])
    assert known.extrapolates(TRIMER) is False and known.extrapolates(near) is True
    np.testing.assert_array_equal(known.extrapolates(np.stack([TRIMER, near])), [False, True])
    assert known.extrapolates(near[None][:0]).shape == (0,)  # type: ignore[union-attr]
    with pytest.raises(InputError, match="not finite"):
        known.extrapolates(np.full((9, 3), np.nan))
    with pytest.raises(InputError, match=r"allowed: \(2, 36\)"):
        replace(model, ranges=np.ones((2, 35)))
    for wrong in (-np.ones((2, 36)), np.stack([2 * np.ones(36), np.ones(36)])):
        with pytest.raises(InputError, match="a lowest above a highest"):
            replace(model, ranges=wrong)
    alone = replace(model, ranges=training_ranges(WATERS, SWITCHING, shaken(TRIMER, 0.1, 1)))
    assert alone.ranges is not None and alone.extrapolates(shaken(TRIMER, 0.2, 1)[0]) is True


def test_a_held_cap_may_be_given_at_any_distance() -> None:
    model, training = toy("ch3"), nmer("ch3").place_caps(shaken_nmer("ch3"))
    known = replace(model, ranges=training_ranges(model.nmer, None, training))
    stretched = moved("ch3", training, 1.7)
    assert np.asarray(known.extrapolates(stretched)).all()
    assert not np.asarray(known.held().extrapolates(stretched)).any()
