"""Labels of each level: learning curves, chains, and the cheapest allotment, of levels that are known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from potentials.arrays import Floats, Ints
from potentials.errors import InputError
from recipes.schema.recipe import Fitting
from tasks.fitting.fit import fit_potential
from tasks.fitting.level_curves import Curve, degrees_of, learning_curves
from tasks.fitting.level_steps import Step, Trial, TrialLevel, common_parameters
from tasks.fitting.tune_levels import allot, cost_of_chain, fits_needed, frontier, tune_levels
from tests.tasks.fitting.test_choices import TRAIN
from tests.tasks.fitting.test_fit import NMER
from tests.tasks.fitting.test_tune import steep

SETTINGS = Fitting(degree=2, starts=1, max_iterations=15, delta_e=10.0)
SMOOTH = np.exp(-0.8 * np.linalg.norm(TRAIN[:, 0] - TRAIN[:, 5], axis=1))


def curve(counts: list[int], errors: list[float], degree: int = 1) -> Curve:
    """Return a curve whose configurations all have the same errors."""
    square = np.repeat(np.square(errors)[:, None], 30, axis=1)
    return Curve.of(degree, 10, 5e-4, np.array(counts), square)


def three_levels(count: int = 120) -> Trial:
    """Return levels that differ by a little and by less, the first labelled twice as often."""
    cheap = steep(TRAIN[: 2 * count])
    middle, top = cheap + 3.0 * SMOOTH[: 2 * count], cheap + 3.0 * SMOOTH[: 2 * count] ** 1.1
    known = np.arange(2 * count) < count
    levels = (
        TrialLevel("cheap", "cheap", cheap, 0.01),
        TrialLevel("middle", "middle", np.where(known, middle, np.nan), 1.0),
        TrialLevel("top", "top", np.where(known, top, np.nan), 100.0),
    )
    return Trial(NMER, TRAIN[: 2 * count], levels, SETTINGS, held=frozenset({("top", "middle")}))


TRIAL = three_levels()
TUNED = tune_levels(TRIAL, 0.05, 30)


def test_a_curve_is_the_error_of_fits_to_part_of_the_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.fitting.level_curves.REPEATS", (2, 0))
    settings = SETTINGS.model_copy(update={"delta_e": 1e4, "optimizer": "fixed", "k": 1.0})  # equal weights
    energy, k = steep(TRAIN[:60]), settings.first_start(settings.build_basis(NMER))
    (found,) = learning_curves(NMER, TRAIN[:60], energy, None, settings, [2], k)
    rng, errors = np.random.default_rng(settings.seed), []
    for _ in range(2):
        order = rng.permutation(60)
        for held in np.array_split(order, 5):
            rest = order[~np.isin(order, held)]
            fitted = fit_potential(NMER, TRAIN[rest], energy[rest], settings).potential
            errors.append(np.asarray(fitted.energy(TRAIN[held])) - energy[held])
    assert found.counts.tolist() == [6, 12, 24, 48] and found.terms == 82
    assert found.errors[-1] == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=0.01)
    low, high = np.percentile(found.drawn[:, -1], (5, 95))
    assert low < found.errors[-1] < high


def test_few_labels_and_many_are_solved_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    k = np.full(len(SETTINGS.first_start(SETTINGS.build_basis(NMER))), 1.0)
    energy = steep(TRAIN[:100])
    with_gram = learning_curves(NMER, TRAIN[:100], energy, None, SETTINGS, [2], k)[0]  # up to 80 labels, 82 terms
    monkeypatch.setattr("tasks.fitting.level_curves.np.ix_", lambda *_: pytest.fail("the labels' equations"))
    by_terms = learning_curves(NMER, TRAIN[:100], energy, None, SETTINGS, [1], k)[0]  # 6 terms
    assert by_terms.errors[-1] > with_gram.errors[-1]


def test_each_ridge_has_its_own_curve() -> None:
    k = np.full(len(SETTINGS.first_start(SETTINGS.build_basis(NMER))), 1.0)
    energy, less = steep(TRAIN[:60]), SETTINGS.model_copy(update={"gamma": 0.1 * SETTINGS.gamma})
    both = learning_curves(NMER, TRAIN[:60], energy, None, SETTINGS, [1, 2], k, ridges=(1.0, 0.1))
    alone = learning_curves(NMER, TRAIN[:60], energy, None, less, [1, 2], k)
    assert [(one.degree, one.gamma) for one in both] == [(1, 5e-4), (1, 5e-5), (2, 5e-4), (2, 5e-5)]
    for one, same in zip(both[1::2], alone, strict=True):
        assert one.errors == pytest.approx(same.errors) and one.gamma == same.gamma
    assert both[3].errors[-1] > 1.5 * both[2].errors[-1]  # 48 labels are too few for 82 terms with a small ridge


def test_an_unknown_zero_does_not_matter_where_it_is_fitted() -> None:
    k = np.full(len(SETTINGS.first_start(SETTINGS.build_basis(NMER))), 1.0)
    energy = steep(TRAIN[:60])
    there, moved = (
        learning_curves(NMER, TRAIN[:60], energy + zero, None, SETTINGS, [2], k, unknown_zero=True)[0].errors
        for zero in (0.0, -1e4)
    )
    assert moved == pytest.approx(there, rel=1e-4)


def test_the_law_continues_a_power() -> None:
    one = curve([10, 20, 40, 80], [0.8, 0.4, 0.2, 0.1])
    assert one.power == pytest.approx(1.0)
    assert one.expected(np.array([20.0, 80.0, 160.0])) == pytest.approx([0.4, 0.1, 0.05])
    assert one.expected(np.array([5.0]))[0] == np.inf
    assert curve([10, 20, 40], [0.1, 0.1, 0.2]).expected(np.array([400.0]))[0] == pytest.approx(
        0.2
    )  # it never rises
    assert curve([10, 20, 40], [1.0, 0.1, 0.01]).power == 1.0  # nor falls faster than 1/n
    assert one.spread(160.0) == pytest.approx(np.full(200, 0.05))


def test_every_chain_ends_at_the_top() -> None:
    assert TRIAL.chains() == [(2,), (0, 2), (1, 2), (0, 1, 2)]
    assert {one.chain for one in TUNED.allotments} == {
        ("top",),
        ("cheap", "top"),
        ("middle", "top"),
        ("cheap", "middle", "top"),
    }
    for one in TUNED.allotments:
        assert all(below >= above for below, above in pairwise(one.train))
        assert all(below >= above for below, above in pairwise(one.test)) and one.test[0] == 30


def test_levels_are_cheaper_than_the_top_alone() -> None:
    best = TUNED.allotments[0]
    (alone,) = (one for one in TUNED.allotments if one.chain == ("top",))
    assert best.reached and best.error <= 0.05 and best.chain[0] != "top"
    assert best.low <= best.error * 1.2 and best.high >= best.error * 0.8
    assert alone.core_hours > 3 * best.core_hours
    assert best.train[-1] < alone.train[0]


def counted(counts: Ints | list[int], errors: list[float], upper: str, lower: str | None) -> Step:
    return Step(upper, lower, 100, 1.0, (curve(list(counts), errors),))


def test_the_cheapest_numbers_are_those_of_a_search_by_hand() -> None:
    """Two powers of one: n0 and n1 that minimize c0 n0 + c1 n1 with a0^2/n0^2 + a1^2/n1^2 = e^2."""
    steps = {
        (0, None): counted([50, 100, 200, 400], [0.8, 0.4, 0.2, 0.1], "cheap", None),
        (2, 0): counted([5, 10, 20, 40], [0.8, 0.4, 0.2, 0.1], "top", "cheap"),
    }
    found = allot(TRIAL, steps, (0, 2), 0.1, 30)
    n0, n1 = np.meshgrid(np.arange(50.0, 4001.0), np.arange(5.0, 401.0))
    reached = np.sqrt((40 / n0) ** 2 + (4 / n1) ** 2) <= 0.1
    cost = np.where(reached & (n1 <= n0), 0.01 * n0 + 100.0 * n1, np.inf)
    assert found.reached and found.error <= 0.1 * (1 + 1e-9)
    assert found.core_hours * 3600 == pytest.approx(cost.min(), rel=0.03)


def test_labels_that_others_hold_cost_nothing() -> None:
    counts = [np.array(300.0), np.array(100.0), np.array(40.0)]
    assert float(cost_of_chain(TRIAL, (0, 1, 2), counts)) == pytest.approx(0.01 * 300 + 1.0 * 60 + 100.0 * 40)


def test_what_is_not_reached_is_said() -> None:
    found = tune_levels(TRIAL, 1e-9, 30)
    assert not found.conclusive and not found.allotments[0].reached
    assert "too small to tell" in found.notes[0] and "1e-09" in found.notes[0]
    errors = [one.error for one in found.allotments]
    assert errors == sorted(errors)


def test_a_smaller_error_costs_more() -> None:
    points = frontier(TRIAL, TUNED, TUNED.allotments[0].chain, [0.2, 0.1, 0.05])
    hours = [point.core_hours for point in points]
    assert len(hours) == 3 and hours == sorted(hours)


def test_progress_counts_every_division() -> None:
    told: list[int] = []
    tune_levels(TRIAL, 0.05, 30, told.append)
    assert told == list(range(1, fits_needed(TRIAL) + 1))


def test_the_parameters_are_those_of_the_level_with_the_most_labels() -> None:
    energy: Floats = TRIAL.levels[0].energy
    alone = Trial(NMER, TRIAL.positions, (TrialLevel("one", "one", energy, 1.0),), SETTINGS)
    assert common_parameters(TRIAL) == pytest.approx(common_parameters(alone))


def test_the_parameters_do_not_depend_on_an_unknown_zero() -> None:
    energy, below = TRIAL.levels[0].energy, 0.1 * SMOOTH[: len(TRIAL.positions)]
    for baseline in (None, below):
        found = [
            common_parameters(
                Trial(
                    NMER,
                    TRIAL.positions,
                    (TrialLevel("one", "one", energy + zero, 1.0),),
                    SETTINGS,
                    baseline,
                    unknown_zero=True,
                )
            )
            for zero in (0.0, -1e5)
        ]
        assert found[1] == pytest.approx(found[0], rel=1e-3)


def test_degrees_without_terms_are_left_out() -> None:
    assert degrees_of(NMER, SETTINGS) == [1, 2]


def test_too_few_labels_are_an_error() -> None:
    with pytest.raises(InputError, match=r"16 configurations of the trial.*raise --trial"):
        tune_levels(three_levels(8), 0.05, 30)
