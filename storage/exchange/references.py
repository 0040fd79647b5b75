"""Reference values exported with a potential: configurations, energies and gradients to check it with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from potentials.nmers.switching import Switching
from potentials.pip.evaluation import design_matrix, morse
from potentials.pip.potential import Potential
from storage.exchange.physics_tables import PhysicsTables

COUNT = 100
"""Reference configurations of every export."""

SWITCHED, BEYOND = 25, 10
"""How many of them are in the switching region, and how many beyond it."""

SEED = 7

SHAKE = 0.03
"""Displacement of each coordinate, Angstrom; where there are no training data, ten times as much at most."""

TOLERANCE = 1e-10
"""Largest allowed deviation, kcal/mol and kcal/mol/Angstrom, unless the potential's own round-off is larger."""


@dataclass(frozen=True, eq=False)
class References:
    """Configurations with the potential's values.

    Attributes
    ----------
    positions
        (n, atoms, 3), Angstrom.
    energy, gradient
        (n,) kcal/mol, and (n, atoms, 3) kcal/mol/Angstrom.
    tolerance
        Largest deviation that is round-off: 1e-10, or more where a potential's terms are large and cancel, or
        where the induced dipoles of many atoms are iterated.
    """

    positions: Floats
    energy: Floats
    gradient: Floats
    tolerance: float

    def __len__(self) -> int:
        return len(self.energy)

    def plain(self) -> dict[str, Any]:
        """Return the reference values as JSON allows them."""
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in vars(self).items()}


def references_of(potential: Potential, training: Floats | None = None) -> References:
    """Return reference values with caps held; the same potential and data always give the same ones.

    Caps are displaced from their length, as the other atoms are from their positions.

    Parameters
    ----------
    potential
        The potential.
    training
        (n, atoms, 3), Angstrom, configurations near which it holds; None: the n-mer's geometry, displaced at
        random.
    """
    rng = np.random.default_rng(SEED)
    if training is None or not len(training):
        size = SHAKE * np.linspace(1.0, 10.0, COUNT)[:, None, None]
        start = np.repeat(potential.nmer.positions[None], COUNT, axis=0)
    else:
        size = np.full((COUNT, 1, 1), SHAKE)
        start = training[np.linspace(0, len(training) - 1, COUNT).round().astype(np.int64)]
    positions = start + size * rng.uniform(-1.0, 1.0, start.shape)
    switching = potential.switching
    if switching is not None:
        low, high = switching.r_in, switching.r_out
        inside = np.linspace(low, high, SWITCHED + 2)[1:-1]
        outside = high + np.linspace(0.1, 5.0, BEYOND)
        last = positions[-(SWITCHED + BEYOND) :]
        _move_apart(potential.nmer, switching, last, np.concatenate([inside, outside]))
    energy, gradient = potential.held().energy_and_gradient(positions)
    placed = potential.nmer.place_caps(positions)
    below = 0.0 if potential.physics is None else PhysicsTables.of(potential.physics).round_off(placed)
    return References(positions, np.asarray(energy), gradient, max(round_off(potential, placed), below))


def with_caps_placed(potential: Potential, references: References) -> References:
    """Return reference values of the polynomial itself, where its caps are at their length.

    The energies are the same; the gradients also say what the polynomial has along the caps' bonds.
    """
    placed = potential.nmer.place_caps(references.positions)
    energy, gradient = potential.energy_and_gradient(placed)
    return References(placed, np.asarray(energy), gradient, references.tolerance)


def _move_apart(nmer: NMer, switching: Switching, positions: Floats, distances: Floats) -> None:
    """Move the last key's fragment, or the key alone, away until its largest distance to another is as given."""
    *others, key = (list(key) for key in switching.keys)
    part = next(s for s in nmer.slices if s.start <= key[0] < s.stop)
    moving = list(range(part.start, part.stop))
    if any(part.start <= other[0] < part.stop for other in others):
        moving = key
    at = positions[:, key].mean(axis=1)
    arrows = at[:, None] - np.stack([positions[:, other].mean(axis=1) for other in others], axis=1)
    mean = arrows.mean(axis=1)
    unit = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    # |arrow + t unit| = distance, of the other key for which it is reached first
    along = np.einsum("nkx,nx->nk", arrows, unit)
    across = np.square(arrows).sum(axis=2) - along**2
    shift = np.sqrt(np.maximum(distances[:, None] ** 2 - across, 0.0)) - along
    positions[:, moving] += (shift.min(axis=1)[:, None] * unit)[:, None, :]


def round_off(potential: Potential, positions: Floats) -> float:
    """Return by how much two right evaluations of a PIP may differ, kcal/mol and kcal/mol/Angstrom.

    Sums in another order differ by some units in the last place of their summands.
    """
    design = design_matrix(potential.basis, morse(potential.basis, potential.parameters, positions)[0])
    terms = np.abs(design) @ np.abs(potential.coefficients)
    return float(max(TOLERANCE, 16 * np.finfo(np.float64).eps * terms.max()))
