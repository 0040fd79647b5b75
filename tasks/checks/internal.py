"""Torsions of a molecule with their derivatives, and a model of its Hessian from its geometry alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import InputError
from potentials.graph import neighbours
from potentials.units import BOHR, HARTREE

Torsion = tuple[int, int, int, int]
"""Four atoms; the torsion is that about the bond of the second and the third."""

STRETCH, BEND, TWIST = 0.45, 0.15, 0.005
"""Force constants of Lindh's model: hartree/bohr^2, hartree/rad^2, hartree/rad^2."""

DECAY = np.array([[1.0000, 0.3949, 0.3949], [0.3949, 0.2800, 0.2800], [0.3949, 0.2800, 0.2800]])
"""1/bohr^2, by rows of the periodic table."""

LENGTH = np.array([[1.35, 2.10, 2.53], [2.10, 2.87, 3.40], [2.53, 3.40, 3.40]])
"""Distances of bonded atoms, bohr, by rows of the periodic table."""

LEAST_WEIGHT = 0.02
"""Terms of angles and torsions with smaller weights are left out; those of distances at its square."""

FLAT = 0.1
"""Sine of an angle below which it, and torsions about it, are left out of the model."""


def torsions(positions: Floats, atoms: Sequence[Torsion] | Ints) -> Floats:
    """Return torsions of geometries.

    Parameters
    ----------
    positions
        (..., atoms, 3), Angstrom.
    atoms
        (k, 4).

    Returns
    -------
    (..., k), degrees, from -180 to 180.
    """
    a, b, c, d = (np.take(positions, one, axis=-2) for one in np.reshape(np.array(atoms, dtype=int), (-1, 4)).T)
    first, axis, last = b - a, c - b, d - c
    m, n = np.cross(first, axis), np.cross(axis, last)
    y = (np.linalg.norm(axis, axis=-1)) * (first * n).sum(axis=-1)
    return np.asarray(np.degrees(np.arctan2(y, (m * n).sum(axis=-1))))


def difference(angle: Floats, other: Floats) -> Floats:
    """Return the differences of angles, from -180 to 180 degrees."""
    return np.asarray((np.asarray(angle) - other + 180.0) % 360.0 - 180.0)


def torsion_rows(x: Floats, atoms: Sequence[Torsion] | Ints) -> Floats:
    """Return the derivatives of torsions, (k, 3 atoms), radians/Angstrom.

    Blondel and Karplus, J. Comput. Chem. 17, 1132 (1996).
    """
    rows = np.zeros((len(atoms), *x.shape))
    for row, (i, j, k, m) in zip(rows, atoms, strict=True):
        first, axis, last = x[i] - x[j], x[j] - x[k], x[m] - x[k]
        above, below = np.cross(first, axis), np.cross(last, axis)
        length = np.linalg.norm(axis)
        above /= above @ above
        below /= below @ below
        near, far = first @ axis / length, last @ axis / length
        row[i] = -length * above
        row[m] = length * below
        row[j] = length * above + near * above - far * below
        row[k] = -length * below - near * above + far * below
    return rows.reshape(len(atoms), x.size)


def turned(x: Floats, bonds: Iterable[tuple[int, int]], atoms: Torsion, angle: float) -> Floats:
    """Return a geometry with one torsion set by a rotation of all that is beyond its bond.

    Parameters
    ----------
    x
        (atoms, 3), Angstrom.
    bonds
        Bonds of the molecule.
    atoms
        The torsion.
    angle
        Its new value, degrees.

    Raises
    ------
    InputError
        If the bond about which it turns is in a ring.
    """
    _, start, end, _ = atoms
    near = neighbours(len(x), [b for b in bonds if set(b) != {start, end}])
    beyond, waiting = {end}, [end]
    while waiting:
        new = set(near[waiting.pop()]) - beyond
        beyond |= new
        waiting += new
    if start in beyond:
        raise InputError(f"the torsion of atoms {', '.join(map(str, atoms))} is about a bond of a ring")
    by = np.radians(angle - float(torsions(x, [atoms])[0]))
    axis = (x[end] - x[start]) / np.linalg.norm(x[end] - x[start])
    moved, away = x.copy(), x[sorted(beyond)] - x[end]
    along = np.outer(away @ axis, axis)
    moved[sorted(beyond)] = x[end] + along + np.cos(by) * (away - along) + np.sin(by) * np.cross(axis, away)
    return moved


