"""A sum in OpenMM: its energies and forces, the trajectory that ASE has, a box that changes, and errors."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.md.verlet import VelocityVerlet

from potentials.errors import MissingProgramError
from potentials.systems.cell import Cell
from tasks.simulation.openmm_sum import openmm_force, openmm_system
from tests.potentials.systems.test_manybody import SHAKEN, total
from tests.potentials.toys import Wells

openmm = pytest.importorskip("openmm")
unit = pytest.importorskip("openmm.unit")

Floats = np.ndarray

ARGON = ("Ar",) * 8
PLACES = 2.7 * np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)], dtype=float)
PLACES += np.random.default_rng(3).normal(scale=0.1, size=PLACES.shape)

VELOCITY_VERLET = ("v", "v + 0.5*dt*f/m"), ("x", "x + dt*v"), ("v", "v + 0.5*dt*f/m")


def context_of(system: openmm.System, positions: Floats, step: float = 1.0) -> openmm.Context:
    """Return a context with velocity Verlet steps, fs."""
    integrator = openmm.CustomIntegrator(step * unit.femtosecond)
    integrator.addUpdateContextState()
    for name, expression in VELOCITY_VERLET:
        integrator.addComputePerDof(name, expression)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions * unit.angstrom)
    return context


def kcal(quantity: unit.Quantity) -> float:
    return float(quantity.value_in_unit(unit.kilocalorie_per_mole))


def test_energy_and_forces_are_those_of_a_sum() -> None:
    model = total()
    found = model.evaluate(SHAKEN[:1])
    state = context_of(openmm_system(model), SHAKEN[0]).getState(energy=True, forces=True)
    forces = state.getForces(asNumpy=True).value_in_unit(unit.kilocalorie_per_mole / unit.angstrom)
    assert kcal(state.getPotentialEnergy()) == pytest.approx(found.energy[0], rel=1e-12)
    np.testing.assert_allclose(forces, -found.gradient[0], rtol=0, atol=1e-10)


def test_a_trajectory_is_that_of_ase() -> None:
    model = Wells(ARGON)
    speeds = np.random.default_rng(1).normal(scale=1e-3, size=PLACES.shape)  # A/fs
    atoms = Atoms(ARGON, positions=PLACES)
    atoms.calc = model.calculator()
    atoms.set_velocities(speeds / units.fs)
    context = context_of(openmm_system(model, atoms.get_masses()), PLACES, 1.0)
    context.setVelocities(speeds * unit.angstrom / unit.femtosecond)
    before = context.getState(energy=True)
    start = kcal(before.getPotentialEnergy() + before.getKineticEnergy())
    context.getIntegrator().step(200)
    with VelocityVerlet(atoms, 1.0 * units.fs) as run:
        run.run(200)
    state = context.getState(positions=True, energy=True)
    ends = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)
    np.testing.assert_allclose(ends, atoms.positions, rtol=0, atol=1e-6)  # other constants in ASE
    assert np.abs(ends - PLACES).max() > 0.1
    kinetic = kcal(before.getKineticEnergy())
    assert kcal(state.getPotentialEnergy() + state.getKineticEnergy()) == pytest.approx(start, abs=2e-3 * kinetic)


def test_a_barostat_changes_the_box_that_the_potential_gets() -> None:
    side = 8.4
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) / 3
    places = grid * side + np.random.default_rng(1).normal(scale=0.05, size=(27, 3))
    cell = Cell(((side, 0.0, 0.0), (0.0, side, 0.0), (0.0, 0.0, side)), (True, True, True))
    model = Wells(("Ar",) * 27, cell)
    system = openmm_system(model)
    assert system.usesPeriodicBoundaryConditions()
    barostat = openmm.MonteCarloBarostat(1.0, 20.0, 1)
    barostat.setRandomNumberSeed(3)
    system.addForce(barostat)
    context = context_of(system, places)
    context.getIntegrator().step(60)
    state = context.getState(positions=True, energy=True)
    vectors = state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.angstrom)
    assert 2 * 3.4 < vectors[0, 0] < 0.99 * side
    x = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)
    assert kcal(state.getPotentialEnergy()) == pytest.approx(model.evaluate(x[None], vectors).energy[0], rel=1e-9)


def test_an_error_of_the_potential_stops_openmm() -> None:
    cell = Cell(((6.0, 0.0, 0.0), (0.0, 6.0, 0.0), (0.0, 0.0, 6.0)), (True, True, True))
    context = context_of(openmm_system(Wells(ARGON, cell)), PLACES)
    with pytest.raises(openmm.OpenMMException, match=r"shorter than twice the cut-off"):
        context.getIntegrator().step(1)


def test_an_openmm_without_python_forces_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(openmm, "PythonForce")
    with pytest.raises(MissingProgramError, match="has no PythonForce; install a later one"):
        openmm_force(Wells(ARGON))
