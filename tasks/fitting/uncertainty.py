"""The posterior variance of the rows of a problem: leverage of a training set, sigma from held-back data."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from tasks.fitting.posterior import Posterior, calibrated
from tasks.fitting.projection import Problem
from tasks.fitting.residuals import Residuals


def held_out_sigma(part: Problem, held: Problem, k: Floats) -> float:
    """Return the sigma for which the errors of a fit to one part match its posterior on the other."""
    return calibrated(*held_out_squares(part, held, k)[1:])


def held_out_squares(part: Problem, held: Problem, k: Floats) -> tuple[Residuals, Floats, Floats]:
    """Return how far a fit to one part is off on the other, and how far its posterior says it may be.

    Returns
    -------
    errors
        Of the configurations held back.
    square, variance
        (n,), the weighted squared error of each, e^2 + gradient weight * |g|^2, and its variance at sigma = 1 in
        the same weights.
    """
    posterior = Posterior.of_normal(part.normal(k).matrix, part.gamma)
    energy, gradient = row_variances(held, posterior, k)
    errors = held.residuals(k, part.coefficients(k))
    square, variance = held.weight * np.square(errors.energy), energy
    if errors.gradient is not None and gradient is not None:
        square = square + held.weight * errors.gradient_weight * np.square(errors.gradient).sum(axis=(1, 2))
        variance = variance + gradient.sum(axis=1)
    return errors, square, variance


def row_variances(problem: Problem, posterior: Posterior, k: Floats) -> tuple[Floats, Floats | None]:
    """Return the posterior variance of every weighted row at sigma = 1; for the training set it is the leverage.

    Returns
    -------
    energy, gradient
        (n,), and (n, 3 atoms) where gradients are fitted.
    """
    coordinates = 3 * problem.positions.shape[1] if problem.slopes is not None else 0
    energies, gradients = [], []
    for rows, _ in problem.rows(k):
        variance, count = posterior.leverage(rows), len(rows) // (1 + coordinates)
        energies.append(variance[:count])
        gradients.append(variance[count:].reshape(count, coordinates))
    return np.concatenate(energies), np.concatenate(gradients) if coordinates else None
