"""Choose terms one by one: each time the one that lowers the weighted ridge objective most, given those before it.

This is forward selection by orthogonal least squares (Chen, Billings and Luo, Int. J. Control 50, 1873, 1989),
done as a Cholesky factorization of the normal equations whose pivot is the gain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from potentials.arrays import Bools, Floats, Ints
from tasks.fitting.normal import Normal

DEPENDENT = 1e-11
"""Fraction of a term's squared norm below which its independent remainder counts as zero."""


@dataclass(frozen=True)
class Chosen:
    """Terms in the order in which they were chosen.

    Attributes
    ----------
    order
        (chosen,), numbers of the terms.
    objective
        (chosen + 1,), weighted sum of squares with the ridge term, with none, one, two, ... of them.
    factor
        (chosen, chosen), upper triangular Cholesky factor of their normal matrix with the ridge.
    scores
        (chosen,), the right side in the basis of the factor.
    """

    order: Ints
    objective: Floats
    factor: Floats
    scores: Floats

    def counts(self) -> list[int]:
        """Return 1, 2, 4, ... and all of them: where a curve of errors is drawn."""
        every = len(self.order)
        return sorted({*(2**power for power in range(20) if 2**power < every), every})

    def errors(self, design: Floats, energy: Floats, count: int) -> Floats:
        """Return the errors of the first `count` terms on other data.

        Parameters
        ----------
        design
            (n, candidates), switched terms without weights.
        energy
            (n,), kcal/mol.
        count
            How many terms.
        """
        return np.asarray(design[:, self.order[:count]] @ self.coefficients(count) - energy)

    def coefficients(self, count: int) -> Floats:
        """Return the best coefficients of the first `count` terms, (count,), in the order of the choice."""
        return np.asarray(solve_triangular(self.factor[:count, :count], self.scores[:count]))


def choose_terms(
    normal: Normal, gamma: float, count: int, progress: Callable[[int], None] | None = None
) -> Chosen:
    """Return up to `count` terms in the order of their gain; fewer if the rest depend linearly on them.

    Parameters
    ----------
    normal
        The normal equations of all candidates.
    gamma
        Ridge parameter.
    count
        Largest number of terms.
    progress
        Called with the number of terms chosen.
    """
    diagonal = normal.matrix.diagonal() + gamma**2
    left, gain_side = diagonal.copy(), normal.right.copy()
    count = min(count, len(diagonal))
    rows = np.empty((count, len(diagonal)))
    order, scores = np.empty(count, dtype=np.int64), np.empty(count)
    objective = [normal.square]
    free: Bools = np.ones(len(diagonal), dtype=bool)
    for step in range(count):
        useful = free & (left > DEPENDENT * diagonal)
        if not useful.any():
            rows, order, scores = rows[:step], order[:step], scores[:step]
            break
        gain = np.where(useful, gain_side**2 / np.where(useful, left, 1.0), -1.0)
        pick = int(np.argmax(gain))
        row = _row(normal.matrix, pick)
        row[pick] += gamma**2
        row -= rows[:step, pick] @ rows[:step]
        row /= np.sqrt(left[pick])
        order[step], scores[step], rows[step] = pick, gain_side[pick] / np.sqrt(left[pick]), row
        gain_side -= scores[step] * row
        left -= row**2
        free[pick] = False
        objective.append(objective[-1] - float(scores[step]) ** 2)
        if progress is not None:
            progress(step + 1)
    return Chosen(order, np.array(objective), np.triu(rows[:, order]), scores)


def _row(lower: Floats, index: int) -> Floats:
    """Return one row of a symmetric matrix of which the lower triangle is kept."""
    return np.concatenate([lower[index, :index], lower[index:, index]])
