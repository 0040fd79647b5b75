"""Frames whose rows of the PIP's design matrix best determine its coefficients: greedy D-optimality.

Each step takes the row x with the largest leverage x' (X'X + ridge)^-1 x, which increases the determinant of
X'X + ridge most. Leverages only decrease while rows are added, so that an earlier value is an upper bound; only
the rows with the highest bounds are evaluated, and the result is the same as with all rows in every step.

References: Fedorov, Theory of Optimal Experiments (1972); lazy evaluation, Minoux (1978).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import qr, solve_triangular

from potentials.arrays import Floats, Ints
from potentials.nmers.nmer import NMer
from potentials.pip.evaluation import design_matrix, morse
from recipes.schema.recipe import Fitting
from tasks.selection.rules import Rules, near
from tasks.selection.table import Table

ACTIVE = 1024
"""Rows evaluated together."""

FLOOR = 1e-12
"""Smallest ridge, as a fraction of the largest squared length of a row."""

TIE = 1e-6
"""Leverages with a smaller relative difference count as equal: rounding is of that order while there are fewer
rows than terms."""

GONE = -1.0
"""Bound of a row that is taken or must not be taken."""


def design_rows(nmer: NMer, fitting: Fitting) -> tuple[Callable[[Floats], Floats], int]:
    """Return the function from positions to rows of the design matrix, and the number of terms.

    The k are the start values of the fit, and the rows are multiplied by the potential's switching function.

    Parameters
    ----------
    nmer
        The n-mer.
    fitting
        The recipe's fitting section.
    """
    basis = fitting.build_basis(nmer)
    k = fitting.first_start(basis)
    switching = None if fitting.switching is None else fitting.switching.build()

    def rows(positions: Floats) -> Floats:
        design = design_matrix(basis, morse(basis, k, positions)[0])
        if switching is not None:
            design *= switching.evaluate(positions)[0][:, None]
        return design

    return rows, basis.n_terms


class Greedy:
    """Takes one row after the other, each the one that increases the determinant most.

    Parameters
    ----------
    design
        (rows, terms), the design matrix.
    features
        (rows, width), in which distances are measured.
    rules
        Smallest distances between rows.
    gamma
        Ridge parameter of the fit; its square is added to the diagonal.
    quotas
        (cells,), largest number of rows to take from each cell.
    starts
        (cells + 1,), first row of each cell, and the end of the last one.
    """

    def __init__(
        self, design: Table, features: Table, rules: Rules, gamma: float, quotas: Ints, starts: Ints
    ) -> None:
        self._design, self._features, self._rules = design, features, rules
        self._left, self._starts = quotas.copy(), starts
        squares = [np.square(block, dtype=np.float64).sum(axis=1) for _, block in design.blocks()]
        self._bound = np.concatenate(squares) if squares else np.zeros(0)
        ridge = max(gamma**2, FLOOR * float(self._bound.max(initial=0.0)), np.finfo(float).tiny)
        self._bound /= ridge
        self._root = np.sqrt(ridge) * np.eye(design.shape[1])
        """Upper triangle R with R'R = X'X + ridge."""

    def take(self, count: int, chosen: Ints, test: Ints) -> Ints:
        """Return up to `count` rows, fewer only if no other row satisfies the distances and quotas.

        Parameters
        ----------
        count
            Number of rows.
        chosen
            Rows chosen before, including the test set, to which the distances apply.
        test
            The rows of the test set.
        """
        self._bound[chosen] = GONE
        taken = np.zeros(0, dtype=np.int64)
        tests = self._features.take(test)
        while len(taken) < count:
            for cell in np.flatnonzero(self._left == 0):
                self._bound[self._starts[cell] : self._starts[cell + 1]] = GONE
            active, beyond = self._most_promising()
            if not len(active):
                break
            points = self._features.take(active)
            present = self._features.take(np.concatenate([chosen, taken]))
            bad = near(points, present, self._rules.duplicate) | near(points, tests, self._rules.test)
            self._bound[active[bad]] = GONE
            taken = np.concatenate(
                [taken, self._take_among(active[~bad], points[~bad], beyond, count - len(taken))]
            )
        return taken

    def _most_promising(self) -> tuple[Ints, float]:
        """Return the rows with the highest bounds, and the highest bound of the others."""
        free = int(np.count_nonzero(self._bound > GONE))
        if free <= ACTIVE:
            return np.flatnonzero(self._bound > GONE), GONE
        split = len(self._bound) - ACTIVE
        order = np.argpartition(self._bound, split - 1)
        return np.sort(order[split:]), float(self._bound[order[split - 1]])

    def _take_among(self, active: Ints, points: Floats, beyond: float, count: int) -> Ints:
        """Return rows taken one after the other while no row outside `active` can have a larger leverage."""
        rows = self._design.take(active).astype(np.float64)
        white = solve_triangular(self._root, rows.T, trans="T", check_finite=False).T
        leverage = np.einsum("ij,ij->i", white, white)
        cells = np.searchsorted(self._starts, active, side="right") - 1
        taken: list[int] = []
        known = np.empty((min(count, len(active)), len(active)))
        while len(taken) < count and len(active):
            best = int(np.argmax(leverage))
            if leverage[best] < beyond * (1 - TIE) or leverage[best] <= GONE:
                break
            # one step of Cholesky's decomposition of 1 + (white white'), whose diagonal is 1 + leverage
            before = known[: len(taken)]
            column = (white @ white[best] - before.T @ before[:, best]) / np.sqrt(1.0 + leverage[best])
            known[len(taken)] = column
            gone = leverage <= GONE
            leverage = np.where(gone, GONE, np.maximum(leverage - column**2, 0.0))
            leverage[best] = GONE
            taken.append(best)
            if self._rules.duplicate > 0:
                apart = np.linalg.norm(points - points[best], axis=1)
                leverage[apart < self._rules.duplicate] = GONE
            self._left[cells[best]] -= 1
            if self._left[cells[best]] == 0:
                leverage[cells == cells[best]] = GONE
        self._bound[active] = leverage
        if taken:
            self._root = qr(np.vstack([self._root, rows[taken]]), mode="r", check_finite=False)[0][: rows.shape[1]]
        return active[np.array(taken, dtype=np.int64)]
