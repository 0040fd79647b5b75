"""Gate ``gradient``: the gradient is the derivative of the energy."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Bools, Floats
from potentials.nmers.switching import Switching
from potentials.pip.potential import Potential
from tasks.validation.gates.interface import Gate, largest

STEP = 5e-4
"""Displacement of the finite differences, Angstrom; of fourth order, so that steep walls count as well."""


def gradient_error(potential: Potential, positions: Floats) -> float:
    """Return the largest difference between the gradient and central finite differences (kcal/mol/A).

    The derivative of the switching is measured as that of a potential of 1 kcal/mol as well: where it switches, a
    potential may be small in all configurations at hand. Differences across an edge of the switching, where its
    second derivative jumps, are not valid and are left out.
    """
    gradient = potential.energy_and_gradient(positions)[1]
    found = 0.0 if potential.switching is None else switching_error(potential.switching, positions)
    for atom in range(positions.shape[1]):
        for axis in range(3):
            moved = _displaced(positions, atom, axis, STEP)
            slope = _difference([np.asarray(potential.energy(places)) for places in moved], STEP)
            valid = np.ones(len(positions), dtype=np.bool_)
            if potential.switching is not None:
                valid = _on_one_side(potential.switching, moved)
            found = max(found, largest((slope - gradient[:, atom, axis])[valid]))
    return found


def switching_error(switching: Switching, positions: Floats) -> float:
    """Return the largest difference between a switching's derivative and finite differences (1/A)."""
    gradient, found = switching.evaluate(positions)[1], 0.0
    step = min(STEP, (switching.r_out - switching.r_in) / 200)
    for atom in range(positions.shape[1]):
        for axis in range(3):
            moved = _displaced(positions, atom, axis, step)
            slope = _difference([switching.evaluate(places)[0] for places in moved], step)
            off = slope - gradient[:, atom, axis]
            found = max(found, largest(off[_on_one_side(switching, moved)]))
    return found


def _displaced(positions: Floats, atom: int, axis: int, step: float) -> list[Floats]:
    """Return the configurations with a coordinate moved by -2, -1, 1 and 2 steps."""
    moved = np.repeat(positions[None], 4, axis=0)
    moved[:, :, atom, axis] += step * np.array([-2, -1, 1, 2])[:, None]
    return list(moved)


def _difference(values: list[Floats], step: float) -> Floats:
    """Return the derivative of fourth order from values at -2, -1, 1 and 2 steps."""
    two_less, less, more, two_more = values
    return np.asarray((8 * (more - less) - (two_more - two_less)) / (12 * step))


def _on_one_side(switching: Switching, moved: list[Floats]) -> Bools:
    """Return which of some displaced configurations cross no edge of the switching of any two bodies."""
    regions = np.array([switching.regions(places) for places in moved])
    return np.asarray((regions == regions[0]).all(axis=(0, 2)))


GATE = Gate(
    name="gradient",
    title="largest difference of the gradient from finite differences (kcal/mol/A)",
    measure=lambda candidate: gradient_error(candidate.potential, candidate.probes),
    limit=1e-5,
    absent=None,
    order=5,
)
