"""A simulation is cut before its first broken frame, walkers at the first of all, and it is said how it broke."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recipes.chemistry.molecules import read_molecule
from storage.trajectory import Trajectory
from tasks.checks.contacts import Contacts, Floors
from tasks.checks.held import upto, upto_break

WATER = read_molecule("O").embedded()
CONTACTS = Contacts.of(WATER.symbols, WATER.bonds, Floors({}))


def walker(number: int, broken: int | None, frames: int = 10) -> Trajectory:
    x = np.repeat(np.array([WATER.positions]), frames, axis=0)
    if broken is not None:
        x[broken:, 1] = x[broken:, 0] + np.array([0.1, 0.0, 0.0])
    values = np.arange(float(frames))
    ends = np.array([5, 9])
    return Trajectory(
        WATER.symbols,
        WATER.bonds,
        np.ones(3),
        np.arange(frames),
        100.0 * np.arange(frames),
        x,
        np.zeros((2, 3, 3)),
        ends,
        values,
        values,
        values,
        bias=values,
        hills=np.array([[0, 150.0, 0, 0, 1], [1, 650.0, 0, 0, 1]]),
        hill_counts=np.arange(frames),
        contributions={"part": values},
        replica=number,
    )


def test_frames_from_the_first_broken_one_on_are_left_out() -> None:
    held = upto_break([walker(0, None), walker(1, 6)], CONTACTS, wanted=0.9)
    assert [len(one) for one in held.trajectories] == [10, 6] and held.lengths == [0.9, 0.5]
    assert held.broken == ("replica 1 broke after 0.60 ps of 0.9 ps: O0 and H1 at 0.10 A have fallen together",)
    cut = held.trajectories[1]
    assert cut.hills is not None and len(cut.hills) == 1 and len(cut.velocities) == 1
    assert cut.bias is not None and cut.bias[-1] == cut.contributions["part"][-1] == cut.energy[-1] == 5.0


def test_walkers_end_where_the_first_breaks() -> None:
    held = upto_break([walker(0, None), walker(1, 6), walker(2, 3)], CONTACTS, together=True)
    assert [len(one) for one in held.trajectories] == [3, 3, 3] and len(held.broken) == 2


def test_a_potential_without_an_energy_and_a_torn_bond_are_breaks() -> None:
    held = upto_break([walker(0, None)], CONTACTS, ["step 901: no energy"], wanted=2.0)
    assert held.broken[0].endswith("the potential stopped the simulation at step 901: no energy")
    assert len(held.trajectories[0]) == 9  # the last frame is that from which it could not go on
    torn = walker(0, None)
    x = torn.positions.copy()
    x[4:, 2] += 3.0
    held = upto_break([replace(torn, positions=x)], CONTACTS)
    assert (
        "O0 and H2 at " in held.broken[0] and "are torn apart" in held.broken[0] and len(held.trajectories[0]) == 4
    )


def test_atoms_nearer_than_their_floor_are_told_though_nothing_broke() -> None:
    one, floor = walker(0, None), CONTACTS.floors[1, 2]
    x = one.positions.copy()
    x[7, 2] = x[7, 1] + 0.9 * floor * np.array([0.0, 0.6, 0.8])
    held = upto_break([replace(one, positions=x)], CONTACTS)
    assert held.broken == () and len(held.trajectories[0]) == 10
    assert held.near[0].startswith(
        "replica 0: in 10 % of the frames atoms are nearer than their floor, H1 and H2 at"
    )
    x[7, 2] = x[7, 1] + 0.7 * floor * np.array([0.0, 0.6, 0.8])
    assert "have fallen together" in upto_break([replace(one, positions=x)], CONTACTS).broken[0]


def test_a_trajectory_that_held_stays_as_it_is() -> None:
    one = walker(0, None)
    assert upto(one, np.inf) is one and upto_break([one], CONTACTS).broken == ()
