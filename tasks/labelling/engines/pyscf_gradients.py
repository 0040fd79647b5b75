"""Gradients of PySCF's energies, on ghost atoms too, with the response of the integration grid of a functional.

The points and weights of the grid move with the atoms: without their derivatives a gradient of B3LYP/6-31G* is off
by 2e-6 hartree/Angstrom at this project's grid, and its sum over the atoms is not zero. PySCF takes the size of an
atom's cell from its nuclear charge there, which a ghost atom does not have, where the grid itself takes it from
the element (errors of 4e-5 hartree/Angstrom): it is given a molecule with the elements' charges.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from ase.data import atomic_numbers

from potentials.arrays import Floats
from potentials.units import BOHR

GRADIENT_TOLERANCE = 1e-6
"""Convergence of the orbital gradient where a gradient follows, hartree; the error is of first order in it."""


def tighten(field: Any) -> None:
    """Have an SCF converge until its gradient is right to about 1e-6 hartree/Angstrom."""
    field.conv_tol_grad = min(GRADIENT_TOLERANCE, float(np.sqrt(field.conv_tol)))


def slopes(solution: Any) -> Floats:
    """Return the gradient of the energy of a PySCF object that has been solved, (atoms, 3), hartree/Angstrom.

    Parameters
    ----------
    solution
        RHF, RKS, MP2 or CCSD object.
    """
    gradient = solution.nuc_grad_method()
    gradient.verbose = 0
    if hasattr(gradient, "grid_response"):
        gradient.grid_response = True
        gradient.grids = _of_elements(solution.grids)
        if solution.do_nlc():
            gradient.nlcgrids = _of_elements(solution.nlcgrids)
    return np.asarray(gradient.kernel(), dtype=np.float64) / BOHR


def _of_elements(grids: Any) -> Any:
    """Return an integration grid whose molecule has the charges of the elements on ghost atoms as well."""
    mole = grids.mol
    labels = (mole.atom_symbol(n).upper().removeprefix("GHOST-").title() for n in range(mole.natm))
    charges = np.array([atomic_numbers[label] for label in labels], dtype=np.int32)
    found, other = copy.copy(grids), mole.copy(deep=False)
    other.atom_charges = lambda: charges
    found.mol = other
    return found
