"""A simulation for a check, as far as it held: frames from the first broken one on are left out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from storage.trajectory import Trajectory
from tasks.checks.contacts import COLLAPSED, Contacts
from tasks.checks.interface import Told, nobody
from tasks.simulation.dynamics import SimulationStoppedError, simulate
from tasks.simulation.metadynamics import Metadynamics
from tasks.simulation.settings import SimulationSettings

PS, NS = 1000.0, 1e6
"""fs in a picosecond, and in a nanosecond."""


@dataclass(frozen=True, eq=False)
class Held:
    """The frames of a simulation before it broke.

    Attributes
    ----------
    trajectories
        One for each replica, possibly without frames.
    broken
        Sentences: which replica broke, when and how. Empty if all held.
    near
        Sentences: in how many of the frames atoms are nearer than their floor, though nothing broke.
    wanted
        Length of each replica that was asked for, ps.
    wall, processor
        Time of a nanosecond of all replicas together, as measured without the preparation, hours; nan: not known.
    """

    trajectories: tuple[Trajectory, ...]
    broken: tuple[str, ...]
    wanted: float
    wall: float = float("nan")
    processor: float = float("nan")
    near: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What a check says about the simulation."""
        return [*(f"{said}; what follows is left out" for said in self.broken), *self.near]

    @property
    def lengths(self) -> list[float]:
        """How long each replica held, ps."""
        return [float(one.times[-1] - one.times[0]) / PS if len(one) else 0.0 for one in self.trajectories]


def held(
    model: Any,
    start: Any,
    settings: SimulationSettings,
    contacts: Contacts,
    *,
    bias: Metadynamics | None = None,
    folder: Path | None = None,
    told: Told = nobody,
    wanted: float | None = None,
) -> Held:
    """Simulate, and return the frames before the first broken one.

    A frame is broken if two atoms have fallen together or a bond is torn; see `tasks.checks.contacts`. Atoms that
    are nearer than their floor, which the gate of stability is about, are told. With metadynamics all walkers end
    where the first breaks, because they share their hills.

    Parameters
    ----------
    model, start, settings, bias, folder
        See `simulate`.
    contacts
        Of the system's atoms.
    told
        Called with the number of steps done, and of all.
    wanted
        The length of which this is a part, fs; None: that of the settings.
    """
    length = (settings.steps * settings.timestep if wanted is None else wanted) / PS
    stopped: Sequence[str] = ("",) * settings.replicas
    clock = _Clock(told)
    try:
        found = simulate(model, start, settings, bias=bias, folder=folder, told=clock)
    except SimulationStoppedError as error:
        found, stopped = error.trajectories, error.stopped
    ended = upto_break(found, contacts, stopped, length, together=bias is not None)
    wall, processor = clock.hours(settings.timestep)
    return replace(ended, wall=wall, processor=processor)


class _Clock:
    """Passes progress on, and measures the time of a step from the first to the last report."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._first: tuple[int, float, float] | None = None
        self._last = (0, 0.0, 0.0)

    def __call__(self, done: int, total: int) -> None:
        now = (done, time.monotonic(), time.process_time())
        if done and self._first is None:
            self._first = now
        self._last = now
        self._told(done, total)

    def hours(self, timestep: float) -> tuple[float, float]:
        """Return the wall time and the processor's time of a nanosecond of all replicas together, hours."""
        if self._first is None or self._last[0] <= self._first[0]:
            return float("nan"), float("nan")
        steps, wall, processor = (last - first for last, first in zip(self._last, self._first, strict=True))
        scale = NS / timestep / steps / 3600.0
        return wall * scale, processor * scale


