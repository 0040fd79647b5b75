"""Pairs of points within a cut-off, against all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.neighbours import check_cutoff, nearest_images, pairs_between, pairs_within, widths
from potentials.systems.cell import Cell

CELLS = {
    "vacuum": None,
    "box": np.diag([20.0, 21.0, 22.0]),
    "skewed": np.array([[20.0, 0.0, 0.0], [5.0, 19.0, 0.0], [-4.0, 6.0, 21.0]]),
    "narrowest": np.diag([9.0, 9.0, 30.0]),
}


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("count", [1, 2, 60, 400])
def test_all_pairs_within_a_cut_off_are_found_once_and_in_order(name: str, count: int) -> None:
    vectors, rng = CELLS[name], np.random.default_rng(count)
    one, other = rng.uniform(-30, 50, (count, 3)), rng.uniform(-30, 50, (50, 3))
    cell = None if vectors is None else Cell(tuple(map(tuple, vectors)), (True,) * 3)

    def lengths(apart: Floats) -> Floats:  # by another way than rounding
        return np.asarray(np.linalg.norm(apart if cell is None else cell.nearest(apart)[0], axis=-1))

    for cutoff in (4.5, 2.0):
        expected = np.nonzero(np.triu(lengths(one[None] - one[:, None]) < cutoff, 1))
        np.testing.assert_array_equal(pairs_within(one, vectors, cutoff), expected)
        expected = np.nonzero(lengths(other[None] - one[:, None]) < cutoff)
        np.testing.assert_array_equal(pairs_between(one, other, vectors, cutoff), expected)


def test_no_points_have_no_pairs() -> None:
    none, one = np.empty((0, 3)), np.zeros((1, 3))
    for found in (
        pairs_within(none, None, 5.0),
        pairs_between(one, none, None, 5.0),
        pairs_within(one, None, 5.0),
    ):
        assert [len(each) for each in found] == [0, 0]


def test_a_cell_narrower_than_twice_the_cut_off_is_refused() -> None:
    """A skewed cell is measured between its faces, not along its vectors."""
    skewed = np.array([[20.0, 0.0, 0.0], [18.0, 8.0, 0.0], [0.0, 0.0, 20.0]])
    np.testing.assert_allclose(widths(skewed), [20 * 8 / np.hypot(18, 8), 8.0, 20.0])
    with pytest.raises(InputError, match=r"is 8\.000 A wide, and the cut-off ends at 4.1 A"):
        pairs_within(np.zeros((2, 3)), skewed, 4.1)
    check_cutoff(np.eye(3) * 8.0, 4.0)
    with pytest.raises(InputError, match="not finite"):
        pairs_within(np.array([[0.0, np.nan, 0.0]]), None, 4.0)


def test_rounding_gives_the_nearest_image_up_to_half_the_width() -> None:
    vectors = CELLS["skewed"]
    assert vectors is not None
    cell = Cell(tuple(map(tuple, vectors)), (True,) * 3)
    apart = np.random.default_rng(1).uniform(-60, 60, (2000, 3))
    nearest = cell.nearest(apart)[0]
    within = np.linalg.norm(nearest, axis=1) < widths(vectors).min() / 2
    assert within.sum() > 200
    np.testing.assert_allclose(nearest_images(apart, vectors)[within], nearest[within], atol=1e-9)
