"""Normal equations of a weighted ridge fit, from a design matrix that is computed in blocks and not stored.

They take 4 MB for 710 terms and 2.3 GB for 17,000, for any number of configurations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.linalg.blas import dsyrk

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.pip.basis import Basis
from potentials.pip.evaluation import design_matrix

BLOCK = 2048
"""Number of configurations in a block of the design matrix."""

MOST_TERMS = 40_000
"""Terms above which the matrix would take more than 13 GB."""


@dataclass(frozen=True)
class Normal:
    """Normal equations of a weighted ridge fit.

    Attributes
    ----------
    matrix
        (terms, terms): A^T A of the weighted design matrix A, without the ridge. Only the lower triangle is used.
    right
        (terms,): A^T e.
    square
        e^T e.
    """

    matrix: Floats
    right: Floats
    square: float


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
        Called with the number of rows done.

    Raises
    ------
    InputError
        If there are more candidates than `MOST_TERMS`.
    """
    if basis.n_terms > MOST_TERMS:
        raise InputError(
            f"{basis.n_terms} terms are too many to fit or to choose from; allowed: {MOST_TERMS}; leave some out "
            "with a lower fitting.degree or another filter"
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


def with_rows(normal: Normal, blocks: Iterable[tuple[Floats, Floats]]) -> Normal:
    """Return normal equations with further rows.

    Parameters
    ----------
    normal
        Normal equations of the other rows; the matrix is overwritten.
    blocks
        Pairs of rows (m, terms) and targets (m,), already weighted; they are read one at a time.
    """
    matrix, right, square = normal.matrix, normal.right, normal.square
    for rows, targets in blocks:
        matrix = dsyrk(1.0, rows.T, beta=1.0, c=matrix, lower=1, overwrite_c=1)
        right = right + rows.T @ targets
        square += float(targets @ targets)
    return Normal(matrix, right, square)


def solve_equations(normal: Normal, gamma: float) -> Floats | None:
    """Return the ridge coefficients, (terms,), by Cholesky factorization; None if the ridge is too weak for it.

    At Gamma = 5e-4 it is as good as an orthogonal factorization of the design within 1e-7 kcal/mol; it is used
    inside optimizers.

    Parameters
    ----------
    normal
        The normal equations; their matrix is overwritten.
    gamma
        Ridge parameter.
    """
    matrix = normal.matrix
    matrix[np.diag_indices_from(matrix)] += gamma**2
    try:
        factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError:
        return None
    return np.asarray(cho_solve(factor, normal.right))
