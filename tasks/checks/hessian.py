"""Hessians by central differences of gradients, all in one call, and the stationary points that they lead to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from potentials.arrays import Floats
from potentials.errors import StageError
from potentials.units import KCAL
from tasks.checks.models import Model
from tasks.sampling.force_fields.minimum import WAVENUMBER, Modes, modes_of

STEP = 0.005
"""Displacement of one coordinate in the central differences, Angstrom."""

CONVERGED = 1e-3
"""Largest component of the gradient at which the search of a stationary point ends, kcal/mol/Angstrom."""

LARGEST = 0.1
"""Largest move of a coordinate in one step, Angstrom."""

FLATTEST = 20.0
"""Directions of lower frequency are followed as if they had this one, cm^-1."""

STEPS = 40
"""Most steps of the search."""


@dataclass(frozen=True, eq=False)
class Stationary:
    """A stationary point of a model.

    Attributes
    ----------
    positions
        (atoms, 3), Angstrom.
    energy
        kcal/mol.
    steepest
        Largest component of the gradient, kcal/mol/Angstrom.
    modes
        Its vibrations.
    """

    positions: Floats
    energy: float
    steepest: float
    modes: Modes

    @property
    def index(self) -> int:
        """Number of directions in which the energy falls: 0 in a minimum, 1 in a saddle."""
        return int(np.sum(self.modes.curvature < 0.0))


def hessian(model: Model, x: Floats, step: float = STEP) -> Floats:
    """Return the Hessian of a model, (3 atoms, 3 atoms), kcal/mol/Angstrom^2, not made symmetric.

    Parameters
    ----------
    model
        The model; it is called once with all displaced geometries.
    x
        (atoms, 3), Angstrom.
    step
        Displacement, Angstrom.
    """
    moves = step * np.eye(x.size).reshape(-1, *x.shape)
    gradients = model.evaluate(np.concatenate([x + moves, x - moves]))[1].reshape(2, x.size, x.size)
    return np.asarray((gradients[0] - gradients[1]) / (2.0 * step))


def rigid_frequencies(matrix: Floats, masses: Floats) -> Floats:
    """Return the frequencies of the six softest modes of a Hessian from which nothing is projected out, cm^-1.

    At a stationary point they are those of rigid motions and vanish.
    """
    root = np.sqrt(np.repeat(masses, 3))
    curvature = np.linalg.eigvalsh(0.5 * (matrix + matrix.T) / np.outer(root, root))
    softest = np.asarray(curvature[np.argsort(np.abs(curvature))[:6]], dtype=np.float64)
    return Modes(softest, np.empty((6, len(masses), 3))).wavenumbers


def stationary_point(model: Model, masses: Floats, start: Floats, index: int = 0) -> Stationary:
    """Return the stationary point near a geometry from which the energy falls in a number of directions.

    Newton's method in normal coordinates, uphill along the softest `index` of them, with a new Hessian in each
    step.

    Parameters
    ----------
    model
        The model.
    masses
        (atoms,), u.
    start
        (atoms, 3), Angstrom.
    index
        0 for a minimum, 1 for a saddle, 2 for a maximum in two directions.

    Raises
    ------
    StageError
        If there is none of this index, or it is not found in `STEPS` steps.
    """
    x, root = np.array(start, dtype=np.float64), np.sqrt(masses)[:, None]
    floor = (FLATTEST * WAVENUMBER) ** 2 / KCAL
    reach, before = LARGEST, np.inf
    for _ in range(STEPS):
        energy, gradient = model.evaluate(x[None])
        modes = modes_of(hessian(model, x), masses, x)
        steepest = float(np.abs(gradient).max())
        if steepest < CONVERGED:
            found = Stationary(x, float(energy[0]), steepest, modes)
            if found.index != index:
                raise StageError(f"the energy falls in {found.index} directions, not in {index}")
            return found
        sign = np.where(np.arange(len(modes.curvature)) < index, -1.0, 1.0)
        slope = np.einsum("max,ax->m", modes.vectors, gradient[0] / root)
        along = -sign * slope / np.maximum(np.abs(modes.curvature), floor)
        move = np.einsum("m,max->ax", along, modes.vectors) / root
        size = float(np.linalg.norm(slope))
        reach, before = max(0.01, 0.5 * reach) if size > before else min(LARGEST, 1.5 * reach), size
        x = x + move * min(1.0, reach / np.abs(move).max())
    raise StageError(f"no stationary point was found in {STEPS} steps")
