"""Thole's damping of charges and dipoles with exponent 4 (Burnham, Li, Xantheas and Leslie 1999), compiled."""

from __future__ import annotations

import math
from typing import Any

from potentials.compiled import njit

OPTIONS: dict[str, Any] = {
    "cache": True,
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "arcp", "nsz"},
}
"""Of the compiled functions of V_phys: sums in any order, but infinities and NaN keep their meaning."""

FARTHEST = 40.0
"""Largest x for which e^-x differs from 0 here; 1 + e^-40 is 1 in double precision."""

BARE = 36.0
"""Largest u at which a pair of charges is damped: e^-36 is 2e-16."""

WIDEST = 1e100
"""(polarizability)^(-2/3) of an atom without one, so that its pairs are not damped."""

GAMMA = math.gamma(0.75)

_CENTRE = 0.3125
_TAYLOR = tuple(math.exp(-_CENTRE) / math.factorial(k) for k in range(13))


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def decay(x: float) -> float:
    """Return e^-x of a number that is not negative; x above 40 counts as 40.

    A Taylor polynomial of degree 12 of e^(-x/64), raised to the power 64: sums and products alone, so that a loop
    over pairs is compiled to vector instructions. The relative error is below 1e-13.
    """
    t = _CENTRE - (x if x < FARTHEST else FARTHEST) / 64
    p: float = _TAYLOR[12]
    p = p * t + _TAYLOR[11]
    p = p * t + _TAYLOR[10]
    p = p * t + _TAYLOR[9]
    p = p * t + _TAYLOR[8]
    p = p * t + _TAYLOR[7]
    p = p * t + _TAYLOR[6]
    p = p * t + _TAYLOR[5]
    p = p * t + _TAYLOR[4]
    p = p * t + _TAYLOR[3]
    p = p * t + _TAYLOR[2]
    p = p * t + _TAYLOR[1]
    p = p * t + _TAYLOR[0]
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    return p * p


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def upper_gamma(u: float) -> float:
    """Return the upper incomplete gamma function of 3/4 and u, 0 <= u.

    The series of the lower function below 1.5, a continued fraction above (Abramowitz and Stegun 1964, equations
    6.5.29 and 6.5.31, the latter by Lentz's method).
    """
    if u <= 0:
        return GAMMA
    front: float = math.exp(-u) * u**0.75
    if u < 1.5:
        term = total = 1 / 0.75
        n = 0.75
        while term > 1e-17 * total:
            n += 1
            term *= u / n
            total += term
        return GAMMA - front * total
    b = u + 0.25
    c, d = 1e300, 1 / b
    h = d
    for k in range(1, 200):
        a = -k * (k - 0.75)
        b += 2
        d = 1 / (a * d + b)
        c = b + a / c
        h *= c * d
        if abs(c * d - 1) < 1e-16:
            break
    return front * h


_LEAST, _MOST, _MIDDLE = 1.0, 40.0, 1.5
_BEGIN, _END = ((u - _MIDDLE) / (u + _MIDDLE) for u in (_LEAST, _MOST))
_SCALE = 2 / (_END - _BEGIN)
_EXCESS = (
    -0.058790452477900886,
    0.06009927268428081,
    -0.010124487581367076,
    0.0034149039581912112,
    -0.000930813294887883,
    0.00034002921498263986,
    -0.00010479751174606269,
    4.0366934186096006e-05,
    -1.3015792154338991e-05,
    5.2319887518465014e-06,
    -1.7052212931713377e-06,
    7.672793050324723e-07,
    -2.3322824796446287e-07,
    6.634843415163627e-08,
    -2.790302830468552e-08,
    3.544485964190785e-08,
    -6.077983290136413e-09,
)
"""u^(1/4) Gamma(3/4, u) e^u - 1 from u = 1 to 40, in powers of (u - 3/2)/(u + 3/2) scaled to -1 to 1."""


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def charge_excess(u: float) -> float:
    """Return u^(1/4) Gamma(3/4, u) - e^-u: r times what damping adds to 1/r; the error is below 1e-13."""
    if u < _LEAST:
        excess: float = u**0.25 * upper_gamma(u) - decay(u)
        return excess
    t = _SCALE * ((u - _MIDDLE) / (u + _MIDDLE) - _BEGIN) - 1
    p: float = _EXCESS[16]
    p = p * t + _EXCESS[15]
    p = p * t + _EXCESS[14]
    p = p * t + _EXCESS[13]
    p = p * t + _EXCESS[12]
    p = p * t + _EXCESS[11]
    p = p * t + _EXCESS[10]
    p = p * t + _EXCESS[9]
    p = p * t + _EXCESS[8]
    p = p * t + _EXCESS[7]
    p = p * t + _EXCESS[6]
    p = p * t + _EXCESS[5]
    p = p * t + _EXCESS[4]
    p = p * t + _EXCESS[3]
    p = p * t + _EXCESS[2]
    p = p * t + _EXCESS[1]
    p = p * t + _EXCESS[0]
    excess = p * decay(u)
    return excess
