"""Nearest images in cells of every shape, and molecules put together again."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.systems.cell import AmbiguousImagesError, Cell, make_whole

SKEWED = ((18.0, 0.0, 0.0), (70.0, 16.0, 0.0), (-7.0, 45.0, 17.0))
BOX = ((12.0, 0.0, 0.0), (0.0, 13.0, 0.0), (0.0, 0.0, 14.0))
EVERY = (True, True, True)
RADII = np.array([0.66, 0.31, 0.31, 0.66, 0.31, 0.31])
WATER = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])


def dimers(count: int, distance: float) -> Floats:
    rng = np.random.default_rng(3)
    turn, _ = np.linalg.qr(rng.normal(size=(count, 3, 3)))
    away = rng.normal(size=(count, 1, 3))
    away *= distance / np.linalg.norm(away, axis=2, keepdims=True)
    return np.concatenate([np.broadcast_to(WATER, (count, 3, 3)), WATER @ turn + away], axis=1)


@pytest.mark.parametrize("periodic", list(product((True, False), repeat=3)))
def test_nearest_images_are_those_of_a_search_of_many(periodic: tuple[bool, bool, bool]) -> None:
    vectors = np.random.default_rng(0).uniform(-20, 20, (100, 3))
    found, gap = Cell(SKEWED, periodic).nearest(vectors)
    steps = [range(-40, 41), range(-8, 9), range(-8, 9)]
    counts = np.array(list(product(*(s if p else (0,) for s, p in zip(steps, periodic, strict=True)))))
    images = counts @ np.array(SKEWED)
    for vector, near, more in zip(vectors, found, gap, strict=True):
        lengths = np.sort(np.linalg.norm(vector - images, axis=1))
        assert np.linalg.norm(near) == pytest.approx(lengths[0], abs=1e-10)
        assert more == pytest.approx(lengths[1] - lengths[0] if len(lengths) > 1 else np.inf, abs=1e-10)
        whole = (vector - near) @ np.linalg.inv(np.array(SKEWED))
        np.testing.assert_allclose(whole, np.round(whole) * np.array(periodic), atol=1e-9)


@pytest.mark.parametrize("vectors", [BOX, SKEWED])
def test_molecules_that_faces_cut_are_put_together(vectors: tuple[tuple[float, float, float], ...]) -> None:
    whole = dimers(40, 4.0)
    rows = np.array(vectors)
    places = whole @ np.linalg.inv(rows) + np.random.default_rng(1).uniform(size=(40, 1, 3))
    wrapped = (places - np.floor(places)) @ rows
    found, changed = make_whole(wrapped, RADII, [3, 3], Cell(vectors, EVERY))
    for before, after in zip(whole, found, strict=True):
        np.testing.assert_allclose(pdist(after), pdist(before), atol=1e-10)
    cut = np.array([not np.allclose(pdist(a), pdist(b)) for a, b in zip(whole, wrapped, strict=True)])
    assert cut.sum() > 10
    np.testing.assert_array_equal(changed, cut)


def test_what_is_whole_stays_as_it_is_to_the_last_bit() -> None:
    whole = dimers(5, 4.0)
    for cell in (Cell(BOX, EVERY), Cell(BOX, (False, False, False))):
        found, changed = make_whole(whole, RADII, [3, 3], cell)
        np.testing.assert_array_equal(found, whole)
        assert not changed.any()


def test_a_stretched_bond_is_followed_and_a_face_that_does_not_repeat_is_not() -> None:
    atoms = np.array([[[0.5, 1.0, 1.0], [11.0, 1.0, 1.0]]])  # 1.5 A apart through the face
    cells = Cell(BOX, EVERY), Cell(BOX, (False, True, True))
    lengths = [np.linalg.norm(np.diff(make_whole(atoms, RADII[:2], [2], c)[0][0], axis=0)) for c in cells]
    np.testing.assert_allclose(lengths, [1.5, 10.5])


@pytest.mark.parametrize(
    ("places", "fragments", "message"),
    [
        ([[0, 0, 0], [6.02, 0, 0]], [2], "two atoms of one molecule are equally near"),
        ([[0, 0, 0], [6.02, 0, 0]], [1, 1], "the centres of two molecules are equally near"),
        ([[0, 0, 0], [2.5, 0, 0], [5.0, 0, 0], [7.5, 0, 0]], [4], "a molecule is longer than half the box"),
        (
            [[0, 0, 0], [3, 0, 0], [6, 0, 0], [9, 0, 0]],
            [4],
            "a molecule is longer than half the box or goes through",
        ),
        ([[0, 0, 0], [4.1, 0, 0], [8.2, 0, 0]], [1, 1, 1], "a group of molecules is longer than half the box"),
    ],
)
def test_a_choice_is_refused(places: list[list[float]], fragments: list[int], message: str) -> None:
    positions = np.array([[[0.0, 0.0, k] for k in range(len(places))], places], dtype=np.float64)
    with pytest.raises(AmbiguousImagesError, match=message) as caught:
        make_whole(positions, np.full(len(places), 0.7), fragments, Cell(BOX, EVERY))
    assert caught.value.configuration == 1


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (((0.0, 0.0, 0.0), *BOX[1:]), "is zero"),
        ((BOX[0], BOX[0], BOX[2]), "one plane or on one line"),
        (((float("nan"), 0.0, 0.0), *BOX[1:]), "finite"),
        (BOX[:2], "three vectors"),
    ],
)
def test_a_cell_that_is_none(vectors: tuple[tuple[float, float, float], ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Cell(vectors, EVERY)
    if message == "is zero":
        assert Cell(vectors, (False, True, True)).nearest(np.array([5.0, 12.0, 0.0]))[0].tolist() == [
            5.0,
            -1.0,
            0.0,
        ]
