"""The configurations on which gates measure: of every temperature, window and range of energy, and in the switch.

A dataset is in the order of its walkers: its first rows are of one temperature and one window. Where a potential
is switched off there are few configurations or none, so that they are made there by moving bodies apart.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from potentials.arrays import Bools, Floats
from potentials.nmers.nmer import NMer
from potentials.pip.potential import Potential
from tasks.strata import evenly

PROBES, OF_EACH = 40, 4
"""Configurations of the data, in all and at least of each temperature and window."""

SHELL = 30
"""Configurations in which the switching factor is between 0 and 1, spread evenly over it."""

EDGE = 1e-3
"""Nearer than this to 0 or 1 a factor counts as either."""

_REACH, _STRIDE = 12.0, 0.25
"""How far a body is moved from its place, beyond the switching's outer radius, and in what steps, Angstrom."""

_HALVINGS = 40
"""Halvings of a step in the search for a factor."""


def choose_probes(potential: Potential, positions: Floats, groups: Floats | None = None, seed: int = 0) -> Floats:
    """Return configurations that represent a potential's data and the region where it is switched off.

    Parameters
    ----------
    potential
        The potential.
    positions
        (n, atoms, 3), Angstrom: the dataset.
    groups
        (n, columns), temperature and window of each; None where they are not known.
    seed
        Seed of the random draw.

    Returns
    -------
    (probes, atoms, 3), Angstrom.
    """
    energy = np.asarray(potential.energy(positions))
    chosen = positions[evenly(energy, groups, PROBES, OF_EACH, seed)]
    return np.concatenate([chosen, switching_shell(potential, positions, seed)])


def switching_shell(potential: Potential, positions: Floats, seed: int = 0) -> Floats:
    """Return up to `SHELL` configurations where 0 < s < 1, spread over s: the data's own, and made ones.

    Returns
    -------
    (m, atoms, 3), Angstrom; none if the potential has no switching, or none can be made.
    """
    nothing = np.empty((0, potential.nmer.natoms, 3))
    if potential.switching is None or not len(positions):
        return nothing
    rng = np.random.default_rng(seed)
    bounds = np.linspace(0.0, 1.0, SHELL + 1)
    factor = potential.switching.evaluate(positions)[0]
    found, order = [], rng.permutation(len(positions))
    for low, high in pairwise(bounds):
        low, high = max(low, EDGE), min(high, 1.0 - EDGE)
        inside = order[(factor[order] > low) & (factor[order] < high)]
        if len(inside):
            found.append(positions[inside[0]])
        else:
            found += _moved_apart(potential, positions[order[:SHELL]], (low + high) / 2, rng)
    return np.array(found) if found else nothing


def _moved_apart(potential: Potential, starts: Floats, wanted: float, rng: np.random.Generator) -> list[Floats]:
    """Return a configuration with a wanted factor, made from one of some by moving a body; empty if none is."""
    switching, nmer = potential.switching, potential.nmer
    assert switching is not None
    reach = switching.r_out + _REACH
    steps: Floats = np.arange(-reach, reach, _STRIDE, dtype=np.float64)
    for start in starts[rng.permutation(len(starts))]:
        for body in rng.permutation(len(nmer.slices)):
            arrow = np.zeros_like(start)
            arrow[nmer.slices[body]] = away(nmer, start, body)

            def above(shifts: Floats, start: Floats = start, arrow: Floats = arrow) -> Bools:
                return np.asarray(switching.evaluate(start + shifts[:, None, None] * arrow)[0] > wanted)

            high = above(steps)
            crossed = np.flatnonzero(high[1:] != high[:-1])
            if not len(crossed):
                continue
            nearest = int(crossed[np.argmin(np.abs(steps[crossed]))])
            left, right = steps[nearest], steps[nearest + 1]
            for _ in range(_HALVINGS):
                middle = (left + right) / 2
                left, right = (middle, right) if above(np.full(1, middle))[0] == high[nearest] else (left, middle)
            return [start + left * arrow]
    return []


def away(nmer: NMer, positions: Floats, body: int) -> Floats:
    """Return the direction from the other bodies' middle to that of one, (3,)."""
    rest = np.ones(nmer.natoms, dtype=np.bool_)
    rest[nmer.slices[body]] = False
    arrow = positions[~rest].mean(axis=0) - positions[rest].mean(axis=0) if rest.any() else np.zeros(3)
    length = float(np.linalg.norm(arrow))
    return arrow / length if length > 1e-6 else np.array([0.0, 0.0, 1.0])
