"""Stationary points of alanine dipeptide on a reference's surface: four minima, three maxima, one pass.

The papers name m1 to m4, M1 to M3 and X on the Ramachandran surface and give no coordinates that could be used
here. They are located on the relaxed surface of the reference: m1 to m4 are its lowest minima and M1 to M3 its
highest maxima, each in ascending order of their energies; X is the lowest pass between m1 and the lowest minimum
with positive phi. Each is then refined with exact Hessians in all coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import StageError
from storage.canonical import digest
from storage.store import Store
from tasks.checks.dipeptide import PHI, PSI, dipeptide, is_same_isomer, masses
from tasks.checks.hessian import CONVERGED, STEP, Stationary, stationary_point
from tasks.checks.interface import Told, nobody
from tasks.checks.internal import difference, torsions
from tasks.checks.kept import kept_arrays, kept_path
from tasks.checks.models import Model, reference_model
from tasks.checks.reference import Reference
from tasks.checks.relaxation import relaxed
from tasks.checks.relaxed_grid import Grid, grid_key, relaxed_grid, seconds_of_grid
from tasks.sampling.force_fields.minimum import Modes

FORMAT = 1
"""Increased when the same surface gives other points."""

MINIMA, MAXIMA = 4, 3
"""Numbers of points that are named."""

SAME = 15.0
"""Points nearer to each other than this in both torsions are one, degrees."""

BEFORE = 0.005
"""Largest component of the gradient before Newton's method finds a minimum, kcal/mol/Angstrom."""

FAR = 45.0
"""A point that moves farther than this in a torsion is another one, degrees."""


@dataclass(frozen=True, eq=False)
class Landmark:
    """A stationary point.

    Attributes
    ----------
    name
        ``m1``, ``M1``, ``X``.
    index
        Number of directions in which the energy falls.
    point
        The point.
    """

    name: str
    index: int
    point: Stationary

    @property
    def angles(self) -> Floats:
        """Phi and psi, degrees."""
        return torsions(self.point.positions, [PHI, PSI])


def landmarks(reference: Reference, step: int, store: Store | None = None, told: Told = nobody) -> list[Landmark]:
    """Return the named points of a reference, from the store if it has them.

    Parameters
    ----------
    reference
        With gradients.
    step
        Spacing of the surface on which they are located, degrees.
    store
        Where they are kept.
    told
        Called with the number of points refined, and of all, after the surface is there.

    Raises
    ------
    InputError
        If the reference has no gradients, or a file of the store is damaged.
    StageError
        If the surface has no minimum, or a geometry is not found.
    """
    grid = relaxed_grid(reference, step, store, told)

    def make() -> dict[str, Floats]:
        found = find_landmarks(reference_model(reference, dipeptide()), grid, told)
        return {
            "index": np.array([one.index for one in found]),
            "positions": np.array([one.point.positions for one in found]),
            "energy": np.array([one.point.energy for one in found]),
            "steepest": np.array([one.point.steepest for one in found]),
            "curvature": np.array([one.point.modes.curvature for one in found]),
            "vectors": np.array([one.point.modes.vectors for one in found]),
        }

    kept = kept_arrays(store, _key(reference, step), make)
    points = [
        Stationary(x, float(energy), float(steepest), Modes(curvature, vectors))
        for x, energy, steepest, curvature, vectors in zip(
            *(kept[name] for name in ("positions", "energy", "steepest", "curvature", "vectors")), strict=True
        )
    ]
    return named(points)


def seconds_of_landmarks(reference: Reference, step: int, store: Store) -> float:
    """Return the time that the points, and the surface on which they are located, still take, s."""
    if kept_path(store, _key(reference, step)).is_file():
        return 0.0
    return 150.0 + seconds_of_grid(reference, step, store)


def _key(reference: Reference, step: int) -> str:
    about = [FORMAT, grid_key(reference, step), CONVERGED, STEP, MINIMA, MAXIMA, SAME, FAR, BEFORE]
    return digest(["landmarks", *about])


