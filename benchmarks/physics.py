"""Time of V_phys: energy and gradient along a trajectory, one thread, us of the processor.

22 atoms are Ace-Ala-Nme, 102 Ace-Ala9-Nme, 622 Ace-Ala-Nme in 200 waters: a dense system has more damped pairs
than a chain of that length. The parameters are plausible numbers, on which the time hardly depends. Atoms swing by
about 0.04 A with periods of 10 to 50 fs, in steps of 0.5 fs.
"""

from __future__ import annotations

from time import thread_time

import numpy as np

from potentials.physics.model import PhysicsPotential
from tests.potentials.physics.chains import in_water, model

STEP = 0.5
"""Time step, fs."""

REPEATS = 5
"""Trajectories, the fastest of which counts."""


def figures() -> dict[str, float]:
    """Return the time of a call, through the public object, by number of atoms."""
    systems = ((model("AceAlaNme"), 300), (model("AceAla9Nme"), 100), (in_water("AceAlaNme", 200), 20))
    found = {
        f"vphys_us_{len(positions)}": _time(potential, positions, steps)
        for (potential, positions), steps in systems
    }
    return {name: round(value, 1) for name, value in found.items()}


def _time(potential: PhysicsPotential, positions: np.ndarray, steps: int) -> float:
    """Return the time per step, us, without the first four, whose dipoles have no full past."""
    rng = np.random.default_rng(0)
    width = rng.normal(scale=0.04, size=positions.shape)
    period, phase = rng.uniform(10, 50, size=positions.shape), rng.uniform(0, 2 * np.pi, size=positions.shape)
    frames = [positions + width * np.sin(2 * np.pi * STEP * n / period + phase) for n in range(steps + 4)]
    times = []
    for _ in range(REPEATS):
        trajectory = potential.trajectory()
        for frame in frames[:4]:
            trajectory.energy_and_gradient(frame)
        begun = thread_time()
        for frame in frames[4:]:
            trajectory.energy_and_gradient(frame)
        times.append((thread_time() - begun) / steps)
    return min(times) * 1e6
