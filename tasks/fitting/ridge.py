"""Weighted ridge regression: the weights, and the solution by orthogonal factorization."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.linalg import lstsq, qr

from potentials.arrays import Floats


def weights(energy: Floats, delta_e: float) -> Floats:
    """Return the weight of each configuration: (dE / (e - e_min + dE))^2.

    Low energies have the largest weight; that of a configuration dE above the lowest is a quarter (paper II).

    Parameters
    ----------
    energy
        (n,), n-body energies, kcal/mol.
    delta_e
        dE, kcal/mol.
    """
    return np.asarray(np.square(delta_e / (energy - energy.min() + delta_e)))


def reduce_rows(blocks: Iterable[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Return a triangle and a right side with the same least squares problem as all rows together.

    Parameters
    ----------
    blocks
        Pairs of rows (m, terms) and targets (m,), already weighted; they are read one at a time.
    """
    kept: Floats | None = None
    for rows, targets in blocks:
        block = np.column_stack([rows, targets])
        kept = qr(block if kept is None else np.vstack([kept, block]), mode="r", check_finite=False)[0]
        kept = kept[: kept.shape[1]]
    assert kept is not None
    return kept[:, :-1], kept[:, -1]


def solve_qr(design: Floats, target: Floats, gamma: float) -> Floats:
    """Return the ridge coefficients, (terms,), by a rank-revealing QR of the design stacked on gamma times 1.

    It is used for the final coefficients.
    """
    terms = design.shape[1]
    stacked = np.vstack([design, gamma * np.eye(terms)])
    return np.asarray(lstsq(stacked, np.concatenate([target, np.zeros(terms)]), lapack_driver="gelsy")[0])
