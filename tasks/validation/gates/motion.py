"""Gate ``motion``: the energy is the same when a configuration is rotated, reflected and translated."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from potentials.pip.potential import Potential
from tasks.validation.gates.interface import EVALUATION, Gate, largest

MOTIONS = 5
"""Random motions that are tried."""

SHIFT = 10.0
"""Standard deviation of the displacement along an axis, Angstrom."""


def motion_error(potential: Potential, positions: Floats) -> float:
    """Return the largest energy change when configurations are rotated, reflected and translated (kcal/mol)."""
    rng = np.random.default_rng(0)
    reference, found = np.asarray(potential.energy(positions)), 0.0
    for number in range(MOTIONS):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        turn *= (-1) ** number * np.sign(np.linalg.det(turn))  # proper and improper ones in turn
        moved = positions @ turn.T + SHIFT * rng.normal(size=3)
        found = max(found, largest(potential.energy(moved) - reference))
    return found


GATE = Gate(
    name="motion",
    title="largest energy change on rotation, reflection and translation (kcal/mol)",
    measure=lambda candidate: motion_error(candidate.potential, candidate.probes),
    limit=1e-9,
    absent=1e-8,
    advise=lambda candidate: EVALUATION,
    order=4,
)
