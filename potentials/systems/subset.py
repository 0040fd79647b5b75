"""An energy of some of a system's atoms, times a factor, as a contribution to the energy of the whole system."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from potentials.arrays import Floats
from potentials.evaluation import Contribution


class Subset:
    """A factor times an energy of some of the atoms.

    Parameters
    ----------
    contribution
        The energy, of the chosen atoms in their order.
    atoms
        The system's atoms, counted from 0.
    factor
        The factor; -1 takes away what another contribution has.
    share
        What it is called among the parts of a sum.
    """

    def __init__(
        self, contribution: Contribution, atoms: Sequence[int], factor: float = 1.0, share: str = "Subset"
    ) -> None:
        self.contribution, self.atoms, self.factor, self.share = contribution, tuple(atoms), factor, share

    def energy_and_gradient(self, positions: ArrayLike) -> tuple[float | Floats, Floats]:
        """Return the energy (kcal/mol) and the gradient (kcal/mol/Angstrom) of (n, atoms, 3) in Angstrom."""
        x = np.asarray(positions, dtype=np.float64)
        chosen = list(self.atoms)
        energy, slope = self.contribution.energy_and_gradient(np.ascontiguousarray(x[..., chosen, :]))
        gradient = np.zeros_like(x)
        gradient[..., chosen, :] = self.factor * slope
        return self.factor * energy, gradient
