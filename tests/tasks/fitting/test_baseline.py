"""A baseline is subtracted from energies and gradients alike, and changes no weight."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.nmers.switching import Switching
from potentials.pip.potential import Potential
from recipes.schema.recipe import Fitting, SwitchingModel
from tasks.fitting.baseline import Baseline
from tasks.fitting.fit import fit_potential, make_problem
from tasks.fitting.folds import cross_validate
from tasks.fitting.result import FitResult
from tests.tasks.fitting.surfaces import charged
from tests.tasks.fitting.test_fit import NMER, shaken

TRAIN, TEST = shaken(150, 1), shaken(200, 2)
PLANTED = Potential(
    NMER,
    2,
    "intermolecular",
    np.full(12, 0.9),
    np.random.default_rng(5).uniform(-20, 20, 82),
    Switching((0, 5), 5.0, 7.0),
)
SETTINGS = Fitting(
    degree=2, gamma=1e-5, optimizer="fixed", k=0.9, switching=SwitchingModel(atoms=(0, 5), r_in=5.0, r_out=7.0)
)


def labels(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, Baseline]:
    """A planted PIP over charges and walls: what a label program gives for the whole."""
    energy, gradient = PLANTED.energy_and_gradient(positions)
    beneath = charged(positions)
    return energy + beneath[0], gradient + beneath[1], Baseline(*beneath)


def figures(result: FitResult) -> tuple[float, float]:
    """Root mean square errors of the whole, PIP and baseline, on the test set."""
    energy, gradient, beneath = labels(TEST)
    e, g = result.potential.energy_and_gradient(TEST)
    errors = e + beneath.energy - energy, g + beneath.gradient - gradient
    return float(np.sqrt(np.mean(errors[0] ** 2))), float(np.sqrt(np.mean(errors[1] ** 2)))


def test_a_planted_potential_is_found_beneath_its_baseline_with_gradients_as_without() -> None:
    energy, gradient, beneath = labels(TRAIN)
    both = fit_potential(NMER, TRAIN, energy, SETTINGS, gradient=gradient, baseline=beneath)
    alone = fit_potential(NMER, TRAIN, energy, SETTINGS, baseline=beneath)
    assert both.train_rmsd < 5e-5 and both.train_gradient_rmsd is not None and both.train_gradient_rmsd < 2e-4
    assert figures(both)[0] < 1e-4 and figures(both)[1] < 2e-4
    assert figures(both)[0] < figures(alone)[0]
    # a baseline that is subtracted from energies only, as the PIP's own gradients then say
    wrong = Baseline(beneath.energy, np.zeros_like(gradient))
    assert fit_potential(NMER, TRAIN, energy, SETTINGS, gradient=gradient, baseline=wrong).train_rmsd > 0.1


def test_the_fit_is_the_one_to_the_remainder_with_the_weights_of_the_labels() -> None:
    energy, gradient, beneath = labels(TRAIN)
    assert beneath.gradient is not None
    problem = make_problem(NMER, TRAIN, energy, SETTINGS, gradient, beneath)
    plain = make_problem(NMER, TRAIN, energy, SETTINGS, gradient)
    np.testing.assert_array_equal(problem.weight, plain.weight)
    np.testing.assert_array_equal(problem.energy, energy - beneath.energy)
    assert problem.slopes is not None
    np.testing.assert_array_equal(problem.slopes.values, gradient - beneath.gradient)


def test_a_baseline_that_cannot_be_subtracted_from_gradients_is_refused() -> None:
    energy, gradient, beneath = labels(TRAIN)
    for given in (beneath.energy, Baseline(beneath.energy)):
        with pytest.raises(InputError, match="baseline without its gradient cannot be subtracted from gradients"):
            make_problem(NMER, TRAIN, energy, SETTINGS, gradient, given)
        make_problem(NMER, TRAIN, energy, SETTINGS, None, given)
        unweighted = SETTINGS.model_copy(update={"gradient_weight": 0.0})
        assert make_problem(NMER, TRAIN, energy, unweighted, gradient, given).slopes is None
    with pytest.raises(InputError, match=r"baseline's gradient has shape \(150, 7, 3\); allowed: finite"):
        make_problem(NMER, TRAIN, energy, SETTINGS, gradient, Baseline(beneath.energy, gradient[:, :7]))
    with pytest.raises(InputError, match=r"baseline has shape \(149,\); allowed: finite, \(150,\)"):
        make_problem(NMER, TRAIN, energy, SETTINGS, gradient, Baseline(beneath.energy[1:], gradient))


def test_folds_are_of_the_remainder_and_of_the_terms_and_gradients_that_are_fitted() -> None:
    energy, gradient, beneath = labels(TRAIN)
    k = np.full(12, 0.9)
    right = cross_validate(NMER, TRAIN, energy, SETTINGS, k, 3, gradient, beneath)
    assert max(right) < 2e-4
    assert min(cross_validate(NMER, TRAIN, energy, SETTINGS, k, 3, gradient)) > 1e-2  # walls are no PIP
    few = cross_validate(
        NMER,
        TRAIN[:60],
        energy[:60],
        SETTINGS,
        k,
        3,
        gradient[:60],
        Baseline(beneath.energy[:60], None if beneath.gradient is None else beneath.gradient[:60]),
    )
    without = cross_validate(NMER, TRAIN[:60], energy[:60], SETTINGS, k, 3, None, beneath.energy[:60])
    assert max(few) < 0.1 * min(without)  # 40 energies cannot decide 82 coefficients, 40 gradients can
    some = cross_validate(NMER, TRAIN, energy, SETTINGS, k, 3, gradient, beneath, selected=range(0, 82, 4))
    assert min(some) > 100 * max(right)
