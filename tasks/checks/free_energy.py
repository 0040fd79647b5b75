"""The free-energy surface of alanine dipeptide in vacuum by well-tempered metadynamics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from potentials.arrays import Floats
from recipes.chemistry.backbone import backbone_torsions
from recipes.chemistry.molecules import Molecule, read_molecule
from storage.trajectory import Trajectory
from storage.version import Column
from tasks.bias.cvs import CV
from tasks.bias.metad import MetaD
from tasks.bias.reweighting import FreeEnergySurface, bias_offsets, free_energy_surface, offset_weights
from tasks.bias.specification import Grid
from tasks.checks.basins import BASINS, REACH, Difference, differences
from tasks.checks.columns import FORCE_FIELDS, SUM, ForceFields, key_of, models_beside
from tasks.checks.contacts import Contacts, Floors
from tasks.checks.free_energy_plot import draw
from tasks.checks.held import NS, PS, Held, held, time_note
from tasks.checks.interface import Check, Findings, Options, Result, Told
from tasks.checks.internal import torsions
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


@dataclass(frozen=True)
class Sampled:
    """The frames that count, one walker after another.

    Attributes
    ----------
    torsions
        (frames, 2), phi and psi, degrees.
    log_weights
        (frames,), the logarithms of their weights.
    """

    torsions: Floats
    log_weights: Floats


def weighted(walkers: Sequence[Trajectory], bias: Metadynamics, temperature: float, skipped: float) -> Sampled:
    """Return the frames of walkers with their weights, (V(s, t) - c(t)) / kT.

    Parameters
    ----------
    walkers
        Trajectories with metadynamics of phi and psi.
    bias
        The metadynamics, with a grid.
    temperature
        K.
    skipped
        Share of the frames of each at its start that is left out.
    """
    angles, weights = [], []
    for one in walkers:
        first = int(skipped * len(one))
        assert one.hills is not None and one.bias is not None and one.hill_counts is not None
        offsets = bias_offsets(bias.settings, one.hills, temperature, stride=max(1, len(one.hills) // 2000))
        counts = np.asarray(one.hill_counts, dtype=np.float64)
        weights.append(offset_weights(one.bias, counts, offsets, temperature)[first:])
        angles.append(torsions(one.positions[first:], np.array([cv.atoms for cv in bias.cvs])))
    return Sampled(np.concatenate(angles), np.concatenate(weights))


def metadynamics_of(molecule: Molecule, options: FreeEnergyOptions) -> Metadynamics:
    """Return the metadynamics of phi and psi of a dipeptide."""
    ((phi, psi),) = backbone_torsions(molecule.symbols, molecule.bonds)
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
    bins = Grid(-np.pi, np.pi, options.bins, 1.0, True)
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
            results += _results(name, {}, None)
            unknown = np.full((options.bins, options.bins), np.inf)
            data |= _columns(name, FreeEnergySurface((bins, bins), unknown, unknown, options.blocks, 0.0, 0.0))
            continue
        sampled = weighted(ended.trajectories, bias, options.temperature, options.skipped)
        both = [_surface(sampled, bins, options.temperature, n) for n in (options.blocks, options.blocks // 2)]
        found = differences(sampled.torsions, sampled.log_weights, options.temperature, options.blocks)
        results += _results(name, found, both[0])
        notes.append(_error_note(name, both))
        data |= _columns(name, both[0])
    notes.append(
        f"basins are the circles of {REACH:g} degrees around "
        + ", ".join(f"{name} ({phi:g}, {psi:g})" for name, (phi, psi) in BASINS.items())
        + "; there is no surface of a reference, whose simulation would take days"
    )
    facts = {"lengths": lengths, "wanted": options.length, "temperature": options.temperature}
    return Findings(tuple(results), data, facts | {"models": list(models)}, tuple(notes))


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


def _surface(sampled: Sampled, bins: Grid, temperature: float, blocks: int) -> FreeEnergySurface:
    values = np.radians(sampled.torsions)
    return free_energy_surface(values, sampled.log_weights, (bins, bins), temperature, blocks)


def _error_note(name: str, both: Sequence[FreeEnergySurface]) -> str:
    finer, coarser = (_low_error(one) for one in both)
    return (
        f"{name}: the mean error below 5 kcal/mol is {finer:.2f} kcal/mol with {both[0].blocks} blocks and "
        f"{coarser:.2f} with {both[1].blocks}; where the latter is much larger, the blocks are shorter than the "
        "correlation time and the errors are too small"
    )


def _low_error(surface: FreeEnergySurface) -> float:
    """Return the mean error of the bins below 5 kcal/mol that have one."""
    low = (surface.energy < 5.0) & np.isfinite(surface.error)
    return float(surface.error[low].mean()) if low.any() else float("nan")


def _results(name: str, found: dict[str, Difference], surface: FreeEnergySurface | None) -> list[Result]:
    begin, what = ("", "the sum") if name == SUM else (f"{key_of(name)}-", name)
    results = []
    for basin in list(BASINS)[1:]:
        one = found.get(basin, Difference(None, None))
        said = f"free energy of {basin} above {next(iter(BASINS))}, {what}, kcal/mol"
        results.append(Result(f"{begin}{basin.lower()}", said, one.value))
        results.append(Result(f"{begin}{basin.lower()}-error", f"standard error of the {said}", one.error))
    error = None if surface is None else _low_error(surface)
    return [
        *results,
        Result(f"{begin}error", f"mean standard error of the surface of {what} below 5 kcal/mol", error),
    ]


def _columns(name: str, surface: FreeEnergySurface) -> dict[str, Column]:
    key = key_of(name)
    phi, psi = np.meshgrid(*(np.degrees(c) for c in surface.centres), indexing="ij")
    meaning = "inf: not visited"
    return {
        "surface.phi": Column(phi.ravel(), "degree", "phi of the middle of each bin"),
        "surface.psi": Column(psi.ravel(), "degree", "psi of the middle of each bin"),
        f"surface.{key}": Column(surface.energy.ravel(), "kcal/mol", f"free energy of {name}; {meaning}"),
        f"surface.{key}-error": Column(surface.error.ravel(), "kcal/mol", f"standard error; {meaning} twice"),
    }


def _applies(subject: Subject) -> str:
    if subject.system is not None:
        return "it is measured in vacuum, for the family without water"
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
