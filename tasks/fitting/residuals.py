"""The errors of a fit: residuals of energies and gradients, and their root mean squares with any weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from potentials.arrays import Floats


@dataclass(frozen=True)
class Residuals:
    """Fitted minus wanted values.

    Attributes
    ----------
    energy
        (n,), kcal/mol.
    gradient
        (n, atoms, 3), kcal/mol/Angstrom; None where no gradients are fitted.
    gradient_weight
        Weight of a squared error in one component of a gradient relative to one in an energy, Angstrom^2.
    """

    energy: Floats
    gradient: Floats | None = None
    gradient_weight: float = 0.0

    def score(self, weight: Floats | None = None) -> float:
        """Return the root of the mean of e^2 + gradient weight * |g|^2, kcal/mol, as in the objective.

        Parameters
        ----------
        weight
            (n,), weight of each configuration; None: equal weights.
        """
        square = np.square(self.energy)
        if self.gradient is not None:
            square = square + self.gradient_weight * np.square(self.gradient).sum(axis=(1, 2))
        return _root_mean(square, weight)

    def energy_rmsd(self, weight: Floats | None = None) -> float:
        """Return the root mean square error of the energies, kcal/mol."""
        return _root_mean(np.square(self.energy), weight)

    def gradient_rmsd(self, weight: Floats | None = None) -> float | None:
        """Return the same of one component of a gradient, kcal/mol/Angstrom; None where there are none."""
        if self.gradient is None:
            return None
        return _root_mean(np.square(self.gradient).mean(axis=(1, 2)), weight)


def _root_mean(square: Floats, weight: Floats | None) -> float:
    if not len(square):
        return float("nan")
    return float(np.sqrt(np.mean(square) if weight is None else weight @ square / weight.sum()))
