"""With gradients in a fit: how sure it is, which start and which terms are best, and what settings are worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recipes.schema.recipe import Fitting, SwitchingModel
from tasks.fitting import fit
from tasks.fitting.fit import fit_potential, make_problem
from tasks.fitting.forward import choose_terms
from tasks.fitting.posterior import Posterior
from tasks.fitting.projection import Problem
from tasks.fitting.residuals import Residuals
from tasks.fitting.ridge import solve_qr
from tasks.fitting.search import search
from tasks.fitting.tune import Split, learning_curve, scan, terms_curve
from tasks.fitting.uncertainty import held_out_sigma, row_variances
from tests.tasks.fitting.surfaces import charged
from tests.tasks.fitting.test_fit import NMER, shaken

TRAIN, TEST = shaken(60, 1), shaken(1500, 2)
ENERGY, GRADIENT = charged(TRAIN)
K = np.random.default_rng(3).uniform(0.7, 1.5, 12)
SETTINGS = Fitting(
    degree=2,
    gamma=1e-3,
    starts=1,
    max_iterations=20,
    switching=SwitchingModel(atoms=(0, 5), r_in=4.0, r_out=6.5),
    ensemble=200,
)


def problem(settings: Fitting = SETTINGS, with_gradient: bool = True) -> Problem:
    return make_problem(NMER, TRAIN, ENERGY, settings, GRADIENT if with_gradient else None)


def stacked(one: Problem, k: np.ndarray = K) -> tuple[np.ndarray, np.ndarray]:
    """All weighted rows, the energies' first and then the gradients' by configuration, with their targets."""
    assert one.slopes is not None
    design = one.design(k) * np.sqrt(one.weight)[:, None]
    rows, step = [], 1e-4
    for n, place in enumerate(one.positions):  # central differences of fourth order: nothing of what is tested
        moved = place + step * np.eye(24).reshape(24, 8, 3) * np.array([-2, -1, 1, 2])[:, None, None, None]
        values = replace(
            one, positions=moved.reshape(-1, 8, 3), factor=one.slopes.factor(moved.reshape(-1, 8, 3))
        ).design(k)
        a, b, c, d = values.reshape(4, 24, -1)
        rows.append(np.sqrt(one.slopes.weight * one.weight[n]) * ((a - d) + 8 * (c - b)) / (12 * step))
    targets = np.sqrt(one.slopes.weight * one.weight)[:, None, None] * one.slopes.values
    return (
        np.concatenate([design, np.concatenate(rows)]),
        np.concatenate([np.sqrt(one.weight) * one.energy, targets.ravel()]),
    )


def test_the_normal_equations_are_those_of_all_rows_with_their_weights() -> None:
    one = problem()
    assert ((one.factor > 0) & (one.factor < 1)).sum() > 10
    rows, targets = stacked(one)
    assert rows.shape == (60 * 25, 82)
    found = one.normal(K)
    exact = rows.T @ rows
    np.testing.assert_allclose(np.tril(found.matrix), np.tril(exact), rtol=1e-7, atol=1e-7 * exact.max())
    np.testing.assert_allclose(found.right, rows.T @ targets, rtol=1e-7, atol=1e-7 * np.abs(found.right).max())
    assert found.square == pytest.approx(targets @ targets, rel=1e-12)
    best = solve_qr(rows, targets, one.gamma)
    for final in (False, True):
        difference = rows @ (one.coefficients(K, final=final) - best)
        assert np.abs(difference).max() < 1e-5 * np.abs(targets).max()


def test_the_leverage_is_what_a_label_decides_of_its_own_fitted_value() -> None:
    """The derivative of a fitted value by its own label, from fits with that label changed."""
    result = fit_potential(NMER, TRAIN, ENERGY, SETTINGS, gradient=GRADIENT)
    one = problem()
    for n in (0, 17, 44):
        changed = ENERGY.copy()
        changed[n] += 1.0
        other = replace(one, energy=changed).coefficients(result.k, final=True)
        before, after = (one.predict(result.k, c)[n] for c in (one.coefficients(result.k, final=True), other))
        assert after - before == pytest.approx(result.leverage[n], abs=1e-6)
    assert result.gradient_leverage is not None and one.slopes is not None
    slopes = GRADIENT.copy()
    own = []
    for component in range(24):
        slopes[17].flat[component] += 1.0
        other = replace(one, slopes=replace(one.slopes, values=slopes)).coefficients(result.k, final=True)
        slopes[17].flat[component] -= 1.0
        first = one.residuals(result.k, one.coefficients(result.k, final=True)).gradient
        second = one.residuals(result.k, other).gradient
        assert first is not None and second is not None
        own.append((second - first)[17].flat[component])
    assert max(own) == pytest.approx(result.gradient_leverage[17], abs=1e-6)
    alone = fit_potential(NMER, TRAIN, ENERGY, SETTINGS)
    assert alone.gradient_leverage is None and result.leverage.mean() < 0.5 * alone.leverage.mean()


def test_the_leverages_of_all_rows_add_up_to_the_degrees_of_freedom() -> None:
    one = problem()
    rows = stacked(one)[0]
    energy, gradient = row_variances(one, Posterior.of_normal(one.normal(K).matrix, one.gamma), K)
    assert gradient is not None and energy.shape == (60,) and gradient.shape == (60, 24)
    inverse = np.linalg.inv(rows.T @ rows + one.gamma**2 * np.eye(82))
    assert energy.sum() + gradient.sum() == pytest.approx(np.trace(rows @ inverse @ rows.T), rel=1e-5)
    hat = np.einsum("ij,jk,ik->i", rows, inverse, rows)
    np.testing.assert_allclose(np.concatenate([energy, gradient.ravel()]), hat, atol=1e-5)


def test_the_uncertainty_is_the_scatter_of_fits_to_labels_with_noise() -> None:
    """400 fits to energies and gradients with noise of the weights' size against the posterior's spread."""
    one, noise = problem(SETTINGS.model_copy(update={"gamma": 1e-6})), 0.3  # a ridge adds a bias, and no scatter
    assert one.slopes is not None
    test = make_problem(NMER, TEST[:200], np.zeros(200), SETTINGS)
    c = one.coefficients(K)
    planted = one.predict(K, c), one.residuals(K, c).gradient
    assert planted[1] is not None
    exact, rng, found = planted[1] + one.slopes.values, np.random.default_rng(4), []
    size = noise / np.sqrt(one.weight)
    for _ in range(400):
        slopes = exact + (size / np.sqrt(one.slopes.weight))[:, None, None] * rng.normal(size=exact.shape)
        energy = planted[0] + size * rng.normal(size=60)
        noisy = replace(one, energy=energy, slopes=replace(one.slopes, values=slopes))
        found.append(test.predict(K, noisy.coefficients(K)))
    scatter = np.std(found, axis=0)
    inside = test.factor > 0
    said = noise * Posterior.of_normal(one.normal(K).matrix, one.gamma).spread(test.design(K))
    assert inside.sum() > 100
    assert np.sqrt(np.mean((scatter[inside] / said[inside]) ** 2)) == pytest.approx(1.0, abs=0.05)
    energies = problem(with_gradient=False).normal(K).matrix
    without = noise * Posterior.of_normal(energies, one.gamma).spread(test.design(K))
    assert np.median(without[inside] / scatter[inside]) > 3.0  # what a posterior of the energies alone says


def test_sigma_makes_errors_of_energies_and_gradients_as_large_as_said() -> None:
    settings = SETTINGS.model_copy(update={"switching": None})
    one = problem(settings)
    held = np.arange(60) % 6 == 0
    part, rest = one.part(~held), one.part(held)
    sigma = held_out_sigma(part, rest, K)
    errors = rest.residuals(K, part.coefficients(K))
    assert errors.gradient is not None and part.slopes is not None
    variance = row_variances(rest, Posterior.of_normal(part.normal(K).matrix, part.gamma), K)
    assert variance[1] is not None
    said = (variance[0] + variance[1].sum(axis=1)) / rest.weight
    squares = errors.energy**2 + part.slopes.weight * (errors.gradient**2).sum(axis=(1, 2))
    assert np.sqrt(np.mean(squares / (sigma**2 * said))) == pytest.approx(1.0)
    ratios = []
    for seed in range(6):
        train = shaken(100, 10 + seed)
        energy, gradient = charged(train)
        potential = fit_potential(NMER, train, energy, settings, gradient=gradient).potential
        error = np.asarray(potential.energy(TEST)) - charged(TEST)[0]
        ratios.append(np.sqrt(np.mean((error / np.asarray(potential.uncertainty(TEST))) ** 2)))
    assert 0.5 < np.exp(np.mean(np.log(ratios))) < 2.0 and max(ratios) < 3.0


def test_the_best_start_is_that_of_energies_and_gradients_with_the_weights_of_the_objective() -> None:
    settings = Fitting(degree=1, starts=5, max_iterations=2, gradient_weight=1.0, validation_fraction=0.3, seed=2)
    result = fit_potential(NMER, TRAIN, ENERGY, settings, gradient=GRADIENT)
    one = problem(settings)
    held = np.zeros(60, dtype=bool)
    held[np.random.default_rng(2).permutation(60)[:18]] = True
    part, rest = one.part(~held), one.part(held)
    weight = rest.weight / rest.weight.sum()
    totals, energies = [], []
    rng = np.random.default_rng(2)
    rng.permutation(60)
    for number in range(5):
        start = fit.start_of(number, one.basis, settings, rng)
        bounds = settings.parameter_bounds(one.basis)
        k = search(part, start, bounds, 2, "variable-projection", fit.ROUGH).k
        errors = rest.residuals(k, part.coefficients(k))
        assert errors.gradient is not None
        totals.append(np.sqrt(weight @ (errors.energy**2 + (errors.gradient**2).sum(axis=(1, 2)))))
        energies.append(np.sqrt(weight @ errors.energy**2))
    assert result.validation == pytest.approx(totals)
    best = int(np.argmin(totals))
    assert best != int(np.argmin(energies))  # otherwise the next lines could not fail
    assert result.validation_energy == pytest.approx(energies[best])
    assert result.validation_gradient is not None
    total = result.validation_energy**2 + 24 * result.validation_gradient**2
    assert np.sqrt(total) == pytest.approx(min(result.validation))


def test_terms_are_chosen_by_energies_and_gradients() -> None:
    one = problem()
    rows, targets = stacked(one)
    chosen = choose_terms(one.normal(K), one.gamma, 6)
    taken: list[int] = []
    for pick in chosen.order[:3]:
        gains = []
        for t in range(82):
            columns = rows[:, [*taken, t]]
            c = solve_qr(columns, targets, one.gamma)
            gains.append(np.sum((columns @ c - targets) ** 2) + one.gamma**2 * (c @ c))
        assert int(np.argmin(gains)) == pick
        taken.append(int(pick))
    few = SETTINGS.model_copy(update={"max_terms": 6, "optimizer": "fixed"})
    both, alone = (fit_potential(NMER, TRAIN, ENERGY, few, gradient=g) for g in (GRADIENT, None))
    assert both.potential.selected != alone.potential.selected
    assert both.train_gradient_rmsd is not None
    slopes = alone.potential.energy_and_gradient(TRAIN)[1] - GRADIENT
    assert both.train_gradient_rmsd < 0.8 * np.sqrt(np.mean(slopes**2))


def test_settings_are_compared_by_energies_and_gradients() -> None:
    settings = SETTINGS.model_copy(update={"optimizer": "fixed", "switching": None})
    split = Split.of(NMER, TRAIN, ENERGY, settings, GRADIENT)
    trials = scan(split, settings, [1, 2], [1e-3, 1e-1], [10.0, 40.0])
    scores = [t.score for t in trials]
    assert scores == sorted(scores)
    for t in trials:
        assert t.gradient_rmsd is not None
        assert t.score**2 == pytest.approx(t.validation_rmsd**2 + 0.1 * 24 * t.gradient_rmsd**2)
    plain = scan(Split.of(NMER, TRAIN, ENERGY, settings), settings, [2], [1e-3], [40.0])[0]
    assert plain.score == plain.validation_rmsd and plain.gradient_rmsd is None
    same = next(t for t in trials if (t.degree, t.gamma, t.delta_e) == (2, 1e-3, 40.0))
    assert same.validation_rmsd < 0.9 * plain.validation_rmsd
    points = learning_curve(split, settings)
    assert [p.configurations for p in points] == [6, 12, 24, 48]
    assert points[-1].validation_rmsd == pytest.approx(same.validation_rmsd, rel=1e-6)
    curve = terms_curve(split, settings)
    assert curve[-1].gradient_rmsd == pytest.approx(same.gradient_rmsd, rel=1e-4)
    assert curve[-1].validation_rmsd == pytest.approx(same.validation_rmsd, rel=1e-4)


def test_gradients_are_counted_where_labels_are_too_few_for_the_terms() -> None:
    settings = SETTINGS.model_copy(update={"switching": None})
    few = fit_potential(NMER, TRAIN[:4], ENERGY[:4], settings, gradient=GRADIENT[:4])
    assert any("4 training configurations with gradients for 82 terms" in w for w in few.warnings)
    enough = fit_potential(NMER, TRAIN, ENERGY, settings, gradient=GRADIENT)
    assert not any("for 82 terms" in w for w in enough.warnings)
    alone = fit_potential(NMER, TRAIN, ENERGY, settings)
    assert any("60 training configurations for 82 terms" in w for w in alone.warnings)


def test_root_mean_squares_are_those_of_what_they_say() -> None:
    energy, gradient = np.array([3.0, -4.0]), np.zeros((2, 1, 3))
    gradient[0, 0] = 1.0, 2.0, 2.0
    errors = Residuals(energy, gradient, 4.0)
    assert errors.energy_rmsd() == pytest.approx(np.sqrt(12.5))
    assert errors.gradient_rmsd() == pytest.approx(np.sqrt(1.5))
    assert errors.score() == pytest.approx(np.sqrt((9 + 36 + 16) / 2))
    weight = np.array([3.0, 1.0])
    assert errors.score(weight) == pytest.approx(np.sqrt((3 * 45 + 16) / 4))
    assert (
        Residuals(energy).score() == Residuals(energy).energy_rmsd() and Residuals(energy).gradient_rmsd() is None
    )
    assert np.isnan(Residuals(np.empty(0)).score())
