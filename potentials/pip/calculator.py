"""A potential as an ASE calculator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.units import kcal, mol

from potentials.errors import InputError
from potentials.pip.held import HeldCaps
from potentials.systems.manybody import Surface


class PotentialCalculator(Calculator):  # type: ignore[misc]
    """Energy and forces of a potential for ASE, in eV and eV/Angstrom.

    Where caps are held, ``results["cap_energy"]`` is what their springs have of the energy.

    Parameters
    ----------
    potential
        The potential.
    symbols
        Elements of its atoms, in the order in which they must come.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, potential: Surface, symbols: Sequence[str]) -> None:
        super().__init__()
        self.potential, self.symbols = potential, list(symbols)

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
        symbols = self.atoms.get_chemical_symbols()
        if symbols != self.symbols:
            raise InputError(
                f"the atoms are {' '.join(symbols)}; allowed: {' '.join(self.symbols)}, in this order"
            )
        if np.any(self.atoms.pbc):
            raise InputError("the atoms are periodic; the potential is for a molecule in vacuum, pbc=False")
        energy, gradient = self.potential.energy_and_gradient(self.atoms.positions)
        unit = kcal / mol
        self.results: dict[str, Any] = {"energy": energy * unit, "forces": -gradient * unit}
        if isinstance(self.potential, HeldCaps):
            self.results["cap_energy"] = self.potential.springs(self.atoms.positions)[0] * unit
