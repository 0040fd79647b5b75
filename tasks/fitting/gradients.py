"""Rows of a design matrix for Cartesian gradients: one per configuration and coordinate."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from potentials.pip.basis import Basis
from potentials.pip.evaluation import design_matrix, morse
from potentials.pip.slopes import design_slopes


def gradient_rows(basis: Basis, k: Floats, positions: Floats, factor: Floats, turn: Floats) -> Floats:
    """Return the Cartesian derivatives of every switched term.

    Parameters
    ----------
    basis
        The terms.
    k
        Non-linear parameters.
    positions
        (n, atoms, 3), Angstrom; a few configurations.
    factor
        (n,), the switching factor s.
    turn
        (n, atoms, 3), ds/dX, 1/Angstrom.

    Returns
    -------
    (n, atoms, 3, terms), 1/Angstrom: s dT/dX + T ds/dX.
    """
    n, atoms, _ = positions.shape
    x = morse(basis, k, positions)[0]
    chain = basis.variables.jacobian(k, positions)
    rows = chain.reshape(n, atoms * 3, -1) @ design_slopes(basis, x)
    rows = factor[:, None, None] * rows + turn.reshape(n, -1, 1) * design_matrix(basis, x)[:, None, :]
    return np.asarray(rows.reshape(n, atoms, 3, -1))
