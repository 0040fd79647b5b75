"""GFN2-xTB by tblite: energy and forces of any species, water included, without a force field.

It is used in the sampling, and for the starting geometries of the labels' minima.

Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 15, 1652 (2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import InputError, MissingProgramError
from potentials.nmers.nmer import NMer
from potentials.units import BOHR, HARTREE
from recipes.registry import Need

METHOD = "GFN2-xTB"

TBLITE = Need("tblite", "pip install 'nmer[xtb]'")

ENERGY_THRESHOLD = 1e-6
"""Convergence of the energy that tblite calls an accuracy of 1, hartree."""

ACCURACY = 1e-3
"""tblite's factor on its thresholds.

Each calculation starts from the density of the one before. At this value energies do not depend on it (2e-11
kcal/mol; forces 4e-6 kcal/mol/A), and a step takes 1.4 times as long as with 1.
"""


FIELD = 1e-3
"""Field whose two signs give a polarizability by central differences, hartree/(e bohr)."""


def lacks_tblite() -> str | None:
    """Return None if tblite is installed and its libraries load, otherwise what is missing."""
    if lack := TBLITE.lack():
        return lack
    try:
        import tblite.library  # noqa: F401
    except ImportError as error:
        return f"needs tblite, which does not load ({error}); on Debian: apt-get install libgomp1"
    return None


def check_tblite() -> None:
    """Raise MissingProgramError unless GFN2-xTB can be computed here."""
    if lack := lacks_tblite():
        raise MissingProgramError(f"{METHOD} {lack}")


def _calculator(numbers: Ints, x: Floats, charge: int, accuracy: float = ACCURACY) -> Any:
    """Return tblite's calculator of one geometry in Angstrom, silent."""
    from tblite.interface import Calculator

    calculator = Calculator(METHOD, numbers, x / BOHR, float(charge))
    calculator.set("verbosity", 0)
    calculator.set("accuracy", accuracy)
    return calculator


def single_point(
    numbers: Ints, x: Floats, charge: int, tolerance: float = 1e-10, gradient: bool = False
) -> tuple[float, Floats | None]:
    """Return the energy (hartree) of one geometry, and if wanted its gradient (atoms, 3), hartree/Angstrom.

    It is computed from scratch, independent of calculations before it.

    Parameters
    ----------
    numbers
        (atoms,), atomic numbers.
    x
        (atoms, 3), Angstrom.
    charge
        e.
    tolerance
        Convergence of the energy, hartree.
    gradient
        Whether the gradient is wanted.

    Raises
    ------
    RuntimeError
        If the density does not become self-consistent.
    """
    found = _calculator(numbers, x, charge, tolerance / ENERGY_THRESHOLD).singlepoint()
    return float(found.get("energy")), np.array(found.get("gradient")) / BOHR if gradient else None


def total_energy(numbers: Ints, x: Floats, charge: int, tolerance: float = 1e-10) -> float:
    """Return the energy of one geometry in hartree; see `single_point`."""
    return single_point(numbers, x, charge, tolerance)[0]


@dataclass(frozen=True, eq=False)
class Multipoles:
    """The charge distribution of GFN2-xTB.

    Attributes
    ----------
    dipole
        (3,), e Angstrom.
    quadrupole
        (3, 3), traceless, (3 x x - x^2)/2 at the origin, e Angstrom^2.
    charges
        (atoms,), Mulliken's, e.
    """

    dipole: Floats
    quadrupole: Floats
    charges: Floats


def multipoles(numbers: Ints, x: Floats, charge: int) -> Multipoles:
    """Return the charge distribution of one geometry.

    Parameters
    ----------
    numbers
        (atoms,), atomic numbers.
    x
        (atoms, 3), Angstrom.
    charge
        e.

    Raises
    ------
    MissingProgramError
        If tblite is missing.
    RuntimeError
        If the density does not become self-consistent.
    """
    check_tblite()
    found = _calculator(numbers, x, charge).singlepoint()
    xx, xy2, yy, xz2, yz2, zz = found.get("quadrupole")  # off-diagonal elements count twice
    quadrupole = np.array([[2 * xx, xy2, xz2], [xy2, 2 * yy, yz2], [xz2, yz2, 2 * zz]]) / 2
    return Multipoles(found.get("dipole") * BOHR, quadrupole * BOHR**2, found.get("charges"))


def polarizability(numbers: Ints, x: Floats, charge: int) -> Floats:
    """Return the polarizability of one geometry, (3, 3), Angstrom^3: how a uniform field changes its dipole.

    Parameters
    ----------
    numbers
        (atoms,), atomic numbers.
    x
        (atoms, 3), Angstrom.
    charge
        e.

    Raises
    ------
    MissingProgramError
        If tblite is missing.
    RuntimeError
        If the density does not become self-consistent.
    """
    check_tblite()

    def dipole(field: Floats) -> Floats:
        calculator = _calculator(numbers, x, charge)
        calculator.add("electric-field", field.tolist())  # an array is not taken
        return np.array(calculator.singlepoint().get("dipole"))

    rows = [(dipole(FIELD * axis) - dipole(-FIELD * axis)) / (2 * FIELD) for axis in np.eye(3)]
    found = np.array(rows) * BOHR**3
    return np.asarray((found + found.T) / 2)


class Xtb:
    """GFN2-xTB for one n-mer, in the lowest spin that its electrons allow.

    The same geometries in the same order give bitwise the same numbers.

    Parameters
    ----------
    nmer
        The n-mer; its charge is used.

    Raises
    ------
    InputError
        If tblite is missing, or has no parameters for an element.
    """

    def __init__(self, nmer: NMer) -> None:
        check_tblite()
        from tblite.exceptions import TBLiteRuntimeError
        from tblite.interface import Calculator

        try:
            self._calculator = Calculator(METHOD, nmer.numbers, nmer.positions / BOHR, charge=float(nmer.charge))
        except TBLiteRuntimeError as error:
            raise InputError(f"{METHOD} cannot be used for {nmer.name}: {error}") from None
        self._calculator.set("verbosity", 0)
        self._calculator.set("accuracy", ACCURACY)
        self._result: Any = None

    def __call__(self, x: Floats) -> tuple[float, Floats]:
        """Return the energy in kcal/mol and the forces (atoms, 3) in kcal/mol/Angstrom.

        Parameters
        ----------
        x
            (atoms, 3), Angstrom.

        Raises
        ------
        RuntimeError
            If the density does not become self-consistent.
        """
        before, self._result = self._result, None  # after a failure start afresh
        self._calculator.update(x / BOHR)
        result = self._calculator.singlepoint(before)
        self._result = result
        return HARTREE * float(result.get("energy")), -HARTREE / BOHR * result.get("gradient")
