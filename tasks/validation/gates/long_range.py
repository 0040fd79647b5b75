"""Gate ``long_range``: if any body is far, the n-body energy is that of V_phys, and vanishes with distance."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from potentials.pip.potential import Potential
from tasks.validation.gates.interface import EVALUATION, Gate, apart, largest
from tasks.validation.gates.probes import away

STARTS = 10
"""Configurations of which a body is moved away."""

FAR = (1.0, 10.0, 100.0, 1000.0)
"""Distances beyond the outer radius where there is V_phys alone, Angstrom; without a switching only the last."""

FARTHEST = 1e4
"""Distance at which nothing is left, V_phys included, Angstrom: two dipoles of 3 D have 3e-10 kcal/mol."""


def left_over(potential: Potential, positions: Floats) -> float:
    """Return the largest energy (kcal/mol) or gradient (kcal/mol/A) that is left when any one body is far away."""
    starts, found = positions[:STARTS], 0.0
    reach = 0.0 if potential.switching is None else potential.switching.r_out
    for body in range(len(potential.nmer.slices)):
        for distance in FAR if reach else FAR[-1:]:
            moved = moved_away(potential.nmer, starts, body, reach + distance)
            energy, gradient = potential.energy_and_gradient(moved)
            if potential.physics is not None:
                below = potential.physics.evaluate(moved)
                energy, gradient = energy - below.energy, gradient - below.gradient
            found = max(found, largest(energy), largest(gradient))
        found = max(found, largest(potential.energy(moved_away(potential.nmer, starts, body, FARTHEST))))
    return found


def moved_away(nmer: NMer, positions: Floats, body: int, distance: float) -> Floats:
    """Return configurations of which one body is moved until its middle is that far from all others' at least."""
    moved, part = positions.copy(), nmer.slices[body]
    for n, start in enumerate(positions):
        arrow = away(nmer, start, body)
        middles = [start[other].mean(axis=0) for other in nmer.slices]
        sizes = [
            float(np.linalg.norm(start[o] - m, axis=1).max()) for o, m in zip(nmer.slices, middles, strict=True)
        ]
        far = max((float((m - middles[body]) @ arrow) for m in middles), default=0.0)
        moved[n, part] += (distance + far + 2 * max(sizes)) * arrow
    return moved


GATE = Gate(
    name="long_range",
    title="largest energy beside V_phys (kcal/mol), or its slope (kcal/mol/A), where a body is far",
    measure=lambda candidate: left_over(candidate.potential, candidate.positions),
    limit=1e-8,
    absent=1e9,
    applies=apart,
    advise=lambda candidate: EVALUATION + ", unless fitting.switching is missing",
    order=9,
)
