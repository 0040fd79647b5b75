"""Molecular dynamics with a potential: replicas in lockstep, in segments from which a killed run continues."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from potentials.arrays import Floats
from potentials.errors import InputError, MissingProgramError, StageError
from potentials.evaluation import Evaluable
from potentials.systems.system import System
from recipes.chemistry.molecules import Molecule
from storage.file_system import release_lock, take_lock
from storage.trajectories import Trajectory, start_digest
from tasks.mpi import threads_allowed
from tasks.simulation.assembly import freedom_of, trajectories_of
from tasks.simulation.lammps_state import LAMMPS
from tasks.simulation.metadynamics import Metadynamics, Walker
from tasks.simulation.segment import run_segment
from tasks.simulation.segments import Segments
from tasks.simulation.settings import SimulationSettings
from tasks.simulation.start import (
    Start,
    first_velocities,
    minimized,
    seed_of,
)
from tasks.simulation.states import Segment, State

Told = Callable[[int, int], None]
"""Is called with the number of steps of all replicas that are done, and that there are to do."""


class SimulationStoppedError(StageError):
    """The potential has stopped a simulation: it had no energy at a step.

    Attributes
    ----------
    trajectories
        Every replica, with the frames up to there.
    stopped
        Of each replica why it was stopped, with the step; empty for those that have ended.
    """

    def __init__(self, trajectories: list[Trajectory], stopped: Sequence[str]) -> None:
        self.trajectories, self.stopped = trajectories, tuple(stopped)
        some = [f"replica {n} was stopped at {why}" for n, why in enumerate(stopped) if why]
        super().__init__("; ".join(some))


def simulate(
    model: Evaluable,
    start: System | Molecule | Floats | Start,
    settings: SimulationSettings,
    *,
    folder: Path | None = None,
    bias: Metadynamics | None = None,
    potentials: Any = None,
    told: Told | None = None,
    threads: int | None = None,
) -> list[Trajectory]:
    """Run molecular dynamics in LAMMPS and return a trajectory for each replica.

    Parameters
    ----------
    model
        The potential. One in vacuum with a ``c_address()`` is called by compiled code alone. What it is made of
        must not change during the run; each replica has its own `trajectory()` of it. One with a `run_segment` of
        its own moves its atoms itself, as Amber's force fields in a cell do by OpenMM, and may have a
        `check_settings` that raises InputError for what it cannot do.
    start
        A system; a molecule with a geometry; positions, (atoms, 3) or (replicas, atoms, 3), Angstrom; or a start.
    settings
        The settings.
    folder
        Where the segments are kept. A run that was killed continues from them, and one that has ended is read; its
        trajectory is the same in every bit as that of a run that was not interrupted. None: a temporary folder.
    bias
        Metadynamics; the replicas are walkers that share their hills.
    potentials
        What identifies the potential, as values for JSON: a folder with segments of another one is refused.
    told
        Called with the number of steps done, from any thread.
    threads
        Replicas that run at a time; default: as many as there are processors.

    Raises
    ------
    SimulationStoppedError
        If the potential had no energy, or one that is not finite, at a step; it has the frames up to there. Other
        replicas are run to their ends before.
    InputError
        If LAMMPS is missing, the atoms, the cell or the bias do not fit, or the folder has another simulation.
    """
    begin = checked_start(model, start, settings, bias)
    if folder is None:
        with TemporaryDirectory(prefix="nmer-simulation-") as temporary:
            return _Run(model, begin, settings, Path(temporary), bias, potentials, told, threads).whole()
    return _Run(model, begin, settings, folder, bias, potentials, told, threads).whole()


def checked_start(
    model: Evaluable,
    start: System | Molecule | Floats | Start,
    settings: SimulationSettings,
    bias: Metadynamics | None,
) -> Start:
    """Return the start of a simulation; raises InputError if model, start, settings and bias do not fit."""
    begin = start if isinstance(start, Start) else Start.of(model, start, settings.replicas)
    if len(begin.positions) not in (1, settings.replicas):
        raise InputError(
            f"a simulation has {len(begin.positions)} starts; allowed: one, or one for each of its "
            f"{settings.replicas} replicas"
        )
    if settings.ensemble == "npt" and begin.vectors is None:
        raise InputError("the ensemble npt needs a cell; allowed in vacuum: nve, nvt")
    if bias is not None:
        bias.check(len(begin.symbols), settings.temperature, settings.ensemble, begin.vectors)
    if (check := getattr(model, "check_settings", None)) is not None:
        check(settings, bias)
    if lack := LAMMPS.lack():
        raise MissingProgramError(f"a simulation {lack}")
    return begin


class _Cancelled(Exception):  # noqa: N818 - no error of a user, and none that LAMMPS may end with
    """The main thread has ended, so that the others shall too."""


class _Run:
    """One simulation: all of its replicas."""

    def __init__(
        self,
        model: Evaluable,
        start: Start,
        settings: SimulationSettings,
        folder: Path,
        bias: Metadynamics | None,
        potentials: Any,
        told: Told | None,
        threads: int | None,
    ) -> None:
        self._model, self._start, self._settings, self._of = model, start, settings, bias
        self._threads = min(settings.replicas, threads or len(os.sched_getaffinity(0)))
        if self._threads > 1 and not hasattr(model, "run_segment") and not threads_allowed():
            self._threads = 1  # something else in this process has initialized MPI for one thread alone
        digests = [start_digest(start.symbols, x, start.bonds, start.vectors) for x in start.positions]
        self._segments = Segments(
            folder,
            {
                "settings": settings.content(),
                "start": digests,
                "bias": None if bias is None else bias.contents(),
                "potentials": potentials,
            },
        )
        self._folder, self._told = folder, told
        self._variables = None if bias is None else len(bias.cvs)
        self._lock, self._cancelled = Lock(), False
        self._steps = [0] * settings.replicas

    def whole(self) -> list[Trajectory]:
        """Run what is missing and return the trajectories."""
        lock = take_lock(self._folder / ".lock", f"the simulation in '{self._folder}' is being run by")
        try:
            return self._whole()
        finally:
            release_lock(lock)

    def _whole(self) -> list[Trajectory]:
        replicas = range(self._settings.replicas)
        found = {n: self._segments.read(n) for n in replicas}
        if self._of is not None:
            found = self._in_step(found)
        done = {n: len(found[n]) for n in replicas}
        stopped = {n: found[n][-1].stopped if found[n] else "" for n in replicas}
        states = {n: found[n][-1].end if found[n] else None for n in replicas}
        walkers = self._walkers(found)
        for n in replicas:
            self._steps[n] = self._done(done[n], bool(stopped[n]))
        del found
        self._tell()
        for number in range(self._settings.segments):
            due = [n for n in replicas if done[n] == number and not stopped[n]]
            if not due:
                continue
            for n in due:
                states[n] = states[n] or self._beginning(n)
            for n, segment in zip(due, self._side_by_side(due, number, states, walkers), strict=True):
                walker = walkers.get(n)
                if walker is not None:
                    hills, read = walker.collect()
                    segment = replace(segment, hills=hills, read=read)
                self._segments.write(n, number, segment)
                if walker is not None:
                    walker.publish()
                done[n], states[n], stopped[n] = number + 1, segment.end, segment.stopped
                self._steps[n] = self._done(done[n], bool(stopped[n]))
            self._tell()
        every = [self._segments.read(n) for n in replicas]
        trajectories = trajectories_of(self._start, self._settings, every, self._variables)
        if any(stopped.values()):
            raise SimulationStoppedError(trajectories, list(stopped.values()))
        return trajectories

    def _in_step(self, found: dict[int, list[Segment]]) -> dict[int, list[Segment]]:
        """Return the segments of walkers, and remove those that others are too far behind.

        Walkers exchange hills in the order of their numbers, after each segment. Only a damaged file can leave
        them in another state, in which they would read hills that were not there at that time.
        """
        every = self._settings.segments
        counts = {n: every if some and some[-1].stopped else len(some) for n, some in found.items()}
        least, ahead, kept = min(counts.values()), True, {}
        for n, some in found.items():
            ahead = ahead and counts[n] > least
            kept[n] = some[: least + ahead]
            self._segments.cut(n, len(kept[n]))
        return kept

    def _walkers(self, found: dict[int, list[Segment]]) -> dict[int, Walker]:
        """Return the bias of each replica as it was at its last segment's end."""
        if self._of is None:
            return {}
        folder = self._folder / "hills"
        for path in folder.glob("HILLS.*"):
            path.unlink()  # each walker writes its hills again, those of its segments
        return {
            n: Walker(
                self._of,
                self._start.masses,
                self._settings.timestep,
                self._start.vectors,
                folder,
                self._settings.replicas,
                n,
                [one.hills for one in segments],
                segments[-1].read if segments else None,
            )
            for n, segments in found.items()
        }

    def _side_by_side(
        self, due: list[int], number: int, states: dict[int, State | None], walkers: dict[int, Walker]
    ) -> list[Segment]:
        """Run a segment of several replicas: LAMMPS and compiled potentials run in threads side by side."""

        def run(n: int) -> Segment:
            before = self._done(number, False)

            def told(steps: int) -> None:
                if self._cancelled:
                    raise _Cancelled
                self._steps[n] = before + steps
                self._tell()

            state = states[n]
            assert state is not None
            run_own = getattr(self._model, "run_segment", None) or partial(run_segment, self._model)
            found: Segment = run_own(self._start, self._settings, n, number, state, walkers.get(n), told)
            return found

        if self._threads == 1 or len(due) == 1:
            return [run(n) for n in due]
        with ThreadPoolExecutor(self._threads) as pool:
            try:
                return list(pool.map(run, due))
            except BaseException:
                self._cancelled = True
                raise

    def _beginning(self, replica: int) -> State:
        """Return the state of a replica before its first step."""
        start, settings = self._start, self._settings
        x = start.of_replica(replica)
        if settings.minimize:
            x = minimized(self._model, x, start.vectors)
        seed = seed_of(settings.seed, replica, "velocities")
        freedom, periodic = freedom_of(start, settings), start.vectors is not None
        v = first_velocities(x, start.masses, settings.temperature, freedom, periodic, seed)
        return State(0, x, v, start.vectors)

    def _done(self, segments: int, stopped: bool) -> int:
        """Return the steps after some segments; a replica that was stopped counts as done."""
        settings = self._settings
        return (
            settings.steps
            if stopped
            else min(segments * settings.frames_of_segment * settings.every, settings.steps)
        )

    def _tell(self) -> None:
        if self._told is not None:
            with self._lock:
                self._told(sum(self._steps), self._settings.steps * self._settings.replicas)
