"""Secondary structure of a chain against time, from simulations of its own or of a stored trajectory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.systems.system import System
from recipes.chemistry.conformations import BASINS as FOLDS
from recipes.chemistry.molecules import Molecule, read_molecule
from storage.exchange.mdtraj_frames import MDTRAJ
from storage.trajectories import read_trajectories
from storage.trajectory import Trajectory
from storage.version import Column
from tasks.checks.columns import FORCE_FIELDS, ForceFields, key_of, models_beside
from tasks.checks.contacts import Contacts, Floors
from tasks.checks.held import PS, Held, held, time_note, upto_break
from tasks.checks.helix import chain_conformations, long_chains
from tasks.checks.interface import Check, Findings, Options, Result, Told
from tasks.checks.structure import CODES, REGIONS, dssp, regions
from tasks.checks.structure_plot import draw
from tasks.checks.subject import Subject
from tasks.simulation.lammps_state import LAMMPS
from tasks.simulation.settings import SimulationSettings

KINDS = (*CODES, *REGIONS)

FRAME = 100.0
"""Time between frames, fs."""

LATER = 0.5
"""Means are over the frames after this share of the length."""


class StructureOptions(Options):
    """Options of the simulations."""

    chain: str = Field("", description="name of the chain; without, the longest of the test molecules")
    starts: tuple[str, ...] = Field(
        ("extended", "alpha"), min_length=1, description=f"folds to start from: {', '.join(FOLDS)}"
    )
    length: float = Field(20.0, gt=0, le=1e6, description="ps of each simulation")
    temperature: float = Field(300.0, gt=0, le=2000, description="K")
    timestep: float = Field(0.5, gt=0, le=2, description="fs")
    seed: int = Field(2025, ge=0, description="of velocities and of the thermostat")
    force_fields: ForceFields = FORCE_FIELDS
    trajectory: str = Field(
        "", description="a stored trajectory, trajectory:NAME@NUMBER, to be analysed in the place of simulations"
    )

    @classmethod
    def quick(cls) -> dict[str, Any]:
        """Return two picoseconds."""
        return {"length": 2.0}


class Run(NamedTuple):
    """What was simulated, from which start, and the frames that held."""

    model: str
    start: str
    trajectory: Trajectory
    complete: bool


def _measure(subject: Subject, options: StructureOptions, told: Told) -> Findings:
    if unknown := [one for one in options.starts if one not in FOLDS]:
        raise InputError(f"the start '{unknown[0][:40]}' is no fold; allowed: {', '.join(FOLDS)}")
    floors = Floors.of(subject.potentials().values())
    if options.trajectory:
        runs, notes, name = _stored(subject, options.trajectory, floors)
    else:
        runs, notes, name = _simulated(subject, options, floors, told)
    rows: dict[str, list[Any]] = {"model": [], "start": [], "time": []} | {kind: [] for kind in KINDS}
    results = []
    for run in runs:
        if not len(run.trajectory):
            continue
        shares = dssp(run.trajectory) | regions(run.trajectory)
        rows["model"] += [run.model] * len(run.trajectory)
        rows["start"] += [run.start] * len(run.trajectory)
        rows["time"] += list(run.trajectory.times / PS)
        for kind in KINDS:
            rows[kind] += list(shares[kind])
        results += _results(run, shares)
    notes.append(
        "DSSP does not tell the hand of a helix; the regions of phi and psi do. Residues next to Ace and Nme lack "
        "a hydrogen bond, so that DSSP gives no chain of 9 a share above 0.78 of helix"
    )
    facts = {
        "chain": name,
        "length": options.length,
        "temperature": options.temperature,
        "models": list(dict.fromkeys(run.model for run in runs)),
        "starts": list(dict.fromkeys(run.start for run in runs)),
        "broken": [f"{run.model}, {run.start}" for run in runs if not run.complete],
    }
    return Findings(tuple(results), _columns(rows), facts, tuple(notes))


def _simulated(
    subject: Subject, options: StructureOptions, floors: Floors, told: Told
) -> tuple[list[Run], list[str], str]:
    """Return the simulations of the sum and of force fields from each start."""
    name = options.chain or long_chains(subject)[-1]
    molecule = read_molecule(name)
    models, notes = models_beside(subject, molecule, options.force_fields)
    contacts = Contacts.of(molecule.symbols, molecule.bonds, floors)
    every = max(1, round(FRAME / options.timestep))
    steps = max(1, round(options.length * PS / options.timestep / every)) * every
    settings = SimulationSettings(
        temperature=options.temperature,
        timestep=options.timestep,
        steps=steps,
        every=every,
        seed=options.seed,
        minimize=True,
    )
    starts = _starts(molecule, options.starts)
    runs: list[Run] = []
    total = len(models) * len(starts) * steps
    for model, potential in models.items():
        taken = ""
        for start, system in starts.items():
            before = len(runs) * steps

            def told_here(done: int, _: int, before: int = before) -> None:
                told(before + done, total)

            ended = held(potential, system, settings, contacts, told=told_here)
            notes += [f"{model} from {start}: {said}" for said in ended.notes]
            runs.append(Run(model, start, *_only(ended)))
            taken = time_note(ended, 1.0) or taken
        if taken:
            notes.append(f"{model}: {options.length:g} ps from each start; {taken} on this machine")
    return runs, notes, name


def _only(ended: Held) -> tuple[Trajectory, bool]:
    return ended.trajectories[0], not ended.broken


def _starts(molecule: Molecule, folds: Sequence[str]) -> dict[str, System]:
    """Return a conformation of each fold."""
    names, positions = chain_conformations(molecule, len(FOLDS) + 1)
    return {
        fold: System(molecule.symbols, positions[names.index(fold)], molecule.bonds, name=molecule.name)
        for fold in dict.fromkeys(folds)
    }


def _stored(subject: Subject, ref: str, floors: Floors) -> tuple[list[Run], list[str], str]:
    """Return the replicas of a stored trajectory as far as they held."""
    version = subject.store.resolve(ref)
    found = read_trajectories(version)
    contacts = Contacts.of(found[0].symbols, found[0].bonds, floors)
    wanted = max(float(one.times[-1]) for one in found) / PS
    ended = upto_break(found, contacts, wanted=wanted)
    runs = [
        Run(version.ref, f"replica {one.replica}", one, len(one) == len(whole))
        for one, whole in zip(ended.trajectories, found, strict=True)
    ]
    return runs, [f"{version.ref}: {said}" for said in ended.notes], version.nmer


def _results(run: Run, shares: dict[str, Floats]) -> list[Result]:
    """Return the mean shares of a run's later part; None for one that broke."""
    times = run.trajectory.times
    later = times >= LATER * times[-1]
    begin = re.sub("[^a-z0-9]+", "-", f"{key_of(run.model)}-{run.start}".lower()).strip("-")
    what = {kind: f"{kind} by DSSP" for kind in ("alpha", "3-10", "pi", "strand")}
    what |= {kind: f"the {kind}-handed helix's region of phi and psi" for kind in ("right", "left")}
    return [
        Result(
            f"{begin}-{kind}",
            f"mean share of residues in {said}, {run.model} from {run.start}, second half",
            float(shares[kind][later].mean()) if run.complete else None,
        )
        for kind, said in what.items()
    ]


