"""The time of a step along a made-up trajectory.

Atoms swing by about 0.04 A with periods of 10 to 50 fs, in steps of 0.5 fs.
"""

from __future__ import annotations

from collections.abc import Callable
from time import thread_time

import numpy as np

from potentials.physics.model import PhysicsPotential
from potentials.systems.manybody import ManyBodyPotential

STEP = 0.5
"""Time step, fs."""

FIRST = 6
"""Steps before the clock starts: those whose dipoles have no full past."""

REPEATS = 3
"""Trajectories, the fastest of which counts."""


def time_of_step(
    model: ManyBodyPotential | PhysicsPotential,
    positions: np.ndarray,
    steps: int,
    clock: Callable[[], float] = thread_time,
) -> float:
    """Return the time of energy and gradient per step, s, the processor's or that of another clock."""
    rng = np.random.default_rng(0)
    width = rng.normal(scale=0.04, size=positions.shape)
    period, phase = rng.uniform(10, 50, size=positions.shape), rng.uniform(0, 2 * np.pi, size=positions.shape)
    frames = [positions + width * np.sin(2 * np.pi * STEP * n / period + phase) for n in range(steps + FIRST)]
    times = []
    for _ in range(REPEATS):
        trajectory = model.trajectory()
        for frame in frames[:FIRST]:
            trajectory.energy_and_gradient(frame)
        begun = clock()
        for frame in frames[FIRST:]:
            trajectory.energy_and_gradient(frame)
        times.append((clock() - begun) / steps)
    return min(times)
