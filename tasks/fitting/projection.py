"""Variable projection: the ridge objective as a function of the non-linear parameters alone.

For given k the best coefficients follow by linear algebra, so only k is searched. By the envelope theorem the
exact gradient of the projected objective needs no derivative of the coefficients:
dF/dk_t = 2 sum_n w_n r_n s_n sum_{i in t} (dV_n/dx_i) dx_ni/dk_t, with Gamma^2 |c|^2 part of F. For a Morse
variable dx/dk is -R x; a d, where the form has one, goes the same way.
Golub and Pereyra, SIAM J. Numer. Anal. 10, 413 (1973).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from potentials.basis import Basis
from potentials.pip import Polynomial, design_matrix, morse
from potentials.switching import Switching
from storage.records import Floats
from tasks.fitting.gradients import gradient_rows
from tasks.fitting.normal import normal_equations, solve_equations
from tasks.fitting.ridge import reduce_rows, solve_qr

STEP = 1e-4
"""Largest displacement of a coordinate where a directional derivative is taken by differences, Angstrom."""

_BLOCK, _ROWS = 64, 4096
"""Configurations at once, whose gradients are rows as well, and whose energies alone are."""


@dataclass(frozen=True)
class Slopes:
    """Gradients to be fitted, beside the energies.

    Attributes
    ----------
    values
        (n, atoms, 3), kcal/mol/Angstrom.
    weight
        Of a squared error in one component against one in an energy, Angstrom^2.
    switching
        The potential's, if it has one.
    """

    values: Floats
    weight: float
    switching: Switching | None

    def turn(self, positions: Floats) -> Floats:
        """Return the gradient of the switching factor, (n, atoms, 3), 1/Angstrom."""
        turn = np.zeros(positions.shape)
        if self.switching is not None:
            slope = self.switching.evaluate(positions)[1]
            first, second = self.switching.atoms
            turn[:, first] += slope
            turn[:, second] -= slope
        return turn

    def factor(self, positions: Floats) -> Floats:
        """Return the switching factor, (n,)."""
        return np.ones(len(positions)) if self.switching is None else self.switching.evaluate(positions)[0]


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
    slopes
        Gradients, where they are fitted as well.
    """

    basis: Basis
    positions: Floats
    energy: Floats
    factor: Floats
    weight: Floats
    gamma: float
    slopes: Slopes | None = None

    def part(self, chosen: NDArray[np.bool_]) -> Problem:
        """Return the problem of the chosen configurations, with their weights as they are."""
        slopes = self.slopes and replace(self.slopes, values=self.slopes.values[chosen])
        return replace(
            self,
            positions=self.positions[chosen],
            energy=self.energy[chosen],
            factor=self.factor[chosen],
            weight=self.weight[chosen],
            slopes=slopes,
        )

    def some(self, count: int) -> Problem:
        """Return the problem of the first `count` configurations; a training set is in no order that matters."""
        return self if count >= len(self.energy) else self.part(np.arange(len(self.energy)) < count)

    def design(self, k: Floats) -> Floats:
        """Return the switched terms without their weights, (n, terms)."""
        design = design_matrix(self.basis, morse(self.basis, k, self.positions)[0])
        design *= self.factor[:, None]
        return design

    def predict(self, k: Floats, coefficients: Floats) -> Floats:
        """Return the energies of a fit, (n,), kcal/mol."""
        return np.asarray(self.design(k) @ coefficients)

    def coefficients(self, k: Floats, final: bool = False) -> Floats:
        """Return the best coefficients for given k, (terms,).

        By the normal equations inside a search; the final ones, and those that the normal equations are too
        ill-conditioned for, by an orthogonal factorization of the rows, block by block.
        """
        if not final and self.slopes is None:
            scale = np.sqrt(self.weight)
            x = morse(self.basis, k, self.positions)[0]
            normal = normal_equations(self.basis, x, scale * self.factor, scale * self.energy)
            found = solve_equations(normal, self.gamma)
            if found is not None:
                return found
        return solve_qr(*reduce_rows(self._rows(k)), self.gamma)

    def objective(self, k: Floats) -> tuple[float, Floats]:
        """Return the projected objective and its exact gradient with respect to k.

        Parameters
        ----------
        k
            (parameters,), the k of each kind of distance and then the d of each that has one.
        """
        c = self.coefficients(k)
        polynomial = Polynomial.build(self.basis, c)
        x, distances = morse(self.basis, k, self.positions)
        value, slopes = polynomial.value_and_slopes(x)
        residual = self.factor * value - self.energy
        objective = float(self.weight @ residual**2 + self.gamma**2 * (c @ c))
        pull = (2.0 * self.weight * residual * self.factor)[:, None] * slopes
        gradient = self.basis.variables.parameter_gradient(k, distances, x, pull)
        if self.slopes is not None:
            more, along = self._slope_objective(self.slopes, k, polynomial, value, slopes)
            objective, gradient = objective + more, gradient + along
        return objective, gradient

    def value(self, k: Floats) -> float:
        """Return the projected objective alone."""
        return self.objective(k)[0]

    def _slope_objective(
        self, wanted: Slopes, k: Floats, polynomial: Polynomial, value: Floats, slopes: Floats
    ) -> tuple[float, Floats]:
        """Return the gradients' part of the objective, and its derivative with respect to k.

        The latter is the derivative of dV/dk along the residual: one direction a configuration.
        """
        variables = self.basis.variables
        x, distances = morse(self.basis, k, self.positions)
        chain = variables.slopes(k, distances, x) * slopes
        arrow = variables.cartesian(self.positions, distances, chain) * self.factor[:, None, None]
        residual = arrow + value[:, None, None] * wanted.turn(self.positions) - wanted.values
        weight = wanted.weight * self.weight
        objective = float(weight @ np.square(residual).sum(axis=(1, 2)))
        size = np.maximum(np.abs(residual).max(axis=(1, 2)), 1e-300)
        along, gradient = residual * (STEP / size)[:, None, None], np.zeros(len(k))
        for sign in (1.0, -1.0):
            moved = self.positions + sign * along
            x, distances = morse(self.basis, k, moved)
            slopes = polynomial.value_and_slopes(x)[1]
            pull = (sign * weight * size / STEP * wanted.factor(moved))[:, None] * slopes
            gradient += variables.parameter_gradient(k, distances, x, pull)
        return objective, gradient

    def _rows(self, k: Floats) -> Iterator[tuple[Floats, Floats]]:
        """Yield weighted rows and targets of energies, and of gradients where they are fitted."""
        block = _ROWS if self.slopes is None else _BLOCK
        for start in range(0, len(self.energy), block):
            here = slice(start, start + block)
            positions, factor = self.positions[here], self.factor[here]
            scale = np.sqrt(self.weight[here])
            design = design_matrix(self.basis, morse(self.basis, k, positions)[0]) * factor[:, None]
            rows, targets = scale[:, None] * design, scale * self.energy[here]
            if self.slopes is not None:
                turned = gradient_rows(self.basis, k, positions, factor, self.slopes.turn(positions))
                more = np.sqrt(self.slopes.weight) * scale[:, None, None]
                rows = np.vstack([rows, (more[..., None] * turned).reshape(-1, rows.shape[1])])
                targets = np.concatenate([targets, (more * self.slopes.values[here]).ravel()])
            yield rows, targets
