"""Induced dipoles: (1/alpha - T) mu = E by conjugate gradients or by Cholesky's factorization, compiled.

The functions know fields and products only, not how they are made, nor whether the system is periodic. Vectors are
(3 n): all x, all y, all z. Atoms without polarizability have dipoles of 0.
"""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.compiled import njit
from potentials.physics.thole import OPTIONS

PREDICTOR = (4.0, -6.0, 4.0, -1.0)
"""Factors of the last four dipoles of a trajectory, the latest first: the cubic polynomial through them.

It is four times nearer to the dipoles of the next step, 0.5 fs later, than the predictor of Kolafa (2004), k = 1.
"""

DEPTH = len(PREDICTOR)
"""Steps of the past that are kept."""

MOST = 200
"""Largest number of iterations. A system whose tensor is far from singular needs 10 to 20."""

NEGATIVE, SLOW = -1, -2
"""Results of a solution that failed: the matrix has a negative eigenvalue; the iterations did not converge."""

RESIDUAL, STEP, DIRECTION, PRODUCT = 0, 1, 2, 3
"""Rows of the vectors of conjugate gradients: r, alpha r, p, and T times the dipoles or p."""


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def predict(past: Floats, known: int, field: Floats, alpha: Floats, dipole: Floats) -> None:
    """Write the first dipoles: predicted from the past, the latest first; alpha E if there is no past.

    Parameters
    ----------
    past
        (DEPTH, 3 n), dipoles of the last steps.
    known
        How many of them there are.
    field
        (3 n,), of the charges.
    alpha
        (n,), polarizabilities.
    dipole
        (3 n,), written.
    """
    n = len(alpha)
    for axis in range(3):
        for a in range(n):
            k = axis * n + a
            if known > 3:
                dipole[k] = (
                    PREDICTOR[0] * past[0, k]
                    + PREDICTOR[1] * past[1, k]
                    + PREDICTOR[2] * past[2, k]
                    + PREDICTOR[3] * past[3, k]
                )
            elif known == 3:
                dipole[k] = 3 * past[0, k] - 3 * past[1, k] + past[2, k]
            elif known == 2:
                dipole[k] = 2 * past[0, k] - past[1, k]
            elif known == 1:
                dipole[k] = past[0, k]
            else:
                dipole[k] = alpha[a] * field[k]


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def start(field: Floats, alpha: Floats, stiffness: Floats, dipole: Floats, vectors: Floats) -> tuple[float, float]:
    """Start conjugate gradients; ``vectors[PRODUCT]`` is T times the dipoles. Return r alpha r and |alpha r|^2."""
    n = len(alpha)
    descent = size = 0.0
    for axis in range(3):
        for a in range(n):
            k = axis * n + a
            r = field[k] + vectors[PRODUCT, k] - stiffness[a] * dipole[k]
            z = alpha[a] * r
            vectors[RESIDUAL, k] = r
            vectors[STEP, k] = z
            vectors[DIRECTION, k] = z
            descent += r * z
            size += z * z
    return descent, size


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def advance(
    alpha: Floats, stiffness: Floats, descent: float, dipole: Floats, vectors: Floats
) -> tuple[float, float, float]:
    """Make one step; ``vectors[PRODUCT]`` is T p. Return p A p, r alpha r and |alpha r|^2.

    If p A p is not positive the matrix is not positive definite; nothing is changed then.
    """
    n = len(alpha)
    curvature = 0.0
    for axis in range(3):
        for a in range(n):
            k = axis * n + a
            p = vectors[DIRECTION, k]
            curvature += p * (stiffness[a] * p - vectors[PRODUCT, k])
    if not curvature > 0:
        return curvature, descent, 0.0
    length = descent / curvature
    after = size = 0.0
    for axis in range(3):
        for a in range(n):
            k = axis * n + a
            p = vectors[DIRECTION, k]
            dipole[k] += length * p
            r = vectors[RESIDUAL, k] - length * (stiffness[a] * p - vectors[PRODUCT, k])
            z = alpha[a] * r
            vectors[RESIDUAL, k] = r
            vectors[STEP, k] = z
            after += r * z
            size += z * z
    turn = after / descent
    for k in range(3 * n):
        vectors[DIRECTION, k] = vectors[STEP, k] + turn * vectors[DIRECTION, k]
    return curvature, after, size


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def energy_of(field: Floats, dipole: Floats, residual: Floats, soft: Ints) -> float:
    """Return -1/2 mu (E + r): the minimum's energy, wrong only by the square of the dipoles' error."""
    n = len(field) // 3
    total = 0.0
    for a in soft:
        for k in (a, n + a, 2 * n + a):
            total -= 0.5 * dipole[k] * (field[k] + residual[k])
    return total


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def factorize(matrix: Floats) -> bool:
    """Replace the lower triangle of a symmetric matrix by Cholesky's factor; False if it is not positive."""
    n = len(matrix)
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            if i > j:
                matrix[i, j] = total * matrix[j, j]
            elif total > 0:
                matrix[i, i] = 1 / np.sqrt(total)
            else:
                return False
    return True


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def substitute(factor: Floats, vector: Floats) -> None:
    """Replace a vector by the solution for a matrix of `factorize`, whose diagonal holds inverses."""
    n = len(vector)
    for i in range(n):
        total = vector[i]
        for k in range(i):
            total -= factor[i, k] * vector[k]
        vector[i] = total * factor[i, i]
    for i in range(n - 1, -1, -1):
        vector[i] *= factor[i, i]
        for k in range(i):
            vector[k] -= factor[i, k] * vector[i]
