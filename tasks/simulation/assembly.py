"""The trajectories of a simulation from its segments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from storage.trajectories import Trajectory
from tasks.simulation.settings import SimulationSettings
from tasks.simulation.start import Start, degrees_of_freedom, temperature_of
from tasks.simulation.states import Segment


def freedom_of(start: Start, settings: SimulationSettings) -> int:
    """Return the number of degrees of freedom of a simulation, see `degrees_of_freedom`."""
    every = degrees_of_freedom(start.of_replica(0), start.vectors is not None, settings.has_bath)
    return every - start.constraints


def trajectories_of(
    start: Start, settings: SimulationSettings, segments: Sequence[Sequence[Segment]], variables: int | None
) -> list[Trajectory]:
    """Return the trajectory of each replica.

    Parameters
    ----------
    start, settings
        The atoms and the settings.
    segments
        The segments of each replica, at least one.
    variables
        Number of variables of metadynamics; None without.
    """
    every = [one for some in segments for one in some]
    names = list(dict.fromkeys(name for one in every for name in one.shares))
    known = all(len(one.outside) == len(one.steps) for one in every)
    return [_trajectory(start, settings, n, some, variables, names, known) for n, some in enumerate(segments)]


def _trajectory(
    start: Start,
    settings: SimulationSettings,
    replica: int,
    segments: Sequence[Segment],
    variables: int | None,
    names: Sequence[str],
    known: bool,
) -> Trajectory:
    def joined(name: str) -> Any:
        return np.concatenate([getattr(one, name) for one in segments])

    steps, kinetic = joined("steps"), joined("kinetic")
    ends = [one.end for one in segments if one.end is not None]
    vectors = None if start.vectors is None else joined("vectors")
    if vectors is not None and settings.ensemble != "npt":
        vectors = np.asarray(start.vectors)[None]
    hills = None
    if variables is not None:
        hills = np.concatenate([np.zeros((0, 3 + variables)), *(one.hills for one in segments if one.hills.size)])
    return Trajectory(
        symbols=start.symbols,
        bonds=start.bonds,
        masses=start.masses,
        steps=steps,
        times=steps * settings.timestep,
        positions=joined("positions"),
        velocities=np.array([end.velocities for end in ends]).reshape(-1, len(start.symbols), 3),
        velocity_steps=np.array([end.step for end in ends], dtype=np.int64),
        energy=joined("energy"),
        kinetic=kinetic,
        temperature=temperature_of(kinetic, freedom_of(start, settings)),
        vectors=vectors,
        bias=None if variables is None else joined("bias"),
        hills=hills,
        contributions={
            name: np.concatenate([one.shares.get(name, np.zeros(len(one.steps))) for one in segments])
            for name in names
        },
        replica=replica,
        seed=settings.seed,
        hill_counts=None if variables is None else joined("counted"),
        outside=joined("outside") if known else None,
    )
