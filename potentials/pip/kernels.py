"""The loops of a PIP's evaluation, the same compiled code for every molecule.

Many configurations are evaluated in blocks with the configuration as the fastest index, so that every loop over
monomials is a vector loop and the gradient one matrix product per degree, all in the processor's cache. A single
configuration is evaluated row by row of the matrix instead. The only relaxation of floating-point arithmetic is
fused multiply-add (``contract``). Matrix products are loops, not calls of BLAS: BLAS would start threads for
products of this size, which wait for one another where processors are busy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.compiled import njit

_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "fastmath": {"contract"}}


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def potential_of_blocks(
    points: Floats,
    pairs: Ints,
    k: Floats,
    d: Floats,
    flags: Ints,
    parents: Ints,
    factors: Ints,
    begins: Ints,
    turned: Floats,
    width: int,
    value: Floats,
    gradient: Floats,
) -> int:
    """Write energies and gradients, `width` configurations at a time; return how many distances are zero.

    Parameters
    ----------
    points
        (n, points, 3), n at least `width`.
    pairs, k, d, flags
        Of each variable: its points, parameters, and form.
    parents, factors, begins, turned
        The polynomial; see `Polynomial`.
    value, gradient
        (n,) and (n, points, 3).
    """
    count = len(pairs)
    coordinates = 3 * points.shape[1]
    at, pull = np.empty((coordinates, width)), np.empty((coordinates, width))
    x, chain, slopes = np.empty((count, width)), np.empty((count, width)), np.empty((count, width))
    energy = np.empty(width)
    products, part = np.empty((len(parents), width)), np.empty((count, width))
    touching = 0
    for begin in range(0, len(points), width):
        start = min(begin, len(points) - width)  # the last block overlaps the one before it
        for i in range(width):
            for c in range(coordinates):
                at[c, i] = points[start + i, c // 3, c % 3]
        touching += _variables_of_block(at, pairs, k, d, flags, x, chain)
        _polynomial_of_block(x, parents, factors, begins, turned, products, part, energy, slopes)
        pull[:] = 0.0
        for v in range(count):
            a, b = 3 * pairs[v, 0], 3 * pairs[v, 1]
            for axis in range(3):
                for i in range(width):
                    along = slopes[v, i] * chain[v, i] * (at[a + axis, i] - at[b + axis, i])
                    pull[a + axis, i] += along
                    pull[b + axis, i] -= along
        for i in range(width):
            value[start + i] = energy[i]
            for c in range(coordinates):
                gradient[start + i, c // 3, c % 3] = pull[c, i]
    return touching


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def polynomial_of_blocks(
    variables: Floats,
    parents: Ints,
    factors: Ints,
    begins: Ints,
    turned: Floats,
    width: int,
    value: Floats,
    slopes: Floats,
) -> None:
    """Write the polynomial and its derivatives, `width` rows of the variables (n, variables) at a time."""
    count = variables.shape[1]
    x, slope, part = np.empty((count, width)), np.empty((count, width)), np.empty((count, width))
    energy, products = np.empty(width), np.empty((len(parents), width))
    for begin in range(0, len(variables), width):
        start = min(begin, len(variables) - width)
        x[:] = variables[start : start + width].T
        _polynomial_of_block(x, parents, factors, begins, turned, products, part, energy, slope)
        value[start : start + width] = energy
        slopes[start : start + width] = slope.T


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def potential_one_by_one(
    points: Floats,
    pairs: Ints,
    k: Floats,
    d: Floats,
    flags: Ints,
    parents: Ints,
    factors: Ints,
    begins: Ints,
    stacked: Floats,
    value: Floats,
    gradient: Floats,
) -> int:
    """Write energies and gradients of a few configurations; return how many distances are zero."""
    count = len(pairs)
    x, chain, slopes, part = np.empty(count), np.empty(count), np.empty(count), np.empty(count)
    products = np.empty(len(parents))
    touching = 0
    for n in range(len(points)):
        for v in range(count):
            i, j = pairs[v]
            dx = points[n, i, 0] - points[n, j, 0]
            dy = points[n, i, 1] - points[n, j, 1]
            dz = points[n, i, 2] - points[n, j, 2]
            r = np.sqrt(dx * dx + dy * dy + dz * dz)
            touching += r == 0.0
            x[v], chain[v] = _variable(r, k[v], d[v], flags[v, 0], flags[v, 1])
        value[n] = _polynomial_of_one(x, parents, factors, begins, stacked, products, part, slopes)
        gradient[n] = 0.0
        for v in range(count):
            i, j = pairs[v]
            for axis in range(3):
                along = slopes[v] * chain[v] * (points[n, i, axis] - points[n, j, axis])
                gradient[n, i, axis] += along
                gradient[n, j, axis] -= along
    return touching


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def polynomial_one_by_one(
    variables: Floats, parents: Ints, factors: Ints, begins: Ints, stacked: Floats, value: Floats, slopes: Floats
) -> None:
    """Write the polynomial and its derivatives of a few rows of the variables (n, variables)."""
    products, part = np.empty(len(parents)), np.empty(variables.shape[1])
    for n in range(len(variables)):
        value[n] = _polynomial_of_one(variables[n], parents, factors, begins, stacked, products, part, slopes[n])


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def matrix_product(left: Floats, right: Floats, result: Floats) -> None:
    """Write left (rows, inner) times right (inner, width) to result (rows, width), in this thread alone.

    Four rows and four columns of `left` are processed at once: sixteen numbers that stay in registers during the
    vector loop along `width`.
    """
    rows, inner = left.shape
    width = right.shape[1]
    result[:] = 0.0
    fours = rows - rows % 4
    for v in range(0, fours, 4):
        m = 0
        while m + 4 <= inner:
            a0, a1, a2, a3 = left[v, m], left[v, m + 1], left[v, m + 2], left[v, m + 3]
            b0, b1, b2, b3 = left[v + 1, m], left[v + 1, m + 1], left[v + 1, m + 2], left[v + 1, m + 3]
            c0, c1, c2, c3 = left[v + 2, m], left[v + 2, m + 1], left[v + 2, m + 2], left[v + 2, m + 3]
            d0, d1, d2, d3 = left[v + 3, m], left[v + 3, m + 1], left[v + 3, m + 2], left[v + 3, m + 3]
            for i in range(width):
                p0, p1, p2, p3 = right[m, i], right[m + 1, i], right[m + 2, i], right[m + 3, i]
                result[v, i] += a0 * p0 + a1 * p1 + a2 * p2 + a3 * p3
                result[v + 1, i] += b0 * p0 + b1 * p1 + b2 * p2 + b3 * p3
                result[v + 2, i] += c0 * p0 + c1 * p1 + c2 * p2 + c3 * p3
                result[v + 3, i] += d0 * p0 + d1 * p1 + d2 * p2 + d3 * p3
            m += 4
        while m < inner:
            for row in range(v, v + 4):
                for i in range(width):
                    result[row, i] += left[row, m] * right[m, i]
            m += 1
    for row in range(fours, rows):
        for m in range(inner):
            for i in range(width):
                result[row, i] += left[row, m] * right[m, i]


@njit(inline="always", **_OPTIONS)  # type: ignore[untyped-decorator]
def _variable(r: float, k: float, d: float, gaussian: int, divided: int) -> tuple[float, float]:
    """Return a variable x and dx/dR / R; see `potentials.pip.variables`."""
    u = r - d
    exponent, factor = (k * u * u, -2.0 * k * u) if gaussian else (k * u, -k)
    x = np.exp(-exponent)
    if divided:
        x /= r
        factor -= 1.0 / r
    return x, factor * x / r


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _variables_of_block(
    at: Floats, pairs: Ints, k: Floats, d: Floats, flags: Ints, x: Floats, chain: Floats
) -> int:
    """Write each variable and its derivative by R, over R, of coordinates (3 points, width)."""
    touching = 0
    for v in range(len(pairs)):
        a, b = 3 * pairs[v, 0], 3 * pairs[v, 1]
        for i in range(at.shape[1]):
            dx, dy, dz = at[a, i] - at[b, i], at[a + 1, i] - at[b + 1, i], at[a + 2, i] - at[b + 2, i]
            chain[v, i] = np.sqrt(dx * dx + dy * dy + dz * dz)
        for i in range(at.shape[1]):
            touching += chain[v, i] == 0.0
            x[v, i], chain[v, i] = _variable(chain[v, i], k[v], d[v], flags[v, 0], flags[v, 1])
    return touching


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _polynomial_of_block(
    x: Floats,
    parents: Ints,
    factors: Ints,
    begins: Ints,
    turned: Floats,
    products: Floats,
    part: Floats,
    value: Floats,
    slopes: Floats,
) -> None:
    """Write the polynomial (width,) and its derivatives (variables, width) of variables (variables, width)."""
    count, width = x.shape
    products[0] = 1.0
    for m in range(1, len(parents)):
        parent, factor = parents[m], factors[m]
        for i in range(width):
            products[m, i] = products[parent, i] * x[factor, i]
    value[:] = 0.0
    slopes[:] = 0.0
    for degree in range(1, len(begins)):
        low, high = begins[degree - 1], begins[degree]
        matrix = turned[count * low : count * high].reshape(count, high - low)
        matrix_product(matrix, products[low:high], part)
        share = 1.0 / degree
        for v in range(count):
            for i in range(width):
                slopes[v, i] += part[v, i]
                value[i] += share * part[v, i] * x[v, i]


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _polynomial_of_one(
    x: Floats,
    parents: Ints,
    factors: Ints,
    begins: Ints,
    stacked: Floats,
    products: Floats,
    part: Floats,
    slopes: Floats,
) -> float:
    """Write the derivatives of the polynomial and return its value; four rows of the matrix at a time."""
    count = len(x)
    products[0] = 1.0
    for m in range(1, len(parents)):
        products[m] = products[parents[m]] * x[factors[m]]
    value = 0.0
    slopes[:] = 0.0
    for degree in range(1, len(begins)):
        part[:] = 0.0
        m, high = begins[degree - 1], begins[degree]
        while m + 4 <= high:
            p0, p1, p2, p3 = products[m], products[m + 1], products[m + 2], products[m + 3]
            for v in range(count):
                part[v] += (
                    p0 * stacked[m, v] + p1 * stacked[m + 1, v] + p2 * stacked[m + 2, v] + p3 * stacked[m + 3, v]
                )
            m += 4
        while m < high:
            for v in range(count):
                part[v] += products[m] * stacked[m, v]
            m += 1
        for v in range(count):
            slopes[v] += part[v]
            value += part[v] * x[v] / degree
    return value
