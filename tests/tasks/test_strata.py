"""Draws that stand for all of the data: every group, every range of energy, the same for the same seed."""

from __future__ import annotations

import numpy as np

from tasks.strata import evenly, stratified


def walkers(sizes: dict[tuple[float, float], int]) -> tuple[np.ndarray, np.ndarray]:
    """Groups one behind the other, as walkers leave them; hot ones have the higher energies."""
    rng = np.random.default_rng(0)
    groups = np.concatenate([np.tile(group, (count, 1)) for group, count in sizes.items()])
    return rng.gamma(2.0, groups[:, 0] / 100), groups


def test_every_group_has_its_share_and_every_range_of_energy_too() -> None:
    energy, groups = walkers({(300, 0): 500, (300, 1): 300, (1000, 0): 150, (1000, 1): 50})
    chosen = stratified(energy, groups, 100, 7)
    assert len(chosen) == 100 == len(set(chosen)) and (np.diff(chosen) > 0).all()
    for group, share in zip(((300, 0), (300, 1), (1000, 0), (1000, 1)), (50, 30, 15, 5), strict=True):
        member = (groups == group).all(axis=1)
        assert member[chosen].sum() == share
        halves = energy[chosen[member[chosen]]] > np.median(energy[member])
        assert abs(halves.sum() - share / 2) <= 1
    without = stratified(energy, None, 100, 7)
    edges = np.quantile(energy, np.linspace(0, 1, 11))
    assert (np.histogram(energy[without], edges)[0] == 10).all()


def test_the_seed_decides_and_all_are_taken_where_there_are_no_more() -> None:
    energy, groups = walkers({(300, 0): 60, (600, 0): 41})
    first, again, other = (stratified(energy, groups, 30, seed) for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()
    for count in (101, 102, 10_000):
        assert stratified(energy, groups, count, 1).tolist() == list(range(101))
    assert len(stratified(energy, groups, 1, 1)) == 1


def test_the_order_of_the_data_decides_nothing_but_ties() -> None:
    energy, groups = walkers({(300, 0): 70, (600, 2): 50, (600, 0): 30})
    order = np.random.default_rng(3).permutation(150)
    there = set(stratified(energy, groups, 40, 5))
    assert {int(order[n]) for n in stratified(energy[order], groups[order], 40, 5)} == there


def test_a_small_group_counts_as_much_as_a_large_one_where_nothing_may_be_missed() -> None:
    energy, groups = walkers({(300, 0): 5000, (300, 1): 2000, (1000, 4): 3, (1000, -1): 40})
    chosen = evenly(energy, groups, 20, 4, 0)
    counts = [int((groups[chosen] == g).all(axis=1).sum()) for g in ((300, 0), (300, 1), (1000, 4), (1000, -1))]
    assert counts == [5, 5, 3, 5]
    assert len(evenly(energy, groups, 4, 4, 0)) == 15
    assert len(evenly(energy, None, 20, 4, 0)) == 20
    assert len(evenly(energy[:0], groups[:0], 20, 4, 0)) == 0
