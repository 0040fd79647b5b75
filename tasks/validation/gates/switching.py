"""Gate ``switching``: value and slope are continuous at both radii, and nothing is left beyond the outer one.

Each two bodies are moved along the line between their keys. One-sided limits of the factor, and of the energy of
the PIP, are extrapolated from two points on either side of each radius.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from potentials.nmers.switching import Switching
from potentials.pip.potential import Potential
from tasks.validation.gates.interface import EVALUATION, Gate, largest

STARTS = 4
"""Configurations from which bodies are moved."""

NEAR = 1e-5
"""Distance of the points from a radius, in parts of the width of the switching."""

BEYOND = (1e-9, 0.1, 1.0, 5.0, 100.0)
"""Distances beyond the outer radius where there must be nothing, Angstrom."""


def jump(potential: Potential, positions: Floats) -> float:
    """Return the largest jump of value (kcal/mol) or slope (kcal/mol/A), and the largest value left beyond.

    The factor counts as a potential of 1 kcal/mol.
    """
    switching = potential.switching
    assert switching is not None
    found, width = 0.0, switching.r_out - switching.r_in
    for radius in (switching.r_in, switching.r_out):
        steps = radius + NEAR * width * np.array([-2.0, -1.0, 1.0, 2.0])
        for moved, arrows in lines(potential.nmer, switching, positions[:STARTS], steps):
            for value, gradient in (switching.evaluate(moved), _correction(potential, moved)):
                slope = (gradient * arrows).sum(axis=(1, 2))
                for of in (value, slope):
                    far_below, below, above, far_above = of
                    found = max(found, largest((2 * above - far_above) - (2 * below - far_below)))
    for moved, _ in lines(potential.nmer, switching, positions[:STARTS], switching.r_out + np.array(BEYOND)):
        for value, gradient in (switching.evaluate(moved), _correction(potential, moved)):
            found = max(found, largest(value), largest(gradient))
    return found


def lines(nmer: NMer, switching: Switching, starts: Floats, distances: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Yield configurations in which the keys of two bodies have given distances, and the direction of the motion.

    (distances, atoms, 3) each, for every start and every two bodies. Other bodies are put near the middle of the
    two, where they are within the inner radius of both if it is more than half of the outer one.
    """
    count = len(switching.keys)
    owner = np.full(nmer.natoms, -1)
    for body, key in enumerate(switching.keys):
        owner[next(part for part in nmer.slices if part.start <= key[0] < part.stop)] = body
    for start in starts:
        points = np.array([start[list(key)].mean(axis=0) for key in switching.keys])
        for one in range(count):
            for other in range(one):
                arrow = points[one] - points[other]
                along = arrow / max(float(np.linalg.norm(arrow)), 1e-9)
                moved = np.repeat(start[None], len(distances), axis=0)
                direction = np.zeros_like(moved)
                direction[:, owner == one] = along
                direction[:, (owner >= 0) & (owner != one) & (owner != other)] = along / 2
                for n, distance in enumerate(distances):
                    for body in range(count):
                        to = points[other] + _place(body, one, other, float(distance), along, switching)
                        moved[n, owner == body] += to - points[body]
                yield moved, direction


def _place(body: int, one: int, other: int, distance: float, along: Floats, switching: Switching) -> Floats:
    """Return where the key of a body is put, from that of the `other`."""
    if body in (one, other):
        return along * (distance if body == one else 0.0)
    aside = np.cross(along, np.eye(3)[int(np.argmin(np.abs(along)))])
    reach = max(switching.r_in**2 - (switching.r_out / 2) ** 2, 0.0)
    return np.asarray(along * distance / 2 + aside / np.linalg.norm(aside) * 0.9 * reach**0.5)


def _correction(potential: Potential, positions: Floats) -> tuple[Floats, Floats]:
    found = potential.correction(positions)
    return np.asarray(found.energy), np.asarray(found.gradient)


GATE = Gate(
    name="switching",
    title="largest jump of the switching in value (kcal/mol) or slope (kcal/mol/A), or value left beyond r_out",
    measure=lambda candidate: jump(candidate.potential, candidate.positions),
    limit=1e-8,
    absent=1e9,
    applies=lambda candidate: "" if candidate.potential.switching is not None else "it has no switching",
    advise=lambda candidate: EVALUATION,
    order=8,
)
