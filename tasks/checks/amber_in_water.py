"""Amber's ff14SB and ff19SB with TIP3P: energies of a peptide and waters in vacuum, by OpenMM."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.systems.system import System
from potentials.units import KCAL_IN_KJ
from tasks.simulation.amber import PROTEIN, openmm_topology

WATER = "amber14/tip3p.xml"
"""OpenMM's file of TIP3P; both force fields have the same."""


class AmberInWater:
    """A force field of a peptide and flexible TIP3P waters in vacuum.

    Parameters
    ----------
    system
        Amino acids between Ace and Nme, and waters, without a cell.
    force_field
        ``ff14SB`` or ``ff19SB``.

    Raises
    ------
    InputError
        If OpenMM is missing, the force field is unknown, the system has something else, or a cell.
    """

    def __init__(self, system: System, force_field: str) -> None:
        if system.cell is not None:
            raise InputError(f"{system.name} has a cell; allowed for {force_field} here: a system in vacuum")
        topology, order = openmm_topology(system.symbols, system.bonds, system.name, force_field)
        import openmm
        from openmm import app, unit

        made = app.ForceField(PROTEIN[force_field], WATER).createSystem(
            topology, nonbondedMethod=app.NoCutoff, constraints=None, rigidWater=False, removeCMMotion=False
        )
        self.symbols, self._order, self._unit = system.symbols, order, unit
        platform = openmm.Platform.getPlatformByName("Reference")  # in double precision
        self._context: Any = openmm.Context(made, openmm.VerletIntegrator(0.001), platform)

    def energy_and_gradient(self, positions: ArrayLike) -> tuple[Floats, Floats]:
        """Return energies (kcal/mol) and gradients (kcal/mol/Angstrom) of (n, atoms, 3) in Angstrom."""
        x = np.asarray(positions, dtype=np.float64)
        energy, gradient = np.empty(len(x)), np.empty(x.shape)
        kj, nm = self._unit.kilojoule_per_mole, self._unit.nanometer
        for n, geometry in enumerate(x):
            self._context.setPositions(geometry[self._order] / 10.0)
            state = self._context.getState(getEnergy=True, getForces=True)
            energy[n] = state.getPotentialEnergy().value_in_unit(kj) / KCAL_IN_KJ
            forces = np.asarray(state.getForces(asNumpy=True).value_in_unit(kj / nm))
            gradient[n, self._order] = -forces / (10.0 * KCAL_IN_KJ)
        return energy, gradient
