"""The uncertainty of a ridge fit: leverage of the training data, and an ensemble of coefficients.

Ridge regression is a Gaussian posterior: its mean is the fit, its covariance sigma^2 (A^T A + Gamma^2)^-1, where A
has the weighted rows of all energies and of all gradients that are fitted. Sigma is not taken from the training
residuals, which are too small, but scaled so that on configurations held back from the fit the root mean square
of error over uncertainty is one. With gradients, the error of a configuration is e^2 + gradient weight * |g|^2 as
in the objective, and its uncertainty the same sum of variances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cholesky, solve_triangular

from potentials.arrays import Floats

_NOISE = 1e-14
"""Added to the normal matrix, relative to its largest element, where the ridge alone cannot make it definite."""


@dataclass(frozen=True)
class Posterior:
    """Covariance of the coefficients, up to sigma^2.

    Attributes
    ----------
    factor
        (terms, terms), lower Cholesky factor of A^T A + Gamma^2.
    """

    factor: Floats

    @classmethod
    def of(cls, design: Floats, gamma: float) -> Posterior:
        """Return the posterior of a fit.

        Parameters
        ----------
        design
            (n, terms), rows multiplied by the square root of their weight and by their switching factor.
        gamma
            Ridge parameter.
        """
        return cls.of_normal(design.T @ design, gamma)

    @classmethod
    def of_normal(cls, normal: Floats, gamma: float) -> Posterior:
        """Return the posterior of a fit from its normal equations.

        Parameters
        ----------
        normal
            (terms, terms), A^T A of the weighted rows, of which the lower triangle is used; it is overwritten.
        gamma
            Ridge parameter.
        """
        normal[np.diag_indices_from(normal)] += gamma**2
        try:
            return cls(cholesky(normal, lower=True))
        except LinAlgError:
            normal[np.diag_indices_from(normal)] += _NOISE * normal.diagonal().max()
            return cls(cholesky(normal, lower=True))

    def spread(self, design: Floats) -> Floats:
        """Return sqrt(a^T (A^T A + Gamma^2)^-1 a) of each row a of a design matrix, (n,)."""
        part = solve_triangular(self.factor, design.T, lower=True)
        return np.asarray(np.sqrt(np.square(part).sum(axis=0)))

    def leverage(self, design: Floats) -> Floats:
        """Return how much each training row determines its own fitted value, (n,), from 0 to 1.

        Parameters
        ----------
        design
            The weighted rows the posterior was made from.
        """
        return np.asarray(np.square(self.spread(design)))

    def sigma(self, design: Floats, error: Floats) -> float:
        """Return the sigma for which error over uncertainty has a root mean square of one.

        Parameters
        ----------
        design
            (n, terms), rows of configurations held back, times their switching factor and without their weight.
        error
            (n,), their errors, kcal/mol.
        """
        return calibrated(np.square(error), np.square(self.spread(design)))

    def members(self, coefficients: Floats, sigma: float, count: int, seed: int | tuple[int, ...]) -> Floats:
        """Return coefficients drawn from the posterior, (count, terms); the same for the same seed."""
        draws = np.random.default_rng(seed).standard_normal((len(coefficients), count))
        return np.asarray(coefficients + sigma * solve_triangular(self.factor, draws, lower=True, trans="T").T)


def calibrated(square: Floats, variance: Floats) -> float:
    """Return the sigma for which errors are as large as their uncertainties; 0 if no variance is positive.

    Parameters
    ----------
    square
        (n,), squared error of each configuration held back.
    variance
        (n,), its variance at sigma = 1, in the same weights.
    """
    known = variance > 0.0
    return float(np.sqrt(np.mean(square[known] / variance[known]))) if known.any() else 0.0
