"""Which two atoms cause a polarization catastrophe: the matrix of the induced dipoles is not positive definite."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.physics.pairs import tensor_product

DENSE = 600
"""Most unknowns for which all eigenvectors are computed."""

SHARE = 0.1
"""Atoms with at least this part of the largest atom's weight in an eigenvector take part in it."""


def unstable_pair(x: Floats, tensor: Floats, alpha: Floats, direction: Floats) -> tuple[int, int, float]:
    """Return the two nearest atoms of the eigenvector of the lowest eigenvalue of 1 - sqrt(alpha) T sqrt(alpha).

    Parameters
    ----------
    x
        (3 n,), positions: all x, all y, all z.
    tensor
        (2, pairs), the factors of the dipole tensor; see `pairs.permanent`.
    alpha
        (n,), polarizabilities.
    direction
        (3 n,), where the search for the eigenvector begins.

    Returns
    -------
    i, j, eigenvalue
        The atoms, and the eigenvalue.
    """
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

    root = np.sqrt(np.tile(alpha, 3))
    soft: Ints = np.flatnonzero(root)
    count = len(soft)

    def product(vector: Floats) -> Floats:
        dipole, field = np.zeros_like(x), np.empty_like(x)
        dipole[soft] = np.ravel(vector) * root[soft]
        tensor_product(x, tensor, dipole, field)
        return np.asarray(np.ravel(vector) - field[soft] * root[soft])

    if count <= DENSE:
        values, vectors = np.linalg.eigh(np.array([product(column) for column in np.eye(count)]))
    else:
        start = np.where(np.isfinite(direction[soft]), direction[soft], 0.0) + 1e-3
        operator = LinearOperator((count, count), matvec=product, dtype=np.float64)
        try:
            values, vectors = eigsh(operator, 1, which="SA", v0=start, tol=1e-3)
        except ArpackError:  # the direction of the iterations lies close enough to the eigenvector
            values, vectors = np.array([np.nan]), start[:, None]
    weight = np.zeros(len(x))
    weight[soft] = vectors[:, 0] ** 2
    of_atom = weight.reshape(3, -1).sum(axis=0)
    chosen = np.flatnonzero(of_atom >= SHARE * of_atom.max())
    if len(chosen) < 2:
        chosen = np.argsort(of_atom)[-2:]
    places = x.reshape(3, -1).T[chosen]
    apart = np.linalg.norm(places[:, None] - places[None, :], axis=2)
    np.fill_diagonal(apart, np.inf)
    i, j = sorted(int(chosen[k]) for k in np.unravel_index(int(np.argmin(apart)), apart.shape))
    return i, j, float(values[0])
