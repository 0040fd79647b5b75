"""Amber's force fields with water: energies against OpenMM from the exported PDB file, dynamics, restarts."""

from __future__ import annotations

import io
import pickle
import tomllib
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.systems.cell import Cell
from potentials.systems.system import System
from potentials.units import KB, KCAL_IN_KJ
from recipes.chemistry.solvation import solvate
from recipes.chemistry.systems import read_system
from storage.exchange.trajectory_subject import TrajectorySubject
from storage.trajectory import Trajectory
from tasks.checks.dipeptide import PHI
from tasks.checks.internal import torsion_rows, torsions
from tasks.simulation.amber import amber_potential, simulate_amber
from tasks.simulation.amber_cell import AmberInCell
from tasks.simulation.amber_parameters import FLEXIBLE_WATER, PROTEIN, WATER
from tasks.simulation.settings import SimulationSettings
from tasks.simulation.start import Start
from tasks.simulation.states import Segment, State
from tests.conftest import ROOT
from tests.tasks.simulation.test_recomputed import BIAS

pytest.importorskip("openmm")

SHORT = SimulationSettings(ensemble="nve", steps=40, every=10, segment=20, timestep=0.5, minimize=True)


@cache
def wet() -> System:
    """Return the dipeptide in 90 waters."""
    return solvate(read_system("AceAlaNme"), waters=90)


def as_trajectory(system: System) -> Trajectory:
    n = len(system.symbols)
    return Trajectory(
        symbols=system.symbols,
        bonds=system.bonds,
        masses=np.ones(n),
        steps=np.zeros(1, dtype=np.int64),
        times=np.zeros(1),
        positions=system.positions[None],
        velocities=np.zeros((0, n, 3)),
        velocity_steps=np.zeros(0, dtype=np.int64),
        energy=np.zeros(1),
        kinetic=np.zeros(1),
        temperature=np.zeros(1),
        vectors=None if system.vectors is None else system.vectors[None],
    )


