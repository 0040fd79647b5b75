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
