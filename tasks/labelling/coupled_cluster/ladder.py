"""The particle ladder of CCSD, sum_cd (ac|bd) t_ij^cd: the contribution whose cost grows fastest with the basis.

The sum of (ac|bd) and (ad|bc) is contracted only with the part of t that is symmetric in c and d, their difference
only with the antisymmetric part (P. Saebo and P. Pulay, J. Chem. Phys. 86, 914 (1987)). Each half has
v (v + 1) / 2 pairs, so that together they cost half of the plain product. Both matrices are symmetric in the pairs
ab and cd: of each only the lower triangle, in blocks of equal a, is made and kept: v^4 / 4 numbers in all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from potentials.compiled import njit

Array = NDArray[Any]
"""Of float32 or float64."""

_ROWS = 16
"""Virtual orbitals b whose products are made at once."""


class ParticleLadder:
    """Integrals between four virtual orbitals, ready to be contracted with amplitudes.

    Parameters
    ----------
    fitted
        (virtual, virtual, auxiliary), fitted integrals B_ac^Q: (ac|bd) = sum_Q B_ac^Q B_bd^Q.
    """

    def __init__(self, fitted: Array) -> None:
        count = len(fitted)
        self._first, self._second = np.tril_indices(count)
        self._blocks: list[tuple[Array, Array]] = []
        for a in range(count):
            length, pairs = a + 1, (a + 1) * (a + 2) // 2
            plus, minus = np.empty((2, length, pairs), fitted.dtype)
            for b in range(0, length, _ROWS):
                rows = slice(b, min(b + _ROWS, length))
                products = np.matmul(fitted[a, :length], fitted[rows, :length].transpose(0, 2, 1))  # b, c, d
                _fold(products, plus[rows], minus[rows])
            self._blocks.append((plus, minus))

    @staticmethod
    def size(virtuals: int) -> float:
        """Return how many numbers are kept for a number of virtual orbitals."""
        return virtuals**4 / 4 + virtuals**3

    def contract(self, t2: Array) -> Array:
        """Return sum_cd (ac|bd) t^cd.

        Parameters
        ----------
        t2
            (pairs of occupied orbitals, virtual, virtual).

        Returns
        -------
        The same shape.
        """
        first, second = self._first, self._second
        lower, upper = t2[:, first, second], t2[:, second, first]
        symmetric, antisymmetric = 0.5 * (lower + upper), 0.5 * (lower - upper)
        symmetric[:, first == second] *= 0.5  # the pairs c = d are in the sum once
        sums = np.zeros_like(symmetric), np.zeros_like(antisymmetric)
        for a, block in enumerate(self._blocks):
            start, stop = a * (a + 1) // 2, (a + 1) * (a + 2) // 2
            for part, total, matrix in zip((symmetric, antisymmetric), sums, block, strict=True):
                total[:, start:stop] += part[:, :stop] @ matrix.T
                if a:  # the same block, above the diagonal
                    total[:, :start] += part[:, start:stop] @ matrix[:, :start]
        out = np.empty_like(t2)
        out[:, second, first] = sums[0] - sums[1]
        out[:, first, second] = sums[0] + sums[1]
        return out


@njit(cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def _fold(products: Array, plus: Array, minus: Array) -> None:
    """Write the sums and the differences of (b, c, d) and (b, d, c) for d <= c as rows of pairs."""
    for b in range(products.shape[0]):
        pair = 0
        for c in range(products.shape[1]):
            for d in range(c + 1):
                plus[b, pair] = products[b, c, d] + products[b, d, c]
                minus[b, pair] = products[b, c, d] - products[b, d, c]
                pair += 1
