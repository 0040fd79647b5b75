"""A potential, or a sum of potentials, as an ASE calculator."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.units import kcal, mol

from potentials.errors import InputError
from potentials.evaluation import Evaluable

UNIT = kcal / mol
"""1 kcal/mol in eV, with the CODATA 2014 values of `ase.units`, not CODATA 2018."""


class PotentialCalculator(Calculator):  # type: ignore[misc]
    """Energy and forces of a potential for ASE, in eV and eV/Angstrom.

    Named contributions to the energy are among the results: ``results["cap_energy"]`` is the energy of the springs
    that hold caps.

    Parameters
    ----------
    potential
        The potential; the atoms must come in the order of its ``symbols``.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, potential: Evaluable) -> None:
        super().__init__()
        self.potential = potential

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute energy and forces; called by ASE.

        Raises
        ------
        InputError
            If the atoms are not the n-mer's, or are periodic.
        """
        super().calculate(atoms, properties, system_changes)
        symbols, wanted = tuple(self.atoms.get_chemical_symbols()), self.potential.symbols
        if symbols != wanted:
            raise InputError(f"the atoms are {' '.join(symbols)}; allowed: {' '.join(wanted)}, in this order")
        if np.any(self.atoms.pbc):
            raise InputError("the atoms are periodic; the potential is for a molecule in vacuum, pbc=False")
        if not np.isfinite(self.atoms.positions).all():
            raise InputError("positions hold a number that is not finite")
        found = self.potential.evaluate(self.atoms.positions[None])
        energies = {"energy": found.energy, **found.shares}
        self.results: dict[str, Any] = {name: float(value[0]) * UNIT for name, value in energies.items()}
        self.results["forces"] = -found.gradient[0] * UNIT
