"""Cosine switching of an intermolecular potential."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from potentials.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Switching:
    """s(R) = 1 up to r_in, (1 + cos(pi (R - r_in) / (r_out - r_in))) / 2 between, 0 from r_out on.

    The value and the first derivative are continuous everywhere.

    Attributes
    ----------
    atoms
        The two atoms whose distance R switches.
    r_in, r_out
        Radii, Angstrom.

    Raises
    ------
    InputError
        If the atoms are one and the same, or the radii do not rise.
    """

    atoms: tuple[int, int]
    r_in: float
    r_out: float

    def __post_init__(self) -> None:
        if len(set(self.atoms)) != 2 or min(self.atoms) < 0:
            raise InputError(f"switching atoms are {self.atoms}; allowed: two different atoms, counted from 0")
        if not 0 <= self.r_in < self.r_out:
            raise InputError(
                f"switching from r_in = {self.r_in:g} A to r_out = {self.r_out:g} A; allowed: 0 <= r_in < r_out"
            )

    def evaluate(self, positions: Floats) -> tuple[Floats, Floats]:
        """Return the factor and its gradient with respect to the first atom's position.

        Parameters
        ----------
        positions
            (n, atoms, 3), Angstrom.

        Returns
        -------
        factor, gradient
            (n,) and (n, 3) in 1/Angstrom; the second atom's gradient is the opposite.
        """
        factor, gradient = np.empty(len(positions)), np.empty((len(positions), 3))
        _switch(positions, *self.atoms, self.r_in, self.r_out, factor, gradient)
        return factor, gradient


@njit(cache=True)  # type: ignore[untyped-decorator]
def _switch(
    positions: Floats, first: int, second: int, r_in: float, r_out: float, factor: Floats, gradient: Floats
) -> None:
    for n in range(len(positions)):
        dx = positions[n, first, 0] - positions[n, second, 0]
        dy = positions[n, first, 1] - positions[n, second, 1]
        dz = positions[n, first, 2] - positions[n, second, 2]
        r = np.sqrt(dx * dx + dy * dy + dz * dz)
        factor[n], slope = 1.0, 0.0
        if r >= r_out:
            factor[n] = 0.0
        elif r > r_in:
            phase = np.pi * (r - r_in) / (r_out - r_in)
            factor[n] = (1.0 + np.cos(phase)) / 2.0
            slope = -np.sin(phase) * np.pi / (2.0 * (r_out - r_in)) / r
        gradient[n, 0], gradient[n, 1], gradient[n, 2] = slope * dx, slope * dy, slope * dz