def from_pdb(system: System, force_field: str, water: str, cutoff: float | None) -> float:
    """Return the energy of what OpenMM reads from the exported PDB file, in double precision, kcal/mol."""
    import openmm
    from openmm import app

    subject = TrajectorySubject((as_trajectory(system),), {"engines": {}}, "trajectory:wet@1")
    found = app.PDBFile(io.StringIO(subject.topology()))
    field = app.ForceField(PROTEIN[force_field], water)
    places = (system.positions[subject.order] / 10).tolist()
    model = app.Modeller(found.topology, [openmm.Vec3(*row) for row in places] * openmm.unit.nanometer)
    model.addExtraParticles(field)
    if cutoff is None:
        made = field.createSystem(model.topology, rigidWater=False)
    else:
        model.topology.setPeriodicBoxVectors((system.vectors / 10).tolist())  # type: ignore[operator]
        made = field.createSystem(
            model.topology,
            nonbondedMethod=app.PME,
            nonbondedCutoff=cutoff / 10,
            flexibleConstraints=True,
            removeCMMotion=False,
        )
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(made, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(model.positions)
    context.computeVirtualSites()
    return float(context.getState(getEnergy=True).getPotentialEnergy()._value / KCAL_IN_KJ)


@pytest.mark.parametrize("force_field", PROTEIN)
def test_the_energy_in_a_cell_is_that_of_the_exported_file(force_field: str) -> None:
    model = amber_potential(wet(), force_field)
    assert isinstance(model, AmberInCell) and model.constraints == 270
    energy = model.energy(wet().positions)
    expected = from_pdb(wet(), force_field, WATER[force_field], model.cutoff)
    assert energy == pytest.approx(expected, rel=2e-5)  # single precision


@pytest.mark.parametrize("force_field", PROTEIN)
def test_waters_in_vacuum_are_flexible_tip3p(force_field: str) -> None:
    near = np.argsort(np.linalg.norm(wet().positions[22::3] - wet().positions[:22].mean(axis=0), axis=1))[:3]
    kept = [*range(22), *(22 + 3 * int(n) + k for n in near for k in range(3))]
    bonds = [(kept.index(i), kept.index(j)) for i, j in wet().bonds if i in kept and j in kept]
    few = System(tuple(wet().symbols[a] for a in kept), wet().positions[kept], tuple(bonds), None, "few")
    model = amber_potential(few, force_field)
    assert model.energy(few.positions) == pytest.approx(
        from_pdb(few, force_field, FLEXIBLE_WATER, None), abs=2e-3
    )  # a PDB file


def test_the_gradient_is_the_slope_of_the_energy() -> None:
    model = amber_potential(wet(), "ff19SB")
    x, step = wet().positions, 0.01
    _, gradient = model.energy_and_gradient(x)
    rng = np.random.default_rng(3)
    for _ in range(3):
        along = rng.normal(size=x.shape)
        up, down = model.energy(np.stack([x + step * along / 10, x - step * along / 10]))
        slope = np.sum(gradient * along)
        assert (up - down) / (2 * step / 10) == pytest.approx(slope, rel=2e-2, abs=3.0)
    assert np.abs(gradient.sum(axis=0)).max() < 0.5  # no net force but that of PME


@pytest.mark.parametrize("force_field", PROTEIN)
def test_energy_is_conserved_and_waters_stay_rigid(force_field: str) -> None:
    settings = SHORT.model_copy(update={"steps": 200})
    (one,) = simulate_amber(wet(), force_field, settings)
    total = one.energy[1:] + one.kinetic[1:]
    assert np.ptp(total) < 1.5 and np.ptp(one.kinetic) > 5.0
    oxygen, hydrogen = one.positions[:, 22::3], one.positions[:, 23::3]
    lengths = np.linalg.norm(oxygen - hydrogen, axis=2)
    assert np.ptp(lengths) < 1e-5
    assert one.kinetic[0] * 2 / (KB * 300.0) == pytest.approx(3 * 292 - 3 - 270, rel=1e-6)
    assert one.temperature[0] == pytest.approx(300.0, rel=1e-6)


def test_a_simulation_that_was_killed_continues_bit_for_bit(tmp_path: Path) -> None:
    settings = SHORT.model_copy(
        update={"ensemble": "npt", "replicas": 2, "steps": 750, "segment": 250, "every": 50}
    )

    class KilledError(Exception):
        pass

    def told(done: int, total: int) -> None:
        if done >= 750:
            raise KilledError

    (one, other) = simulate_amber(wet(), "ff14SB", settings, folder=tmp_path / "whole", threads=1)
    with pytest.raises(KilledError):
        simulate_amber(wet(), "ff14SB", settings, folder=tmp_path / "killed", told=told, threads=1)
    again = simulate_amber(wet(), "ff14SB", settings, folder=tmp_path / "killed", threads=1)
    for first, second in zip((one, other), again, strict=True):
        for name in ("positions", "velocities", "energy", "kinetic", "vectors"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert not np.array_equal(one.positions[-1], other.positions[-1])
    assert one.vectors is not None and len(one.vectors) == len(one)
    assert len({float(v[0, 0]) for v in one.vectors}) > 1  # the barostat has acted


def test_nose_hoover_and_langevin_reach_the_temperature() -> None:
    for thermostat in ("langevin", "nose-hoover"):
        settings = SHORT.model_copy(
            update={"ensemble": "nvt", "thermostat": thermostat, "steps": 400, "every": 20, "damping": 20.0}
        )
        (one,) = simulate_amber(wet(), "ff14SB", settings.model_copy(update={"segment": 400}))
        assert np.mean(one.temperature[-8:]) == pytest.approx(300.0, abs=45.0)


def test_what_is_not_possible_is_refused() -> None:
    small = System(
        wet().symbols[22:25], np.array([[0.0, 0, 0], [0.96, 0, 0], [0, 0.96, 0]]), ((0, 1), (0, 2)),
        Cell(((8.0, 0.0, 0.0), (0.0, 8.0, 0.0), (0.0, 0.0, 8.0)), (True,) * 3),
    )  # fmt: skip
    with pytest.raises(InputError, match=r"a cell 8.0 A wide; allowed for ff14SB: 13.3 A"):
        amber_potential(small, "ff14SB")
    with pytest.raises(InputError, match="segment is 20 steps; allowed with npt and ff14SB: 250 or more"):
        simulate_amber(wet(), "ff14SB", SHORT.model_copy(update={"ensemble": "npt", "minimize": False}))
    with pytest.raises(InputError, match="timestep is 2 fs; allowed with ff14SB in a cell: up to 1 fs"):
        simulate_amber(wet(), "ff14SB", SHORT.model_copy(update={"timestep": 2.0, "minimize": False}))
    for more in ({"ensemble": "nve"}, {"ensemble": "nvt", "thermostat": "nose-hoover"}):
        with pytest.raises(InputError, match="metadynamics with ff14SB in a cell needs the Langevin thermostat"):
            simulate_amber(wet(), "ff14SB", SHORT.model_copy(update=more), bias=BIAS)


class Spring:
    """A walker whose bias is k/2 (phi - 1)^2, from the derivative of the torsion that checks use."""

    atoms = tuple(PHI)
    k = 20.0

    def __init__(self) -> None:
        self.steps: list[int] = []

    def begin(self, step: int) -> None:
        pass

    def forces(self, step: int, x: np.ndarray) -> np.ndarray:
        self.steps.append(step)
        apart = np.radians(torsions(x, [PHI])[0]) - 1.0
        slope = self.k * (apart - 2 * np.pi * np.round(apart / (2 * np.pi)))
        return -slope * torsion_rows(x, [PHI])[0].reshape(-1, 3)

    def frame(self, step: int) -> tuple[float, int]:
        return 0.0, 0

    def finish(self) -> None:
        pass


def test_forces_of_a_bias_act_as_those_of_openmm_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SHORT.model_copy(update={"ensemble": "nvt", "steps": 40, "every": 10, "segment": 40})
    start = Start.of(amber_potential(wet(), "ff14SB"), wet(), 1)
    rng = np.random.default_rng(1)
    state = State(0, start.positions[0], 0.005 * rng.normal(size=start.positions[0].shape), start.vectors)

    def run(bias: Spring | None, spring: bool) -> Segment:
        import openmm

        model = amber_potential(wet(), "ff14SB")
        assert isinstance(model, AmberInCell)
        if spring:
            force = openmm.CustomTorsionForce("0.5*k*min(d,6.283185307179586-d)^2; d=abs(theta-1)")
            force.addGlobalParameter("k", Spring.k * KCAL_IN_KJ)
            force.addTorsion(*(int(model._places[a]) for a in PHI), [])
            force.setForceGroup(1)
            model._system.addForce(force)
        return model.run_segment(start, settings, 0, 0, state, bias)  # type: ignore[arg-type]

    python, own, free = run(spring := Spring(), False), run(None, True), run(None, False)
    assert spring.steps == list(range(41))
    turned = [torsions(one.positions, [PHI])[-1, 0] for one in (python, own, free)]
    assert abs(turned[1] - turned[2]) > 2.0  # the bias matters
    assert np.abs(python.positions[:, :22] - own.positions[:, :22]).max() < 2e-4  # single precision
    assert python.energy[0] == pytest.approx(free.energy[0], abs=1e-3)  # without the bias


def test_walkers_share_hills_and_a_killed_simulation_continues_bit_for_bit(tmp_path: Path) -> None:
    settings = SHORT.model_copy(
        update={"ensemble": "nvt", "replicas": 2, "steps": 80, "segment": 40, "minimize": False}
    )

    class KilledError(Exception):
        pass

    def told(done: int, total: int) -> None:
        if done >= 130:
            raise KilledError

    given = {"bias": BIAS, "threads": 1}
    whole = simulate_amber(wet(), "ff14SB", settings, folder=tmp_path / "whole", **given)
    with pytest.raises(KilledError):
        simulate_amber(wet(), "ff14SB", settings, folder=tmp_path / "killed", told=told, **given)
    again = simulate_amber(wet(), "ff14SB", settings, folder=tmp_path / "killed", **given)
    for first, second in zip(whole, again, strict=True):
        for name in ("positions", "velocities", "energy", "bias", "hills", "hill_counts"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    variables = np.array([cv.atoms for cv in BIAS.cvs])
    for one in whole:
        assert one.hills is not None and one.bias is not None and one.hill_counts is not None
        assert set(one.hills[:, 0]) == {0.0, 1.0} and one.bias.max() > 0.3
        s = np.radians(torsions(one.positions, variables))
        for angles, bias, count in zip(s, one.bias, one.hill_counts, strict=True):
            apart = (angles - one.hills[:count, 2:4] + np.pi) % (2 * np.pi) - np.pi
            squares = np.sum((apart / np.array(BIAS.settings.sigma)) ** 2, axis=1)
            expected = np.sum(one.hills[:count, 4] * np.exp(-squares / 2))
            assert bias == pytest.approx(expected, abs=0.02)  # PLUMED's hills are 0 from a distance on
        own = one.hills[one.hills[:, 0] == one.replica]
        assert own[:, 1].tolist() == [10 * (n + 1) * 0.5 for n in range(8)]


def test_papers() -> None:
    known = tomllib.loads((ROOT / "storage" / "papers.toml").read_text())
    for system, waters in ((wet(), ("tip3p", "opc")), (read_system("AceAlaNme"), ())):
        for n, force_field in enumerate(PROTEIN):
            papers = amber_potential(system, force_field).papers
            assert papers == (force_field.lower(), *waters[n : n + 1]) and set(papers) <= set(known)


def test_it_can_be_sent_to_another_process() -> None:
    model = amber_potential(wet(), "ff14SB")
    again = pickle.loads(pickle.dumps(model))
    assert again.energy(wet().positions) == model.energy(wet().positions)
