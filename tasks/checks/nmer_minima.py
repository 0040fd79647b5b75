"""Minima of an n-mer on a surface: starts, relaxation with caps in place, and which minima are alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from potentials.arrays import Floats
from potentials.errors import StageError
from potentials.nmers.nmer import NMer
from tasks.checks.internal import turned
from tasks.checks.reference import Surface
from tasks.checks.relaxation import relaxed

CONTACT = 2.0
"""Shortest distance of atoms of two fragments in a start, Angstrom."""

CAP_CONTACT = 2.5
"""A cap that is nearer to an atom of another fragment is in contact with it, Angstrom."""

ALIKE_ENERGY, ALIKE_DISTANCES = 0.05, 0.1
"""Minima are alike if their energies (kcal/mol) and their sorted distances (Angstrom) differ by less."""

STEPS = 400
"""Energies of one relaxation."""


@dataclass(frozen=True, eq=False)
class Point:
    """A minimum: the geometry, (atoms, 3) in Angstrom, and its energy, kcal/mol."""

    positions: Floats
    energy: float


def with_caps(nmer: NMer, surface: Surface) -> Surface:
    """Return a surface on which every cap is put to its length before the energy is computed."""

    def found(x: Floats) -> tuple[float, Floats]:
        energy, gradient = surface(nmer.place_caps(x))
        return energy, nmer.carry_caps(x, gradient)

    return found


def minimum(nmer: NMer, surface: Surface, start: Floats) -> Point | None:
    """Return the minimum from a start; None if none is found.

    Parameters
    ----------
    nmer
        The n-mer; its caps keep their lengths.
    surface
        The surface.
    start
        (atoms, 3), Angstrom.
    """
    try:
        end = relaxed(with_caps(nmer, surface), nmer.symbols, nmer.place_caps(start), steps=STEPS)
    except (StageError, RuntimeError, np.linalg.LinAlgError):  # of a surface without a minimum there: None says it
        return None
    return Point(nmer.place_caps(end.positions), end.energy)


def minima_of(nmer: NMer, surface: Surface, tries: int, most: int, seed: int = 0) -> list[Point]:
    """Return the lowest minima that are found from some starts, each once, the lowest first.

    Those of several fragments in which a cap of one is in contact with another come after all others.

    Parameters
    ----------
    nmer, surface
        The n-mer and the surface.
    tries
        Number of starts: fragments in random directions at contact, or bonds between 1-mers turned at random.
    most
        Largest number of minima of either kind.
    seed
        Of the starts.
    """
    rng = np.random.default_rng(seed)
    found: list[Point] = []
    for number in range(tries):
        point = minimum(nmer, surface, _start(nmer, rng, number == 0))
        if point is not None and not any(_alike(point, other) for other in found):
            found.append(point)
    found.sort(key=lambda point: point.energy)
    free = [point for point in found if not binds_a_cap(nmer, point.positions)]
    others = [point for point in found if binds_a_cap(nmer, point.positions)]
    return [*free[:most], *others[:most]]


def _start(nmer: NMer, rng: np.random.Generator, first: bool) -> Floats:
    x = np.array(nmer.positions)
    if len(nmer.fragments) == 1:
        return x if first else _twisted(nmer, x, rng)
    for number, part in enumerate(nmer.slices):
        mine = (x[part] - x[part].mean(axis=0)) @ _rotation(rng)
        if number:
            others, direction, distance = x[: part.start], rng.normal(size=3), 0.0
            direction /= np.linalg.norm(direction)
            while np.linalg.norm(others[:, None] - mine - distance * direction, axis=2).min() < CONTACT:
                distance += 0.1
            mine = mine + distance * direction
        x[part] = mine
        x[: part.stop] -= x[: part.stop].mean(axis=0)
    return x


def _twisted(nmer: NMer, x: Floats, rng: np.random.Generator) -> Floats:
    """Return a geometry whose bonds between 1-mers are turned at random."""
    (fragment,) = nmer.fragments
    owner = {atom: number for number, atoms in enumerate(fragment.parts) for atom in atoms}
    near = fragment.neighbours
    for i, j in fragment.bonds:
        if owner.get(i, -1) != owner.get(j, -1):
            before, after = (next((a for a in near[end] if a not in (i, j)), None) for end in (i, j))
            if before is not None and after is not None:
                x = turned(x, fragment.bonds, (before, i, j, after), float(rng.uniform(-180.0, 180.0)))
    return x


def binds_a_cap(nmer: NMer, x: Floats) -> bool:
    """Return whether a cap of one fragment is in contact with another fragment.

    Parameters
    ----------
    nmer
        The n-mer.
    x
        (atoms, 3), Angstrom.
    """
    owner = np.concatenate([np.full(part.stop - part.start, n) for n, part in enumerate(nmer.slices)])
    return any(
        bool((np.linalg.norm(x[owner != owner[cap]] - x[cap], axis=1) < CAP_CONTACT).any())
        for cap, _, _ in nmer.caps
    )


def _rotation(rng: np.random.Generator) -> Floats:
    """Return a random rotation, (3, 3)."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return np.asarray(q * np.sign(np.linalg.det(q)))


def _alike(one: Point, other: Point) -> bool:
    if abs(one.energy - other.energy) > ALIKE_ENERGY:
        return False
    first, second = (
        np.sort(np.linalg.norm(p.positions[:, None] - p.positions, axis=2).ravel()) for p in (one, other)
    )
    return bool(np.abs(first - second).max() < ALIKE_DISTANCES)


def rmsd(positions: Floats, other: Floats) -> float:
    """Return the root mean square distance of the atoms of two geometries (atoms, 3), superposed, Angstrom.

    Kabsch, Acta Cryst. A 32, 922 (1976).
    """
    first, second = positions - positions.mean(axis=0), other - other.mean(axis=0)
    left, size, right = np.linalg.svd(first.T @ second)
    size[-1] *= np.sign(np.linalg.det(left @ right))
    square = (first**2).sum() + (second**2).sum() - 2.0 * size.sum()
    return float(np.sqrt(max(square, 0.0) / len(first)))
