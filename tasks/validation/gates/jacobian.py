"""Gate ``jacobian``: the forces are those of an energy, so that the matrix of their derivatives is symmetric.

lambda = |(J - J^T) / 2| / |J| (Frobenius) of the Jacobian J of the forces: Bigi, Langer, Ceriotti, ICML 2025
(arXiv:2412.11569). It does not use the energy, and is far more sensitive to a force without an energy than the
drift of a simulation is.
"""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from potentials.pip.potential import Potential
from tasks.validation.gates.interface import EVALUATION, Gate

STEP = 1e-3
"""Displacement of the fourth-order differences, Angstrom."""

LEAST = 1.0
"""A Jacobian of a smaller norm counts as one of this norm, kcal/mol/A^2: else only rounding is left of it."""


def asymmetry(potential: Potential, positions: Floats) -> float:
    """Return the largest lambda of some configurations; infinite where a derivative is not a number.

    Configurations of which a difference crosses an edge of the switching are left out: there the second derivative
    jumps.
    """
    natoms, count = positions.shape[1], len(positions)
    jacobian = np.empty((count, 3 * natoms, 3 * natoms))
    valid = np.ones(count, dtype=np.bool_)
    switching = potential.switching
    regions = None if switching is None else switching.regions(positions)
    for row, (atom, axis) in enumerate(np.ndindex(natoms, 3)):
        moved = np.repeat(positions[None], 4, axis=0)
        moved[:, :, atom, axis] += STEP * np.array([-2, -1, 1, 2])[:, None]
        slopes = potential.energy_and_gradient(moved.reshape(-1, natoms, 3))[1].reshape(4, count, -1)
        jacobian[:, row] = (8 * (slopes[2] - slopes[1]) - (slopes[3] - slopes[0])) / (12 * STEP)
        if switching is not None:
            for places in moved:
                valid &= (switching.regions(places) == regions).all(axis=1)
    jacobian = jacobian[valid]
    if not np.isfinite(jacobian).all():
        return float("inf")
    odd = np.linalg.norm(jacobian - jacobian.transpose(0, 2, 1), axis=(1, 2)) / 2
    return float((odd / np.maximum(np.linalg.norm(jacobian, axis=(1, 2)), LEAST)).max(initial=0.0))


GATE = Gate(
    name="jacobian",
    title="largest asymmetry of the Jacobian J of the forces: the norm of (J - J^T)/2 over that of J",
    measure=lambda candidate: asymmetry(candidate.potential, candidate.probes),
    limit=1e-8,
    absent=1e9,
    advise=lambda candidate: EVALUATION,
    order=7,
)
