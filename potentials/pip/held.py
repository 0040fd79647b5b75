"""A potential whose caps are held at their fixed length: what calculators, simulations and exports evaluate.

In all data every cap has its fixed length, so a fit has no information about other lengths, and an optimization
would find meaningless energies there. Here each cap is moved along the line from its anchor to its fixed length
before the potential is evaluated, as in the sum over a molecule: the given position of a cap sets only the
direction of its bond. The gradient is exact, by the chain rule, and has no component that moves a cap along its
bond.

In that direction a cap would be free and would drift away in dynamics. A spring between cap and anchor,
K (r - L)^2, prevents this; it is zero at the fixed length L, so minima and their energies are those of the n-mer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from potentials.arrays import Bools, Floats
from potentials.energy_function import EnergyFunction
from potentials.errors import InputError
from potentials.evaluation import Evaluable, Evaluation
from potentials.nmers.nmer import NMer
from potentials.pip.ranges import MARGIN

CAP_SPRING = 350.0
"""K of a cap's spring, kcal/mol/Angstrom^2: about a C-H bond, 3,000 cm-1, so the time step need not change."""


class NMerPotential(Evaluable, Protocol):
    """The potential of an n-mer; `potentials.pip.potential.Potential` is one."""

    @property
    def nmer(self) -> NMer:
        """The n-mer."""

    def uncertainty(self, positions: ArrayLike) -> float | Floats:
        """Return the uncertainty of the energy, kcal/mol."""

    def extrapolates(self, positions: ArrayLike, margin: float = MARGIN) -> bool | Bools:
        """Return whether a geometry is outside of the training data."""


@dataclass(frozen=True, eq=False)
class HeldCaps(EnergyFunction):
    """A potential with its caps held at their fixed length.

    Parameters
    ----------
    potential
        The potential.
    spring
        K of the spring between each cap and its anchor, kcal/mol/Angstrom^2, whose energy is added; 0 for none.

    Raises
    ------
    InputError
        If the spring is negative or not finite.
    """

    potential: NMerPotential
    spring: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.spring < np.inf:
            raise InputError(f"the spring of caps is {self.spring}; allowed: 0 or more, in kcal/mol/A^2")

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element of each atom."""
        return self.potential.symbols

    def evaluate(self, positions: Floats) -> Evaluation:
        """Return the energies, the springs' included, and gradients of (n, atoms, 3) in Angstrom.

        A cap may be anywhere on the line from its anchor. The springs' share is named ``cap_energy``.
        """
        nmer = self.potential.nmer
        found = self.potential.evaluate(nmer.place_caps(self._off_anchors(positions)))
        stretch, slope = self._springs(positions)
        gradient = nmer.carry_caps(positions, found.gradient) + slope
        return Evaluation(found.energy + stretch, gradient, {**found.shares, "cap_energy": stretch})

    def uncertainty(self, positions: ArrayLike) -> float | Floats:
        """Return the uncertainty of the energy; see `Potential.uncertainty`."""
        batch, single = self.as_batch(positions)
        placed = self.potential.nmer.place_caps(self._off_anchors(batch))
        return self.potential.uncertainty(placed[0] if single else placed)

    def extrapolates(self, positions: ArrayLike, margin: float = MARGIN) -> bool | Bools:
        """Return whether a geometry is outside of the training data; see `Potential.extrapolates`."""
        batch, single = self.as_batch(positions)
        placed = self.potential.nmer.place_caps(self._off_anchors(batch))
        return self.potential.extrapolates(placed[0] if single else placed, margin)

    def springs(self, positions: ArrayLike) -> tuple[float | Floats, Floats]:
        """Return the energy of the springs alone and its gradient, in the shapes of `energy_and_gradient`."""
        batch, single = self.as_batch(positions)
        energy, gradient = self._springs(self._off_anchors(batch))
        return (float(energy[0]), gradient[0]) if single else (energy, gradient)

    def _springs(self, positions: Floats) -> tuple[Floats, Floats]:
        energy, gradient = np.zeros(len(positions)), np.zeros(positions.shape)
        for cap, anchor, length in self.potential.nmer.caps if self.spring else ():
            bond = positions[:, cap] - positions[:, anchor]
            distance = np.linalg.norm(bond, axis=-1, keepdims=True)
            energy += self.spring * (distance[:, 0] - length) ** 2
            pull = 2.0 * self.spring * (distance - length) * bond / distance
            gradient[:, cap] += pull
            gradient[:, anchor] -= pull
        return energy, gradient

    def _off_anchors(self, positions: Floats) -> Floats:
        """Return the positions (n, atoms, 3) unchanged; raises InputError if a cap lies on its anchor."""
        for cap, anchor, _ in self.potential.nmer.caps:
            touching = np.flatnonzero((positions[:, cap] == positions[:, anchor]).all(axis=1))
            if len(touching):
                first, second = sorted((cap, anchor))
                raise InputError(
                    f"atoms {first} and {second} are in one place (configuration {touching[0]} of those given)"
                )
        return positions
