"""What a model of water offers, and the models by name."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from potentials.arrays import Floats, Ints
from potentials.errors import InputError
from potentials.evaluation import Evaluation
from potentials.systems.cell import Cell
from potentials.water.qtip4pf import QTip4pF


class WaterModel(Protocol):
    """The energy of all waters of a system, intramolecular energies included, with its exact gradient.

    A model is a class that takes the waters, the number of the system's atoms, and a cell or None; it is listed in
    `WATER_MODELS`. It may be a contribution to a sum.

    Attributes
    ----------
    share
        Name of the model, and of its energy among the parts of a sum.
    """

    share: str

    def evaluate(self, positions: Floats, vectors: Floats | None = None) -> Evaluation:
        """Return the energies, gradients and virials of (n, atoms, 3) in Angstrom.

        Parameters
        ----------
        positions
            All atoms of the system. The gradient of an atom that belongs to no water is zero. In a cell each atom
            may be in any image.
        vectors
            (3, 3) or (n, 3, 3), Angstrom: cell vectors in place of the model's.
        """

    def energy_and_gradient(self, positions: ArrayLike) -> tuple[float | Floats, Floats]:
        """Return the energy (kcal/mol) and the gradient (kcal/mol/Angstrom) of (n, atoms, 3) in Angstrom."""


WATER_MODELS = {QTip4pF.share: QTip4pF}
"""The models by name."""


def water_model(name: str, waters: Ints, natoms: int, cell: Cell | None = None) -> WaterModel:
    """Return a model of the waters of a system.

    Parameters
    ----------
    name
        One of `WATER_MODELS`.
    waters
        (waters, 3), the atoms of each water in the order O, H, H.
    natoms
        Number of the system's atoms.
    cell
        The cell, which repeats along all three vectors; None: the system is not periodic.

    Raises
    ------
    InputError
        If there is no such model, or it does not fit the system.
    """
    if name not in WATER_MODELS:
        raise InputError(f"water model '{name[:40]}' is unknown; allowed: {', '.join(WATER_MODELS)}")
    return WATER_MODELS[name](np.asarray(waters), natoms, cell)
