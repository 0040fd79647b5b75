"""C6 coefficients and polarizabilities of the atoms of a molecule by D4 or D4S, from its geometry alone.

Both come from the same dynamic polarizabilities, so both are used together: D4 gives hydrogen less than XDM does.

Caldeweyher et al., J. Chem. Phys. 150, 154122 (2019). D4S: Tkachenko, Dittmer, Tomann, Head-Gordon,
J. Phys. Chem. Lett. 15, 10629 (2024).
"""

from __future__ import annotations

from potentials.arrays import Floats, Ints
from potentials.errors import MissingProgramError
from potentials.units import BOHR, HARTREE
from recipes.registry import Need

DFTD4 = Need("dftd4", "pip install 'nmer[d4]'")


def d4_dispersion(numbers: Ints, positions: Floats, charge: int = 0, model: str = "d4s") -> tuple[Floats, Floats]:
    """Return C6 of each pair of atoms (atoms, atoms) and the polarizability of each (atoms,).

    Parameters
    ----------
    numbers
        (atoms,), atomic numbers.
    positions
        (atoms, 3), Angstrom.
    charge
        Total charge, e.
    model
        ``d4`` or ``d4s``; in the latter the width of the weights depends on the pair of elements.

    Returns
    -------
    C6 in kcal/mol Angstrom^6, polarizabilities in Angstrom^3.

    Raises
    ------
    MissingProgramError
        If dftd4 is missing.
    """
    if lack := DFTD4.lack():
        raise MissingProgramError(f"{model.upper()} {lack}")
    from dftd4.interface import DispersionModel

    found = DispersionModel(numbers, positions / BOHR, charge=float(charge), model=model).get_properties()
    return found["c6 coefficients"] * HARTREE * BOHR**6, found["polarizabilities"] * BOHR**3
