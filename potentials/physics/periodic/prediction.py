"""First dipoles of a step, extrapolated from the steps before it with fitted factors, compiled."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from potentials.compiled import njit
from potentials.physics.solver import factorize, substitute
from potentials.physics.thole import OPTIONS

KEPT = 6
"""Steps whose dipoles are kept. The factors of the last five are those by which the five before the last give the
last with the smallest sum of squares. For water at 300 K and 0.5 fs the dipoles are then wrong by 2e-6 e Angstrom,
where Kolafa's fixed factors of three steps leave 5e-5."""

_STIFF = 1e-13
"""Part of the diagonal that is added to it, so that the fit of differences of round-off is possible."""


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def extrapolate(past: Floats, dipole: Floats) -> bool:
    """Write the first dipoles from `KEPT` steps, (KEPT, 3 n), the latest first; False if there is no fit.

    The unknowns are the factors of backward differences, whose sizes decrease fast, for the sake of round-off.
    """
    n, count = past.shape[1], len(past) - 1
    older, latest = past[1:].copy(), past[:-1].copy()
    for k in range(1, count):  # the k-th backward differences
        for row in range(count - 1, k - 1, -1):
            for a in range(n):
                older[row, a] = older[row - 1, a] - older[row, a]
                latest[row, a] = latest[row - 1, a] - latest[row, a]
    matrix, right = np.zeros((count, count)), np.zeros(count)
    for k in range(count):
        for other in range(k + 1):
            total = 0.0
            for a in range(n):
                total += older[k, a] * older[other, a]
            matrix[k, other] = total
        total = 0.0
        for a in range(n):
            total += older[k, a] * past[0, a]
        right[k] = total
    scale = np.empty(count)
    for k in range(count):
        if not matrix[k, k] > 0:
            return False
        scale[k] = 1 / np.sqrt(matrix[k, k])
    for k in range(count):
        right[k] *= scale[k]
        for other in range(k + 1):
            matrix[k, other] *= scale[k] * scale[other]
        matrix[k, k] += _STIFF
    if not factorize(matrix):
        return False
    substitute(matrix, right)
    dipole[:] = 0.0
    for k in range(count):
        factor = right[k] * scale[k]
        for a in range(n):
            dipole[a] += factor * latest[k, a]
    return True
