"""The free-energy surface of alanine dipeptide in vacuum by well-tempered metadynamics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from potentials.systems.system import System
from recipes.chemistry.backbone import backbone_torsions
from recipes.chemistry.molecules import Molecule, read_molecule
from storage.version import Column
from tasks.bias.cvs import CV
from tasks.bias.metad import MetaD
from tasks.bias.specification import Grid
from tasks.checks.basins import BASINS, REACH, differences
from tasks.checks.columns import FORCE_FIELDS, SUM, ForceFields, models_beside
from tasks.checks.contacts import Contacts, Floors
from tasks.checks.free_energy_plot import draw
from tasks.checks.free_energy_surface import columns, error_note, figures, no_surface, surfaces, weighted
from tasks.checks.held import NS, PS, Held, held, time_note
from tasks.checks.interface import Check, Findings, Options, Result, Told
from tasks.checks.subject import Subject
from tasks.simulation.lammps_state import LAMMPS
from tasks.simulation.metadynamics import Metadynamics
from tasks.simulation.settings import SimulationSettings

DIPEPTIDE = "AceAlaNme"

EVERY = 100
"""Steps between frames."""

LEAST = 0.5
"""Share of the length that must have held for a surface to be computed."""

PROBES = (0.01, 0.1, 1.0)
"""Shares of the length that a sum is simulated for, one after the other, until it breaks."""

MICROSECONDS = {SUM: 120.0}
"""Time of a step of the dipeptide on one core, us."""

OTHERS = 15.0
"""The same with a force field, us."""


class FreeEnergyOptions(Options):
    """Options of the metadynamics."""

    length: float = Field(10.0, gt=0, le=10_000, description="ns, of all walkers together")
    walkers: int = Field(2, ge=1, le=64, description="walkers, which share their hills")
    temperature: float = Field(300.0, gt=0, le=2000, description="K")
    timestep: float = Field(0.5, gt=0, le=2, description="fs")
    height: float = Field(0.3, gt=0, le=5, description="height of the first hill, kcal/mol")
    width: float = Field(20.0, gt=0, le=90, description="width of the hills along phi and psi, degrees")
    pace: int = Field(1000, ge=1, description="steps between two hills of a walker")
    biasfactor: float = Field(8.0, gt=1, le=1000, description="well-tempered bias factor")
    skipped: float = Field(0.2, ge=0, le=0.9, description="share of each walker's frames at the start left out")
    bins: int = Field(36, ge=4, le=360, description="bins of the surface along each torsion")
    blocks: int = Field(10, ge=4, le=1000, description="blocks of the errors; those of half as many are shown too")
    seed: int = Field(2025, ge=0, description="of velocities and of the thermostat")
    force_fields: ForceFields = FORCE_FIELDS

    @classmethod
    def quick(cls) -> dict[str, Any]:
        """Return a tenth of a nanosecond."""
        return {"length": 0.1}


def metadynamics_of(whole: Molecule | System, options: FreeEnergyOptions) -> Metadynamics:
    """Return the metadynamics of phi and psi of a dipeptide, alone or in a system."""
    ((phi, psi),) = backbone_torsions(whole.symbols, whole.bonds)
    width = float(np.radians(options.width))
    grid = Grid(-np.pi, np.pi, 120, width, True)
    settings = MetaD(
        (width, width),
        (True, True),
        options.height,
        options.pace,
        options.biasfactor,
        options.temperature,
        (grid, grid),
    )
    return Metadynamics(settings, (CV(phi), CV(psi)), ("phi", "psi"))


def simulation_of(options: FreeEnergyOptions) -> SimulationSettings:
    """Return the settings of the simulation."""
    steps = max(1, round(options.length * NS / options.timestep / options.walkers / EVERY)) * EVERY
    return SimulationSettings(
        temperature=options.temperature,
        timestep=options.timestep,
        steps=steps,
        every=EVERY,
        segment=max(5000, steps // 400),
        replicas=options.walkers,
        seed=options.seed,
        minimize=True,
    )


def _measure(subject: Subject, options: FreeEnergyOptions, told: Told) -> Findings:
    molecule = read_molecule(DIPEPTIDE).embedded()
    models, notes = models_beside(subject, molecule, options.force_fields)
    contacts = Contacts.of(molecule.symbols, molecule.bonds, Floors.of(subject.potentials().values()))
    bias, settings = metadynamics_of(molecule, options), simulation_of(options)
    every = settings.steps * settings.replicas
    results: list[Result] = []
    data: dict[str, Column] = {}
    lengths: dict[str, float] = {}
    for number, (name, model) in enumerate(models.items()):

        def told_here(done: int, _: int, number: int = number) -> None:
            told(number * every + done, len(models) * every)

        ended = _simulated(model, molecule, settings, contacts, bias, told_here, PROBES if name == SUM else (1.0,))
        lengths[name] = sum(ended.lengths) * PS / NS
        notes += [f"{name}: {said}" for said in ended.notes]
        if said := time_note(ended, FreeEnergyOptions().length):
            notes.append(f"{name}: {lengths[name]:.3g} ns held; {said} on this machine")
        if min(ended.lengths) < LEAST * ended.wanted:
            notes.append(
                f"no surface of {name} is computed, because its walkers held for {min(ended.lengths):.3g} ps of "
                f"{ended.wanted:.3g} ps"
            )
            results += figures(name, {}, None)
            data |= columns(name, no_surface(options.bins, options.blocks))
            continue
        sampled = weighted(ended.trajectories, bias, options.temperature, options.skipped)
        both = surfaces(sampled, options.bins, options.temperature, options.blocks)
        found = differences(sampled.torsions, sampled.log_weights, options.temperature, options.blocks)
        results += figures(name, found, both[0])
        notes.append(error_note(name, both))
        data |= columns(name, both[0])
    notes.append(basins_note())
    facts = {"lengths": lengths, "wanted": options.length, "temperature": options.temperature}
    return Findings(tuple(results), data, facts | {"models": list(models)}, tuple(notes))


def basins_note() -> str:
    """Return a note on what the basins are, and that there is no reference."""
    circles = ", ".join(f"{name} ({phi:g}, {psi:g})" for name, (phi, psi) in BASINS.items())
    return (
        f"basins are the circles of {REACH:g} degrees around {circles}; there is no surface of a reference, whose "
        "simulation would take days"
    )


def _simulated(
    model: Any,
    molecule: Molecule,
    settings: SimulationSettings,
    contacts: Contacts,
    bias: Metadynamics,
    told: Told,
    shares: Sequence[float],
) -> Held:
    """Return the walkers; a sum that breaks in the first parts of the length is not simulated to the end."""
    for share in shares:
        steps = max(1, round(share * settings.steps / EVERY)) * EVERY
        part = settings.model_copy(update={"steps": steps})
        found = held(
            model, molecule, part, contacts, bias=bias, told=told, wanted=settings.steps * settings.timestep
        )
        if found.broken:
            break
    return found


def _applies(subject: Subject) -> str:
    if subject.system is not None:
        return "it is measured in vacuum, for the family without water; in water see free-energy-water"
    return "" if DIPEPTIDE in subject.molecules else f"{DIPEPTIDE} is not among its test molecules"


def _seconds(subject: Subject, options: FreeEnergyOptions) -> float:
    steps = options.length * NS / options.timestep
    return 10.0 + 1e-6 * steps * (MICROSECONDS[SUM] + OTHERS * len(options.force_fields)) / min(options.walkers, 2)


CHECK = Check(
    name="free-energy",
    title="the free-energy surface of alanine dipeptide in vacuum",
    meaning=(
        "Well-tempered metadynamics of phi and psi with walkers that share their hills; frames are weighted, and "
        "errors are those of blocks. It tells how the basins compare at a temperature, entropy included, beside "
        "force fields. A simulation that breaks has no surface: frames from the first broken one on are left out."
    ),
    measure=_measure,
    draw=draw,
    applies=_applies,
    options=FreeEnergyOptions,
    seconds=_seconds,
    format=2,
    order=70,
    needs=(LAMMPS,),
    papers=("metadynamics", "well-tempered", "walkers"),
)
