"""Relax a molecule on any surface, with some of its torsions held."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from potentials.arrays import Floats
from potentials.errors import StageError
from tasks.checks.internal import Torsion, difference, model_hessian, torsion_rows, torsions

Surface = Callable[[Floats], tuple[float, Floats]]
"""(atoms, 3) in Angstrom -> energy in kcal/mol and gradient (atoms, 3) in kcal/mol/Angstrom."""

TOLERANCE = 0.02
"""Largest component of the gradient orthogonal to held torsions at which a search ends, kcal/mol/Angstrom."""

LARGEST = 0.2
"""Largest move of an atom in one step, Angstrom."""

SOFTEST = 1.0
"""Lower bound on the curvature along a direction of a step, kcal/mol/Angstrom^2."""

HELD = 1e-7
"""Largest deviation of a held torsion, radians."""

NOISE = 1e-5
"""Rise of the energy in a step that is accepted, kcal/mol; near a minimum a fall is lost in rounding."""


@dataclass(frozen=True, eq=False)
class Relaxed:
    """The end of a search.

    Attributes
    ----------
    positions
        (atoms, 3), Angstrom.
    energy
        kcal/mol.
    gradient
        (atoms, 3), kcal/mol/Angstrom: orthogonal to the held torsions.
    evaluations
        Number of energies with gradients.
    """

    positions: Floats
    energy: float
    gradient: Floats
    evaluations: int

    @property
    def steepest(self) -> float:
        """Largest component of the gradient, kcal/mol/Angstrom."""
        return float(np.abs(self.gradient).max())


def relaxed(
    surface: Surface,
    symbols: Sequence[str],
    start: Floats,
    held: Sequence[tuple[Torsion, float]] = (),
    tolerance: float = TOLERANCE,
    steps: int = 300,
) -> Relaxed:
    """Return the minimum from a start, with some torsions held at given values.

    Newton steps in the directions that turn no held torsion and move nothing rigidly, with a model of the Hessian
    that is updated by BFGS; after each step the held torsions are set again, along the softest way. The energy
    falls in every step.

    Parameters
    ----------
    surface
        The surface.
    symbols
        Element of each atom.
    start
        (atoms, 3), Angstrom; held torsions should be near their values, see `tasks.checks.internal.turned`.
    held
        Torsions and their values in degrees.
    tolerance
        Largest component of the gradient in the allowed directions, kcal/mol/Angstrom.
    steps
        Most evaluations.

    Raises
    ------
    StageError
        If the gradient is above the tolerance after all steps, or held torsions cannot be set.
    """
    atoms, angles = [one for one, _ in held], np.array([value for _, value in held], dtype=np.float64)
    hessian = model_hessian(symbols, start)
    x = _set(np.array(start, dtype=np.float64), atoms, angles, hessian)
    energy, slope = surface(x)
    rest, free = _split(x, atoms, slope)
    reach = LARGEST
    for count in range(1, steps):
        if np.abs(rest).max() < tolerance:
            return Relaxed(x, energy, rest.reshape(x.shape), count)
        curvature, along = np.linalg.eigh(free.T @ hessian @ free)
        step = -free @ (along @ ((along.T @ (free.T @ rest)) / np.maximum(curvature, SOFTEST)))
        moved = np.linalg.norm(step.reshape(x.shape), axis=1).max()
        step *= min(1.0, reach / moved)
        trial = _set(x + step.reshape(x.shape), atoms, angles, hessian)
        found, slope = surface(trial)
        after, directions = _split(trial, atoms, slope)
        hessian = _updated(hessian, (trial - x).ravel(), after - rest)
        if found > energy + NOISE:
            reach = 0.3 * min(reach, moved)
            if reach < 1e-6:
                break
            continue
        reach = min(LARGEST, 2.0 * reach)
        x, energy, rest, free = trial, found, after, directions
    raise StageError(
        f"a molecule of {len(symbols)} atoms was not relaxed in {steps} steps: the gradient is still "
        f"{np.abs(rest).max():.3g} kcal/mol/A"
    )


def _split(x: Floats, atoms: Sequence[Torsion], slope: Floats) -> tuple[Floats, Floats]:
    """Return the gradient without its part along held torsions and rigid motions, and the other directions."""
    centred = x - x.mean(axis=0)
    rows = [np.tile(axis, (len(x), 1)).ravel() for axis in np.eye(3)]
    rows += [np.cross(axis, centred).ravel() for axis in np.eye(3)]
    fixed = np.concatenate([np.array(rows), torsion_rows(x, atoms)])
    left, size, _ = np.linalg.svd(fixed.T)
    free = left[:, int(np.sum(size > 1e-8 * size[0])) :]
    return free @ (free.T @ slope.ravel()), free


def _set(x: Floats, atoms: Sequence[Torsion], angles: Floats, hessian: Floats) -> Floats:
    """Return a geometry with torsions at their values; other coordinates change as little as a Hessian allows."""
    if not len(atoms):
        return x
    soft = np.linalg.inv(hessian + SOFTEST * np.eye(len(hessian)))
    for _ in range(50):
        off = np.radians(difference(torsions(x, atoms), angles))
        if np.abs(off).max() < HELD:
            return x
        rows = torsion_rows(x, atoms)
        back = soft @ rows.T @ np.linalg.solve(rows @ soft @ rows.T, np.clip(off, -0.2, 0.2))
        x = x - back.reshape(x.shape)
    raise StageError(f"held torsions could not be set: {np.degrees(np.abs(off).max()):.2g} degrees are left")


def _updated(hessian: Floats, step: Floats, change: Floats) -> Floats:
    """Return Powell's damped BFGS update of a positive Hessian for the change of the gradient over a step."""
    image = hessian @ step
    expected = float(step @ image)
    if expected < 1e-14:
        return hessian
    found = float(step @ change)
    part = 1.0 if found >= 0.2 * expected else 0.8 * expected / (expected - found)
    mixed = part * change + (1.0 - part) * image
    return np.asarray(hessian + np.outer(mixed, mixed) / (step @ mixed) - np.outer(image, image) / expected)
