"""The gate of conservation: the total energy of simulations at constant energy, and its error with the step.

The velocity Verlet integrator conserves an energy that differs from the total energy by terms of dt^2. With a
conservative and smooth potential the total energy thus oscillates with an amplitude that grows as dt^2, and has no
drift. Both are measured: the drift over the whole simulation, with an error from block means, and the order of the
amplitude in the step. They test the forces and the smoothness of the sum, not its energies: a sum that is wrong
everywhere may conserve its energy perfectly.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from potentials.arrays import Floats
from storage.version import Column
from tasks.checks.conservation_plots import draw
from tasks.checks.contacts import COLLAPSED, Contacts, Floors
from tasks.checks.interface import Check, Findings, Options, Result, Told, nobody
from tasks.checks.own_simulation import Watched, part_of, simulated, watch
from tasks.checks.ranges import with_ranges
from tasks.checks.stability import Temperatures, Timesteps, time_of_steps
from tasks.checks.subject import Subject
from tasks.checks.targets import Target, targets, why_not
from tasks.simulation.lammps_state import LAMMPS
from tasks.simulation.settings import SimulationSettings

DRIFT = 1e-5
"""Largest drift of the total energy, kcal/mol/atom/ps."""

ORDER, OFF = 2.0, 0.3
"""Order of the error of the total energy in the step, and how far it may be off."""

ADVICE = (
    "a gradient is not that of its energy, or an energy is not smooth: see the gates gradient and switching of "
    "the n-mers, and the gradients of contributions"
)
BLOCKS = 20
"""Blocks of a trajectory from whose means the error of the drift follows."""


class ConservationOptions(Options):
    """Lengths and temperatures of the simulations."""

    molecules: tuple[str, ...] = Field((), description="test molecules; empty: all")
    temperatures: Temperatures = Field((300.0, 500.0, 700.0), description="K; larger molecules at the first alone")
    picoseconds: float = Field(20.0, gt=0, le=1e6, description="length of each simulation (ps)")
    replicas: int = Field(2, ge=1, le=1000, description="simulations at each temperature")
    timestep: float = Field(0.25, gt=0, le=5, description="of the drift (fs): half of it, a quarter of the noise")
    equilibration: float = Field(1.0, gt=0, le=1e5, description="with a thermostat before (ps)")
    timesteps: Timesteps = Field((0.25, 0.5, 1.0), description="of the order (fs)")
    order_picoseconds: float = Field(2.0, gt=0, le=1e5, description="length of the simulations of the order (ps)")
    cell_picoseconds: float = Field(0.5, gt=0, le=1e6, description="of a system in a periodic cell (ps)")
    stride: float = Field(5.0, gt=0, le=1e4, description="time between energies (fs)")
    seed: int = Field(2025, ge=0, le=2**53, description="seed of velocities, thermostat and folds")

    @classmethod
    def quick(cls) -> dict[str, Any]:
        """Return the options of a short look."""
        return {"picoseconds": 2.0, "temperatures": (300.0,), "order_picoseconds": 0.5, "cell_picoseconds": 0.1}

    def settings(self, target: Target, temperature: float, picoseconds: float, **more: Any) -> SimulationSettings:
        """Return the settings of a simulation at constant energy; `more` replaces some."""
        timestep = float(more.get("timestep", self.timestep))
        every = max(1, round(self.stride / timestep))
        if target.system.cell is not None:
            picoseconds = min(picoseconds, self.cell_picoseconds)
        frames = max(2 * BLOCKS, round(1000.0 * picoseconds / (every * timestep)))
        given: dict[str, Any] = {
            "ensemble": "nve",
            "temperature": temperature,
            "timestep": timestep,
            "steps": frames * every,
            "every": every,
            "segment": frames * every,
            "seed": self.seed,
            "replicas": 1 if target.system.cell is not None else self.replicas,
        }
        return SimulationSettings(**given | more)


@dataclass(frozen=True, eq=False)
class Drift:
    """A target at constant energy.

    Attributes
    ----------
    target, temperature
        The target, K.
    replicas
        Its simulations.
    """

    target: Target
    temperature: float
    replicas: Sequence[Watched]

    @property
    def failure(self) -> str:
        """Why the drift has no meaning, as one clause; empty if it has."""
        for one in self.replicas:
            frame = one.failure
            if frame is not None and one.broken.any():
                i, j = one.atoms_of_failure()
                return (
                    f"{self.target.atom(i)} and {self.target.atom(j)} are at {one.distance(frame, i, j):.2f} A "
                    f"after {one.trajectory.times[frame] / 1000:.2f} ps"
                )
            if frame is not None:
                return f"it could not continue after {one.trajectory.times[frame] / 1000:.2f} ps"
        return ""

    def result(self) -> Result:
        """Return the figure."""
        name = f"drift-{self.target.word}-{self.temperature:g}k"
        meaning = f"{self.target.name}, {self.temperature:g} K: drift of the total energy (kcal/mol/atom/ps)"
        if self.failure:
            return Result(name, meaning, None, DRIFT)
        atoms = len(self.target.system.symbols)
        each = [drift_of(one.trajectory.times, total_energy(one)) for one in self.replicas]
        slope = float(np.mean([one for one, _ in each])) / atoms
        error = float(np.sqrt(np.sum([other**2 for _, other in each]))) / len(each) / atoms
        meaning += f"; its statistical error is {error:.1g}"
        return Result(name, meaning, abs(slope), DRIFT, advice="" if abs(slope) <= DRIFT else ADVICE)


@dataclass(frozen=True, eq=False)
class Order:
    """The error of the total energy with several steps, from the same start and velocities.

    Attributes
    ----------
    target
        The target.
    timesteps, scatter
        (steps,), fs, and standard deviation of the total energy, kcal/mol.
    failure
        Why it has no meaning, as one clause; empty if it has.
    """

    target: Target
    timesteps: Floats
    scatter: Floats
    failure: str

    def result(self) -> Result:
        """Return the figure."""
        name = f"order-{self.target.word}"
        meaning = f"{self.target.name}: by how much the order of the energy's error in the step differs from 2"
        if self.failure:
            return Result(name, meaning, None, OFF)
        order = float(np.polyfit(np.log(self.timesteps), np.log(self.scatter), 1)[0])
        listed = ", ".join(f"{s:.3g} at {dt:g} fs" for dt, s in zip(self.timesteps, self.scatter, strict=True))
        off = abs(order - ORDER)
        meaning += f"; it is {order:.2f}: {listed} (kcal/mol)"
        return Result(name, meaning, off, OFF, advice="" if off <= OFF else ADVICE)


def total_energy(one: Watched) -> Floats:
    """Return the total energy of each frame, kcal/mol."""
    return np.asarray(one.trajectory.energy + one.trajectory.kinetic)


def drift_of(times: Floats, energy: Floats) -> tuple[float, float]:
    """Return the slope of an energy in time and its statistical error, kcal/mol/ps.

    The slope is that of a straight line through the means of `BLOCKS` blocks, and the error follows from their
    deviations from it, so that correlations shorter than a block do not make it too small.

    Parameters
    ----------
    times, energy
        (frames,), fs and kcal/mol; at least 2 `BLOCKS` frames.
    """
    size = len(times) // BLOCKS
    t = np.asarray(times[: size * BLOCKS]).reshape(BLOCKS, size).mean(axis=1) / 1000.0
    e = np.asarray(energy[: size * BLOCKS]).reshape(BLOCKS, size).mean(axis=1)
    away = t - t.mean()
    slope = float(away @ e / (away @ away))
    left = e - e.mean() - slope * away
    return slope, float(np.sqrt(left @ left / (BLOCKS - 2) / (away @ away)))


def measure(subject: Subject, options: ConservationOptions, told: Told = nobody) -> Findings:
    """Simulate each test molecule at constant energy.

    Raises
    ------
    InputError
        If potentials are missing, or a molecule is not one of the subject's.
    StageError
        If a sum has no energy at a start.
    """
    begun = time.monotonic()
    subject, _ = with_ranges(subject)
    floors = Floors.of(subject.potentials().values())
    chosen = targets(subject, options.molecules)
    plan = [(target, t) for n, target in enumerate(chosen) for t in options.temperatures[: None if n == 0 else 1]]
    parts = len(plan) + len(chosen)
    drifts, orders, notes = [], [], []
    for number, (target, temperature) in enumerate(plan):
        contacts = Contacts.of(target.system.symbols, target.system.bonds, floors)
        ahead = part_of(told, number, parts)
        start = equilibrated(target, options, temperature, contacts)
        drift = Drift(target, temperature, _watched(target, options, temperature, start, contacts, told=ahead))
        drifts.append(drift)
        if drift.failure:
            notes.append(f"{target.name} at {temperature:g} K: the drift is not measured, since {drift.failure}")
    for number, target in enumerate(chosen):
        told(round(100 * (len(plan) + number) / parts), 100)
        order = order_of(target, options, Contacts.of(target.system.symbols, target.system.bonds, floors))
        orders.append(order)
        if order.failure:
            notes.append(f"{target.name}: the order is not measured, since {order.failure}")
        if target.system.cell is not None and options.cell_picoseconds < options.picoseconds:
            notes.append(
                f"{target.name} was simulated for {options.cell_picoseconds:g} ps; {options.picoseconds:g} ps "
                f"would take {options.picoseconds / options.cell_picoseconds:.3g} times as long: set "
                "cell_picoseconds"
            )
    told(1, 1)
    return Findings(
        tuple([one.result() for one in drifts] + [one.result() for one in orders]),
        _data(drifts, orders),
        {"timestep": options.timestep, "picoseconds": options.picoseconds},
        tuple(notes),
        time.monotonic() - begun,
    )


def equilibrated(target: Target, options: ConservationOptions, temperature: float, contacts: Contacts) -> Floats:
    """Return geometries after a simulation with a thermostat, (replicas, atoms, 3), Angstrom.

    A start that falls into a hole when its energy is minimized is taken as it is.
    """
    settings = options.settings(target, temperature, options.equilibration, ensemble="nvt")
    return np.array([one.positions[-1] for one in simulated(target, settings, contacts=contacts)])


def order_of(target: Target, options: ConservationOptions, contacts: Contacts) -> Order:
    """Simulate with several steps from one geometry and the same velocities, at the first temperature."""
    temperature = options.temperatures[0]
    start = equilibrated(target, options, temperature, contacts)[:1]
    scatter = []
    for timestep in options.timesteps:
        more = {"timestep": timestep, "replicas": 1}
        found = _watched(target, options, temperature, start, contacts, options.order_picoseconds, more)
        if failure := Drift(target, temperature, found).failure:
            return Order(target, np.array(options.timesteps), np.array([]), f"with {timestep:g} fs {failure}")
        times, energy = found[0].trajectory.times, total_energy(found[0])
        scatter.append(float(np.std(energy - np.polyval(np.polyfit(times, energy, 1), times))))
    return Order(target, np.array(options.timesteps), np.array(scatter), "")


def _watched(
    target: Target,
    options: ConservationOptions,
    temperature: float,
    start: Floats,
    contacts: Contacts,
    picoseconds: float | None = None,
    more: dict[str, Any] | None = None,
    told: Told = nobody,
) -> list[Watched]:
    """Simulate at constant energy from geometries, and look at contacts and bonds."""
    settings = options.settings(target, temperature, picoseconds or options.picoseconds, **more or {})
    frames = settings.steps // settings.every + 1
    found = simulated(target, settings, start, told)
    return [watch(target, one, contacts, len(one) == frames, False, COLLAPSED) for one in found]


def _data(drifts: Sequence[Drift], orders: Sequence[Order]) -> dict[str, Column]:
    """Return the tables of energies and of scatters."""
    rows = [(one, n, w) for one in drifts for n, w in enumerate(one.replicas)]
    count = [len(w.trajectory) for _, _, w in rows]
    energy = [(total_energy(w) - total_energy(w)[0]) / w.trajectory.natoms for _, _, w in rows]
    steps = [(one.target.name, dt, s) for one in orders for dt, s in zip(one.timesteps, one.scatter, strict=False)]
    names = tuple(one.target.name for (one, _, _), n in zip(rows, count, strict=True) for _ in range(n))
    kelvin = np.repeat([one.temperature for one, _, _ in rows], count)
    times = np.concatenate([w.trajectory.times for *_, w in rows]) / 1000.0
    return {
        "energies.molecule": Column(names, "1", "name of the molecule or system"),
        "energies.temperature": Column(kelvin, "K", "temperature of the start"),
        "energies.replica": Column(np.repeat([n for _, n, _ in rows], count), "1", "replica, from 0"),
        "energies.time": Column(times, "ps", "time"),
        "energies.total": Column(np.concatenate(energy), "kcal/mol", "total energy per atom, above the start"),
        "orders.molecule": Column(tuple(name for name, _, _ in steps), "1", "name of the molecule or system"),
        "orders.timestep": Column(np.array([dt for _, dt, _ in steps]), "fs", "step of the integrator"),
        "orders.scatter": Column(np.array([s for *_, s in steps]), "kcal/mol", "deviation of the total energy"),
    }


def seconds(subject: Subject, options: ConservationOptions) -> float:
    """Return the expected time, s, from times measured on two cores."""
    systems = subject.systems()
    total = 10.0
    for number, system in enumerate(systems[name] for name in options.molecules or systems if name in systems):
        periodic = system.cell is not None
        drift = options.cell_picoseconds if periodic else options.picoseconds * max(1.0, options.replicas / 2)
        order = min(options.order_picoseconds, options.cell_picoseconds if periodic else np.inf)
        steps = 1000.0 * drift / options.timestep * (1 if number else len(options.temperatures))
        steps += sum(1000.0 * order / timestep for timestep in options.timesteps)
        total += steps * time_of_steps(system)
    return total


CHECK = Check(
    name="conservation",
    title="drift and scatter of the total energy at constant energy",
    meaning="Molecules are simulated with the velocity Verlet integrator. The total energy may not drift, and its "
    "scatter must grow as the square of the step. This tests that forces are derivatives of a smooth energy, and "
    "not that the energy is right.",
    measure=measure,
    draw=draw,
    applies=why_not,
    options=ConservationOptions,
    gate=True,
    seconds=seconds,
    order=30,
    needs=(LAMMPS,),
)
