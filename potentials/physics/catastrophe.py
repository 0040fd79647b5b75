"""Which two atoms cause a polarization catastrophe: the matrix of the induced dipoles is not positive definite."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import PolarizationError
from potentials.physics.solver import MOST

DENSE = 600
"""Most unknowns for which all eigenvectors are computed."""

SHARE = 0.1
"""Atoms with at least this part of the largest atom's weight in an eigenvector take part in it."""


def unstable_pair(
    product: Callable[[Floats, Floats], None],
    alpha: Floats,
    direction: Floats,
    positions: Floats,
    nearest: Callable[[Floats], Floats] = np.asarray,
) -> tuple[int, int, float, float]:
    """Return the two nearest atoms of the eigenvector of the lowest eigenvalue of 1 - sqrt(alpha) T sqrt(alpha).

    Parameters
    ----------
    product
        Writes the field of dipoles: T mu of mu, (3 n,), all x, all y, all z.
    alpha
        (n,), polarizabilities.
    direction
        (3 n,), where the search for the eigenvector begins.
    positions
        (n, 3), Angstrom.
    nearest
        Returns the nearest images of vectors.

    Returns
    -------
    i, j, distance, eigenvalue
        The atoms, their distance in Angstrom, and the eigenvalue.
    """
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

    root = np.sqrt(np.tile(alpha, 3))
    soft: Ints = np.flatnonzero(root)
    count = len(soft)

    def scaled(vector: Floats) -> Floats:
        dipole, field = np.zeros_like(root), np.empty_like(root)
        dipole[soft] = np.ravel(vector) * root[soft]
        product(dipole, field)
        return np.asarray(np.ravel(vector) - field[soft] * root[soft])

    if count <= DENSE:
        values, vectors = np.linalg.eigh(np.array([scaled(column) for column in np.eye(count)]))
    else:
        start = np.where(np.isfinite(direction[soft]), direction[soft], 0.0) + 1e-3
        operator = LinearOperator((count, count), matvec=scaled, dtype=np.float64)
        try:
            values, vectors = eigsh(operator, 1, which="SA", v0=start, tol=1e-3)
        except ArpackError:  # the direction of the iterations lies close enough to the eigenvector
            values, vectors = np.array([np.nan]), start[:, None]
    weight = np.zeros(len(root))
    weight[soft] = vectors[:, 0] ** 2
    of_atom = weight.reshape(3, -1).sum(axis=0)
    chosen = np.flatnonzero(of_atom >= SHARE * of_atom.max())
    if len(chosen) < 2:
        chosen = np.argsort(of_atom)[-2:]
    places = positions[chosen]
    apart = np.linalg.norm(nearest(places[:, None] - places[None, :]), axis=2)
    np.fill_diagonal(apart, np.inf)
    distance = float(apart.min())
    i, j = sorted(int(chosen[k]) for k in np.unravel_index(int(np.argmin(apart)), apart.shape))
    return i, j, distance, float(values[0])


def catastrophe(
    symbols: Sequence[str], number: int, found: tuple[int, int, float, float], *, slow: bool
) -> PolarizationError:
    """Return the error of a configuration without stable dipoles, with the result of `unstable_pair`.

    Parameters
    ----------
    symbols
        Element of each atom.
    number
        The configuration, counted from 0.
    found
        Its two atoms, their distance, and the lowest eigenvalue.
    slow
        Whether the iterations did not converge.
    """
    i, j, apart, lowest = found
    reason = f"did not converge in {MOST} iterations" if slow else "have no stable solution"
    return PolarizationError(
        f"polarization catastrophe: the induced dipoles of configuration {number} {reason}; atoms {i} "
        f"({symbols[i]}) and {j} ({symbols[j]}) are {apart:.3f} A apart, and the lowest eigenvalue "
        f"of 1 - alpha T is {lowest:.3g}; allowed: geometries where it is positive",
        (i, j),
    )
