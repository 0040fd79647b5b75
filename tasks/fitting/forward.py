"""Choose terms one by one: each time the one that lowers the weighted ridge objective most, given those before it.

This is forward selection by orthogonal least squares (Chen, Billings and Luo, Int. J. Control 50, 1873, 1989),
done as a Cholesky factorization of the normal equations whose pivot is the gain. The design matrix is read in
blocks and never kept; the normal matrix is: 2.3 GB for 17,000 terms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.linalg.blas import dsyrk

from potentials.basis import Basis
from potentials.errors import InputError
from potentials.pip import design_matrix
from storage.records import Floats, Ints

BLOCK = 2048
"""Configurations of the design matrix at once."""

MOST_TERMS = 40_000
"""Candidates above which the normal matrix would take more than 13 GB."""

DEPENDENT = 1e-11
"""Part of a term's own norm below which what is left of it counts as nothing new."""


@dataclass(frozen=True)
class Normal:
    """Normal equations of a weighted ridge fit.

    Attributes
    ----------
    matrix
        (terms, terms): A^T A of the weighted design matrix A; without the ridge. Only the lower triangle counts.
    right
        (terms,): A^T e.
    square
        e^T e.
    """

    matrix: Floats
    right: Floats
    square: float


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

    def coefficients(self, count: int) -> Floats:
        """Return the best coefficients of the first `count` terms, (count,), in the order of the choice."""
        return np.asarray(solve_triangular(self.factor[:count, :count], self.scores[:count]))


def normal_equations(
    basis: Basis, x: Floats, scale: Floats, target: Floats, progress: Callable[[int], None] | None = None
) -> Normal:
    """Return the normal equations of a weighted fit, block by block.

    Parameters
    ----------
    basis
        The candidate terms.
    x
        (n, variables).
    scale
        (n,), factor of each row: the square root of its weight times its switching factor.
    target
        (n,), energies times the square root of their weight.
    progress
        Told the number of rows done.

    Raises
    ------
    InputError
        If there are more candidates than `MOST_TERMS`.
    """
    if basis.n_terms > MOST_TERMS:
        raise InputError(
            f"fitting.max_terms: {basis.n_terms} terms are too many to choose from; allowed: {MOST_TERMS}; "
            "leave some out with fitting.rules or a lower degree"
        )
    matrix = np.zeros((basis.n_terms, basis.n_terms), order="F")
    right = np.zeros(basis.n_terms)
    for start in range(0, len(x), BLOCK):
        rows = slice(start, start + BLOCK)
        design = design_matrix(basis, x[rows])
        design *= scale[rows, None]
        matrix = dsyrk(1.0, design.T, beta=1.0, c=matrix, lower=1, overwrite_c=1)
        right += design.T @ target[rows]
        if progress is not None:
            progress(min(start + BLOCK, len(x)))
    return Normal(matrix, right, float(target @ target))


def choose_terms(
    normal: Normal, gamma: float, count: int, progress: Callable[[int], None] | None = None
) -> Chosen:
    """Return up to `count` terms in the order of their gain; fewer where the rest brings nothing new.

    Parameters
    ----------
    normal
        The normal equations of all candidates.
    gamma
        Ridge parameter.
    count
        How many.
    progress
        Told the number of terms chosen.
    """
    diagonal = normal.matrix.diagonal() + gamma**2
    left, gain_side = diagonal.copy(), normal.right.copy()
    count = min(count, len(diagonal))
    rows = np.empty((count, len(diagonal)))
    order, scores = np.empty(count, dtype=np.int64), np.empty(count)
    objective = [normal.square]
    free: NDArray[np.bool_] = np.ones(len(diagonal), dtype=bool)
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
