"""Evaluate a PIP: values, gradients, and design matrices, driven by data alone.

For a homogeneous polynomial E_d of degree d in x, Euler's theorem gives E_d = x . grad E_d / d. The gradient of
degree d is the vector of monomials of degree d - 1 times a matrix that depends only on the coefficients, so energy
and gradient together are one matrix product per degree. Nothing is generated or compiled per molecule, and
symmetry costs nothing at run time.

Many configurations are taken in chunks with the configuration as the fastest index, so that every loop over
monomials is a vector loop; a few are taken one at a time, where the cost would be in the calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from potentials.basis import Basis, Ints

Floats = NDArray[np.float64]

CHUNK = 64
"""Configurations evaluated at once: few enough for their monomials to stay in the processor's cache."""

FEW = 12
"""Up to so many configurations are evaluated one at a time."""


@dataclass(frozen=True, eq=False)
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
        for term, places, last in zip(basis.term, basis.lowered, basis.last, strict=False):
            value = np.where(term >= 0, coefficients[term], 0.0)
            flat = np.bincount(places.ravel(), np.tile(value, len(places)), minlength=len(last) * count)
            matrices.append(np.asarray(flat, dtype=np.float64).reshape(len(last), count))
        return cls(basis, tuple(matrices))

    @cached_property
    def _stacked(self) -> tuple[Floats, Ints, Ints]:
        """All matrices one below the other, where each begins, and the last variable of each row's monomial."""
        begins = np.cumsum([0, *(len(m) for m in self.matrices)])
        return np.concatenate(self.matrices), begins, np.concatenate(self.basis.last[:-1])

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
        if len(x) <= FEW:
            _one_at_a_time(np.ascontiguousarray(x), *self._stacked, value, slopes)
            return value, slopes
        for chunk in _chunks(len(x)):
            turned = np.ascontiguousarray(x[chunk].T)
            values = np.ones((1, turned.shape[1]))
            for d, (matrix, last) in enumerate(zip(self.matrices, self.basis.last, strict=False), start=1):
                gradient = values.T @ matrix
                slopes[chunk] += gradient
                value[chunk] += np.einsum("nv,nv->n", gradient, x[chunk]) / d
                if d < len(self.matrices):
                    values = _multiply(values, turned, last, len(self.basis.rows[d - 1]))
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
    design = np.empty((len(x), basis.n_terms))
    for chunk in _chunks(len(x)):
        turned = np.ascontiguousarray(x[chunk].T)
        sums = np.zeros((basis.n_terms, turned.shape[1]))
        values = np.ones((1, turned.shape[1]))
        for d, (term, last) in enumerate(zip(basis.term, basis.last, strict=False), start=1):
            if d < basis.degree:
                values = _multiply(values, turned, last, len(term))
                _add_terms(values, term, sums)
            else:  # the highest monomials are the most by far, and nothing is built on them
                _add_products(values, turned, last, term, sums)
        design[chunk] = sums.T
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
    distances = np.empty((len(positions), len(basis.variables.pairs)))
    _distances(np.ascontiguousarray(positions), basis.variables.pairs, distances)
    return np.exp(-k[basis.variables.kind] * distances), distances


def cartesian(basis: Basis, positions: Floats, distances: Floats, slopes: Floats) -> Floats:
    """Return the Cartesian gradient of a function of the distances.

    Parameters
    ----------
    basis
        Gives the distances.
    positions
        (n, atoms, 3), Angstrom.
    distances
        (n, variables), Angstrom, none of them zero.
    slopes
        (n, variables), derivatives with respect to the distances, kcal/mol/Angstrom.

    Returns
    -------
    (n, atoms, 3), kcal/mol/Angstrom.
    """
    gradient = np.zeros(positions.shape)
    _add_along_distances(np.ascontiguousarray(positions), basis.variables.pairs, slopes / distances, gradient)
    return gradient


@njit(cache=True)  # type: ignore[untyped-decorator]
def _distances(positions: Floats, pairs: Ints, distances: Floats) -> None:
    for n in range(positions.shape[0]):
        for v in range(pairs.shape[0]):
            i, j = pairs[v, 0], pairs[v, 1]
            dx = positions[n, i, 0] - positions[n, j, 0]
            dy = positions[n, i, 1] - positions[n, j, 1]
            dz = positions[n, i, 2] - positions[n, j, 2]
            distances[n, v] = np.sqrt(dx * dx + dy * dy + dz * dz)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _add_along_distances(positions: Floats, pairs: Ints, pull: Floats, gradient: Floats) -> None:
    for n in range(positions.shape[0]):
        for v in range(pairs.shape[0]):
            i, j = pairs[v, 0], pairs[v, 1]
            for axis in range(3):
                part = pull[n, v] * (positions[n, i, axis] - positions[n, j, axis])
                gradient[n, i, axis] += part
                gradient[n, j, axis] -= part


@njit(cache=True)  # type: ignore[untyped-decorator]
def _one_at_a_time(x: Floats, stacked: Floats, begins: Ints, last: Ints, value: Floats, slopes: Floats) -> None:
    """Evaluate each configuration by itself: its monomials, then its gradient degree by degree."""
    count = x.shape[1]
    monomial = np.empty(len(last))
    monomial[0] = 1.0
    part = np.empty(count)
    for n in range(x.shape[0]):
        position = 1
        for m in range(begins[len(begins) - 2]):
            for v in range(last[m], count):
                monomial[position] = monomial[m] * x[n, v]
                position += 1
        for d in range(1, len(begins)):
            part[:] = 0.0
            for m in range(begins[d - 1], begins[d]):
                for v in range(count):
                    part[v] += monomial[m] * stacked[m, v]
            for v in range(count):
                slopes[n, v] += part[v]
                value[n] += part[v] * x[n, v] / d


@njit(cache=True)  # type: ignore[untyped-decorator]
def _multiply(below: Floats, x: Floats, last: Ints, total: int) -> Floats:
    """Return the monomials of the next degree, (monomials, n), from those `below` and x (variables, n)."""
    count, n = x.shape
    values = np.empty((total, n))
    position = 0
    for m in range(len(last)):
        for v in range(last[m], count):
            for i in range(n):
                values[position, i] = below[m, i] * x[v, i]
            position += 1
    return values


@njit(cache=True)  # type: ignore[untyped-decorator]
def _add_terms(values: Floats, term: Ints, sums: Floats) -> None:
    """Add monomials (monomials, n) to the terms (terms, n) they belong to."""
    for m in range(len(term)):
        t = term[m]
        if t >= 0:
            for i in range(values.shape[1]):
                sums[t, i] += values[m, i]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _add_products(below: Floats, x: Floats, last: Ints, term: Ints, sums: Floats) -> None:
    """Add the monomials of the next degree to their terms without keeping them."""
    count, n = x.shape
    position = 0
    for m in range(len(last)):
        for v in range(last[m], count):
            t = term[position]
            position += 1
            if t >= 0:
                for i in range(n):
                    sums[t, i] += below[m, i] * x[v, i]


def _chunks(n: int) -> Iterator[slice]:
    return (slice(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK))
