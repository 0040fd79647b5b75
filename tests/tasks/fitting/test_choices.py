"""What a recipe can choose: optimizers, fewer terms, a baseline, an ensemble."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.pip.potential import Potential
from recipes.schema.recipe import Fitting
from storage.contents import potential_columns, potential_facts, potential_from_version
from storage.version import read_version, write_version
from tasks.fitting.fit import fit_potential, make_problem
from tasks.fitting.folds import cross_validate
from tasks.fitting.search import search
from tests.tasks.fitting.test_fit import NMER, shaken
from tests.tasks.fitting.test_fit import RECIPE_NMER as MODEL


def bumpy(positions: np.ndarray) -> np.ndarray:
    distance = np.linalg.norm(positions[:, 0] - positions[:, 5], axis=1)
    return np.asarray(60 * np.exp(-1.1 * distance) - 30 / distance**2 + positions[:, 2, 0])


TRAIN, TEST = shaken(400, 1), shaken(200, 2)


def rmsd(potential: Potential) -> float:
    return float(np.sqrt(np.mean((np.asarray(potential.energy(TEST)) - bumpy(TEST)) ** 2)))


def test_the_simplex_comes_about_as_far_as_the_gradient() -> None:
    settings = Fitting(degree=1, starts=1, gamma=1e-2, max_iterations=400)
    problem = make_problem(NMER, TRAIN, bumpy(TRAIN), settings)
    start = np.ones(len(problem.basis.pair_names))
    before = problem.value(start)
    along = search(problem, start, (0.1, 4.0), 400, "variable-projection")
    simplex = search(problem, start, (0.1, 4.0), 400, "simplex")
    assert along.converged and along.objective < 0.98 * before and simplex.objective < 0.98 * before
    assert simplex.objective == pytest.approx(problem.value(simplex.k))
    assert ((simplex.k >= 0.1) & (simplex.k <= 4.0)).all()
    stopped = search(problem, start, (0.1, 4.0), 1, "simplex")
    assert not stopped.converged and stopped.objective <= before


def test_fixed_parameters_stay_where_they_are() -> None:
    result = fit_potential(NMER, TRAIN, bumpy(TRAIN), Fitting(degree=1, optimizer="fixed", k=1.3))
    np.testing.assert_array_equal(result.k, 1.3)
    assert len(result.validation) == 1


def test_chosen_terms_are_better_than_as_many_others() -> None:
    settings = Fitting(degree=2, max_terms=12, optimizer="fixed", k=1.0)
    chosen = fit_potential(NMER, TRAIN, bumpy(TRAIN), settings)
    assert chosen.potential.selected is not None and len(chosen.potential.coefficients) == 12
    problem = make_problem(NMER, TRAIN, bumpy(TRAIN), settings)
    rng, k = np.random.default_rng(0), np.ones(len(problem.basis.pair_names))
    others = [np.arange(12), *(rng.choice(82, 12, replace=False) for _ in range(30))]
    assert chosen.objective < min(replace(problem, basis=problem.basis.select(o)).value(k) for o in others)
    names = problem.basis.term_names()
    assert chosen.potential.basis.term_names() == [names[t] for t in chosen.potential.selected]
    assert [count for count, _ in chosen.curve] == [1, 2, 4, 8, 12]
    assert all(error > 0.0 for _, error in chosen.curve)
    every = fit_potential(NMER, TRAIN, bumpy(TRAIN), settings.model_copy(update={"max_terms": 1000}))
    assert every.potential.selected is None and every.curve == ()


def test_the_k_of_chosen_terms_are_searched_and_the_choice_is_the_same_again() -> None:
    settings = Fitting(degree=2, max_terms=12, starts=2, max_iterations=20)
    first, again = (fit_potential(NMER, TRAIN, bumpy(TRAIN), settings).potential for _ in range(2))
    assert first.selected == again.selected and len(first.coefficients) == 12
    np.testing.assert_array_equal(first.coefficients, again.coefficients)
    assert not (first.k == 1.0).all()


def test_a_baseline_is_taken_off_and_does_not_change_the_weights() -> None:
    settings = Fitting(degree=1, starts=1, optimizer="fixed")
    baseline = 30.0 / np.linalg.norm(TRAIN[:, 0] - TRAIN[:, 5], axis=1) ** 2
    plain = make_problem(NMER, TRAIN, bumpy(TRAIN), settings)
    result = fit_potential(NMER, TRAIN, bumpy(TRAIN), settings, baseline=-baseline)
    other = make_problem(NMER, TRAIN, bumpy(TRAIN), settings, None, -baseline)
    np.testing.assert_array_equal(plain.weight, other.weight)
    error = np.asarray(result.potential.energy(TRAIN)) - (bumpy(TRAIN) + baseline)
    assert result.train_rmsd == pytest.approx(np.sqrt(np.mean(error**2)))


def test_the_uncertainty_tells_the_size_of_the_errors_and_grows_away_from_the_data() -> None:
    result = fit_potential(NMER, TRAIN, bumpy(TRAIN), Fitting(degree=2, starts=1, max_iterations=10, ensemble=200))
    spread = np.asarray(result.potential.uncertainty(TEST))
    error = np.abs(np.asarray(result.potential.energy(TEST)) - bumpy(TEST))
    assert 0.5 < np.sqrt(np.mean((error / spread) ** 2)) < 2.0
    uncertain = spread > np.median(spread)
    assert error[uncertain].mean() > 1.3 * error[~uncertain].mean()
    pressed = TEST.copy()
    pressed[:, 5:, 2] -= 1.5
    assert np.mean(np.asarray(result.potential.uncertainty(pressed))) > 2 * np.mean(spread)
    assert result.potential.uncertainty(TEST[0]) == pytest.approx(spread[0])
    assert ((result.leverage > 0.0) & (result.leverage <= 1.0)).all() and result.sigma > 0.0
    none = fit_potential(NMER, TRAIN, bumpy(TRAIN), Fitting(degree=1, starts=1, ensemble=0)).potential
    with pytest.raises(InputError, match="no ensemble of coefficients"):
        none.uncertainty(TEST)


def test_cross_validation_is_of_the_size_of_the_test_error() -> None:
    settings = Fitting(degree=1, starts=1, max_iterations=30)
    result = fit_potential(NMER, TRAIN, bumpy(TRAIN), settings)
    folds = cross_validate(NMER, TRAIN, bumpy(TRAIN), settings, result.k, 4)
    assert len(folds) == 4 and np.mean(folds) == pytest.approx(rmsd(result.potential), rel=0.3)
    with pytest.raises(InputError, match="folds is 1; allowed: 2 to"):
        cross_validate(NMER, TRAIN, bumpy(TRAIN), settings, result.k, 1)


def test_many_configurations_are_compared_on_some_and_refined_on_all() -> None:
    settings = Fitting(degree=1, starts=3, max_iterations=40, start_configurations=60)
    some = fit_potential(NMER, TRAIN, bumpy(TRAIN), settings)
    every = fit_potential(NMER, TRAIN, bumpy(TRAIN), settings.model_copy(update={"start_configurations": 8000}))
    assert some.objective == pytest.approx(every.objective, rel=0.05)


def test_a_potential_with_chosen_terms_and_an_ensemble_comes_back(tmp_path: Path) -> None:
    settings = Fitting(degree=2, max_terms=20, starts=1, max_iterations=5)
    potential = fit_potential(NMER, TRAIN, bumpy(TRAIN), settings).potential
    path = tmp_path / "1.h5"
    write_version(
        path,
        "potential",
        "x",
        1,
        "k",
        columns=potential_columns(potential),
        recipe="",
        inputs=[],
        engines={},
        facts=potential_facts(potential, MODEL),
    )
    back = potential_from_version(read_version(path), "candidate")
    assert back.selected == potential.selected
    np.testing.assert_array_equal(back.energy(TEST), potential.energy(TEST))
    np.testing.assert_array_equal(back.uncertainty(TEST), potential.uncertainty(TEST))
    assert not np.asarray(back.extrapolates(TRAIN, margin=0.0)).any()
    assert np.asarray(back.extrapolates(1.5 * TRAIN)).all()
