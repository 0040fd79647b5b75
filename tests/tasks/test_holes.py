"""The search for holes finds the planted ones, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.errors import InputError
from tasks.holes import DEPTH, Region, find_holes
from tests.tasks.fitting.test_fit import NMER, shaken

POSITIONS = NMER.place_caps(shaken(300, 8))


def smooth(positions: np.ndarray) -> np.ndarray:
    """A surface without holes: each distance is drawn to its own place."""
    distances = np.linalg.norm(positions[:, :, None] - positions[:, None], axis=-1)
    rest = np.linalg.norm(NMER.positions[:, None] - NMER.positions[None], axis=-1)
    return 5.0 * ((distances - rest) ** 2 / (1 + (distances - rest) ** 2)).sum(axis=(1, 2))


def gap(positions: np.ndarray) -> np.ndarray:
    """Shortest distance between the two molecules."""
    between = np.linalg.norm(positions[:, :5, None] - positions[:, None, 5:], axis=-1)
    return between.min(axis=(1, 2))


def test_a_smooth_surface_has_none() -> None:
    found = find_holes(NMER, smooth, POSITIONS, smooth(POSITIONS))
    assert {hole.search for hole in found} == {"push", "stretch", "walk"}
    assert not any(hole.is_hole for hole in found)


def test_a_hole_between_the_molecules_is_found_by_pushing_them() -> None:
    edge = gap(POSITIONS).min()

    def surface(positions: np.ndarray) -> np.ndarray:
        return smooth(positions) - 400.0 * (gap(positions) < 0.97 * edge)

    assert (surface(POSITIONS) == smooth(POSITIONS)).all()  # no training configuration is in it
    found = {hole.search: hole for hole in find_holes(NMER, surface, POSITIONS, surface(POSITIONS))}
    assert found["push"].is_hole and found["push"].below > 100.0
    assert gap(found["push"].positions[None])[0] < 0.97 * edge


def test_a_hole_along_a_bond_is_found_by_stretching_it() -> None:
    lengths = np.linalg.norm(POSITIONS[:, 2] - POSITIONS[:, 0], axis=1)
    edge = 1.05 * np.linalg.norm(POSITIONS[:, 2:5] - POSITIONS[:, :1], axis=2).max()
    assert edge > lengths.max()

    def surface(positions: np.ndarray) -> np.ndarray:
        far = np.linalg.norm(positions[:, 2:5] - positions[:, :1], axis=2).max(axis=1) > edge
        return smooth(positions) - 300.0 * far

    found = {hole.search: hole for hole in find_holes(NMER, surface, POSITIONS, surface(POSITIONS))}
    assert found["stretch"].is_hole


def test_a_hole_that_no_line_leads_to_is_found_by_a_walk() -> None:
    """A funnel in the angle between two bonds, away from every training configuration."""

    def angle(positions: np.ndarray) -> np.ndarray:
        first, second = positions[:, 2] - positions[:, 0], positions[:, 3] - positions[:, 0]
        cosine = (first * second).sum(axis=1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
        return np.degrees(np.arccos(cosine))

    edge = angle(POSITIONS).max() + 2.0

    def surface(positions: np.ndarray) -> np.ndarray:
        return 0.1 * smooth(positions) - 20.0 * np.maximum(angle(positions) - edge, 0.0)

    assert (angle(POSITIONS) < edge).all()
    found = {hole.search: hole for hole in find_holes(NMER, surface, POSITIONS, surface(POSITIONS))}
    assert found["walk"].is_hole


def test_caps_are_at_their_length_in_every_place_that_a_search_visits() -> None:
    visited = []

    def surface(positions: np.ndarray) -> np.ndarray:
        visited.append(positions)
        return smooth(positions)

    assert len(find_holes(NMER, surface, POSITIONS, smooth(POSITIONS))) == 3
    places = np.concatenate(visited)
    assert len(places) > 1000 and NMER.caps
    for cap, anchor, length in NMER.caps:
        np.testing.assert_allclose(np.linalg.norm(places[:, cap] - places[:, anchor], axis=1), length, rtol=1e-12)


def test_no_search_leaves_the_region_of_the_data() -> None:
    region = Region.of(NMER, POSITIONS)
    assert region.holds(POSITIONS).all()
    for hole in find_holes(NMER, lambda x: -100.0 * gap(x), POSITIONS, -100.0 * gap(POSITIONS)):
        assert region.holds(hole.positions[None])[0]
    assert DEPTH > 0
    squeezed = POSITIONS[:1].copy()
    squeezed[:, 5:] = POSITIONS[:1, :1]
    assert not region.holds(squeezed)[0]
    with pytest.raises((InputError, ValueError)):
        find_holes(NMER, smooth, POSITIONS[:0], np.empty(0))