def _columns(rows: dict[str, list[Any]]) -> dict[str, Column]:
    found = {
        "structure.model": Column(tuple(rows["model"]), "1", "sum, force field, or stored trajectory"),
        "structure.start": Column(tuple(rows["start"]), "1", "fold from which it started, or replica"),
        "structure.time": Column(np.array(rows["time"], dtype=np.float64), "ps", "time of each frame"),
    }
    for kind in KINDS:
        begin, source = ("dssp", "by DSSP") if kind in CODES else ("region", "by phi and psi")
        values = np.array(rows[kind], dtype=np.float64)
        found[f"structure.{begin}-{kind}"] = Column(values, "1", f"share of residues, {kind}, {source}")
    return found


def _applies(subject: Subject) -> str:
    return "" if long_chains(subject) else "it has no test molecule of two or more residues"


def _seconds(subject: Subject, options: StructureOptions) -> float:
    """Return the expected time: a step of 102 atoms takes 0.4 ms with a sum and 0.1 ms with a force field."""
    if options.trajectory:
        return 5.0
    steps = options.length * PS / options.timestep * len(options.starts)
    return 20.0 + steps * (4e-4 + 1e-4 * len(options.force_fields))


CHECK = Check(
    name="secondary-structure",
    title="secondary structure of a chain against time",
    meaning=(
        "A chain is simulated from the extended chain and from an alpha helix, and each frame's residues are "
        "assigned by DSSP, which tells alpha, 3-10 and pi helices apart, and by phi and psi. Short simulations "
        "show whether a helix stays, not how stable it is."
    ),
    measure=_measure,
    draw=draw,
    applies=_applies,
    options=StructureOptions,
    seconds=_seconds,
    format=2,
    order=80,
    needs=(LAMMPS, MDTRAJ),
)
