"""The bias of one CV family's hills: on a grid, as in the kernel, or as a sum over the hills."""

from __future__ import annotations

import math

import numpy as np

from tasks.bias.kernel import CUT, add_hill, compiled, interpolate


class GridHills:
    """Hills on a grid, with cubic interpolation between its points.

    Parameters
    ----------
    lower, upper, bins
        Ends of the grid, Angstrom or rad, and number of its intervals.
    sigma
        Width of the hills.
    periodic
        Whether the ends are the same point.
    """

    def __init__(self, lower: float, upper: float, bins: int, sigma: float, periodic: bool) -> None:
        points = bins if periodic else bins + 1
        self._row = np.array([[lower, (upper - lower) / bins, points, periodic, sigma, 0.0]])
        self._grid, self._slope = np.zeros(points), np.zeros(points)

    def __call__(self, s: float) -> tuple[float, float]:
        """Return the bias (kcal/mol) and its derivative at s (Angstrom or rad)."""
        value, slope = interpolate(self._grid, self._slope, self._row, 0, s)
        return float(value), float(slope)

    def add(self, centre: float, height: float) -> None:
        """Add one hill; its height in kcal/mol."""
        add_hill(self._grid, self._slope, self._row, 0, centre, height)


class SingleHills:
    """Hills without a grid: their sum, each with the cutoff of the kernel.

    Parameters
    ----------
    sigma
        Width of the hills, Angstrom or rad.
    period
        Period of the variable, rad; 0 if it is not periodic.
    """

    def __init__(self, sigma: float, period: float) -> None:
        self._sigma, self._period = sigma, period
        self._hills, self._count = np.empty((64, 2)), 0

    def __call__(self, s: float) -> tuple[float, float]:
        """Return the bias (kcal/mol) and its derivative at s (Angstrom or rad)."""
        value, slope = _sum(self._hills[: self._count], self._sigma, self._period, s)
        return float(value), float(slope)

    def add(self, centre: float, height: float) -> None:
        """Add one hill; its height in kcal/mol."""
        if self._count == len(self._hills):
            self._hills = np.concatenate([self._hills, np.empty_like(self._hills)])
        self._hills[self._count] = centre, height
        self._count += 1


def difference(value: float, reference: float, period: float) -> float:
    """Return value - reference, for a periodic variable the nearest image's; a period of 0 means none."""
    found = value - reference
    return found - period * math.floor(found / period + 0.5) if period else found


Hills = GridHills | SingleHills


@compiled
def _sum(hills, sigma, period, s):  # type: ignore[no-untyped-def]
    """Return the sum at s and its derivative of hills (hills, 2): centre and height."""
    value = slope = 0.0
    for k in range(len(hills)):
        distance = s - hills[k, 0]
        if period > 0.0:
            distance -= period * math.floor(distance / period + 0.5)
        z = distance / sigma
        if 0.5 * z * z < CUT:
            hill = hills[k, 1] * math.exp(-0.5 * z * z)
            value += hill
            slope -= hill * z / sigma
    return value, slope
