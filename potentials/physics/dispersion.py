"""Damping of dispersion at short range by the function of Tang and Toennies (1984), order 6, compiled."""

from __future__ import annotations

from potentials.compiled import njit
from potentials.physics.thole import FARTHEST, OPTIONS, decay


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def damping(x: float) -> tuple[float, float]:
    """Return f(x) = 1 - e^-x sum_{k <= 6} x^k / k! and x f'(x) of x = b R, 0 <= x."""
    x = x if x < FARTHEST else FARTHEST
    e = decay(x)
    series = 1 + x * (1 + x / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5 * (1 + x / 6)))))
    cube = x * x * x
    return 1 - e * series, e * x * cube * cube / 720
