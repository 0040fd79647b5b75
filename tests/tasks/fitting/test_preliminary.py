"""The fit before a choice of terms sees all temperatures, windows and energies, not the first rows."""

from __future__ import annotations

import numpy as np
import pytest

from recipes.schema.recipe import Fitting
from tasks.fitting.fit import fit_potential, make_problem
from tasks.fitting.projection import Problem
from tasks.fitting.search import search
from tests.tasks.fitting.surfaces import charged, walkers
from tests.tasks.fitting.test_fit import NMER

TRAIN, GROUPS = walkers(120, 0)
ENERGY = charged(TRAIN)[0]
SETTINGS = Fitting(degree=1, starts=1, max_iterations=60)
WHOLE = make_problem(NMER, TRAIN, ENERGY, SETTINGS, groups=GROUPS)


def parameters(problem: Problem) -> np.ndarray:
    start, bounds = SETTINGS.first_start(WHOLE.basis), SETTINGS.parameter_bounds(WHOLE.basis)
    return search(problem, start, bounds, SETTINGS.max_iterations, SETTINGS.optimizer).k


def test_what_is_drawn_has_every_temperature_and_window_in_its_share() -> None:
    some = WHOLE.some(90, 3)
    assert some.groups is not None and len(some.energy) == 90 == len(some.positions) == len(some.weight)
    assert set(np.unique(some.groups, axis=0, return_counts=True)[1]) == {10}
    rows = [np.flatnonzero((place == TRAIN).all(axis=(1, 2)))[0] for place in some.positions]
    np.testing.assert_array_equal(some.energy, ENERGY[rows])
    np.testing.assert_array_equal(some.groups, GROUPS[rows])
    assert WHOLE.some(len(ENERGY), 3) is WHOLE
    unknown = make_problem(NMER, TRAIN, ENERGY, SETTINGS).some(90, 3)  # xyz data: by energy alone
    edges = np.quantile(ENERGY, np.linspace(0, 1, 10))
    counts = np.histogram(unknown.energy, edges)[0]
    assert counts.sum() == 90 and (np.abs(counts - 10) <= 1).all()


def test_its_parameters_suit_all_data_where_those_of_the_first_rows_do_not() -> None:
    count = 150
    best = WHOLE.value(parameters(WHOLE))
    first = WHOLE.value(parameters(WHOLE.part(np.arange(len(ENERGY)) < count)))
    drawn = [WHOLE.value(parameters(WHOLE.some(count, seed))) for seed in (0, 1, 2)]
    assert best == pytest.approx(262.18, abs=0.05)
    assert first > 2.5 * best and max(drawn) < 1.6 * best < first


def test_the_choice_of_terms_is_that_of_the_draw() -> None:
    settings = Fitting(degree=2, max_terms=12, starts=1, max_iterations=20, start_configurations=60, seed=1)
    chosen = [
        fit_potential(NMER, TRAIN, ENERGY, settings, groups=groups).potential.selected
        for groups in (GROUPS, GROUPS, None)
    ]
    assert chosen[0] == chosen[1] != chosen[2]
    turned = np.random.default_rng(2).permutation(len(ENERGY))  # the rows' order does not say what is drawn
    problem = make_problem(NMER, TRAIN[turned], ENERGY[turned], settings, groups=GROUPS[turned])
    straight = make_problem(NMER, TRAIN, ENERGY, settings, groups=GROUPS)
    assert set(problem.some(60, 1).energy) == set(straight.some(60, 1).energy)