def named(points: Sequence[Stationary]) -> list[Landmark]:
    """Return points with their names, those of each kind in ascending order of their energies."""
    found = []
    for index, letter in ((0, "m"), (2, "M"), (1, "X")):
        here = sorted((one for one in points if one.index == index), key=lambda one: one.energy)
        names = [f"{letter}{n}" if letter != "X" else letter for n in range(1, len(here) + 1)]
        found += [Landmark(name, index, point) for name, point in zip(names, here, strict=True)]
    return found


def find_landmarks(model: Model, grid: Grid, told: Told = nobody) -> list[Landmark]:
    """Return the named points of a surface, refined on the model that it is of.

    A point of the grid that leads to no stationary point of its kind, such as one in a valley across the grid, or
    to one that another led to, is left out.
    """
    minima, maxima = extremes(grid.energy), extremes(-grid.energy)
    if not minima.size:
        raise StageError("the surface of the dipeptide has no minimum")
    wanted = [(int(n), 0) for n in minima[: 2 * MINIMA]] + [(int(n), 2) for n in maxima[: 2 * MAXIMA]]
    if (positive := minima[grid.phi[minima] > 0.0]).size:
        wanted.append((passage(grid.energy, int(minima[0]), int(positive[0])), 1))
    found: list[Stationary] = []
    for number, (n, index) in enumerate(wanted):
        told(number, len(wanted))
        others = [one for one in found if one.index == index]
        if len(others) == {0: MINIMA, 1: 1, 2: MAXIMA}[index]:
            continue
        with suppress(StageError):
            here = near_point(model, grid.positions[n], index)
            if all(np.abs(apart(here.positions, one.positions)).max() > SAME for one in others):
                found.append(here)
    told(len(wanted), len(wanted))
    return named(found)


def extremes(energy: Floats) -> Ints:
    """Return the points of a periodic square grid that are lower than their eight neighbours, the lowest first."""
    side = round(len(energy) ** 0.5)
    square = energy.reshape(side, side)
    moves = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
    lowest = np.all([square < np.roll(square, move, axis=(0, 1)) for move in moves], axis=0)
    found = np.flatnonzero(lowest.ravel())
    return np.asarray(found[np.argsort(energy[found], kind="stable")])


def passage(energy: Floats, start: int, end: int) -> int:
    """Return the highest point of the lowest path between two points of a periodic square grid."""
    side = round(len(energy) ** 0.5)
    basin = np.full(len(energy), -1)
    for point in np.argsort(energy, kind="stable"):
        row, column = divmod(int(point), side)
        near = [(row + i) % side * side + (column + j) % side for i in (-1, 0, 1) for j in (-1, 0, 1)]
        joined = {int(basin[n]) for n in near if basin[n] >= 0}
        basin[point] = point
        for one in joined:
            basin[basin == one] = point
        if basin[start] == basin[end] >= 0:
            return int(point)
    raise StageError("the points of the grid are not connected")


def apart(x: Floats, other: Floats) -> Floats:
    """Return the differences of phi and psi of two geometries, (2,), degrees."""
    return difference(torsions(x, [PHI, PSI]), torsions(other, [PHI, PSI]))


def near_point(model: Model, start: Floats, index: int) -> Stationary:
    """Return a model's own stationary point near a geometry.

    Parameters
    ----------
    model
        The model.
    start
        (22, 3), Angstrom.
    index
        Number of directions in which the energy falls.

    Raises
    ------
    StageError
        If there is none near it, or the molecule is torn on the way.
    """
    x = start
    if index == 0:  # a soft minimum may be far in a direction whose curvature changes on the way
        x = relaxed(model.surface, dipeptide().symbols, x, tolerance=BEFORE).positions
    found = stationary_point(model, masses(), x, index)
    if not is_same_isomer(found.positions):
        raise StageError("the search ended where bonds are broken or made, as in a hole of the potential")
    if np.abs(apart(found.positions, start)).max() > FAR:
        phi, psi = torsions(found.positions, [PHI, PSI])
        raise StageError(f"the search ended at ({phi:.0f}, {psi:.0f}) degrees")
    return found
