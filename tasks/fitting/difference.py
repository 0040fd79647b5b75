"""The fit of a difference between two levels of theory, linear at given non-linear parameters.

Its labels are few, often fewer than its terms. Each of them is therefore held back once: the labels are divided
into parts as large as the settings' validation fraction, and the terms and coefficients are determined from the
other parts. The errors of all labels together are the validation, and scale the uncertainty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from potentials.arrays import Bools, Floats, Ints
from potentials.nmers.switching import MOSTLY_ON
from tasks.fitting.forward import choose_terms
from tasks.fitting.posterior import Posterior, calibrated
from tasks.fitting.projection import Problem
from tasks.fitting.residuals import Residuals
from tasks.fitting.uncertainty import held_out_squares, row_variances


@dataclass(frozen=True)
class Difference:
    """A difference, fitted.

    Attributes
    ----------
    problem
        The labels with the terms that are kept.
    coefficients
        (terms,), kcal/mol.
    posterior
        Covariance of the coefficients, up to sigma^2.
    sigma
        Scale of the uncertainty, from the labels held back; kcal/mol.
    held
        Errors of each label in the fit without its part.
    leverage
        (n,), of each energy, from 0 to 1.
    gradient_leverage
        (n,), the largest leverage of a component of its gradient; None where none are fitted.
    """

    problem: Problem
    coefficients: Floats
    posterior: Posterior
    sigma: float
    held: Residuals
    leverage: Floats
    gradient_leverage: Floats | None


def fit_difference(
    problem: Problem,
    parameters: Floats,
    fraction: float,
    max_terms: int | None = None,
    seed: int | tuple[int, ...] = 0,
    told: Callable[[int], None] | None = None,
) -> Difference:
    """Fit the coefficients of a difference.

    Parameters
    ----------
    problem
        The labels, with all candidate terms.
    parameters
        The non-linear parameters, which stay as they are.
    fraction
        Fraction of the labels that is held back at a time.
    max_terms
        Largest number of terms; those that lower the error most are kept. They are chosen again without each part.
    seed
        Divides the labels into parts.
    told
        Called with the number of parts done.
    """
    part = parts_of(len(problem.energy), fraction, seed)
    energy, square, variance = np.empty(len(part)), np.empty(len(part)), np.empty(len(part))
    gradient = None if problem.slopes is None else np.empty(problem.positions.shape)
    for number in range(int(part.max()) + 1):
        here: Bools = part == number
        rest = with_chosen_terms(problem.part(~here), parameters, max_terms)
        held = replace(problem.part(here), basis=rest.basis)
        errors, square[here], variance[here] = held_out_squares(rest, held, parameters)
        energy[here] = errors.energy
        if gradient is not None and errors.gradient is not None:
            gradient[here] = errors.gradient
        if told is not None:
            told(number + 1)
    on = problem.factor >= MOSTLY_ON  # what is left beyond, the PIP cannot describe, and its spread is nearly zero
    judged = on if on.any() else np.ones(len(part), dtype=np.bool_)
    whole = with_chosen_terms(problem, parameters, max_terms)
    posterior = Posterior.of_normal(whole.normal(parameters).matrix, whole.gamma)
    leverage, of_gradient = row_variances(whole, posterior, parameters)
    return Difference(
        problem=whole,
        coefficients=whole.coefficients(parameters, final=True),
        posterior=posterior,
        sigma=calibrated(square[judged], variance[judged]),
        held=Residuals(energy, gradient, 0.0 if problem.slopes is None else problem.slopes.weight),
        leverage=leverage,
        gradient_leverage=None if of_gradient is None else of_gradient.max(axis=1),
    )


def parts_of(count: int, fraction: float, seed: int | tuple[int, ...]) -> Ints:
    """Return the part of each label, from 0, drawn at random; at least two parts of one label or more."""
    parts = min(count, max(2, round(1.0 / fraction)))
    return np.asarray(np.random.default_rng(seed).permutation(count) % parts)


def with_chosen_terms(problem: Problem, parameters: Floats, max_terms: int | None) -> Problem:
    """Return the problem with the terms that lower its objective most; with all where there are no more."""
    if max_terms is None or max_terms >= problem.basis.n_terms:
        return problem
    chosen = choose_terms(problem.normal(parameters), problem.gamma, max_terms)
    return replace(problem, basis=problem.basis.select(np.sort(chosen.order)))
