"""A potential whose caps are held at their length: what calculators, simulations and exports evaluate.

All data have every cap at one length, so a fit says nothing about other lengths, and left to itself an optimizer
finds energies there that mean nothing. Here each cap is put on the line from its anchor at its length before the
potential is evaluated, as in the sum over a molecule: where a cap is given tells the direction of its bond alone.
The gradient is exact, by the chain rule, and has no part that moves a cap along its bond.

Along that direction an atom would then be free, and drift away in dynamics. A spring between cap and anchor keeps
it, K (r - L)^2, zero at the length, so that minima and their energies are those of the n-mer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from potentials.errors import InputError

if TYPE_CHECKING:
    from potentials.pip.potential import Potential

Floats = NDArray[np.float64]

CAP_SPRING = 350.0
"""K of a cap's spring, kcal/mol/Angstrom^2: about a C-H bond, 3,000 cm-1, so that time steps stay as they are."""


@dataclass(frozen=True, eq=False)
class HeldCaps:
    """A potential with its caps held at their length.

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

    potential: Potential
    spring: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.spring < np.inf:
            raise InputError(f"the spring of caps is {self.spring}; allowed: 0 or more, in kcal/mol/A^2")

    def energy(self, positions: ArrayLike) -> float | Floats:
        """Return the energy; as `energy_and_gradient` gives it."""
        return self.energy_and_gradient(positions)[0]

    def energy_and_gradient(self, positions: ArrayLike) -> tuple[float | Floats, Floats]:
        """Return the energy, the springs' included, and its exact gradient.

        Parameters
        ----------
        positions
            (atoms, 3) or (n, atoms, 3), Angstrom; a cap may be anywhere on the line from its anchor.

        Returns
        -------
        energy, gradient
            A float or (n,) in kcal/mol; the shape of the positions in kcal/mol/Angstrom.

        Raises
        ------
        InputError
            If the shape is another, a coordinate is not finite, or two atoms are in one place.
        """
        given, nmer = self._given(positions), self.potential.nmer
        energy, gradient = self.potential.energy_and_gradient(nmer.place_caps(given))
        gradient = nmer.carry_caps(given, gradient)
        if self.spring:
            more, slope = self.springs(given)
            energy, gradient = energy + more, gradient + slope
        return energy, gradient

    def uncertainty(self, positions: ArrayLike) -> float | Floats:
        """Return the uncertainty of the energy; see `Potential.uncertainty`."""
        return self.potential.uncertainty(self.potential.nmer.place_caps(self._given(positions)))

    def springs(self, positions: ArrayLike) -> tuple[float | Floats, Floats]:
        """Return the energy of the springs alone and its gradient, in the shapes of `energy_and_gradient`."""
        given = self._given(positions)
        energy, gradient = np.zeros(given.shape[:-2]), np.zeros(given.shape)
        for cap, anchor, length in self.potential.nmer.caps:
            bond = given[..., cap, :] - given[..., anchor, :]
            distance = np.linalg.norm(bond, axis=-1, keepdims=True)
            energy += self.spring * (distance[..., 0] - length) ** 2
            pull = 2.0 * self.spring * (distance - length) * bond / distance
            gradient[..., cap, :] += pull
            gradient[..., anchor, :] -= pull
        return (float(energy) if given.ndim == 2 else energy), gradient

    def _given(self, positions: ArrayLike) -> Floats:
        """Return positions as an array, every cap somewhere off its anchor."""
        batch, single = self.potential.as_batch(positions)
        for cap, anchor, _ in self.potential.nmer.caps:
            touching = np.flatnonzero((batch[:, cap] == batch[:, anchor]).all(axis=1))
            if len(touching):
                first, second = sorted((cap, anchor))
                raise InputError(
                    f"atoms {first} and {second} are in one place (configuration {touching[0]} of those given)"
                )
        return batch[0] if single else batch
