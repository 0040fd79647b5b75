"""Molecular dynamics: equations of motion, temperature, pressure, images, and potentials that stop a run."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from potentials.compiled import carray, cfunc, pointer
from potentials.errors import InputError, PolarizationError, StageError
from potentials.evaluation import Evaluation
from potentials.systems.cell import Cell
from potentials.systems.system import System
from potentials.units import AVOGADRO, KB, KCAL
from recipes.chemistry.molecules import read_molecule
from tasks.mpi import load_mpi
from tasks.simulation.dynamics import SimulationStoppedError, simulate
from tasks.simulation.lammps_state import lammps_at, motion
from tasks.simulation.lammps_sum import attach_to_lammps
from tasks.simulation.segment import run_segment
from tasks.simulation.settings import SimulationSettings
from tasks.simulation.start import (
    Start,
    degrees_of_freedom,
    first_velocities,
    kinetic_energy,
    minimized,
    temperature_of,
)
from tasks.simulation.states import State
from tests.potentials.toys import Wells, WellsInC
from tests.tasks.simulation.scenarios import ARGON, CELL, PLACES

pytest.importorskip("lammps")

Floats = np.ndarray

MIXED = ("O", "H", "H", "C", "N", "H")
AT = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 0, 1], [0, 2, 2], [-1, 0, 2]], dtype=float)
TILTED = Cell(((9.9, 0.0, 0.0), (0.7, 9.8, 0.0), (-0.5, 0.9, 10.1)), (True, True, True))
PER_CUBIC_ANGSTROM = 4184.0 / AVOGADRO * 1e30 / 101325.0
"""1 kcal/mol/Angstrom^3 in atm."""


def verlet(
    model: Wells, x: Floats, v: Floats, masses: Floats, timestep: float, steps: int
) -> tuple[Floats, Floats]:
    """The velocity Verlet algorithm, written independently."""
    acceleration = -model.evaluate(x[None]).gradient[0] * KCAL / masses[:, None]
    for _ in range(steps):
        v = v + 0.5 * timestep * acceleration
        x = x + timestep * v
        acceleration = -model.evaluate(x[None]).gradient[0] * KCAL / masses[:, None]
        v = v + 0.5 * timestep * acceleration
    return x, v


@pytest.mark.parametrize("kind", [Wells, WellsInC])
def test_nve_solves_the_equations_of_motion_across_segments(kind: type[Wells]) -> None:
    settings = SimulationSettings(
        ensemble="nve", temperature=60.0, timestep=2.0, steps=300, every=20, segment=100, seed=3
    )
    (found,) = simulate(kind(ARGON), PLACES, settings)
    assert list(found.steps) == list(range(0, 301, 20)) and list(found.velocity_steps) == [100, 200, 300]
    np.testing.assert_array_equal(found.times, found.steps * 2.0)
    masses = Start.of(kind(ARGON), PLACES).masses
    x, v = verlet(Wells(ARGON), found.positions[5], found.velocities[0], masses, 2.0, 200)
    np.testing.assert_allclose(found.positions[-1], x, rtol=0, atol=1e-7)
    np.testing.assert_allclose(found.velocities[-1], v, rtol=0, atol=1e-9)
    assert found.kinetic[-1] == pytest.approx(kinetic_energy(masses, v), rel=1e-6)
    assert found.energy[-1] == pytest.approx(Wells(ARGON).energy(x), abs=1e-5)
    total = found.energy + found.kinetic
    assert np.ptp(total) < 0.02 * np.ptp(found.kinetic) and np.ptp(found.kinetic) > 0.5
    np.testing.assert_allclose(found.contributions["wells"], found.energy, atol=1e-9)
    assert found.temperature[0] == pytest.approx(60.0, rel=1e-9)


@pytest.mark.parametrize("thermostat", ["langevin", "nose-hoover"])
def test_the_mean_temperature_is_that_of_the_thermostat(thermostat: str) -> None:
    settings = SimulationSettings(
        thermostat=thermostat, temperature=60.0, timestep=2.0, steps=60_000, every=50, segment=20_000
    )
    (found,) = simulate(WellsInC(ARGON), PLACES, settings)
    assert found.temperature[200:].mean() == pytest.approx(60.0, rel=0.04)
    moved = found.positions.mean(axis=1)
    drift = np.linalg.norm(moved[-1] - moved[0])
    assert drift > 1.0 if thermostat == "langevin" else drift < 1e-6  # the molecule as a whole diffuses


def test_first_velocities_have_the_temperature_and_no_momentum() -> None:
    masses = Start.of(WellsInC(MIXED), AT).masses
    for periodic, lost in ((False, 6), (True, 3)):
        freedom = degrees_of_freedom(AT, periodic, bath=False)
        v = first_velocities(AT, masses, 350.0, freedom, periodic, seed=1)
        assert freedom == 18 - lost
        assert temperature_of(kinetic_energy(masses, v), freedom) == pytest.approx(350.0, rel=1e-12)
        np.testing.assert_allclose(masses @ v, 0.0, atol=1e-13)
        spin = (masses[:, None] * np.cross(AT, v)).sum(axis=0)
        assert (np.abs(spin).max() < 1e-12) != periodic
        assert not np.array_equal(v, first_velocities(AT, masses, 350.0, freedom, periodic, seed=2))
    spread = np.array([first_velocities(AT, masses, 350.0, 18, True, seed) for seed in range(2000)])
    wanted = KB * 350.0 * KCAL / masses * 15 / 18  # the three of the momentum are missing; heavy atoms lose more
    assert (spread[:, 1:3] ** 2).mean() == pytest.approx(wanted[1], rel=0.2)


@pytest.mark.parametrize(("atoms", "freedom"), [(1, 1), (2, 1), (3, 4), (4, 6)])
def test_degrees_of_freedom_of_small_molecules(atoms: int, freedom: int) -> None:
    on_a_line = np.arange(3.0 * atoms).reshape(atoms, 3)
    x = on_a_line + (np.eye(4, 3) if atoms == 4 else 0.0)
    assert degrees_of_freedom(x, False, bath=False) == freedom
    assert degrees_of_freedom(x, True, bath=True) == 3 * atoms


def test_constants_of_lammps_are_within_what_the_module_says() -> None:
    load_mpi()
    state = State(0, PLACES, np.zeros_like(PLACES), None)
    start = Start.of(WellsInC(ARGON), PLACES)
    with lammps_at(start, SimulationSettings(steps=100), state) as program:
        off = [
            program.extract_global("boltz") / KB - 1,
            program.extract_global("mvv2e") * KCAL - 1,
            program.extract_global("nktv2p") / PER_CUBIC_ANGSTROM - 1,
        ]
    assert max(map(abs, off)) < 1.3e-6 and abs(off[1]) < 1e-9


@pytest.mark.parametrize("thermostat", ["langevin", "nose-hoover"])
def test_the_pressure_of_the_barostat_is_that_of_an_independent_formula(thermostat: str) -> None:
    model = Wells(ARGON, CELL)
    x = PLACES + 3.0
    start = Start.of(model, x)
    settings = SimulationSettings(ensemble="npt", thermostat=thermostat, steps=100, temperature=300.0)
    v = first_velocities(x, start.masses, 300.0, 21, True, seed=4)
    state = State(0, x, v, start.vectors)
    with lammps_at(start, settings, state) as program:
        held = attach_to_lammps(program, model)
        program.command("thermo_style custom step pe press")
        program.commands_list(motion(settings, start, 0, 0, state))
        program.command("run 0 post no")
        held.check()
        pressure = program.get_thermo("press")
    found = model.evaluate(x[None])
    volume = float(np.linalg.det(np.array(CELL.vectors)))
    assert found.virial is not None
    inner = (2 * kinetic_energy(start.masses, v) - np.trace(found.virial[0])) / (3 * volume)
    assert abs(np.trace(found.virial[0])) > 1.0
    assert pressure == pytest.approx(inner * PER_CUBIC_ANGSTROM, rel=3e-6)


def test_a_barostat_reaches_its_pressure() -> None:
    """The mean of the pressure, by the formula, of a gas that is first at another one."""
    model = Wells(ARGON, Cell(((16.0, 0, 0), (0, 16.0, 0), (0, 0, 16.0)), (True, True, True)))
    settings = SimulationSettings(
        ensemble="npt", temperature=300.0, pressure=150.0, timestep=4.0, steps=6000, every=20, segment=3000,
        barostat_damping=500.0,
    )  # fmt: skip
    (found,) = simulate(model, PLACES * 2.0, settings)
    assert found.vectors is not None
    rows = found.vectors[100:]
    virial = np.array(
        [model.evaluate(x[None], h).virial[0] for x, h in zip(found.positions[100:], rows, strict=True)]
    )  # type: ignore[index]
    inner = (2 * found.kinetic[100:] - np.trace(np.asarray(virial), axis1=1, axis2=2)) / (3 * np.linalg.det(rows))
    assert (inner * PER_CUBIC_ANGSTROM).mean() == pytest.approx(150.0, rel=0.25)  # it starts at 80 atm
    ratio = rows[:, 0, 0] / rows[:, 1, 1]
    np.testing.assert_allclose(ratio, 1.0, rtol=1e-9)


@pytest.mark.parametrize("cell", [CELL, TILTED])
def test_positions_are_not_wrapped(cell: Cell) -> None:
    vectors = np.array(cell.vectors)
    model = Wells(ARGON, cell)
    moved = PLACES + np.array([[k % 3 - 1, k // 3 - 1, 2 - k % 2] for k in range(8)]) @ vectors
    settings = SimulationSettings(temperature=300.0, timestep=4.0, steps=400, every=20, segment=100)
    (found,) = simulate(model, moved, settings)
    np.testing.assert_allclose(found.positions[0], moved, rtol=0, atol=1e-12)
    assert np.abs(np.diff(found.positions, axis=0)).max() < 2.0
    inside = found.positions @ np.linalg.inv(vectors)
    assert (np.floor(inside[0]) != np.floor(inside[-1])).any()  # an atom has crossed a face
    assert found.vectors is not None and found.vectors.shape == (1, 3, 3)
    energies = [model.energy(x) for x in found.positions]
    np.testing.assert_allclose(found.energy, energies, atol=1e-9)


@cfunc("float64(voidptr, CPointer(float64), CPointer(float64), CPointer(float64))")
def spring_in_c(data, positions, gradient, virial):  # type: ignore[no-untyped-def]
    """A spring of two atoms, which has no energy where they are nearer than 1 A."""
    x, g, v = carray(positions, (2, 3)), carray(gradient, (2, 3)), carray(virial, (3, 3))
    r2 = 0.0
    for a in range(3):
        arrow = x[0, a] - x[1, a]
        r2 += arrow * arrow
        g[0, a], g[1, a] = 10.0 * arrow, -10.0 * arrow
        for b in range(3):
            v[a, b] = 0.0
    return 5.0 * r2 if r2 > 1.0 else np.nan


class Spring:
    """The same in Python, which raises an error there."""

    symbols, cell = ("Ar", "Ar"), None

    def evaluate(self, positions: Floats) -> Evaluation:
        arrow = positions[:, 0] - positions[:, 1]
        r2 = (arrow**2).sum(axis=1)
        if (r2 <= 1.0).any():
            raise PolarizationError("the atoms 0 and 1 polarize each other without end", (0, 1))
        return Evaluation(5.0 * r2, np.stack([10.0 * arrow, -10.0 * arrow], axis=1), {"spring": 5.0 * r2})


class SpringInC(Spring):
    """Evaluated in C."""

    def c_address(self) -> tuple[int, int]:
        return spring_in_c.address, 0


@pytest.mark.parametrize("kind", [Spring, SpringInC])
def test_a_potential_that_has_no_energy_stops_the_run_and_keeps_the_frames_before(
    kind: type[Spring], tmp_path: Path
) -> None:
    settings = SimulationSettings(
        ensemble="nve", temperature=1e-6, timestep=1.0, steps=2000, every=10, segment=20, replicas=2
    )
    starts = np.array([[[0, 0, 0], [3.0, 0, 0]], [[0, 0, 0], [8.0, 0, 0]]], dtype=float)
    mass = Start.of(kind(), starts[0]).masses[0] / 2
    expected = [np.arccos(1.0 / apart) / np.sqrt(10.0 * KCAL / mass) for apart in (3.0, 8.0)]
    for _ in range(2):  # the second time from the folder
        with pytest.raises(
            SimulationStoppedError, match=r"replica 0 was stopped at step \d+ .*polarize each"
        ) as held:
            simulate(kind(), starts, settings, folder=tmp_path)
        one, other = held.value.trajectories
        steps = [int(text.split()[1]) for text in held.value.stopped]
        assert steps == [int(np.ceil(time)) for time in expected]
        for found, step in ((one, steps[0]), (other, steps[1])):
            assert found.steps[-1] == (step - 1) // 10 * 10 and np.isfinite(found.energy).all()
            assert list(found.velocity_steps) == list(range(20, found.steps[-1] + 1, 20))


def test_a_start_that_has_no_energy(tmp_path: Path) -> None:
    near = np.array([[0, 0, 0], [0.5, 0, 0]], dtype=float)
    settings = SimulationSettings(steps=100, every=10)
    with pytest.raises(SimulationStoppedError, match="replica 0 was stopped at step 0") as held:
        simulate(Spring(), near, settings, folder=tmp_path)
    assert len(held.value.trajectories[0]) == 0
    with pytest.raises(StageError, match="start could not be minimized: the atoms 0 and 1"):
        simulate(Spring(), near, settings.model_copy(update={"minimize": True}))


def test_minimized_is_a_minimum() -> None:
    found = minimized(WellsInC(ARGON), PLACES, None)
    assert np.abs(Wells(ARGON).evaluate(found[None]).gradient).max() < 0.1
    assert Wells(ARGON).energy(found) < Wells(ARGON).energy(PLACES) - 1.0


def test_replicas_differ_and_do_not_depend_on_each_other() -> None:
    settings = SimulationSettings(steps=200, every=50, segment=100, temperature=60.0, replicas=3)
    every = simulate(WellsInC(ARGON), PLACES, settings)
    assert [one.replica for one in every] == [0, 1, 2]
    assert not np.array_equal(every[0].positions, every[1].positions)
    alone = simulate(WellsInC(ARGON), PLACES, settings.model_copy(update={"replicas": 2}), threads=1)
    for one, other in zip(alone, every, strict=False):
        np.testing.assert_array_equal(one.positions, other.positions)


def test_a_segment_is_a_function_of_its_state() -> None:
    settings = SimulationSettings(steps=200, every=50, segment=100, temperature=60.0)
    start = Start.of(WellsInC(ARGON), PLACES)
    first = run_segment(WellsInC(ARGON), start, settings, 0, 0, State(0, PLACES, np.zeros_like(PLACES), None))
    assert first.end is not None
    one, other = (run_segment(WellsInC(ARGON), start, settings, 0, 1, first.end) for _ in range(2))
    np.testing.assert_array_equal(one.positions, other.positions)
    elsewhere = run_segment(WellsInC(ARGON), start, settings, 1, 1, first.end)
    assert not np.array_equal(one.positions, elsewhere.positions)  # other random numbers


class EndsInError:
    """A bias without forces that cannot be finished, as PLUMED after an error."""

    def attach(self, program: object) -> None: ...

    def install(self, start: int, steps: int) -> None: ...

    def frame(self, step: int) -> tuple[float, int]:
        return 0.0, 0

    def check(self) -> None: ...

    def finish(self) -> None:
        raise StageError("PLUMED: a variable has left its grid")


def test_a_bias_that_cannot_be_finished_stops_the_run_and_keeps_its_frames() -> None:
    settings = SimulationSettings(steps=200, every=50, segment=100, temperature=60.0)
    start, state = Start.of(WellsInC(ARGON), PLACES), State(0, PLACES, np.zeros_like(PLACES), None)
    found = run_segment(WellsInC(ARGON), start, settings, 0, 0, state, EndsInError())
    assert found.stopped == "a step after 100 (0.05 ps): PLUMED: a variable has left its grid"
    assert found.end is None and list(found.steps) == [0, 50, 100]


def test_what_does_not_fit_is_refused() -> None:
    settings = SimulationSettings(steps=100)
    box = System(ARGON, PLACES, (), CELL)
    left = Cell(((0.0, 9.9, 0.0), (9.8, 0.0, 0.0), (0.0, 0.0, 10.1)), (True, True, True))
    for model, start, changes, said in (
        (WellsInC(ARGON), PLACES[:7], {}, r"positions of shape \(1, 7, 3\); allowed: \(8, 3\)"),
        (WellsInC(ARGON), np.full_like(PLACES, np.nan), {}, "not finite"),
        (WellsInC(ARGON), box, {}, "the system has a cell, and the potential is for a molecule in vacuum"),
        (WellsInC(ARGON), read_molecule("AceAlaNme"), {}, "has no geometry"),
        (WellsInC(ARGON), read_molecule("AceAlaNme").embedded(), {}, "has other atoms than the potential"),
        (WellsInC(ARGON), PLACES, {"ensemble": "npt"}, "the ensemble npt needs a cell"),
        (Wells(ARGON, left), PLACES, {}, "the first vector of the cell is not along x"),
    ):
        with pytest.raises(InputError, match=said):
            simulate(model, start, settings.model_copy(update=changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": 150}, "steps is 150, and must be a multiple of every, which is 100"),
        ({"timestep": 0.0}, "greater than 0"),
        ({"thermostat": "csvr"}, "'langevin' or 'nose-hoover'"),
        ({"speed": 1}, "Extra inputs"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SimulationSettings(**changes)  # type: ignore[arg-type]


usleep = ctypes.CDLL(None).usleep
usleep.argtypes, usleep.restype = [ctypes.c_uint32], ctypes.c_int


@cfunc("float64(voidptr, CPointer(float64), CPointer(float64), CPointer(float64))")
def meeting_in_c(data, positions, gradient, virial):  # type: ignore[no-untyped-def]
    """No force; a replica waits here until another one is here too, for 20 s at most."""
    own = carray(data, (2,), np.int64)
    here, g, v = carray(pointer(own[1]), (2,), np.int64), carray(gradient, (6,)), carray(virial, (9,))
    here[own[0]] = 1
    g[:] = 0.0
    v[:] = 0.0
    for _ in range(20_000):
        if here[0] + here[1] == 2:
            return 0.0
        usleep(1000)
    return np.nan


class Meeting(Spring):
    """Each trajectory of it waits for the other."""

    def __init__(self, here: Floats, number: int = 0) -> None:
        self._here, self._trajectories = here, 0
        self._data = np.array([number, here.ctypes.data])

    def trajectory(self) -> Meeting:
        self._trajectories += 1
        return Meeting(self._here, self._trajectories - 1)

    def c_address(self) -> tuple[int, int]:
        return meeting_in_c.address, self._data.ctypes.data

    def evaluate(self, positions: Floats) -> Evaluation:
        return Evaluation(np.zeros(len(positions)), np.zeros_like(positions))


def test_replicas_run_at_the_same_time() -> None:
    """LAMMPS and the compiled callback hold no lock of Python: else the first would wait for ever."""
    settings = SimulationSettings(steps=10, every=10, replicas=2, ensemble="nve")
    found = simulate(Meeting(np.zeros(2, dtype=np.int64)), AT[:2], settings, threads=2)
    assert [len(one) for one in found] == [2, 2]
