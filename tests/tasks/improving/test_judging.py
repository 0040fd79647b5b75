"""When a trial is better, and when its error rises beyond noise."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.improving.judging import CAP, Pair, Verdict, decision, over_all


def errors(scale: float, count: int = 400, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=scale, size=count)


def test_an_error_rises_only_beyond_its_noise_and_the_tolerance() -> None:
    before = errors(1.0)
    assert Pair.of(before, 1.5 * before, 0.05).rises
    assert not Pair.of(before, 1.02 * before, 0.05).rises  # certain, and two percent
    assert Pair.of(before, 1.02 * before, 0.01).rises
    other = errors(1.06, 20, seed=2)
    assert not Pair.of(errors(1.0, 20), other, 0.0).rises  # twenty points of two equal potentials
    assert not Pair.of(before, 0.5 * before, 0.0).rises


def test_noise_refuses_one_of_twenty_trials_that_are_no_worse() -> None:
    """The errors of both are drawn from one distribution: twice the standard error is exceeded rarely."""
    rng = np.random.default_rng(5)
    refused = [Pair.of(rng.normal(size=100), rng.normal(size=100), 0.0).rises for _ in range(2000)]
    assert 0.005 < np.mean(refused) < 0.05


def test_one_frame_in_a_hole_does_not_decide_alone() -> None:
    before, after = errors(1.0, 40), errors(0.5, 40)
    before[0], after[0] = 5000.0, 5100.0
    pair = Pair.of(before, after, 0.05)
    assert pair.after < pair.before < CAP and not pair.rises


def test_a_pair_without_frames_is_not_known_and_does_not_rise() -> None:
    nothing = Pair.of(np.empty(0), np.empty(0), 0.05)
    assert nothing.as_dict() == {"count": 0, "before": None, "after": None, "rises": False}


def test_a_trial_is_refused_for_the_test_set_and_for_own_frames() -> None:
    same, worse = Pair.of(errors(1.0), errors(1.0), 0.05), Pair.of(errors(1.0), 2 * errors(1.0), 0.05)
    better = Pair.of(errors(1.0), 0.1 * errors(1.0), 0.05)
    assert Verdict.of(better, same, same, same).accepted
    assert "the error on the test set rises" in Verdict.of(better, same, same, worse).why
    assert "the error on own frames rises" in Verdict.of(worse, same, same, same).why


def test_the_error_of_all_n_mers_weighs_them_alike() -> None:
    assert over_all({"a": 3.0, "b": 4.0, "c": float("nan")}) == pytest.approx(np.sqrt(12.5))
    assert np.isnan(over_all({}))


def test_a_turn_is_kept_only_if_the_error_falls() -> None:
    assert decision(2.0, 1.0, 3, 4) == (
        True,
        "kept: the own-frame error falls from 2 to 1 kcal/mol; 1 of 4 n-mers keep their potential",
    )
    assert decision(2.0, 2.0, 3, 3)[0] is False
    assert decision(2.0, 1.0, 0, 3)[0] is False and decision(2.0, 1.0, 0, 0)[0] is False
    assert decision(float("nan"), float("nan"), 2, 2)[0] is False
