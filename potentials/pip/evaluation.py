"""Evaluate a PIP: values, gradients, and design matrices.

For a homogeneous polynomial E_d of degree d in x, Euler's theorem gives E_d = x . grad E_d / d. The gradient of
degree d is the vector of monomials of degree d - 1 times a matrix that depends only on the coefficients, so energy
and gradient together are one matrix product per degree. Nothing is generated or compiled per molecule, and
symmetry costs nothing at run time. Monomials that no kept term needs are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.compiled import njit
from potentials.pip.basis import Basis
from potentials.pip.kernels import (
    matrix_product,
    polynomial_of_blocks,
    polynomial_one_by_one,
    potential_of_blocks,
    potential_one_by_one,
)

CHUNK = 64
"""Configurations evaluated at once: few enough for their monomials to stay in the processor's cache."""

FEW = 1
"""Up to this number of configurations are evaluated one at a time; from two on, a block is faster."""


@dataclass(frozen=True, eq=False)
class Polynomial:
    """A PIP with its coefficients, ready to evaluate.

    Each monomial is the product of a smaller one, its parent, and a variable, its factor; the first is 1.

    Attributes
    ----------
    basis
        The terms.
    parents, factors
        (monomials,), of the needed monomials of degree 0, 1, ... below the highest.
    begins
        (degree + 1,), the first monomial of each degree, and the end of the last.
    stacked
        (monomials, variables): the gradient's coefficients of the degree above each monomial's.
    """

    basis: Basis
    parents: Ints
    factors: Ints
    begins: Ints
    stacked: Floats

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
        count = len(basis.variables)
        matrices, needed = [], []
        for term, places, last in zip(basis.term, basis.lowered, basis.last, strict=False):
            value = np.where(term >= 0, coefficients[term], 0.0)
            flat = np.bincount(places.ravel(), np.tile(value, len(places)), minlength=len(last) * count)
            matrices.append(np.asarray(flat, dtype=np.float64).reshape(len(last), count))
            used = np.zeros(len(last), dtype=bool)
            used[places[:, term >= 0] // count] = True
            needed.append(used)
        needed[0][:] = True
        ups = [np.zeros(1, dtype=np.int64), *(np.repeat(np.arange(len(n)), count - n) for n in basis.last[:-2])]
        for d in range(basis.degree - 1, 0, -1):  # a monomial needs its parent
            needed[d - 1][ups[d][needed[d]]] = True
        begins = np.cumsum([0, *(n.sum() for n in needed)])
        parents, factors = [np.zeros(1, dtype=np.int64)], [np.zeros(1, dtype=np.int64)]
        for d in range(1, basis.degree):
            place = begins[d - 1] + np.cumsum(needed[d - 1]) - 1
            parents.append(place[ups[d][needed[d]]])
            factors.append(basis.last[d][needed[d]])
        rows = [matrix[used] for matrix, used in zip(matrices, needed, strict=True)]
        return cls(basis, np.concatenate(parents), np.concatenate(factors), begins, np.concatenate(rows))

    @cached_property
    def _transposed(self) -> Floats:
        """The matrix of each degree, transposed, concatenated: (variables * monomials,)."""
        matrices = [self.stacked[low:high].T.ravel() for low, high in pairwise(self.begins)]
        return np.concatenate(matrices)

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
        x = np.ascontiguousarray(x)
        value, slopes = np.empty(len(x)), np.empty(x.shape)
        tables = self.parents, self.factors, self.begins
        if len(x) <= FEW:
            polynomial_one_by_one(x, *tables, self.stacked, value, slopes)
        else:
            polynomial_of_blocks(x, *tables, self._transposed, min(CHUNK, len(x)), value, slopes)
        return value, slopes

    def value_and_gradient(self, k: Floats, d: Floats, positions: Floats) -> tuple[Floats, Floats, int]:
        """Return the energy and its Cartesian gradient from positions, in one call.

        Parameters
        ----------
        k, d
            (variables,) each: the parameters of every variable, from `Variables.spread`.
        positions
            (n, atoms, 3), Angstrom.

        Returns
        -------
        value, gradient, touching
            (n,) in kcal/mol; (n, atoms, 3) in kcal/mol/Angstrom; and the number of distances that are zero: if
            there are any, value and gradient are meaningless.
        """
        variables = self.basis.variables
        points = variables.sites.points(positions)
        value, gradient = np.empty(len(points)), np.empty(points.shape)
        tables = variables.pairs, k, d, variables.flags, self.parents, self.factors, self.begins
        if len(points) <= FEW:
            touching = potential_one_by_one(points, *tables, self.stacked, value, gradient)
        else:
            width = min(CHUNK, len(points))
            touching = potential_of_blocks(points, *tables, self._transposed, width, value, gradient)
        return value, variables.sites.on_atoms(points, gradient), touching


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
            else:  # by far the most monomials have the highest degree; they are not stored
                _add_products(values, turned, last, term, sums)
        design[chunk] = sums.T
    return design


def polynomials(basis: Basis, x: Floats, coefficients: Floats) -> Floats:
    """Return the values of several polynomials of the same terms.

    Parameters
    ----------
    basis
        The terms.
    x
        (n, variables).
    coefficients
        (n_terms, polynomials), kcal/mol.

    Returns
    -------
    (n, polynomials), kcal/mol.
    """
    values = np.empty((len(x), coefficients.shape[1]))
    for chunk in _chunks(len(x)):
        matrix_product(design_matrix(basis, x[chunk]), coefficients, values[chunk])
    return values


def morse(basis: Basis, k: Floats, positions: Floats) -> tuple[Floats, Floats]:
    """Return the variables, Morse or of another form, and the distances R.

    Parameters
    ----------
    basis
        Gives the distances, the kind of each, and its form.
    k
        The parameters: k of each kind of distance, then d of each that has one.
    positions
        (n, atoms, 3), Angstrom.

    Returns
    -------
    x, distances
        (n, variables) each; the distances in Angstrom.
    """
    distances = basis.variables.distances(positions)
    return basis.variables.values(k, distances), distances


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
