"""V_phys along a trajectory: the induced dipoles start from those of the steps before."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from potentials.energy_function import EnergyFunction
from potentials.errors import NmerError
from potentials.evaluation import Evaluation
from potentials.physics.isolated import Isolated
from potentials.physics.solver import DEPTH

ALONG = 1e-6
"""Root mean square of the dipoles' residual at which the iterations of a trajectory end, e Angstrom."""


class Trajectory(EnergyFunction):
    """V_phys of configurations that follow one another, such as the steps of a simulation.

    The first dipoles of a step are predicted from the last four, so that few iterations are needed.
    The energy is wrong by the square of the dipoles' error only, the gradient by its first power. The past belongs
    to this object: every trajectory, and every thread, has its own.

    Parameters
    ----------
    system
        The system.
    tolerance
        Root mean square of the dipoles' residual at which the iterations end, e Angstrom.

    Attributes
    ----------
    iterations
        Iterations of the last step; the most of several.
    """

    def __init__(self, system: Isolated, tolerance: float = ALONG) -> None:
        self._system, self.tolerance = system, tolerance
        self._work = system.work()
        self._past, self._known = np.zeros((DEPTH, 3 * len(system.symbols))), 0
        self.iterations = 0

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element of each atom."""
        return self._system.symbols

    def evaluate(self, positions: Floats) -> Evaluation:
        """Return the energies, gradients, shares and virials of (n, atoms, 3), the next steps, in Angstrom."""
        try:
            found, self.iterations, self._known = self._system.evaluate(
                positions, self._work, self.tolerance, self._past, self._known
            )
        except NmerError:
            self.forget()
            raise
        return found

    def forget(self) -> None:
        """Start the next step without a past."""
        self._known = 0
