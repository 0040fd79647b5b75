"""The loops of a program: a PIP and its derivatives, of one configuration or of eight side by side, compiled.

`Program` says what the arrays are. Of eight configurations every number is a row of eight.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.compiled import FromNumba, njit

OPTIONS: dict[str, Any] = {
    "cache": True,
    "error_model": "numpy",
    "nogil": True,
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},
}

WIDTH = 8
"""Configurations side by side."""

LANES = "potentials.lanes"
"""The module of the operations on eight numbers."""

_LOG2E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # their sum is ln 2; n times the first is exact
_LARGEST = 700.0
_ORDER = 13
_TAYLOR = tuple(1.0 / float(np.prod(np.arange(1, k + 1, dtype=np.float64))) for k in range(_ORDER + 1))

load: Any = FromNumba("load", LANES)
store: Any = FromNumba("store", LANES)
splat: Any = FromNumba("splat", LANES)
add: Any = FromNumba("add", LANES)
subtract: Any = FromNumba("subtract", LANES)
multiply: Any = FromNumba("multiply", LANES)
divide: Any = FromNumba("divide", LANES)
fused: Any = FromNumba("fused", LANES)
root: Any = FromNumba("root", LANES)
nearest: Any = FromNumba("nearest", LANES)
lower: Any = FromNumba("lower", LANES)
higher: Any = FromNumba("higher", LANES)
power: Any = FromNumba("power", LANES)


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def exponential(x: Any) -> Any:
    """Return e^x of eight numbers; beyond +-700 as at 700.

    e^x = 2^n e^y with |y| <= ln(2) / 2, and e^y by its Taylor series of order 13: exact to round-off.
    """
    x = higher(lower(x, splat(_LARGEST)), splat(-_LARGEST))
    n = nearest(multiply(x, splat(_LOG2E)))
    y = fused(n, splat(-_LN2_LOW), fused(n, splat(-_LN2_HIGH), x))
    p = splat(_TAYLOR[13])
    p = fused(p, y, splat(_TAYLOR[12]))
    p = fused(p, y, splat(_TAYLOR[11]))
    p = fused(p, y, splat(_TAYLOR[10]))
    p = fused(p, y, splat(_TAYLOR[9]))
    p = fused(p, y, splat(_TAYLOR[8]))
    p = fused(p, y, splat(_TAYLOR[7]))
    p = fused(p, y, splat(_TAYLOR[6]))
    p = fused(p, y, splat(_TAYLOR[5]))
    p = fused(p, y, splat(_TAYLOR[4]))
    p = fused(p, y, splat(_TAYLOR[3]))
    p = fused(p, y, splat(_TAYLOR[2]))
    p = fused(p, y, splat(_TAYLOR[1]))
    p = fused(p, y, splat(_TAYLOR[0]))
    return multiply(p, power(n))


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def variables_of_eight(at: Floats, points: Ints, numbers: Floats, forms: Ints, x: Floats, chain: Floats) -> None:
    """Write each variable and its derivative by R, over R; see `potentials.pip.variables`.

    Parameters
    ----------
    at
        (3 points, 8), coordinates.
    points, numbers, forms
        (variables, 2): the points of each variable, k and d, and whether it is Gaussian and divided by R.
    x, chain
        (variables, 8), written.
    """
    for v in range(len(points)):
        i, j = 3 * points[v, 0], 3 * points[v, 1]
        dx = subtract(load(at, i), load(at, j))
        dy = subtract(load(at, i + 1), load(at, j + 1))
        dz = subtract(load(at, i + 2), load(at, j + 2))
        r = root(fused(dx, dx, fused(dy, dy, multiply(dz, dz))))
        u = subtract(r, splat(numbers[v, 1]))
        k = splat(-numbers[v, 0])
        if forms[v, 0]:
            u = multiply(k, u)
            value = exponential(multiply(u, subtract(r, splat(numbers[v, 1]))))
            factor = add(u, u)
        else:
            value, factor = exponential(multiply(k, u)), k
        inverse = divide(splat(1.0), r)
        if forms[v, 1]:
            value = multiply(value, inverse)
            factor = subtract(factor, inverse)
        store(x, v, value)
        store(chain, v, multiply(multiply(factor, value), inverse))


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def variables_of_one(
    at: Floats, column: int, points: Ints, numbers: Floats, forms: Ints, r: Floats, rows: Floats, chain: Floats
) -> None:
    """Write the variables of one column of the coordinates, and their derivatives by R, over R.

    `r` and `chain` are (variables,). The variables are written to `rows`, eight a row, for the sake of the
    exponential function.
    """
    x, count = rows.reshape(-1), len(points)
    for v in range(count):
        i, j = 3 * points[v, 0], 3 * points[v, 1]
        dx = at[i, column] - at[j, column]
        dy = at[i + 1, column] - at[j + 1, column]
        dz = at[i + 2, column] - at[j + 2, column]
        r[v] = np.sqrt(dx * dx + dy * dy + dz * dz)
        k, u = numbers[v, 0], r[v] - numbers[v, 1]
        x[v], chain[v] = (-k * u * u, -2.0 * k * u) if forms[v, 0] else (-k * u, -k)
    for row in range((count + WIDTH - 1) // WIDTH):
        store(rows, row, exponential(load(rows, row)))
    for v in range(count):
        inverse = 1.0 / r[v]
        if forms[v, 1]:
            x[v] *= inverse
            chain[v] -= inverse
        chain[v] *= x[v] * inverse


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def program_of_eight(
    x: Floats,
    parents: Ints,
    factors: Ints,
    own: Floats,
    begins: Ints,
    leaves: Ints,
    coefficients: Floats,
    product: Floats,
    adjoint: Floats,
    value: Floats,
    slopes: Floats,
) -> None:
    """Write the polynomial (1, 8) and its derivatives (variables, 8).

    Parameters
    ----------
    x
        (variables, 8).
    parents, factors, own, begins, leaves, coefficients
        See `Program`.
    product, adjoint
        (nodes, 8), for intermediate results: the nodes, and the polynomial's derivatives with respect to them.
    value, slopes
        (1, 8) and (variables, 8), written.
    """
    zero = splat(0.0)
    store(product, 0, splat(1.0))
    for m in range(1, len(parents)):
        store(product, m, multiply(load(product, parents[m]), load(x, factors[m])))
    for v in range(len(x)):
        store(slopes, v, zero)
    total = zero
    for m in range(len(parents)):
        node, inner = load(product, m), splat(own[m])
        for e in range(begins[m], begins[m + 1]):
            v, c = leaves[e], splat(coefficients[e])
            inner = fused(c, load(x, v), inner)
            store(slopes, v, fused(c, node, load(slopes, v)))
        store(adjoint, m, inner)
        total = fused(node, inner, total)
    for m in range(len(parents) - 1, 0, -1):
        up, v, a = parents[m], factors[m], load(adjoint, m)
        store(adjoint, up, fused(a, load(x, v), load(adjoint, up)))
        store(slopes, v, fused(a, load(product, up), load(slopes, v)))
    store(value, 0, total)


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def program_of_one(
    x: Floats,
    parents: Ints,
    factors: Ints,
    own: Floats,
    begins: Ints,
    leaves: Ints,
    coefficients: Floats,
    product: Floats,
    adjoint: Floats,
    slopes: Floats,
) -> float:
    """Return the polynomial and write its derivatives, (variables,); see `program_of_eight`."""
    product[0] = 1.0
    for m in range(1, len(parents)):
        product[m] = product[parents[m]] * x[factors[m]]
    slopes[:] = 0.0
    total = 0.0
    for m in range(len(parents)):
        node, inner = product[m], own[m]
        for e in range(begins[m], begins[m + 1]):
            v, c = leaves[e], coefficients[e]
            inner += c * x[v]
            slopes[v] += c * node
        adjoint[m] = inner
        total += node * inner
    for m in range(len(parents) - 1, 0, -1):
        up, v, a = parents[m], factors[m], adjoint[m]
        adjoint[up] += a * x[v]
        slopes[v] += a * product[up]
    return total
