"""Fits with other forms of the variables: the objective's derivative by k and d, and a shift found again."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.pip.basis import Basis, BasisOptions
from potentials.pip.sites import LonePairs
from potentials.pip.variables import Forms
from recipes.schema.recipe import Fitting
from tasks.fitting.fit import fit_potential, make_problem
from tasks.fitting.projection import Problem, Slopes
from tasks.fitting.ridge import weights
from tests.numerical import slopes_of
from tests.tasks.fitting.test_fit import NMER, shaken

SETTINGS = Fitting(
    degree=1, gamma=1e-3, starts=1, variables={"intra": "exp", "inter": "gau0"}, k_bounds=(0.05, 2.0), ensemble=0
)


@pytest.mark.parametrize("with_gradients", [False, True])
def test_the_objective_is_derived_by_every_parameter(with_gradients: bool) -> None:
    options = BasisOptions(forms=Forms("coul0", "gau0"), lone_pairs=(LonePairs((5, 6, 7)),))
    basis = Basis.build(NMER, 1, "intermolecular", options)
    positions, rng = shaken(60, 0), np.random.default_rng(5)
    parameters = rng.uniform(0.2, 0.6, len(basis.parameter_names))
    slopes = Slopes(rng.normal(size=positions.shape), 0.3, None) if with_gradients else None
    energy = rng.normal(size=60)
    problem = Problem(basis, positions, energy, np.ones(60), weights(energy, 40.0), 0.05, slopes)
    found = problem.objective(parameters)[1]
    assert found.shape == parameters.shape and len(basis.variables.shifted) > 0
    expected = slopes_of(problem.value, parameters, 1e-4, axes=1)
    assert expected == pytest.approx(found, abs=1e-4 * np.abs(found).max())


def test_starts_and_bounds_are_those_of_k_and_d() -> None:
    basis = SETTINGS.build_basis(NMER)
    kinds, shifts = len(basis.pair_names), len(basis.variables.shifted)
    assert (kinds, shifts) == (12, 6)
    start, bounds = SETTINGS.first_start(basis), SETTINGS.parameter_bounds(basis)
    assert start.tolist() == [1.0] * (kinds + shifts)
    assert bounds.tolist() == [[0.05, 2.0]] * kinds + [[0.0, 7.0]] * shifts


def test_a_fit_with_shifts_comes_nearer_to_a_shifted_truth() -> None:
    train = shaken(200, 1)
    truth = 5.0 * np.exp(-0.8 * (np.linalg.norm(train[:, 0] - train[:, 5], axis=1) - 3.5) ** 2)
    plain = fit_potential(NMER, train, truth, SETTINGS.model_copy(update={"variables": Fitting().variables}))
    shifted = fit_potential(NMER, train, truth, SETTINGS)
    assert shifted.train_rmsd < 0.3 * plain.train_rmsd
    potential = shifted.potential
    assert potential.d.shape == (len(potential.basis.variables.shifted),)
    assert shifted.k.tolist() == potential.k.tolist() + potential.d.tolist()
    predicted = make_problem(NMER, train, truth, SETTINGS).predict(shifted.k, potential.coefficients)
    np.testing.assert_allclose(potential.energy(train), predicted, atol=1e-9)
