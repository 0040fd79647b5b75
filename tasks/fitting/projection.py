"""Variable projection: the ridge objective as a function of the non-linear parameters alone.

For given k the best coefficients follow by linear algebra, so only k is searched. By the envelope theorem the
exact gradient of the projected objective needs no derivative of the coefficients:
dF/dk_t = 2 sum_n w_n r_n s_n sum_{i in t} (dV_n/dx_i) (-R_ni) x_ni, with Gamma^2 |c|^2 part of F.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from potentials.basis import Basis
from potentials.pip import Polynomial, design_matrix, morse
from storage.records import Floats
from tasks.fitting.ridge import solve_normal, solve_qr


class Minimum(NamedTuple):
    """The k where the optimizer ended (1/Angstrom), the objective there, and whether it ended by itself."""

    k: Floats
    objective: float
    converged: bool


@dataclass(frozen=True)
class Problem:
    """A training set, weighted and ready to fit.

    Attributes
    ----------
    basis
        The terms.
    positions
        (n, atoms, 3), Angstrom.
    energy
        (n,), kcal/mol.
    factor
        (n,), the switching factor s of each configuration.
    weight
        (n,).
    gamma
        Ridge parameter.
    """

    basis: Basis
    positions: Floats
    energy: Floats
    factor: Floats
    weight: Floats
    gamma: float

    def part(self, chosen: NDArray[np.bool_]) -> Problem:
        """Return the problem of the chosen configurations, with their weights as they are."""
        return replace(
            self,
            positions=self.positions[chosen],
            energy=self.energy[chosen],
            factor=self.factor[chosen],
            weight=self.weight[chosen],
        )

    def coefficients(self, k: Floats, final: bool = False) -> Floats:
        """Return the best coefficients for given k, (terms,); the final ones by QR."""
        scale = np.sqrt(self.weight)
        x, _ = morse(self.basis, k, self.positions)
        design = design_matrix(self.basis, x)
        design *= (scale * self.factor)[:, None]
        return (solve_qr if final else solve_normal)(design, scale * self.energy, self.gamma)

    def objective(self, k: Floats) -> tuple[float, Floats]:
        """Return the projected objective and its exact gradient with respect to k.

        Parameters
        ----------
        k
            (kinds,), 1/Angstrom.
        """
        c = self.coefficients(k)
        x, distances = morse(self.basis, k, self.positions)
        value, slopes = Polynomial.build(self.basis, c).value_and_slopes(x)
        residual = self.factor * value - self.energy
        objective = float(self.weight @ residual**2 + self.gamma**2 * (c @ c))
        pull = (2.0 * self.weight * residual * self.factor) @ (-distances * x * slopes)
        gradient = np.bincount(self.basis.variables.kind, pull, minlength=len(k)).astype(np.float64)
        return objective, gradient

    def minimize(self, start: Floats, bounds: tuple[float, float], iterations: int) -> Minimum:
        """Return what L-BFGS-B finds from a start.

        Parameters
        ----------
        start
            (kinds,), 1/Angstrom.
        bounds
            Of every k, 1/Angstrom.
        iterations
            At most so many.
        """
        found = minimize(
            self.objective,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[bounds] * len(start),
            options={"maxiter": iterations, "ftol": 1e-7},
        )
        return Minimum(np.asarray(found.x), float(found.fun), found.status != 1)
