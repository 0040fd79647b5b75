"""Floors of contacts: from training data, bonds apart, caps left out; distances in vacuum and in a cell."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from potentials.pip.ranges import training_ranges
from potentials.systems.system import LONGEST_BOND
from tasks.checks.contacts import BONDED, NOT_BONDED, OF_RADII, OF_WATERS, Contacts, Floors, kind_of
from tests.nmer.polyalanine import potential

WATER = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
BONDS = ((0, 1), (0, 2), (3, 4), (3, 5))
SYMBOLS = ("O", "H", "H") * 2


def test_floors_are_those_of_the_training_data_without_caps() -> None:
    one = potential("ch3-conh", None)
    rng = np.random.default_rng(3)
    positions = one.nmer.place_caps(one.nmer.positions + rng.normal(scale=0.05, size=(40, one.nmer.natoms, 3)))
    known = Floors.of([replace(one, ranges=training_ranges(one.nmer, None, positions)), potential("ch", None)])
    caps = {cap for cap, _, _ in one.nmer.caps}
    carbons = [n for n, s in enumerate(one.nmer.symbols) if s == "C"]
    apart = [np.linalg.norm(positions[:, i] - positions[:, j], axis=1) for i, j in combinations(carbons, 2)]
    assert known.shortest["C", "C", 1] == pytest.approx(np.min(apart), rel=1e-12)
    hydrogens = [n for n, s in enumerate(one.nmer.symbols) if s == "H" and n not in caps]
    (oxygen,) = (n for n, s in enumerate(one.nmer.symbols) if s == "O")
    contact = np.linalg.norm(positions[:, hydrogens] - positions[:, [oxygen]], axis=2).min()
    assert known.shortest["H", "O", 3] == pytest.approx(contact, rel=1e-12)
    assert known.floor(("H", "O", 3)) == pytest.approx(min(NOT_BONDED * contact, OF_RADII * 2.72))
    assert known.floor(("C", "C", 1)) == pytest.approx(BONDED * known.shortest["C", "C", 1])
    assert known.floor(("O", "O", 3)) == pytest.approx(OF_RADII * 3.04)  # no data of this kind


def test_kinds_do_not_depend_on_the_order_and_end_at_three_bonds() -> None:
    assert kind_of("O", "H", 1) == kind_of("H", "O", 1) == ("H", "O", 1)
    assert kind_of("O", "H", 7) == kind_of("O", "H", -1) == ("H", "O", 3)


@pytest.mark.parametrize("cell", [None, 12.0 * np.eye(3) + np.diag([3.0, 2.0], -1)])
def test_the_closest_pair_is_found_also_across_the_faces_of_a_cell(cell: np.ndarray | None) -> None:
    contacts = Contacts.of(SYMBOLS, BONDS, Floors({("H", "O", 3): 1.6, ("H", "O", 1): 0.9, ("H", "H", 2): 1.4}))
    other = WATER + np.array([0.96 + 1.3, 0.0, 0.0]) + (0.0 if cell is None else 2 * cell[1] - cell[2])
    frames = np.array([np.concatenate([WATER, WATER + np.array([5.0, 0.0, 0.0])]), np.concatenate([WATER, other])])
    ratio, pair = contacts.closest(frames, None if cell is None else cell[None])
    assert ratio[0] > 1.0 and tuple(pair[1]) == (1, 3)
    assert ratio[1] == pytest.approx(1.3 / (OF_WATERS * min(0.9 * 1.6, OF_RADII * 2.72)))
    broken, atoms = contacts.stretched(frames, None if cell is None else cell[None])
    assert (broken < 1.0).all() and tuple(atoms[0]) in BONDS


def test_a_broken_bond_and_positions_that_are_not_finite() -> None:
    contacts = Contacts.of(SYMBOLS[:3], BONDS[:2], Floors({}))
    torn = WATER.copy()
    torn[2] *= 2.0
    stretch, atoms = contacts.stretched(np.array([torn, np.full((3, 3), np.nan)]))
    assert stretch[0] == pytest.approx(2.0 * np.linalg.norm(WATER[2]) / (LONGEST_BOND * (0.66 + 0.31)))
    assert tuple(atoms[0]) == (0, 2) and stretch[1] == np.inf
    assert contacts.closest(np.full((1, 3, 3), np.nan))[0][0] == 0.0
    assert Contacts.of(("He",), (), Floors({})).stretched(np.zeros((2, 1, 3)))[0].tolist() == [0.0, 0.0]
