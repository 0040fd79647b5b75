"""Radial distribution functions of a hydrated peptide, from a short simulation at constant volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from potentials.arrays import Floats, Ints
from potentials.errors import InputError
from potentials.systems.system import System
from recipes.chemistry.molecules import Molecule
from storage.exchange.mdtraj_frames import MDTRAJ, to_mdtraj
from storage.trajectory import Trajectory
from storage.version import Column
from tasks.checks.approach import sites
from tasks.checks.columns import FORCE_FIELDS, SUM, ForceFields, beginning, models_in_water, of_model, water_of
from tasks.checks.contacts import Contacts, Floors
from tasks.checks.held import PS, Held, held, time_note
from tasks.checks.interface import Check, Findings, Options, Result, Told
from tasks.checks.rdf_plot import draw
from tasks.checks.subject import Subject
from tasks.simulation.lammps_state import LAMMPS
from tasks.simulation.settings import SimulationSettings

FRAME = 20.0
"""Time between frames, fs."""

SHORTEST, LONGEST, WIDTH = 1.0, 8.0, 0.1
"""Range of distances and width of the bins, Angstrom; the range ends at half the width of the cell."""

BOND = 2.5
"""A hydrogen within this distance of an oxygen is hydrogen-bonded to it, Angstrom."""

OXYGENS = "Ow-Ow"

SHELL = 3.4
"""Waters within this distance are neighbours, Angstrom."""

LEAST = 0.5
"""Share of the length that must have held for figures to be given."""

STEP = 1.1e-4
"""Expected time of a step for each water, s."""

AMBER_STEP = 1.3e-5
"""The same with a force field."""


class RdfOptions(Options):
    """Options of the simulation."""

    length: float = Field(2.0, gt=0, le=1e6, description="ps that count")
    equilibration: float = Field(1.0, ge=0, le=1e6, description="ps before, at the same temperature")
    temperature: float = Field(300.0, gt=0, le=2000, description="K")
    timestep: float = Field(0.5, gt=0, le=2, description="fs")
    damping: float = Field(50.0, gt=0, le=1e6, description="fs; relaxation time of the Langevin thermostat")
    seed: int = Field(2025, ge=0, description="of velocities and of the thermostat")
    force_fields: ForceFields = FORCE_FIELDS

    LATER: ClassVar[Mapping[str, Any]] = {"force_fields": []}

    @classmethod
    def quick(cls) -> dict[str, Any]:
        """Return a tenth of a picosecond."""
        return {"length": 0.1, "equilibration": 0.1}


def pairs_of(system: System) -> dict[str, Ints]:
    """Return the pairs of each radial distribution function, (pairs, 2): peptide sites with waters, and oxygens.

    Raises
    ------
    InputError
        If the system has no water.
    """
    waters = [m for m in system.molecules if _is_water(system, m)]
    oxygens = [a for m in waters for a in m if system.symbols[a] == "O"]
    hydrogens = [a for m in waters for a in m if system.symbols[a] == "H"]
    if len(oxygens) < 2:
        raise InputError(f"{system.name} has fewer than two waters")
    found = {}
    for site in _sites(system):
        others = hydrogens if site.accepts else oxygens
        found[site.name] = np.array([(site.atom, other) for other in others], dtype=np.int64)
    first, second = np.triu_indices(len(oxygens), 1)
    both = np.array(oxygens)
    found[OXYGENS] = np.stack([both[first], both[second]], axis=1)
    return found


def _sites(system: System) -> list[Any]:
    try:
        return sites(Molecule(system.name, system.symbols, system.bonds))
    except InputError:  # water alone
        return []


def radial(trajectory: Trajectory, pairs: Ints, longest: float) -> tuple[Floats, Floats]:
    """Return the middle of the bins, Angstrom, and the radial distribution function, by mdtraj.

    Raises
    ------
    MissingProgramError
        If mdtraj is missing.
    """
    frames = to_mdtraj(trajectory)
    import mdtraj

    bins = int((longest - SHORTEST) / WIDTH)
    ends = (SHORTEST / 10.0, (SHORTEST + bins * WIDTH) / 10.0)
    r, g = mdtraj.compute_rdf(frames, pairs, r_range=ends, n_bins=bins)
    return np.asarray(10.0 * r, dtype=np.float64), np.asarray(g, dtype=np.float64)


def within(trajectory: Trajectory, pairs: Ints, reach: float) -> Floats:
    """Return of each frame the number of pairs of nearest images within a distance, (frames,)."""
    between = trajectory.positions[:, pairs[:, 0]] - trajectory.positions[:, pairs[:, 1]]
    if trajectory.vectors is not None:
        rows = np.asarray(trajectory.vectors)
        inverse = np.linalg.inv(rows)
        between = between - np.rint(between @ inverse) @ rows
    return np.asarray((np.linalg.norm(between, axis=2) < reach).sum(axis=1), dtype=np.float64)


def _measure(subject: Subject, options: RdfOptions, told: Told) -> Findings:
    system = subject.system
    if system is None or system.cell is None:
        raise InputError(f"{subject.name} has no system in a cell")
    pairs = pairs_of(system)
    contacts = Contacts.of(system.symbols, system.bonds, Floors.of(subject.potentials().values()))
    settings = _simulation(options)
    models, notes = models_in_water(subject, system, options.force_fields, settings)
    assert system.vectors is not None
    width = min(1.0 / np.linalg.norm(np.linalg.inv(system.vectors), axis=0))
    longest = min(LONGEST, width / 2)
    waters = sum(_is_water(system, m) for m in system.molecules)
    results: list[Result] = []
    data: dict[str, Column] = {}
    spans: dict[str, float] = {}
    for number, (name, model) in enumerate(models.items()):

        def told_here(done: int, _: int, number: int = number) -> None:
            told(number * settings.steps + done, len(models) * settings.steps)

        ended = held(model, system, settings, contacts, told=told_here)
        functions, figures, spans[name], said = _of_model(ended, options, pairs, longest)
        title = f"{waters} waters ({subject.water})" if name == SUM else f"{name} with {water_of(name)}"
        notes.append(
            f"{title}: {spans[name]:.2f} ps count, so that functions of single sites are rough"
            + (f"; {taken} on this machine" if (taken := time_note(ended, 1.0)) else "")
        )
        notes += [f"{name}: {one}" for one in said]
        results += [
            replace(one, name=f"{beginning(name)}{one.name}", meaning=f"{one.meaning}{of_model(name)}")
            for one in figures
        ]
        data["rdf.distance"] = Column(functions[OXYGENS][0], "Angstrom", "middle of each bin")
        for pair, (_, g) in functions.items():
            about = f"radial distribution function of {pair}{of_model(name)}"
            data[f"rdf.{beginning(name)}{pair.lower()}"] = Column(g, "1", about)
    facts = {
        "waters": waters,
        "water": subject.water,
        "ps": spans[SUM],
        "temperature": options.temperature,
        "names": list(pairs),
        "models": {name: SUM if name == SUM else f"{name}, {water_of(name)}" for name in models},
        "spans": spans,
    }
    return Findings(tuple(results), data, facts, tuple(notes))


def _simulation(options: RdfOptions) -> SimulationSettings:
    every = max(1, round(FRAME / options.timestep))
    wanted = options.length + options.equilibration
    return SimulationSettings(
        temperature=options.temperature,
        timestep=options.timestep,
        steps=max(2, round(wanted * PS / options.timestep / every)) * every,
        every=every,
        damping=options.damping,
        seed=options.seed,
        segment=2000,
        minimize=True,
    )


Functions = dict[str, tuple[Floats, Floats]]
"""Of each pair the distances, Angstrom, and the function."""


def _of_model(
    ended: Held, options: RdfOptions, pairs: dict[str, Ints], longest: float
) -> tuple[Functions, list[Result], float, list[str]]:
    """Return the functions of a model, its figures, the time that counts, ps, and notes."""
    (one,) = ended.trajectories
    counted = _after(one, options.equilibration * PS)
    span = 0.0 if not len(counted) else float(counted.times[-1] - counted.times[0]) / PS
    notes = list(ended.notes)
    if len(counted) < 2:
        notes.append("no function is computed: the simulation broke before the part that counts")
        r: Floats = np.asarray(SHORTEST + WIDTH * (np.arange(int((longest - SHORTEST) / WIDTH)) + 0.5))
        functions = {name: (r, np.full(len(r), np.nan)) for name in pairs}
    else:
        functions = {name: radial(counted, p, longest) for name, p in pairs.items()}
    enough = len(counted) > 1 and (not ended.broken or span >= LEAST * options.length)
    if not enough and len(counted) > 1:
        notes.append("it broke before half of the length that was to count: functions are drawn without figures")
    return functions, _results(pairs, counted if enough else None, functions), span, notes


def _is_water(system: System, atoms: Sequence[int]) -> bool:
    return sorted(system.symbols[a] for a in atoms) == ["H", "H", "O"]


def _after(one: Trajectory, begin: float) -> Trajectory:
    """Return the frames from a time on, fs."""
    keep = one.times >= begin
    names = ("steps", "times", "positions", "energy", "kinetic", "temperature")
    cell = one.vectors is None or len(one.vectors) == 1
    return replace(
        one,
        **{name: getattr(one, name)[keep] for name in names},
        vectors=one.vectors if cell or one.vectors is None else one.vectors[keep],
        outside=None if one.outside is None else one.outside[keep],
        contributions={name: values[keep] for name, values in one.contributions.items()},
    )


def _results(pairs: dict[str, Ints], counted: Trajectory | None, functions: Functions) -> list[Result]:
    results = []
    for name, some in pairs.items():
        where: float | None = None
        height: float | None = None
        number: float | None = None
        reach = SHELL if name == OXYGENS else BOND
        if counted is not None:
            r, g = functions[name]
            near = r < (4.0 if name == OXYGENS else 3.0)
            peak = int(np.argmax(np.where(near, g, -1.0)))
            where, height = float(r[peak]), float(g[peak])
            centres = len(np.unique(some)) / 2 if name == OXYGENS else 1
            number = float(within(counted, some, reach).mean() / centres)
        what = "neighbours of a water" if name == OXYGENS else "hydrogen bonds of the site"
        key = name.lower()
        results += [
            Result(f"{key}-peak", f"first peak of g(r) of {name}, Angstrom", where),
            Result(f"{key}-height", f"height of the first peak of g(r) of {name}", height),
            Result(f"{key}-number", f"mean number of {what}, {name} within {reach:g} Angstrom", number),
        ]
    return results


def _applies(subject: Subject) -> str:
    if subject.system is None or subject.system.cell is None:
        return "it has no system in a cell"
    try:
        pairs_of(subject.system)
    except InputError as error:
        return str(error)
    return ""


def _seconds(subject: Subject, options: RdfOptions) -> float:
    waters = 0 if subject.system is None else len(subject.system.molecules)
    steps = (options.length + options.equilibration) * PS / options.timestep
    return 30.0 + (STEP + AMBER_STEP * len(options.force_fields)) * waters * steps


CHECK = Check(
    name="rdf",
    title="radial distribution functions of the water around the hydrated peptide",
    meaning=(
        "The system is simulated at constant volume; the water around each oxygen and each amide hydrogen of the "
        "peptide, and around itself, is counted, beside force fields with their own models of water. A few "
        "picoseconds show whether hydrogen bonds have the right length; numbers of neighbours need hundreds."
    ),
    measure=_measure,
    draw=draw,
    applies=_applies,
    options=RdfOptions,
    seconds=_seconds,
    format=2,
    order=90,
    needs=(LAMMPS, MDTRAJ),
)
