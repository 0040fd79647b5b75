"""The derivative of every term with respect to every variable: what a fit to gradients needs, block by block."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.compiled import njit
from potentials.pip.basis import Basis


def design_slopes(basis: Basis, x: Floats) -> Floats:
    """Return the derivative of every term with respect to every variable.

    Parameters
    ----------
    basis
        The terms.
    x
        (n, variables).

    Returns
    -------
    (n, variables, n_terms). One configuration takes as much memory as `variables` rows of a design matrix, so pass
    few at a time.
    """
    count = len(basis.variables.pairs)
    slopes = np.zeros((len(x), count, basis.n_terms))
    for n, row in enumerate(np.ascontiguousarray(x)):
        below = np.ones(1)
        for term, lowered, last in zip(basis.term, basis.lowered, basis.last, strict=False):
            _add_slopes(below, lowered, term, count, slopes[n])
            below = _times(below, row, last, len(term))
    return slopes


@njit(cache=True)  # type: ignore[untyped-decorator]
def _add_slopes(below: Floats, lowered: Ints, term: Ints, count: int, slopes: Floats) -> None:
    """Add, for each monomial and each of its factors, the monomial without that factor."""
    for m in range(len(term)):
        t = term[m]
        if t >= 0:
            for f in range(lowered.shape[0]):
                place = lowered[f, m]
                slopes[place % count, t] += below[place // count]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _times(below: Floats, x: Floats, last: Ints, total: int) -> Floats:
    """Return the monomials of the next degree."""
    values = np.empty(total)
    position = 0
    for m in range(len(last)):
        for v in range(last[m], len(x)):
            values[position] = below[m] * x[v]
            position += 1
    return values
