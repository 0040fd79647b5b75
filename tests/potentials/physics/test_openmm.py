"""Without damping, electrostatics and polarization are those of OpenMM's AMOEBA."""

from __future__ import annotations

import numpy as np
import openmm
import pytest
from openmm import unit

from potentials.physics.model import PhysicsPotential
from potentials.physics.periodic.model import PeriodicPhysics
from tests.potentials.physics.boxes import box
from tests.potentials.physics.chains import in_water, model, parameters

SOFT = 0.2
"""Polarizability of every atom, Angstrom^3, small enough for bonded atoms without damping."""


def amoeba(
    potential: PhysicsPotential | PeriodicPhysics, positions: np.ndarray, vectors: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """Return AMOEBA's energy and gradient, kcal/mol and kcal/mol/Angstrom, of point charges and dipoles."""
    force = openmm.AmoebaMultipoleForce()
    force.setNonbondedMethod(openmm.AmoebaMultipoleForce.NoCutoff)
    force.setPolarizationType(openmm.AmoebaMultipoleForce.Mutual)
    force.setMutualInducedTargetEpsilon(1e-8)
    force.setMutualInducedMaxIterations(200)
    system = openmm.System()
    if vectors is not None:
        force.setNonbondedMethod(openmm.AmoebaMultipoleForce.PME)
        force.setCutoffDistance(0.6)
        force.setAEwald(7.0)
        force.setPmeGridDimensions([64] * 3)
        system.setDefaultPeriodicBoxVectors(*(0.1 * vectors))
    row = potential.parameters.rows(potential.types)
    for q, alpha in zip(potential.parameters.charge[row], potential.parameters.polarizability[row], strict=True):
        system.addParticle(1.0)
        axis = openmm.AmoebaMultipoleForce.NoAxisType
        force.addMultipole(q, [0.0] * 3, [0.0] * 9, axis, -1, -1, -1, 0.39, 0.0, alpha * 1e-3)
    without = ~potential.topology.charged
    for atom in range(len(positions)):
        others = [int(other) for other in np.flatnonzero(without[atom]) if other != atom]
        force.setCovalentMap(atom, openmm.AmoebaMultipoleForce.Covalent12, others)
        force.setCovalentMap(atom, openmm.AmoebaMultipoleForce.PolarizationCovalent11, [atom, *others])
    system.addForce(force)
    context = openmm.Context(
        system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
    )
    context.setPositions(positions * 0.1)
    state = context.getState(getEnergy=True, getForces=True)
    forces = state.getForces(asNumpy=True).value_in_unit(unit.kilocalories_per_mole / unit.angstrom)
    return state.getPotentialEnergy().value_in_unit(unit.kilocalories_per_mole), -forces


BARE = {
    "scale_15": 1.0,
    "thole_charge": 1e9,
    "thole_dipole": 1e9,
    "polarizability": SOFT,
    "c6": 0.0,
    "epsilon": 0.0,
}


def test_undamped_electrostatics_and_polarization_in_a_cell() -> None:
    """OpenMM's mesh limits the agreement."""
    vectors = np.eye(3) * 13.0
    symbols, topology, types, positions = box("AceAlaNme", 20, vectors)
    potential = PeriodicPhysics(symbols, topology, types, parameters(types, **BARE), vectors, 6.0, accuracy=1e-6)
    found = potential.evaluate(positions[None])
    energy, gradient = amoeba(potential, positions, vectors)
    assert abs(found.shares["polarization"][0]) > 1
    np.testing.assert_allclose(found.energy[0], energy, rtol=0, atol=5e-4)
    np.testing.assert_allclose(found.gradient[0], gradient, rtol=0, atol=1e-3)


@pytest.mark.parametrize("where", ["chain", "water"])
def test_undamped_electrostatics_and_polarization(where: str) -> None:
    potential, positions = model("AceAla3Nme", **BARE) if where == "chain" else in_water("AceAlaNme", 8, **BARE)
    found = potential.evaluate(positions[None])
    energy, gradient = amoeba(potential, positions)
    assert abs(found.shares["polarization"][0]) > 0.1
    np.testing.assert_allclose(found.energy[0], energy, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.gradient[0], gradient, rtol=0, atol=1e-5)
