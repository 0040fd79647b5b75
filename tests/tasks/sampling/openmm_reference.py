"""OpenMM as the reference for force-field energies and forces."""

from __future__ import annotations

import numpy as np
import openmm
from openmm import unit


class OpenMM:
    """Energy (kcal/mol) and forces (kcal/mol/A) of an OpenMM System, in double precision."""

    def __init__(self, system: openmm.System) -> None:
        platform = openmm.Platform.getPlatformByName("Reference")
        self.context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        self.context.setPositions(x * 0.1)
        state = self.context.getState(getEnergy=True, getForces=True)
        forces = state.getForces(asNumpy=True).value_in_unit(unit.kilocalorie_per_mole / unit.angstrom)
        return state.getPotentialEnergy().value_in_unit(unit.kilocalorie_per_mole), forces
