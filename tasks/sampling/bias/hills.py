"""What the hills of one family add up to: on a grid, as the kernel keeps them, or each hill by itself."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from potentials.compiled import njit
from tasks.sampling.bias.kernel import CUT, add_hill, interpolate

_compiled = njit(cache=True, error_model="numpy", fastmath=False)


class Hills(Protocol):
    """The bias of one family, kcal/mol, and its derivative."""

    def __call__(self, s: float) -> tuple[float, float]:
        """Return the bias and its derivative at s (Angstrom or rad)."""
        ...

    def add(self, centre: float, height: float) -> None:
        """Add one hill; its height in kcal/mol."""
        ...


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
        """Return the bias and its derivative at s."""
        value, slope = interpolate(self._grid, self._slope, self._row, 0, s)
        return float(value), float(slope)

    def add(self, centre: float, height: float) -> None:
        """Add one hill."""
        add_hill(self._grid, self._slope, self._row, 0, centre, height)


class SingleHills:
    """Hills without a grid: their sum, each cut off where the kernel cuts it off.

    Parameters
    ----------
    sigma
        Width of the hills, Angstrom or rad.
    period
        Period of the variable, rad; 0: none.
    """

    def __init__(self, sigma: float, period: float) -> None:
        self._sigma, self._period = sigma, period
        self._hills, self._count = np.empty((64, 2)), 0

    def __call__(self, s: float) -> tuple[float, float]:
        """Return the bias and its derivative at s."""
        value, slope = _sum(self._hills[: self._count], self._sigma, self._period, s)
        return float(value), float(slope)

    def add(self, centre: float, height: float) -> None:
        """Add one hill."""
        if self._count == len(self._hills):
            self._hills = np.concatenate([self._hills, np.empty_like(self._hills)])
        self._hills[self._count] = centre, height
        self._count += 1


def difference(value: float, reference: float, period: float) -> float:
    """Return value - reference, of a periodic variable by the shortest way; a period of 0 is none."""
    way = value - reference
    return way - period * math.floor(way / period + 0.5) if period else way


@_compiled
def _sum(hills, sigma, period, s):  # type: ignore[no-untyped-def]
    """Return the sum at s and its derivative of hills (hills, 2): centre and height."""
    value = slope = 0.0
    for k in range(len(hills)):
        way = s - hills[k, 0]
        if period > 0.0:
            way -= period * math.floor(way / period + 0.5)
        z = way / sigma
        if 0.5 * z * z < CUT:
            hill = hills[k, 1] * math.exp(-0.5 * z * z)
            value += hill
            slope -= hill * z / sigma
    return value, slope
