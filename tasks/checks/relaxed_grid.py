"""The Ramachandran surface of alanine dipeptide on a reference: its geometries relaxed with both torsions held.

It is a property of the reference alone, so that the sums of all families share it: a file of the store keeps it.
"""

from __future__ import annotations

import heapq
from dataclasses import asdict, dataclass, fields

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import InputError, StageError
from storage.canonical import digest
from storage.store import Store
from tasks.checks.dipeptide import PHI, PSI, at, dipeptide, is_same_isomer
from tasks.checks.interface import Told, nobody
from tasks.checks.internal import difference, torsions
from tasks.checks.kept import kept_arrays, kept_path
from tasks.checks.reference import Reference, whole
from tasks.checks.relaxation import LARGEST, SOFTEST, TOLERANCE, relaxed
from tasks.labelling.protocol import protocol_of

FORMAT = 1
"""Increased when the same reference and step give another surface."""

SEEDS = ((-80.0, 80.0), (-150.0, 150.0), (60.0, -60.0), (60.0, 40.0), (-80.0, -40.0))
"""Torsions (degrees) at which the search begins: C7eq, C5, C7ax, alphaL, alphaR."""

LOWER = 0.01
"""Energy by which a geometry must be lower to replace another, kcal/mol."""

ALIKE = 20.0
"""Largest difference of torsions of two geometries that relax to the same minimum, degrees."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A relaxed surface.

    Attributes
    ----------
    phi, psi
        (points,), degrees.
    energy
        (points,), total energy of the reference, kcal/mol.
    positions
        (points, 22, 3), Angstrom.
    slope
        (points,), largest component of the gradient orthogonal to both torsions, kcal/mol/Angstrom.
    """

    phi: Floats
    psi: Floats
    energy: Floats
    positions: Floats
    slope: Floats

    @property
    def side(self) -> int:
        """Number of points along each torsion."""
        return int(np.sqrt(len(self.phi)) + 0.5)


def relaxed_grid(reference: Reference, step: int, store: Store | None = None, told: Told = nobody) -> Grid:
    """Return the surface of a reference, from the store if it has it.

    Parameters
    ----------
    reference
        With gradients.
    step
        Spacing of the grid, degrees; a divisor of 360.
    store
        Where it is kept.
    told
        Called with the number of points that have a geometry, and of all.

    Raises
    ------
    InputError
        If the reference has no gradients, its program is missing, or the file in the store is damaged.
    StageError
        If no geometry of a point is found.
    """
    key = grid_key(reference, step)
    found = kept_arrays(store, key, lambda: asdict(compute_grid(reference, step, told)))
    points = (360 // step) ** 2
    if set(found) != {one.name for one in fields(Grid)} or found["positions"].shape != (points, 22, 3):
        where = "" if store is None else f"'{kept_path(store, key)}' "
        raise InputError(f"{where}is not a surface of {points} points; remove it, and it is computed again")
    return Grid(**found)


def seconds_of_grid(reference: Reference, step: int, store: Store) -> float:
    """Return the time that a surface still takes, s; zero if the store has it."""
    if kept_path(store, grid_key(reference, step)).is_file():
        return 0.0
    return 0.35 * (360 // step) ** 2


def compute_grid(reference: Reference, step: int, told: Told = nobody) -> Grid:
    """Return the surface of a reference, computed.

    Each point is relaxed from the geometries of its neighbours, beginning with the lowest, and each that becomes
    lower is passed on to its own neighbours. A geometry that differs from that of a point by no torsion is not
    relaxed again.
    """
    molecule, surface = dipeptide(), reference.surface(dipeptide())
    angles = np.arange(-180, 180, step, dtype=np.float64)
    side = len(angles)
    phi, psi = (a.ravel() for a in np.meshgrid(angles, angles, indexing="ij"))
    grid = Grid(phi, psi, np.full(len(phi), np.inf), np.full((len(phi), 22, 3), np.nan), np.full(len(phi), np.nan))
    waiting: list[tuple[float, int, int, Floats]] = []
    for number, (first, second) in enumerate(SEEDS):
        row, column = (round((angle + 180.0) / step) % side for angle in (first, second))
        waiting.append((-np.inf, number, row * side + column, np.array(molecule.positions)))
    reason = "none was tried"
    count, others = len(waiting), _other_torsions(molecule.bonds)
    while waiting:
        _, _, point, start = heapq.heappop(waiting)
        guess = at(phi[point], psi[point], start)
        known = np.isfinite(grid.energy[point])
        if known and np.abs(difference(*torsions(np.array([guess, grid.positions[point]]), others))).max() < ALIKE:
            continue
        try:
            found = relaxed(surface, molecule.symbols, guess, [(PHI, phi[point]), (PSI, psi[point])])
        except (StageError, RuntimeError) as error:  # another start may lead there
            surface, reason = reference.surface(molecule), str(error)
            continue
        if found.energy >= grid.energy[point] - LOWER or not is_same_isomer(found.positions):
            continue
        grid.energy[point], grid.slope[point] = found.energy, found.steepest
        grid.positions[point] = found.positions
        row, column = divmod(point, side)
        for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            near = (row + down) % side * side + (column + right) % side
            heapq.heappush(waiting, (found.energy, count, near, found.positions))
            count += 1
        told(int(np.isfinite(grid.energy).sum()), len(phi))
    if (lost := np.flatnonzero(~np.isfinite(grid.energy))).size:
        where = ", ".join(f"({phi[n]:g}, {psi[n]:g})" for n in lost[:5])
        raise StageError(
            f"{reference.name}: no geometry of the dipeptide was found at (phi, psi) = {where}: {reason}"
        )
    return grid


def _other_torsions(bonds: tuple[tuple[int, int], ...]) -> Ints:
    """Return all torsions about bonds except those about the bonds of phi and psi."""
    near = dipeptide().neighbours
    held = {frozenset(PHI[1:3]), frozenset(PSI[1:3])}
    found = [
        (i, j, k, m) for j, k in bonds if {j, k} not in held for i in near[j] if i != k for m in near[k] if m != j
    ]
    return np.array(found)


def grid_key(reference: Reference, step: int) -> str:
    """Return what identifies the surface of a reference, 32 hexadecimal digits."""
    molecule = dipeptide()
    protocol = protocol_of(whole(molecule, np.array(molecule.positions)), reference.labelling).id
    about = [FORMAT, protocol, molecule.symbols, molecule.bonds, step, TOLERANCE, LARGEST, SOFTEST]
    return digest([*about, SEEDS, LOWER, ALIKE])[:32]
