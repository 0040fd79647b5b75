"""Variable projection: the ridge objective as a function of the non-linear parameters alone.

For given k the best coefficients follow by linear algebra, so only k is searched. By the envelope theorem the
exact gradient of the projected objective needs no derivative of the coefficients:
dF/dk_t = 2 sum_n w_n r_n s_n sum_{i in t} (dV_n/dx_i) dx_ni/dk_t, with Gamma^2 |c|^2 part of F. For a Morse
variable dx/dk is -R x; a d, if the form has one, is treated in the same way.
Golub and Pereyra, SIAM J. Numer. Anal. 10, 413 (1973).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from potentials.arrays import Bools, Floats
from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis
from potentials.pip.evaluation import Polynomial, design_matrix, morse
from tasks.fitting.gradients import gradient_rows
from tasks.fitting.normal import Normal, normal_equations, solve_equations, with_rows
from tasks.fitting.residuals import Residuals
from tasks.fitting.ridge import reduce_rows, solve_qr
from tasks.strata import stratified

STEP = 1e-4
"""Largest displacement of a coordinate where a directional derivative is taken by differences, Angstrom."""

_ROWS, _BLOCK, _NUMBERS = 4096, 64, 2**24
"""Configurations at once where energies alone are rows, and where gradients are as well; numbers in their rows."""


@dataclass(frozen=True)
class Slopes:
    """Gradients to be fitted, beside the energies.

    Attributes
    ----------
    values
        (n, atoms, 3), kcal/mol/Angstrom.
    weight
        Weight of a squared error in one component relative to one in an energy, Angstrom^2.
    switching
        The switching of the potential, if it has one.
    """

    values: Floats
    weight: float
    switching: Switching | None

    def turn(self, positions: Floats) -> Floats:
        """Return the gradient of the switching factor, (n, atoms, 3), 1/Angstrom."""
        return np.zeros(positions.shape) if self.switching is None else self.switching.evaluate(positions)[1]

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
        Gradients, if they are fitted as well.
    groups
        (n, columns), further properties of each configuration, such as its temperature and window; None if there
        are none.
    """

    basis: Basis
    positions: Floats
    energy: Floats
    factor: Floats
    weight: Floats
    gamma: float
    slopes: Slopes | None = None
    groups: Floats | None = None

    def part(self, chosen: Bools) -> Problem:
        """Return the problem of the chosen configurations, with their weights unchanged."""
        slopes = self.slopes and replace(self.slopes, values=self.slopes.values[chosen])
        return replace(
            self,
            positions=self.positions[chosen],
            energy=self.energy[chosen],
            factor=self.factor[chosen],
            weight=self.weight[chosen],
            slopes=slopes,
            groups=None if self.groups is None else self.groups[chosen],
        )

    def some(self, count: int, seed: int) -> Problem:
        """Return the problem of `count` configurations, drawn by the seed from all groups and ranges of energy.

        A training set is ordered by walker, so that its first rows are of one temperature and window.
        """
        return self if count >= len(self.energy) else self.part(self.drawn(count, seed))

    def drawn(self, count: int, seed: int) -> Bools:
        """Return which configurations `some` takes, (n,)."""
        chosen = np.zeros(len(self.energy), dtype=np.bool_)
        if count >= len(self.energy):
            return ~chosen
        chosen[stratified(self.energy, self.groups, count, seed)] = True
        return chosen

    def design(self, k: Floats) -> Floats:
        """Return the switched terms without their weights, (n, terms)."""
        design = design_matrix(self.basis, morse(self.basis, k, self.positions)[0])
        design *= self.factor[:, None]
        return design

    def predict(self, k: Floats, coefficients: Floats) -> Floats:
        """Return the energies of a fit, (n,), kcal/mol."""
        return np.asarray(self.design(k) @ coefficients)

    def residuals(self, k: Floats, coefficients: Floats) -> Residuals:
        """Return the errors of a fit with the given parameters and coefficients."""
        polynomial = Polynomial.build(self.basis, coefficients)
        x, distances = morse(self.basis, k, self.positions)
        value, slopes = polynomial.value_and_slopes(x)
        energy = self.factor * value - self.energy
        if self.slopes is None:
            return Residuals(energy)
        return Residuals(
            energy, self._slope_residual(self.slopes, k, x, distances, value, slopes), self.slopes.weight
        )

    def normal(self, k: Floats, progress: Callable[[int], None] | None = None) -> Normal:
        """Return the normal equations of energies, and of gradients where they are fitted.

        Parameters
        ----------
        k
            The non-linear parameters.
        progress
            Called with the number of configurations done.
        """
        scale = np.sqrt(self.weight)
        x = morse(self.basis, k, self.positions)[0]
        found = normal_equations(self.basis, x, scale * self.factor, scale * self.energy, progress)
        if self.slopes is None:
            return found
        return with_rows(found, (self._gradient_block(self.slopes, k, here) for here in self._blocks()))

    def coefficients(self, k: Floats, final: bool = False) -> Floats:
        """Return the best coefficients for given k, (terms,).

        Inside a search they are solved from the normal equations; the final ones, and those for which the normal
        equations are too ill-conditioned, from an orthogonal factorization of the rows, block by block.
        """
        if not final:
            found = solve_equations(self.normal(k), self.gamma)
            if found is not None:
                return found
        return solve_qr(*reduce_rows(self.rows(k)), self.gamma)

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
        """Return the contribution of the gradients to the objective, and its derivative with respect to k.

        The latter is the derivative of dV/dk along the residual: one direction a configuration.
        """
        variables = self.basis.variables
        x, distances = morse(self.basis, k, self.positions)
        residual = self._slope_residual(wanted, k, x, distances, value, slopes)
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

    def _slope_residual(
        self, wanted: Slopes, k: Floats, x: Floats, distances: Floats, value: Floats, slopes: Floats
    ) -> Floats:
        """Return the errors of the gradients, (n, atoms, 3), from values and slopes of the polynomial at x."""
        variables = self.basis.variables
        chain = variables.slopes(k, distances, x) * slopes
        arrow = variables.cartesian(self.positions, distances, chain) * self.factor[:, None, None]
        return np.asarray(arrow + value[:, None, None] * wanted.turn(self.positions) - wanted.values)

    def rows(self, k: Floats) -> Iterator[tuple[Floats, Floats]]:
        """Yield weighted rows and targets: of some energies, then of their gradients where they are fitted."""
        for here in self._blocks():
            scale = np.sqrt(self.weight[here])
            design = design_matrix(self.basis, morse(self.basis, k, self.positions[here])[0])
            rows, targets = (scale * self.factor[here])[:, None] * design, scale * self.energy[here]
            if self.slopes is not None:
                more, wanted = self._gradient_block(self.slopes, k, here)
                rows, targets = np.vstack([rows, more]), np.concatenate([targets, wanted])
            yield rows, targets

    def _blocks(self) -> Iterator[slice]:
        """Yield the configurations some at a time, few enough for their rows to fit in memory."""
        block = _ROWS
        if self.slopes is not None:
            columns = len(self.basis.variables) + 3 * self.positions.shape[1]
            block = max(1, min(_BLOCK, _NUMBERS // (columns * self.basis.n_terms)))
        return (slice(start, start + block) for start in range(0, len(self.energy), block))

    def _gradient_block(self, wanted: Slopes, k: Floats, here: slice) -> tuple[Floats, Floats]:
        """Return weighted rows and targets of some gradients, one row for each configuration and coordinate."""
        positions = self.positions[here]
        turned = gradient_rows(self.basis, k, positions, self.factor[here], wanted.turn(positions))
        scale = np.sqrt(wanted.weight * self.weight[here])[:, None, None]
        rows = (scale[..., None] * turned).reshape(-1, self.basis.n_terms)
        return rows, (scale * wanted.values[here]).ravel()
