"""What settings and labels are worth, told without the test set."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.errors import InputError
from recipes.schema.recipe import Fitting
from tasks.fitting.fit import fit_potential
from tasks.fitting.tune import LearningPoint, Split, learning_curve, scan, terms_curve, worth
from tests.tasks.fitting.test_choices import TRAIN
from tests.tasks.fitting.test_fit import NMER


def steep(positions: np.ndarray) -> np.ndarray:
    heavy = np.linalg.norm(positions[:, 0] - positions[:, 5], axis=1)
    light = np.linalg.norm(positions[:, 2:5, None] - positions[:, None, 6:], axis=-1)
    return np.asarray(1500 * np.exp(-1.3 * heavy) * (1 + np.exp(-0.8 * light).sum(axis=(1, 2))))


SETTINGS = Fitting(degree=2, starts=1, max_iterations=15, delta_e=10.0)
SPLIT = Split.of(NMER, TRAIN, steep(TRAIN), SETTINGS)


def test_every_combination_is_tried_and_the_best_comes_first() -> None:
    told: list[int] = []
    trials = scan(SPLIT, SETTINGS, [1, 2], [1e-3, 1.0], [10.0, 40.0], told.append)
    assert told == list(range(1, 9))
    assert {(t.degree, t.gamma, t.delta_e) for t in trials} == {
        (d, g, e) for d in (1, 2) for g in (1e-3, 1.0) for e in (10.0, 40.0)
    }
    assert {t.terms for t in trials} == {6, 82}
    scores = [t.validation_rmsd for t in trials]
    assert scores == sorted(scores) and scores[0] < 0.9 * scores[-1]


def test_a_trials_error_is_that_of_a_fit_to_the_rest() -> None:
    trial = scan(SPLIT, SETTINGS, [2], [1e-3], [10.0])[0]
    settings = SETTINGS.model_copy(update={"gamma": 1e-3, "optimizer": "fixed", "k": 1.0})
    fixed = scan(SPLIT, settings, [2], [1e-3], [10.0])[0]
    energy = steep(TRAIN)
    alone = fit_potential(NMER, TRAIN[~SPLIT.held], energy[~SPLIT.held], settings).potential
    error = np.asarray(alone.energy(TRAIN[SPLIT.held])) - energy[SPLIT.held]
    assert fixed.validation_rmsd == pytest.approx(np.sqrt(np.mean(error**2)), rel=0.02)  # other lowest energies
    low = energy[SPLIT.held] <= energy.min() + 10.0
    assert 0 < low.sum() < len(low)
    assert fixed.low_rmsd == pytest.approx(np.sqrt(np.mean(error[low] ** 2)), rel=0.05)
    assert trial.validation_rmsd < fixed.validation_rmsd


def test_more_configurations_are_worth_something() -> None:
    points = learning_curve(SPLIT, SETTINGS.model_copy(update={"degree": 1}))
    assert [p.configurations for p in points] == [40, 80, 160, 320]
    assert points[-1].validation_rmsd < points[0].validation_rmsd


def test_what_twice_the_labels_would_bring() -> None:
    halves = [LearningPoint(100, 0.1, 0.8, 0.1), LearningPoint(200, 0.1, 0.4, 0.1)]
    assert worth(halves) == pytest.approx(0.2)
    assert worth([halves[0], LearningPoint(200, 0.1, 0.9, 0.1)]) == 0.9  # noise is not a forecast


def test_the_curve_of_terms_ends_where_the_whole_basis_is() -> None:
    settings = SETTINGS.model_copy(update={"optimizer": "fixed", "gamma": 1e-2})
    points = terms_curve(SPLIT, settings)
    assert [p.terms for p in points] == [1, 2, 4, 8, 16, 32, 64, 82]
    whole = scan(SPLIT, settings, [2], [1e-2], [10.0])[0]
    assert points[-1].validation_rmsd == pytest.approx(whole.validation_rmsd, rel=1e-6)
    assert points[4].validation_rmsd < 0.5 * points[0].validation_rmsd
    assert terms_curve(SPLIT, settings.model_copy(update={"max_terms": 10}))[-1].terms == 10


def test_too_little_to_split_is_refused() -> None:
    with pytest.raises(InputError, match="19 training configurations are too few to tune with"):
        Split.of(NMER, TRAIN[:19], steep(TRAIN[:19]), SETTINGS)
