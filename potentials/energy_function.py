"""An energy as a function of positions: what the potential of an n-mer and a sum of potentials share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.evaluation import Evaluation

if TYPE_CHECKING:
    from potentials.calculator import PotentialCalculator


class EnergyFunction(ABC):
    """An energy as a function of the positions of given atoms, with its exact gradient.

    A subclass defines `symbols` and `evaluate`; `energy`, `energy_and_gradient` and `calculator` follow from them.
    """

    @property
    @abstractmethod
    def symbols(self) -> tuple[str, ...]:
        """Element of each atom, in the order of the positions."""

    @abstractmethod
    def evaluate(self, positions: Floats) -> Evaluation:
        """Return the energies and gradients of configurations.

        Parameters
        ----------
        positions
            (n, atoms, 3), Angstrom, all finite, as `as_batch` returns them.
        """

    def energy(self, positions: ArrayLike) -> float | Floats:
        """Return the energy.

        Parameters
        ----------
        positions
            (atoms, 3) or (n, atoms, 3), Angstrom.

        Returns
        -------
        A float, or (n,), kcal/mol.

        Raises
        ------
        InputError
            If the shape is wrong, a coordinate is not finite, or two atoms are in one place.
        """
        batch, single = self.as_batch(positions)
        value = self.evaluate(batch).energy
        return float(value[0]) if single else value

    def energy_and_gradient(self, positions: ArrayLike) -> tuple[float | Floats, Floats]:
        """Return the energy and its exact gradient.

        Parameters
        ----------
        positions
            (atoms, 3) or (n, atoms, 3), Angstrom.

        Returns
        -------
        energy, gradient
            A float or (n,) in kcal/mol; the shape of the positions in kcal/mol/Angstrom.

        Raises
        ------
        InputError
            If the shape is wrong, a coordinate is not finite, or two atoms are in one place.
        """
        batch, single = self.as_batch(positions)
        found = self.evaluate(batch)
        return (float(found.energy[0]), found.gradient[0]) if single else (found.energy, found.gradient)

    def as_batch(self, positions: ArrayLike) -> tuple[Floats, bool]:
        """Return positions as (n, atoms, 3), and whether they were one configuration; raises InputError."""
        expected = (len(self.symbols), 3)
        allowed = f"allowed: {expected} or (n, {expected[0]}, 3) in Angstrom"
        try:
            batch = np.asarray(positions, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(f"positions are not an array of numbers; {allowed}") from None
        if batch.ndim not in (2, 3) or batch.shape[-2:] != expected:
            order = " ".join(self.symbols[:20]) + (" ..." if len(self.symbols) > 20 else "")
            raise InputError(f"positions have shape {batch.shape}; {allowed}, atoms in the order {order}")
        if not np.isfinite(batch).all():
            raise InputError("positions hold a number that is not finite")
        return batch.reshape(-1, *expected), batch.ndim == 2

    def calculator(self) -> PotentialCalculator:
        """Return an ASE calculator of this energy (eV, eV/Angstrom)."""
        from potentials.calculator import PotentialCalculator

        return PotentialCalculator(self)