def model_hessian(symbols: Sequence[str], x: Floats) -> Floats:
    """Return a model of the Hessian, (3 atoms, 3 atoms), kcal/mol/Angstrom^2: positive, rigid motions zero.

    It is a sum over distances, angles and torsions, each weighted by how near to bonded its atoms are (Lindh,
    Bernhardsson, Karlstroem, Malmqvist, Chem. Phys. Lett. 241, 423 (1995)).

    Parameters
    ----------
    symbols
        Element of each atom.
    x
        (atoms, 3), Angstrom.
    """
    from ase.data import atomic_numbers

    row = np.array([(atomic_numbers[s] > 2) + (atomic_numbers[s] > 10) for s in symbols], dtype=int)
    square = ((x[:, None] - x) ** 2).sum(axis=-1) / BOHR**2
    weight = np.exp(DECAY[row[:, None], row] * (LENGTH[row[:, None], row] ** 2 - square))
    np.fill_diagonal(weight, 0.0)
    rows, constants = _distances(x, weight)
    near = [np.flatnonzero(weight[a] > LEAST_WEIGHT).tolist() for a in range(len(x))]
    for j in range(len(x)):
        for i in near[j]:
            for k in near[j]:
                if (
                    i < k
                    and weight[i, j] * weight[j, k] > LEAST_WEIGHT
                    and (bend := _bend(x, i, j, k)) is not None
                ):
                    rows.append(bend)
                    constants.append(BEND * HARTREE * weight[i, j] * weight[j, k])
    twists, sizes = _twists(x, weight, near)
    every = np.concatenate([np.array(rows).reshape(len(rows), x.size), twists])
    scaled = every * np.sqrt([*constants, *sizes])[:, None]
    return np.asarray(scaled.T @ scaled)


def _distances(x: Floats, weight: Floats) -> tuple[list[Floats], list[float]]:
    rows, constants = [], []
    for i, j in np.argwhere(np.triu(weight) > LEAST_WEIGHT**2):
        row = np.zeros_like(x)
        row[i] = (x[i] - x[j]) / np.linalg.norm(x[i] - x[j])
        row[j] = -row[i]
        rows.append(row)
        constants.append(STRETCH * HARTREE / BOHR**2 * weight[i, j])
    return rows, constants


def _bend(x: Floats, i: int, j: int, k: int) -> Floats | None:
    """Return the derivative of the angle i-j-k (radians/Angstrom); None if it is nearly straight."""
    first, last = x[i] - x[j], x[k] - x[j]
    a, b = np.linalg.norm(first), np.linalg.norm(last)
    first, last = first / a, last / b
    cosine = first @ last
    sine = np.sqrt(max(1.0 - cosine**2, 0.0))
    if sine < FLAT:
        return None
    row = np.zeros_like(x)
    row[i] = (cosine * first - last) / (a * sine)
    row[k] = (cosine * last - first) / (b * sine)
    row[j] = -row[i] - row[k]
    return row


def _twists(x: Floats, weight: Floats, near: Sequence[Sequence[int]]) -> tuple[Floats, Floats]:
    """Return the derivatives of torsions with their force constants."""
    atoms, sizes = [], []
    for j, k in np.argwhere(np.triu(weight) > LEAST_WEIGHT).tolist():
        for i in near[j]:
            for m in near[k]:
                size = weight[i, j] * weight[j, k] * weight[k, m]
                if len({i, j, k, m}) == 4 and size > LEAST_WEIGHT and _bent(x, i, j, k) and _bent(x, j, k, m):
                    atoms.append((i, j, k, m))
                    sizes.append(TWIST * HARTREE * size)
    return torsion_rows(x, atoms), np.array(sizes)


def _bent(x: Floats, i: int, j: int, k: int) -> bool:
    first, last = x[i] - x[j], x[k] - x[j]
    return bool(np.linalg.norm(np.cross(first, last)) > FLAT * np.linalg.norm(first) * np.linalg.norm(last))
