"""A potential, or a sum of potentials, as an ASE calculator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import kcal, mol

from potentials.errors import InputError
from potentials.evaluation import Evaluable
from potentials.systems.periodicity import check_box, evaluate_in_box, is_periodic

UNIT = kcal / mol
"""1 kcal/mol in eV, with the CODATA 2014 values of `ase.units`, not CODATA 2018."""

FEW = 40
"""Atoms that a message lists."""


class PotentialCalculator(Calculator):  # type: ignore[misc]
    """Energy, forces and, in a cell, stress of a potential for ASE: eV, eV/Angstrom, eV/Angstrom^3.

    ``free_energy`` is the energy. The stress is the derivative of the energy with respect to a strain, divided by
    the volume, in ASE's order (xx, yy, zz, yz, xz, xy). The cell is that of the atoms at every call, so that
    filters and barostats that change it work. A molecule in vacuum has no stress.

    Named contributions to the energy are among the results: ``results["cap_energy"]`` is the energy of the springs
    that hold caps, ``results["V_phys dispersion"]`` that share of a sum.

    Parameters
    ----------
    potential
        The potential; the atoms must come in the order of its ``symbols``. Copies of the calculator share it.

    Raises
    ------
    InputError
        If the potential is periodic along some of its cell vectors only.
    """

    implemented_properties: list[str]

    def __init__(self, potential: Evaluable) -> None:
        super().__init__()
        self.potential = potential
        self.implemented_properties = ["energy", "free_energy", "forces"]
        if is_periodic(potential):
            self.implemented_properties.append("stress")

    def __deepcopy__(self, memo: dict[int, Any]) -> PotentialCalculator:
        """Return a calculator of the same potential, with no results yet."""
        return type(self)(self.potential)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute all properties; called by ASE.

        Raises
        ------
        InputError
            If the atoms are not the potential's, are periodic where it is not or the other way round, or a
            position or a cell vector is not finite.
        """
        super().calculate(atoms, properties, system_changes)
        symbols, wanted = tuple(self.atoms.get_chemical_symbols()), self.potential.symbols
        if symbols != wanted:
            raise InputError(f"the atoms are {_shown(symbols)}; allowed: {_shown(wanted)}, in this order")
        periodic = check_box(self.potential, self.atoms.pbc, "pbc=False", "pbc=True")
        vectors = np.array(self.atoms.cell) if periodic else None
        found = evaluate_in_box(self.potential, self.atoms.positions[None], vectors)
        energies = {**found.shares, "energy": found.energy, "free_energy": found.energy}
        self.results: dict[str, Any] = {name: float(value[0]) * UNIT for name, value in energies.items()}
        self.results["forces"] = -found.gradient[0] * UNIT
        if vectors is not None:
            assert found.virial is not None
            strain = found.virial[0] * UNIT / abs(np.linalg.det(vectors))
            self.results["stress"] = full_3x3_to_voigt_6_stress(strain)


def _shown(symbols: Sequence[str]) -> str:
    """Return elements for a message: all of a few, the first of many."""
    return " ".join(symbols) if len(symbols) <= FEW else f"{len(symbols)} atoms, {' '.join(symbols[:FEW])} ..."
