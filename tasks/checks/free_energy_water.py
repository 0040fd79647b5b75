"""The free-energy surface of phi and psi of a dipeptide in water, by well-tempered metadynamics in its cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.systems.system import System
from recipes.chemistry.backbone import backbone_torsions
from storage.version import Column
from tasks.checks.basins import BASINS, Difference, differences, in_basin
from tasks.checks.columns import SUM, beginning, models_in_water, of_model, water_of
from tasks.checks.contacts import Contacts, Floors
from tasks.checks.free_energy import LEAST, FreeEnergyOptions, basins_note, metadynamics_of
from tasks.checks.free_energy_plot import draw
from tasks.checks.free_energy_surface import columns, error_note, figures, no_surface, surfaces, weighted
from tasks.checks.held import NS, PS, Held, held, time_note
from tasks.checks.interface import Check, Findings, Result, Told
from tasks.checks.internal import torsions
from tasks.checks.rdf import AMBER_STEP, STEP
from tasks.checks.subject import Subject
from tasks.simulation.lammps_state import LAMMPS
from tasks.simulation.metadynamics import Metadynamics
from tasks.simulation.settings import SimulationSettings

FULL = 10.0
"""Length after which a surface of two torsions has errors of some tenths of a kcal/mol, ns."""

EVERY = 40
"""Steps between frames."""

SEGMENT = 1000
"""Steps between two exchanges of hills."""

PASSAGES = 10
"""Passages from basin to basin of which figures are given; the errors of fewer say nothing."""


class WaterFreeEnergyOptions(FreeEnergyOptions):
    """Options of the metadynamics in water."""

    length: float = Field(0.0, ge=0, le=10_000, description="ns, of all walkers together; 0: it is not measured")
    equilibration: float = Field(1.0, gt=0, le=1e5, description="ps of each walker before, without a bias")
    damping: float = Field(100.0, gt=0, le=1e6, description="fs; relaxation time of the Langevin thermostat")

    @classmethod
    def quick(cls) -> dict[str, Any]:
        """Return no options: the defaults, which measure nothing, are the shortest."""
        return {}

    @property
    def counted(self) -> int:
        """Number of frames of all walkers that count."""
        frames = self.simulation().steps // EVERY + 1
        return self.walkers * (frames - int(self.skipped * frames))

    def simulation(self, picoseconds: float | None = None, minimize: bool = False) -> SimulationSettings:
        """Return the settings of all walkers, each for some picoseconds; None: those of the metadynamics."""
        if picoseconds is None:
            picoseconds = self.length * NS / PS / self.walkers
        return SimulationSettings(
            temperature=self.temperature,
            timestep=self.timestep,
            steps=max(1, round(picoseconds * PS / self.timestep / EVERY)) * EVERY,
            every=EVERY,
            damping=self.damping,
            segment=SEGMENT,
            replicas=self.walkers,
            seed=self.seed,
            minimize=minimize,
        )


@dataclass(frozen=True)
class _Surface:
    """What a model gave.

    Attributes
    ----------
    results, data, notes
        Its figures, columns, and notes.
    length
        Time of all walkers together, ns.
    hours
        Processor time of `FULL`, hours; nan: not known.
    passages
        Passages from basin to basin.
    """

    results: Sequence[Result]
    data: dict[str, Column]
    notes: Sequence[str]
    length: float
    hours: float
    passages: int = 0


def passages(walkers: Sequence[Floats]) -> int:
    """Return how often walkers went from one basin into another.

    Parameters
    ----------
    walkers
        (frames, 2) each, phi and psi, degrees. Frames in no basin are passed over.
    """
    found = 0
    for angles in walkers:
        where = np.full(len(angles), -1)
        for number, basin in enumerate(BASINS):
            where[in_basin(angles, basin)] = number
        inside = where[where >= 0]
        found += int((np.diff(inside) != 0).sum())
    return found


def _measure(subject: Subject, options: WaterFreeEnergyOptions, told: Told) -> Findings:
    system = subject.system
    if why := _applies(subject):
        raise InputError(why)
    assert system is not None
    waters = len(system.molecules) - 1
    if not options.length:
        hours = STEP * waters * FULL * NS / options.timestep / 3600.0
        raise InputError(
            f"it is not measured by default, because {FULL:g} ns of the sum take about {hours:.0f} h; for a "
            "shorter time set free-energy-water.length (ns)"
        )
    if options.counted < 2 * options.blocks:
        raise InputError(
            f"free-energy-water.length is {options.length:g} ns, and {options.counted} frames count; allowed: "
            f"{2 * options.blocks} or more, two in each block"
        )
    models, notes = models_in_water(subject, system, options.force_fields, options.simulation())
    contacts = Contacts.of(system.symbols, system.bonds, Floors.of(subject.potentials().values()))
    bias, found = metadynamics_of(system, options), {}
    titles = {name: f"sum, {subject.water}" if name == SUM else f"{name}, {water_of(name)}" for name in models}
    for number, (name, model) in enumerate(models.items()):

        def told_here(done: int, total: int, number: int = number) -> None:
            told(round(1000 * (number + done / max(total, 1))), 1000 * len(models))

        ended, early = _simulated(model, system, contacts, bias, options, told_here)
        found[name] = _of_model(name, titles[name], ended, bias, options, early)
    data = {key: column for one in found.values() for key, column in one.data.items()} | {
        "times.model": Column(tuple(found), "1", "model"),
        "times.length": Column(np.array([one.length for one in found.values()]), "ns", "of all walkers together"),
        "times.full": Column(
            np.array([one.hours for one in found.values()]), "h", f"processor time of {FULL:g} ns"
        ),
    }
    facts = {
        "lengths": {name: one.length for name, one in found.items()},
        "wanted": options.length,
        "temperature": options.temperature,
        "models": list(models),
        "titles": titles,
        "full": {name: f" ({FULL:g} ns: {one.hours:.3g} h)" for name, one in found.items() if one.hours > 0},
        "seen": {name: f", {one.passages} passages" for name, one in found.items()},
        "waters": waters,
    }
    every = [*notes, *(note for one in found.values() for note in one.notes), basins_note()]
    return Findings(tuple(result for one in found.values() for result in one.results), data, facts, tuple(every))


def _simulated(
    model: Any,
    system: System,
    contacts: Contacts,
    bias: Metadynamics,
    options: WaterFreeEnergyOptions,
    told: Told,
) -> tuple[Held, bool]:
    """Return the walkers, and whether they broke before there was a bias."""
    first, second = options.simulation(options.equilibration, minimize=True), options.simulation()
    every = (first.steps + second.steps) * options.walkers
    before = held(model, system, first, contacts, told=lambda done, _: told(done, every))
    if before.broken:
        return before, True
    begun = first.steps * options.walkers
    starts = np.array([one.positions[-1] for one in before.trajectories])
    return held(model, starts, second, contacts, bias=bias, told=lambda done, _: told(begun + done, every)), False


def _of_model(
    name: str, title: str, ended: Held, bias: Metadynamics, options: WaterFreeEnergyOptions, early: bool
) -> _Surface:
    """Return the surface of a model, or why it has none; `early`: it broke before there was a bias."""
    length = 0.0 if early else sum(ended.lengths) * PS / NS
    hours = ended.processor * FULL
    notes = [f"{title}: {said}" for said in ended.notes]
    if said := time_note(ended, FULL):
        notes.append(f"{title}: {length:.3g} ns of {options.length:g} ns; {said} on this machine")
    held_long = not early and min(ended.lengths) >= LEAST * ended.wanted
    known = [
        Result(f"{beginning(name)}length", f"time of all walkers together{of_model(name)} (ns)", length),
        Result(
            f"{beginning(name)}full-hours",
            f"processor time of {FULL:g} ns{of_model(name)}, on this machine (hours)",
            hours if np.isfinite(hours) else None,
        ),
    ]
    about = f"passages of walkers from one basin into another{of_model(name)}"
    if not held_long:
        notes.append(f"no surface of {title} is computed, because its walkers broke too early")
        results = [*figures(name, {}, None), *known, Result(f"{beginning(name)}passages", about, None)]
        return _Surface(results, columns(name, no_surface(options.bins, options.blocks)), notes, length, hours)
    atoms = np.array([cv.atoms for cv in bias.cvs])
    count = passages([torsions(one.positions, atoms) for one in ended.trajectories])
    sampled = weighted(ended.trajectories, bias, options.temperature, options.skipped)
    both = surfaces(sampled, options.bins, options.temperature, options.blocks)
    of_basins: dict[str, Difference] = {}
    if count >= PASSAGES:
        of_basins = differences(sampled.torsions, sampled.log_weights, options.temperature, options.blocks)
        notes.append(error_note(title, both))
    else:
        notes.append(
            f"{title}: {count} passages from basin to basin, fewer than {PASSAGES}: the surface is of the part "
            "that was visited, its errors are too small, and no figures are given"
        )
    results = figures(name, of_basins, both[0] if of_basins else None)
    results += [*known, Result(f"{beginning(name)}passages", about, float(count))]
    return _Surface(results, columns(name, both[0]), notes, length, hours, count)


def _applies(subject: Subject) -> str:
    system = subject.system
    if system is None or system.cell is None or system.vectors is None:
        return "it has no system in a cell"
    if np.abs(system.vectors - np.diag(np.diag(system.vectors))).max() > 0:
        return "metadynamics needs a rectangular cell"
    pairs = len(backbone_torsions(system.symbols, system.bonds))
    return "" if pairs == 1 else f"its system has {pairs} pairs of phi and psi; one is needed"


def _seconds(subject: Subject, options: WaterFreeEnergyOptions) -> float:
    if not options.length or subject.system is None:
        return 1.0
    fs = options.length * NS + options.equilibration * PS * options.walkers
    waters = len(subject.system.molecules)
    return 60.0 + (STEP + AMBER_STEP * len(options.force_fields)) * waters * fs / options.timestep


CHECK = Check(
    name="free-energy-water",
    title="the free-energy surface of alanine dipeptide in water",
    meaning=(
        "Well-tempered metadynamics of phi and psi in a cell of constant size, beside force fields with their own "
        "models of water; frames are weighted, and errors are those of blocks. It tells how water changes the "
        "populations of basins. It is not measured unless a length is set: figures need nanoseconds, and are "
        f"given only if walkers went at least {PASSAGES} times from one basin into another."
    ),
    measure=_measure,
    draw=lambda findings: draw(findings, "free-energy-water"),
    applies=_applies,
    options=WaterFreeEnergyOptions,
    seconds=_seconds,
    order=71,
    needs=(LAMMPS,),
    papers=("metadynamics", "well-tempered", "walkers"),
)