def upto_break(
    trajectories: Sequence[Trajectory],
    contacts: Contacts,
    stopped: Sequence[str] = (),
    wanted: float = 0.0,
    together: bool = False,
) -> Held:
    """Return the frames of trajectories before the first broken one.

    Parameters
    ----------
    trajectories
        The trajectories.
    contacts
        Of their atoms.
    stopped
        Why each ended before its time; empty for those that did not.
    wanted
        Length that was asked for, ps.
    together
        Whether all end where the first breaks.
    """
    ends, said = [], []
    for number, one in enumerate(trajectories):
        end, why = _first_broken(one, contacts)
        if not why and number < len(stopped) and stopped[number]:
            why = f"the potential stopped the simulation at {stopped[number]}"
        time = one.times[end] if end < len(one) else one.times[-1] if len(one) else 0.0
        ends.append(float(time) if why else np.inf)
        if why:
            said.append(f"replica {one.replica} broke after {float(time) / PS:.2f} ps of {wanted:g} ps: {why}")
    first = min(ends, default=np.inf)
    cut = [upto(one, first if together else end) for one, end in zip(trajectories, ends, strict=True)]
    return Held(tuple(cut), tuple(said), wanted, near=tuple(filter(None, (_near(one, contacts) for one in cut))))


def time_note(ended: Held, wanted: float) -> str:
    """Return a clause on how long a length takes, in ns of all replicas together; empty if it is not known."""
    if not np.isfinite(ended.wall):
        return ""
    wall, processor = (_said(wanted * hours) for hours in (ended.wall, ended.processor))
    return f"{wanted:g} ns would take {wall} ({processor} of processor time)"


def _said(hours: float) -> str:
    return f"{hours:.2g} h" if hours < 1.0 else f"{hours:.0f} h" if hours >= 10 else f"{hours:.1f} h"


def _first_broken(one: Trajectory, contacts: Contacts) -> tuple[int, str]:
    """Return the first broken frame, or the number of frames, and what is broken in it."""
    ratio, near = contacts.closest(one.positions, one.vectors)
    stretch, torn = contacts.stretched(one.positions, one.vectors)
    broken = (ratio < COLLAPSED) | (stretch > 1.0)
    if not broken.any():
        return len(one), ""
    frame = int(np.argmax(broken))
    close = ratio[frame] < COLLAPSED
    pair = contacts.pair(one.positions[frame], (near if close else torn)[frame], one.vectors_of(frame))
    return frame, f"{pair} {'have fallen together' if close else 'are torn apart'}"


def _near(one: Trajectory, contacts: Contacts) -> str:
    """Return in how many frames atoms are nearer than their floor, and the nearest; empty if in none."""
    if not len(one):
        return ""
    ratio, near = contacts.closest(one.positions, one.vectors)
    if ratio.min() >= 1.0:
        return ""
    frame = int(ratio.argmin())
    pair = contacts.pair(one.positions[frame], near[frame], one.vectors_of(frame))
    share = 100.0 * float((ratio < 1.0).mean())
    return (
        f"replica {one.replica}: in {share:.2g} % of the frames atoms are nearer than their floor, {pair} at most"
    )


def upto(one: Trajectory, end: float) -> Trajectory:
    """Return the frames of a trajectory before a time, fs; with its hills and velocities."""
    frames = int(np.searchsorted(one.times, end, side="left"))
    if frames == len(one):
        return one
    step = one.steps[frames]
    ends = one.velocity_steps < step
    return replace(
        one,
        **{
            name: getattr(one, name)[:frames]
            for name in ("steps", "times", "positions", "energy", "kinetic", "temperature")
        },
        velocities=one.velocities[ends],
        velocity_steps=one.velocity_steps[ends],
        vectors=one.vectors if one.vectors is None or len(one.vectors) == 1 else one.vectors[:frames],
        bias=None if one.bias is None else one.bias[:frames],
        hill_counts=None if one.hill_counts is None else one.hill_counts[:frames],
        hills=None if one.hills is None else one.hills[one.hills[:, 1] < end],
        outside=None if one.outside is None else one.outside[:frames],
        contributions={name: values[:frames] for name, values in one.contributions.items()},
    )
