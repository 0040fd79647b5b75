"""How sure a ridge fit is: leverage of the training data, and an ensemble of coefficients.

Ridge regression is a Gaussian posterior: its mean is the fit, its covariance sigma^2 (A^T A + Gamma^2)^-1. Sigma
is not taken from the training residuals, which flatter, but scaled so that on configurations held back from the
fit the root mean square of error over uncertainty is one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cholesky, solve_triangular

from storage.records import Floats

MEMBERS = 32
"""Members of an ensemble: the spread is right to an eighth."""

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
        normal = design.T @ design
        normal[np.diag_indices_from(normal)] += gamma**2
        try:
            return cls(cholesky(normal, lower=True))
        except LinAlgError:
            normal[np.diag_indices_from(normal)] += _NOISE * normal.max()
            return cls(cholesky(normal, lower=True))

    def spread(self, design: Floats) -> Floats:
        """Return sqrt(a^T (A^T A + Gamma^2)^-1 a) of each row a of a design matrix, (n,)."""
        part = solve_triangular(self.factor, design.T, lower=True)
        return np.asarray(np.sqrt(np.square(part).sum(axis=0)))

    def leverage(self, design: Floats) -> Floats:
        """Return how much each training row decides of its own fitted value, (n,), from 0 to 1.

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
        spread = self.spread(design)
        known = spread > 0.0
        return float(np.sqrt(np.mean(np.square(error[known] / spread[known])))) if known.any() else 0.0

    def members(self, coefficients: Floats, sigma: float, count: int, seed: int) -> Floats:
        """Return coefficients drawn from the posterior, (count, terms); the same for the same seed."""
        draws = np.random.default_rng(seed).standard_normal((len(coefficients), count))
        return np.asarray(coefficients + sigma * solve_triangular(self.factor, draws, lower=True, trans="T").T)
