"""The gate of stability: molecular dynamics of each test molecule by the sum, and whether its frames make sense.

A potential that is right where it has labels may be wrong where its own simulation goes. Replicas start at
different folds. In every frame the distance of each pair of atoms is compared with its floor
(`tasks.checks.contacts`), each bond with the length at which it is broken, and each n-mer with the range of its
training data. A hole also shows in the energy: geometries that a simulation reached are relaxed, and none that is
broken may be lower than all that are whole.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from potentials.arrays import Floats
from potentials.systems.system import System
from tasks.checks.contacts import NOT_BONDED, OF_RADII, Contacts, Floors
from tasks.checks.interface import Check, Findings, Options, Told, nobody
from tasks.checks.own_simulation import Watched, lowest, part_of, simulated, watch
from tasks.checks.ranges import with_ranges
from tasks.checks.stability_data import tables_of
from tasks.checks.stability_figures import Held
from tasks.checks.stability_plots import draw
from tasks.checks.subject import Subject
from tasks.checks.targets import Target, targets, why_not
from tasks.simulation.lammps_state import LAMMPS
from tasks.simulation.settings import SimulationSettings

STEP, ATOM_STEP, CELL_STEP = 8e-5, 2e-6, 3e-5
"""Seconds of a step of a molecule, and in addition for each atom; for each atom of a system in a cell."""

Temperature = Annotated[float, Field(ge=10, le=3000)]


def _distinct(values: tuple[float, ...]) -> tuple[float, ...]:
    if len(set(values)) < len(values):
        raise ValueError("the same value is given twice")
    return values


Temperatures = Annotated[tuple[Temperature, ...], Field(min_length=1, max_length=20), AfterValidator(_distinct)]
Timesteps = Annotated[
    tuple[Annotated[float, Field(gt=0, le=5)], ...], Field(min_length=2, max_length=20), AfterValidator(_distinct)
]


class StabilityOptions(Options):
    """Lengths and temperatures of the simulations."""

    molecules: tuple[str, ...] = Field((), description="test molecules; empty: all")
    temperatures: Temperatures = Field((300.0, 500.0), description="K")
    replicas: int = Field(8, ge=1, le=1000, description="simulations at each temperature")
    picoseconds: float = Field(5.0, gt=0, le=1e6, description="length of each simulation (ps)")
    cell_replicas: int = Field(1, ge=1, le=1000, description="simulations of a system in a periodic cell")
    cell_picoseconds: float = Field(1.0, gt=0, le=1e6, description="length of each of them (ps)")
    timestep: float = Field(0.5, gt=0, le=5, description="fs")
    stride: float = Field(20.0, gt=0, le=1e4, description="time between frames that are looked at (fs)")
    damping: float = Field(100.0, gt=0, le=1e6, description="relaxation time of the Langevin thermostat (fs)")
    frames: int = Field(40, ge=1, le=10_000, description="frames of each molecule that are kept")
    seed: int = Field(2025, ge=0, le=2**53, description="seed of velocities, thermostat and folds")

    @classmethod
    def quick(cls) -> dict[str, Any]:
        """Return the options of a short look: one picosecond of two replicas."""
        return {"replicas": 2, "picoseconds": 1.0, "cell_picoseconds": 0.1}

    def settings(self, temperature: float, periodic: bool = False) -> SimulationSettings:
        """Return the settings of the simulations at a temperature, in a cell or in vacuum."""
        picoseconds = self.cell_picoseconds if periodic else self.picoseconds
        every = max(1, round(self.stride / self.timestep))
        frames = max(1, round(1000.0 * picoseconds / (every * self.timestep)))
        return SimulationSettings(
            ensemble="nvt",
            temperature=temperature,
            timestep=self.timestep,
            steps=frames * every,
            every=every,
            damping=self.damping,
            seed=self.seed,
            replicas=self.cell_replicas if periodic else self.replicas,
        )


def measure(subject: Subject, options: StabilityOptions, told: Told = nobody) -> Findings:
    """Simulate each test molecule at each temperature, and look at its frames.

    Raises
    ------
    InputError
        If potentials are missing, or a molecule is not one of the subject's.
    """
    begun = time.monotonic()
    subject, unknown = with_ranges(subject)
    floors = Floors.of(subject.potentials().values())
    chosen = targets(subject, options.molecules)
    plan = [(target, temperature) for target in chosen for temperature in options.temperatures]
    found = []
    for number, (target, temperature) in enumerate(plan):
        contacts = Contacts.of(target.system.symbols, target.system.bonds, floors)
        settings = options.settings(temperature, target.system.cell is not None)
        found.append(held(target, settings, contacts, not unknown, part_of(told, number, len(plan))))
    told(1, 1)
    notes = [f"the contact floors are the smaller of {NOT_BONDED:g} times the shortest training distance and "
             f"{OF_RADII:g} times the sum of the van der Waals radii, for atoms that are not bonded"]  # fmt: skip
    for target in chosen:
        if target.system.cell is not None and options.cell_picoseconds < options.picoseconds:
            longer = options.picoseconds * options.replicas / (options.cell_picoseconds * options.cell_replicas)
            notes.append(
                f"{target.name} was simulated for {options.cell_picoseconds:g} ps {options.cell_replicas} times; "
                f"{options.picoseconds:g} ps {options.replicas} times, as a molecule, would take "
                f"{longer:.3g} times as long: set cell_picoseconds and cell_replicas"
            )
    if unknown:
        notes.append(f"whether frames are outside of the training range is not known: the potentials of "
                     f"{', '.join(unknown)} do not have it; fit them again")  # fmt: skip
    return Findings(
        tuple(result for one in found for result in one.results()),
        tables_of(found, options.frames),
        {
            "floors": {"-".join(map(str, kind)): floors.floor(kind) for kind in floors.shortest},
            "picoseconds": options.picoseconds,
            "replicas": options.replicas,
        },
        tuple(notes),
        time.monotonic() - begun,
    )


def held(
    target: Target, settings: SimulationSettings, contacts: Contacts, ranged: bool, told: Told = nobody
) -> Held:
    """Simulate one target and look at its frames.

    Parameters
    ----------
    target
        The molecule or system, and its sum.
    settings
        Of the simulation.
    contacts
        Of the target's atoms.
    ranged
        Whether the ranges of the training data are known.
    told
        Called with the number of steps done, and of all.
    """
    frames = settings.steps // settings.every + 1
    replicas = [
        watch(target, one, contacts, len(one) == frames, ranged)
        for one in simulated(target, settings, told=told, contacts=contacts)
    ]
    minima, zero = _minima(target, replicas, contacts)
    return Held(target, settings.temperature, replicas, zero, minima, settings.steps * settings.timestep / 1000.0)


def _minima(target: Target, replicas: Sequence[Watched], contacts: Contacts) -> tuple[Floats, float]:
    """Return the minima below the first, lowest and last frame of each replica, and the lowest whole one."""
    rows = []
    for number, one in enumerate(replicas):
        for frame in sorted({0, int(np.argmin(one.trajectory.energy)), len(one.trajectory) - 1}):
            vectors = one.trajectory.vectors_of(frame)
            x, energy = lowest(target.model, one.trajectory.positions[frame], vectors)
            cells = None if vectors is None else vectors[None]
            near, torn = contacts.closest(x[None], cells)[0][0], contacts.stretched(x[None], cells)[0][0]
            whole = np.isfinite(energy) and near >= 1.0 and torn <= 1.0
            rows.append((number, frame, energy, float(whole)))
    found = np.array(rows)
    whole = found[found[:, 3] == 1.0, 2]
    zero = whole.min() if len(whole) else min(float(one.trajectory.energy.min()) for one in replicas)
    return found, float(zero)


def seconds(subject: Subject, options: StabilityOptions) -> float:
    """Return the expected time, s, from times measured on two cores."""
    systems = subject.systems()
    chosen = [systems[name] for name in options.molecules or systems if name in systems]
    total = 10.0
    for system in chosen:
        settings = options.settings(300.0, system.cell is not None)
        side_by_side = settings.replicas / min(2, settings.replicas)
        total += len(options.temperatures) * side_by_side * settings.steps * time_of_steps(system)
    return total


def time_of_steps(system: System) -> float:
    """Return the expected time of a step, s."""
    if system.cell is not None:
        return CELL_STEP * system.natoms
    return STEP + ATOM_STEP * system.natoms


CHECK = Check(
    name="stability",
    title="molecular dynamics of each test molecule by the sum",
    meaning="Replicas that start at different folds are simulated with a Langevin thermostat. No atoms may come "
    "nearer to each other than their floor, no bond may break, at most 1 % of the frames may be outside of the "
    "training range of an n-mer, and no frame or broken geometry may be lower than all whole minima. It tells "
    "that nothing goes wrong within some picoseconds, not that the energies are right: see own-frames.",
    measure=measure,
    draw=draw,
    applies=why_not,
    options=StabilityOptions,
    gate=True,
    seconds=seconds,
    order=10,
    needs=(LAMMPS,),
)
