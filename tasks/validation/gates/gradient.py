"""Gate ``gradient``: the gradient is the derivative of the energy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from potentials.arrays import Bools, Floats
from potentials.nmers.switching import Switching
from potentials.pip.potential import Potential
from tasks.validation.gates.interface import EVALUATION, Gate, largest

STEPS = (1e-3, 5e-4, 2.5e-4)
"""Displacements of the finite differences, Angstrom; of fourth order, so that steep walls count as well."""

FALLS = 16.0
"""The error of fourth-order differences falls by this factor when the step is halved."""


def gradient_error(potential: Potential, positions: Floats) -> float:
    """Return the largest difference between the gradient and central finite differences (kcal/mol/A).

    Differences are made with three steps, each half of the one before. What falls with the step as the order of
    the differences says is their own error, and is extrapolated away; what does not is that of the gradient. The
    derivative of the switching is measured as that of a potential of 1 kcal/mol as well: where it switches, a
    potential may be small in all configurations at hand. Differences across an edge of the switching, where its
    second derivative jumps, are not valid and are left out.
    """
    gradient = potential.energy_and_gradient(positions)[1]
    found = 0.0 if potential.switching is None else switching_error(potential.switching, positions)
    return max(
        found, _error(lambda x: np.asarray(potential.energy(x)), gradient, positions, potential.switching, STEPS)
    )


def switching_error(switching: Switching, positions: Floats) -> float:
    """Return the largest difference between a switching's derivative and finite differences (1/A)."""
    gradient = switching.evaluate(positions)[1]
    first = min(STEPS[0], (switching.r_out - switching.r_in) / 100)
    steps = tuple(first * step / STEPS[0] for step in STEPS)
    return _error(lambda x: switching.evaluate(x)[0], gradient, positions, switching, steps)


def _error(
    function: Callable[[Floats], Floats],
    gradient: Floats,
    positions: Floats,
    switching: Switching | None,
    steps: Sequence[float],
) -> float:
    """Return the largest error of a gradient that does not vanish with the step of the differences."""
    found = 0.0
    for several in zip(*(_differences(function, gradient, positions, step) for step in steps), strict=True):
        valid = np.ones(len(positions), dtype=np.bool_)
        if switching is not None:
            for _, moved in several:
                valid &= _on_one_side(switching, moved)
        for (coarse, _), (fine, _) in pairwise(several):
            found = max(found, largest(((FALLS * fine - coarse) / (FALLS - 1.0))[valid]))
    return found


def _differences(
    function: Callable[[Floats], Floats], gradient: Floats, positions: Floats, step: float
) -> Iterator[tuple[Floats, Floats]]:
    """Yield for each coordinate the fourth-order difference minus the derivative, and the displaced geometries.

    (configurations,) and (4, configurations, atoms, 3): the coordinate moved by -2, -1, 1 and 2 steps.
    """
    for atom, axis in np.ndindex(positions.shape[1:]):
        moved = np.repeat(positions[None], 4, axis=0)
        moved[:, :, atom, axis] += step * np.array([-2, -1, 1, 2])[:, None]
        two_less, less, more, two_more = map(function, moved)
        slope = (8 * (more - less) - (two_more - two_less)) / (12 * step)
        yield slope - gradient[:, atom, axis], moved


def _on_one_side(switching: Switching, moved: Floats) -> Bools:
    """Return which of some displaced configurations cross no edge of the switching of any two bodies."""
    regions = np.array([switching.regions(places) for places in moved])
    return np.asarray((regions == regions[0]).all(axis=(0, 2)))


GATE = Gate(
    name="gradient",
    title="largest difference of the gradient from finite differences (kcal/mol/A)",
    measure=lambda candidate: gradient_error(candidate.potential, candidate.probes),
    limit=1e-5,
    absent=None,
    advise=lambda candidate: EVALUATION,
    order=5,
)
