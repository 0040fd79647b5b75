"""Evaluate a PIP: values, gradients, and design matrices, driven by data alone.

For a homogeneous polynomial E_d of degree d in x, Euler's theorem gives E_d = x . grad E_d / d. The gradient of
degree d is the vector of monomials of degree d - 1 times a matrix that depends only on the coefficients, so energy
and gradient together are one matrix product per degree. Nothing is generated or compiled per molecule, and
symmetry costs nothing at run time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from potentials.basis import Basis, Ints

Floats = NDArray[np.float64]

CHUNK = 64
"""Configurations evaluated at once: few enough for their monomials to stay in the processor's cache."""


@dataclass(frozen=True)
class Polynomial:
    """A PIP with its coefficients, ready to evaluate.

    Attributes
    ----------
    basis
        The terms.
    matrices
        For each degree d, (monomials of degree d - 1, variables): the gradient's coefficients.
    """

    basis: Basis
    matrices: tuple[Floats, ...]

    @classmethod
    def build(cls, basis: Basis, coefficients: Floats) -> Polynomial:
        """Arrange coefficients for evaluation.

        Parameters
        ----------
        basis
            The terms.
        coefficients
            (n_terms,), kcal/mol.
        """
        count = len(basis.variables.pairs)
        matrices = []
        for d, (rows, term) in enumerate(zip(basis.rows, basis.term, strict=True), start=1):
            matrix = np.zeros((_monomials(count, d - 1), count))
            value = np.where(term >= 0, coefficients[term], 0.0)
            for position in range(d):
                rest = np.delete(rows, position, axis=1)
                # every occurrence of x_k in a monomial adds one, so a power a_k comes out as the factor a_k
                np.add.at(matrix, (_index(rest, count), rows[:, position]), value)
            matrices.append(matrix)
        return cls(basis, tuple(matrices))

    def value_and_slopes(self, x: Floats) -> tuple[Floats, Floats]:
        """Return the polynomial and its derivatives with respect to the variables.

        Parameters
        ----------
        x
            (n, variables).

        Returns
        -------
        value, slopes
            (n,) in kcal/mol and (n, variables).
        """
        value, slopes = np.zeros(len(x)), np.zeros_like(x)
        for chunk in _chunks(len(x)):
            for d, powers in enumerate(_powers(self.basis, x[chunk], len(self.matrices) - 1), start=1):
                gradient = powers @ self.matrices[d - 1]
                slopes[chunk] += gradient
                value[chunk] += np.einsum("nv,nv->n", gradient, x[chunk]) / d
        return value, slopes


def design_matrix(basis: Basis, x: Floats) -> Floats:
    """Return the value of every term.

    Parameters
    ----------
    basis
        The terms.
    x
        (n, variables).

    Returns
    -------
    (n, n_terms): each term is the sum of the monomials in its orbit.
    """
    design = np.zeros((len(x), basis.n_terms))
    for chunk in _chunks(len(x)):
        powers = list(_powers(basis, x[chunk], basis.degree))[1:]
        for values, term in zip(powers, basis.term, strict=True):
            _add_terms(values, term, design[chunk])
    return design


def morse(basis: Basis, k: Floats, positions: Floats) -> tuple[Floats, Floats]:
    """Return the Morse variables exp(-k R) and the distances R.

    Parameters
    ----------
    basis
        Gives the distances and the kind of each.
    k
        Non-linear parameter of each kind, 1/Angstrom.
    positions
        (n, atoms, 3), Angstrom.

    Returns
    -------
    x, distances
        (n, variables) each; the distances in Angstrom.
    """
    first, second = basis.variables.pairs.T
    distances = np.linalg.norm(positions[:, first] - positions[:, second], axis=2)
    return np.exp(-k[basis.variables.kind] * distances), distances


@njit(cache=True)  # type: ignore[untyped-decorator]
def _add_terms(values: Floats, term: Ints, design: Floats) -> None:
    for n in range(values.shape[0]):
        for m in range(values.shape[1]):
            if term[m] >= 0:
                design[n, term[m]] += values[n, m]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _multiply(below: Floats, x: Floats, last: Ints) -> Floats:
    """Return the monomials of the next degree: each monomial times every variable from its own last one on."""
    n, count = x.shape
    total = 0
    for m in range(len(last)):
        total += count - last[m]
    values = np.empty((n, total))
    for i in range(n):
        position = 0
        for m in range(len(last)):
            for v in range(last[m], count):
                values[i, position] = below[i, m] * x[i, v]
                position += 1
    return values


def _powers(basis: Basis, x: Floats, degree: int) -> Iterator[Floats]:
    """Yield the values of all monomials of degree 0, 1, ..., `degree`, each (n, monomials)."""
    values = np.ones((len(x), 1))
    yield values
    last = np.zeros(1, dtype=np.int64)
    for d in range(1, degree + 1):
        values = _multiply(values, x, last)
        last = np.ascontiguousarray(basis.rows[d - 1][:, -1])
        yield values


def _monomials(count: int, degree: int) -> int:
    """Return how many monomials of exactly this degree there are."""
    total = 1
    for i in range(degree):
        total = total * (count + i) // (i + 1)
    return total


def _index(rows: Ints, count: int) -> Ints:
    """Return the place of each sorted monomial in the list of all monomials of its degree."""
    degree = rows.shape[1]
    if degree == 0:
        return np.zeros(len(rows), dtype=np.int64)
    weight = count ** np.arange(degree - 1, -1, -1, dtype=np.int64)
    every = np.unique(rows @ weight)  # every monomial of the lower degree is a part of some monomial
    return np.asarray(np.searchsorted(every, rows @ weight), dtype=np.int64)


def _chunks(n: int) -> Iterator[slice]:
    return (slice(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK))
