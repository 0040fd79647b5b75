"""Cosine switching of an intermolecular potential."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
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
        arrow = positions[:, self.atoms[0]] - positions[:, self.atoms[1]]
        distance = np.linalg.norm(arrow, axis=1)
        phase = np.pi * np.clip((distance - self.r_in) / (self.r_out - self.r_in), 0.0, 1.0)
        factor = np.where(distance >= self.r_out, 0.0, (1.0 + np.cos(phase)) / 2.0)
        slope = -np.sin(phase) * np.pi / (2.0 * (self.r_out - self.r_in))
        slope[(distance <= self.r_in) | (distance >= self.r_out)] = 0.0
        unit = arrow / np.where(distance > 0.0, distance, 1.0)[:, None]  # no direction where the atoms meet
        return factor, slope[:, None] * unit
