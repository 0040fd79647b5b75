"""Fits to gradients: the rows, the objective and its derivative, and what gradients are worth."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis
from potentials.pip.evaluation import design_matrix, morse
from potentials.pip.potential import Potential
from potentials.pip.slopes import design_slopes
from recipes.schema.recipe import Fitting, SwitchingModel
from tasks.fitting.fit import fit_potential, make_problem
from tasks.fitting.gradients import gradient_rows
from tasks.fitting.projection import Problem, Slopes
from tasks.fitting.ridge import reduce_rows, solve_qr, weights
from tests.numerical import slopes_of
from tests.tasks.fitting.test_fit import NMER, shaken

BASIS = Basis.build(NMER, 2, "intermolecular")
K = np.random.default_rng(3).uniform(0.5, 2.0, len(BASIS.pair_names))


def test_slopes_of_the_terms_are_their_derivatives() -> None:
    x = np.random.default_rng(1).uniform(0.1, 0.9, (3, 28))
    basis = Basis.build(NMER, 3, "intermolecular").select(range(0, 700, 7))
    found = design_slopes(basis, x)
    expected = slopes_of(lambda other: design_matrix(basis, other), x, axes=1)
    np.testing.assert_allclose(np.moveaxis(found, 1, -1), expected, atol=1e-8)


def test_gradient_rows_are_the_gradients_of_single_terms() -> None:
    positions = shaken(4, 0)
    switching = Switching((0, 5), 3.0, 6.0)
    factor = switching.evaluate(positions)[0]
    assert ((factor > 0) & (factor < 1)).any()
    rows = gradient_rows(BASIS, K, positions, factor, Slopes(positions, 1.0, switching).turn(positions))
    for t in (0, 17, 81):
        coefficients = np.eye(BASIS.n_terms)[t]
        one = Potential(NMER, 2, "intermolecular", K, coefficients, switching)
        np.testing.assert_allclose(rows[..., t], one.energy_and_gradient(positions)[1], atol=1e-12)


@pytest.mark.parametrize("switched", [False, True])
def test_the_objective_with_gradients_and_its_derivative(switched: bool) -> None:
    positions, rng = shaken(60, 0), np.random.default_rng(5)
    energy, gradient = rng.normal(size=60), rng.normal(size=(60, NMER.natoms, 3))
    switching = Switching((0, 5), 3.0, 6.0) if switched else None
    slopes = Slopes(gradient, 0.3, switching)
    factor = slopes.factor(positions)
    problem = Problem(BASIS, positions, energy, factor, weights(energy, 40.0), 0.05, slopes)
    value, found = problem.objective(K)
    c = problem.coefficients(K, final=True)
    model = Potential(NMER, 2, "intermolecular", K, c, switching)
    e, g = model.energy_and_gradient(positions)
    by_hand = problem.weight @ ((e - energy) ** 2 + 0.3 * ((g - gradient) ** 2).sum(axis=(1, 2)))
    assert value == pytest.approx(by_hand + 0.05**2 * (c @ c), rel=1e-8)
    slopes_by_k = slopes_of(lambda k: problem.objective(k)[0], K, axes=1)
    assert slopes_by_k == pytest.approx(found, rel=1e-4, abs=1e-5)


def test_rows_reduced_block_by_block_are_the_same_least_squares_problem() -> None:
    rng = np.random.default_rng(0)
    rows, target = rng.normal(size=(100, 9)), rng.normal(size=100)
    blocks = [(rows[a : a + 13], target[a : a + 13]) for a in range(0, 100, 13)]
    np.testing.assert_allclose(solve_qr(*reduce_rows(iter(blocks)), 0.1), solve_qr(rows, target, 0.1), rtol=1e-9)


def test_gradients_are_worth_many_energies() -> None:
    rng = np.random.default_rng(5)
    planted = Potential(
        NMER,
        2,
        "intermolecular",
        np.full(len(K), 0.9),
        rng.uniform(-20, 20, BASIS.n_terms),
        Switching((0, 5), 6, 8),
    )
    train, test = shaken(30, 1), shaken(200, 2)
    energy, gradient = planted.energy_and_gradient(train)
    settings = Fitting(
        degree=2,
        gamma=1e-4,
        optimizer="fixed",
        k=0.9,
        switching=SwitchingModel(atoms=(0, 5), r_in=6.0, r_out=8.0),
    )
    alone = fit_potential(NMER, train, energy, settings)
    both = fit_potential(NMER, train, energy, settings, gradient=gradient)
    rmsd = [
        float(np.sqrt(np.mean((np.asarray(fit.potential.energy(test)) - planted.energy(test)) ** 2)))
        for fit in (alone, both)
    ]
    assert rmsd[1] < 0.1 * rmsd[0]  # 30 energies cannot decide 82 coefficients, 30 gradients can


def test_gradients_of_another_shape_are_refused() -> None:
    train = shaken(9, 1)
    with pytest.raises(InputError, match=r"gradient has shape \(9, 7, 3\); allowed: finite, \(9, 8, 3\)"):
        make_problem(NMER, train, np.ones(9), Fitting(degree=1), np.zeros((9, 7, 3)))
    with pytest.raises(InputError, match="baseline has shape"):
        make_problem(NMER, train, np.ones(9), Fitting(degree=1), None, np.full(9, np.nan))


def test_terms_and_their_values_agree_with_the_design() -> None:
    x = morse(BASIS, K, shaken(5, 2))[0]
    chosen = BASIS.select([3, 80, 41])
    np.testing.assert_array_equal(design_matrix(chosen, x), design_matrix(BASIS, x)[:, [3, 41, 80]])
    with pytest.raises(InputError, match="different numbers from 0 to 81"):
        BASIS.select([3, 82])
