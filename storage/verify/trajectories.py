"""Checks of a trajectory by itself: what follows from its own arrays and settings."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import numpy as np

from potentials.units import KB, KCAL
from storage.trajectories import read_trajectories
from storage.trajectory import Trajectory
from storage.version import Version

SAME = 1e-9
"""Largest relative deviation of what is computed again from the same numbers."""


def check_trajectory(version: Version) -> Iterator[tuple[str, str]]:
    """Yield the arrays of a trajectory that contradict others, or its settings.

    Kinetic energies are computed again where velocities are stored; temperatures must have one whole number of
    degrees of freedom; times, frames and seeds must be those of the settings in ``[simulation]``.

    Parameters
    ----------
    version
        A trajectory whose arrays can be read.
    """
    settings = tomllib.loads(version.attributes()["recipe"]).get("simulation", {})
    for one in read_trajectories(version):
        if not len(one):
            continue  # of a replica that was stopped at once
        for name, problem in (*_own(one), *_of_settings(one, settings)):
            yield name, f"of replica {one.replica}: {problem}"


def _own(one: Trajectory) -> Iterator[tuple[str, str]]:
    at = {int(step): n for n, step in enumerate(one.steps)}
    ends = [(n, at[int(step)]) for n, step in enumerate(one.velocity_steps) if int(step) in at]
    if ends:
        rows, frames = (list(part) for part in zip(*ends, strict=True))
        kinetic = 0.5 * np.einsum("a,fai->f", one.masses, one.velocities[rows] ** 2) / KCAL
        wrong = np.flatnonzero(np.abs(kinetic - one.kinetic[frames]) > SAME * np.maximum(kinetic, 1.0))
        if len(wrong):
            step = one.steps[frames[int(wrong[0])]]
            yield "kinetic", f"{len(wrong)} of {len(kinetic)} are not those of the velocities (first: step {step})"
    moving = one.temperature > 0
    freedom = 2.0 * one.kinetic[moving] / (KB * one.temperature[moving])
    if len(freedom) and not (
        np.abs(freedom - np.round(freedom[0])).max() < 1e-6 * max(freedom[0], 1.0)
        and 1 <= round(float(freedom[0])) <= 3 * one.natoms
    ):
        yield "temperature", "is not that of the kinetic energy with a whole number of degrees of freedom"


def _of_settings(one: Trajectory, settings: dict[str, object]) -> Iterator[tuple[str, str]]:
    step = settings.get("timestep")
    if isinstance(step, (int, float)):
        if np.abs(one.times - one.steps * step).max(initial=0.0) > SAME * max(float(one.times[-1]), 1.0):
            yield "times", f"are not the steps times the {step} fs of the settings"
    elif len(one) > 1 and one.steps[-1] > 0:
        ratio = one.times[-1] / one.steps[-1]
        if np.abs(one.times - one.steps * ratio).max() > SAME * max(abs(float(one.times[-1])), 1.0):
            yield "times", "are not proportional to the steps"
    every, steps, seed = (settings.get(name) for name in ("every", "steps", "seed"))
    if isinstance(every, int) and (one.steps % every).any():
        yield "steps", f"are not multiples of the {every} steps between frames of the settings"
    if isinstance(steps, int) and len(one) and one.steps[-1] > steps:
        yield "steps", f"go beyond the {steps} steps of the settings"
    if isinstance(seed, int) and one.seed != seed:
        yield "seed", f"is {one.seed}, and that of the settings {seed}"
