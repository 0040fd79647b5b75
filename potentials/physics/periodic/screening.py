"""Real-space functions of Ewald's sum of charges and dipoles, compiled.

B0 = erfc(kappa r)/r and B(l + 1) = -(1/r) dB(l)/dr, so that B1 -> 1/r^3, B2 -> 3/r^5, B3 -> 15/r^7 for kappa = 0
(Smith 1982, CCP5 Newsletter 4, 13).
"""

from __future__ import annotations

import math

from potentials.compiled import njit
from potentials.physics.thole import OPTIONS, decay

TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)

_MIDDLE = 3.75
_SERIES = (
    1.237512630837793,
    -0.14024059858488735,
    0.003585415492490307,
    0.08227673844999828,
    -0.10880393037584102,
    0.09230432187961407,
    -0.05869339555609487,
    0.028362271532193874,
    -0.009746599595854591,
    0.001755652150221812,
    0.00029379011466685375,
    -0.0002902239191008485,
    5.146994208239465e-05,
    2.249865219405652e-05,
    -1.1180229445294602e-05,
    -1.089368784908766e-06,
    1.5094521102289029e-06,
    1.275627722577113e-08,
    -1.2653418232991095e-07,
)
"""(1 + 2 x) e^(x^2) erfc(x) in powers of (x - 3.75)/(x + 3.75) (Shepherd and Laframboise 1981)."""


@njit(**OPTIONS, forceinline=True)  # type: ignore[untyped-decorator]
def screened(r2: float, inverse: float, kappa: float) -> tuple[float, float, float, float]:
    """Return B0, B1, B2 and B3 of a squared distance and 1/r; the relative error of erfc is below 1e-13.

    Sums and products alone, so that a loop over pairs is compiled to vector instructions. Beyond kappa r = 6.3,
    where erfc is below 1e-18, the exponential no longer decreases.
    """
    x = kappa * r2 * inverse
    e = decay(x * x)
    t = (x - _MIDDLE) / (x + _MIDDLE)
    p: float = _SERIES[18]
    p = p * t + _SERIES[17]
    p = p * t + _SERIES[16]
    p = p * t + _SERIES[15]
    p = p * t + _SERIES[14]
    p = p * t + _SERIES[13]
    p = p * t + _SERIES[12]
    p = p * t + _SERIES[11]
    p = p * t + _SERIES[10]
    p = p * t + _SERIES[9]
    p = p * t + _SERIES[8]
    p = p * t + _SERIES[7]
    p = p * t + _SERIES[6]
    p = p * t + _SERIES[5]
    p = p * t + _SERIES[4]
    p = p * t + _SERIES[3]
    p = p * t + _SERIES[2]
    p = p * t + _SERIES[1]
    p = p * t + _SERIES[0]
    i2 = inverse * inverse
    double = 2 * kappa * kappa
    g = TWO_OVER_ROOT_PI * kappa * e
    b0 = e * p / (1 + 2 * x) * inverse
    b1 = (b0 + g) * i2
    g *= double
    b2 = (3 * b1 + g) * i2
    g *= double
    return b0, b1, b2, (5 * b2 + g) * i2
