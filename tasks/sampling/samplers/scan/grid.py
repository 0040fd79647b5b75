"""The scan sampler: frames on a grid of variables about the force field's minimum.

The scan is rigid: atoms that an axis does not move keep their positions, and no frame is relaxed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from scipy.spatial.transform import Rotation

from potentials.arrays import Floats
from potentials.errors import InputError, StageError
from potentials.graph import components
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import Sampling
from recipes.schema.sampling import KINDS
from tasks.bias.cvs import CV, cv_values
from tasks.sampling.engine import ExplosionError, force_function
from tasks.sampling.force_fields.minimum import find_minimum
from tasks.sampling.frames import Frames, com_distance
from tasks.sampling.samplers.scan.options import ScanAxis, ScanOptions

EXACT = 1e-10
"""Tolerance of a variable's value on the grid, Angstrom or rad."""

SWEEPS = 500
"""Largest number of rounds of setting each axis in turn, after which they count as incompatible."""


@dataclass(frozen=True)
class Axis:
    """An axis of the grid.

    Attributes
    ----------
    name
        Its name in messages.
    atoms
        Empty (centre-of-mass distance), or 2, 3, or 4 atoms.
    values
        Angstrom or rad.
    moving
        The atoms that move.
    """

    name: str
    atoms: tuple[int, ...]
    values: Floats
    moving: tuple[int, ...]


def sample_scan(nmer: NMer, settings: Sampling, count: Callable[[int], None] = lambda fresh: None) -> list[Frames]:
    """Sample every point of a grid; the last axis changes fastest, and the orientations within a point.

    Only the first of the recipe's force fields is used: the grids differ only by small differences between their
    minima. Every frame is kept, whatever its energy. The temperature is 0.

    An axis without atoms moves all fragments but the first along the line of the centres of mass. An axis with
    atoms moves its last atom and all atoms beyond its last bond within a fragment, or the whole later fragment if
    it connects two. Orientations rotate the second fragment about its centre of mass, before the axes are set.

    Parameters
    ----------
    nmer
        The n-mer.
    settings
        The recipe's sampling section.
    count
        Called with the number of frames made since its last call.

    Raises
    ------
    InputError
        If an axis cannot be moved.
    StageError
        If there is no minimum, the axes are incompatible, or a frame has no energy.
    """
    scan, force_field = settings.options(ScanOptions), settings.force_fields[0]
    axes = scan_axes(nmer, scan)
    rng = np.random.default_rng(settings.seed)
    positions, energy = np.empty((scan.frames, nmer.natoms, 3)), np.empty(scan.frames)
    made = 0
    with force_function(nmer, force_field, settings.atom_types) as evaluate:
        relaxed = find_minimum(nmer, evaluate).positions
        caps = [(c, anchor, float(np.linalg.norm(relaxed[c] - relaxed[anchor]))) for c, anchor, _ in nmer.caps]
        start = nmer.place_caps(relaxed)
        for point in product(*(axis.values for axis in axes)):
            for turned in _orientations(nmer, start, scan.orientations, rng):
                x = _set(nmer, axes, point, turned)
                x -= x.mean(axis=0)
                # a pool's energies are those with caps at the force field's bond lengths
                try:
                    value, _ = evaluate(_with_lengths(x, caps))
                except ExplosionError:
                    value = np.nan
                if not np.isfinite(value):
                    raise StageError(
                        f"sampling: the scan's frame at {_at(axes, point)} has no energy with {force_field}; keep "
                        "the axes where atoms do not overlap and fragments are less than 100 A apart"
                    )
                positions[made], energy[made] = x, value
                made += 1
            count(scan.orientations)
    return [Frames(f"scan {force_field}", positions, energy, 0.0, settings.seed)]


def scan_axes(nmer: NMer, scan: ScanOptions) -> list[Axis]:
    """Return the axes of a scan; raises InputError if one cannot be moved."""
    return [scan_axis(nmer, number, axis) for number, axis in enumerate(scan.axes)]


def scan_axis(nmer: NMer, number: int, axis: ScanAxis) -> Axis:
    """Return an axis of the grid: its name, its values, and the atoms that move."""
    kind = KINDS[len(axis.atoms)] if axis.atoms else "distance of the centres of mass"
    words = [kind, "-".join(f"{nmer.symbols[a]}{a}" for a in axis.atoms)]
    name = f"sampling.scan.axes[{number}] ({' '.join(words).strip()})"
    values = np.linspace(axis.lower, axis.upper, axis.points)
    if not axis.atoms:
        return Axis(name, (), values, tuple(range(nmer.slices[1].start, nmer.natoms)))
    if len(axis.atoms) == 3 and not 0 <= axis.lower <= axis.upper <= 180:
        raise InputError(f"{name} goes from {axis.lower:g} to {axis.upper:g} degrees; allowed: 0 to 180")
    fragment = np.repeat(np.arange(len(nmer.fragments)), [f.natoms for f in nmer.fragments])
    atoms = axis.atoms if fragment[axis.atoms[0]] <= fragment[axis.atoms[-1]] else axis.atoms[::-1]
    if fragment[atoms[0]] == fragment[atoms[-1]]:
        moving = _beyond(nmer, name, atoms)
    else:
        moving = {int(a) for a in np.flatnonzero(fragment == fragment[atoms[-1]])}
    return Axis(name, atoms, values if len(atoms) == 2 else np.deg2rad(values), tuple(sorted(moving)))


def _beyond(nmer: NMer, name: str, atoms: tuple[int, ...]) -> set[int]:
    """Return the atoms of a fragment that move with the last atom of an axis.

    A torsion about a bond moves all atoms beyond that bond; any other axis its last atom and those beyond it.
    """
    bonds = {frozenset(bond) for bond in nmer.bonds}
    steps = [frozenset(step) for step in pairwise(atoms)]
    if steps[-1] not in bonds:
        raise InputError(
            f"{name} cannot be moved: its last two atoms are not bonded; give atoms along bonds, so that "
            "the atoms beyond the last bond can move"
        )
    if len(atoms) == 2 and any({cap, anchor} == steps[0] for cap, anchor, _ in nmer.caps):
        raise InputError(f"{name} cannot be moved: the bond to a cap has a fixed length; scan another variable")
    about = len(atoms) == 4 and bonds.issuperset(steps)
    start, cut = (atoms[2], steps[1]) if about else (atoms[-1], steps[-1])
    label = components(nmer.natoms, [bond for bond in nmer.bonds if frozenset(bond) != cut])
    moving = {int(a) for a in np.flatnonzero(label == label[start])}
    if moving & set(atoms[:2] if about else atoms[:-1]):
        raise InputError(
            f"{name} cannot be moved: it is in a ring, where cutting its bond does not split the molecule; scan a "
            "variable outside the ring"
        )
    return moving


def _orientations(nmer: NMer, start: Floats, count: int, rng: np.random.Generator) -> list[Floats]:
    """Return the geometry itself and with its second fragment rotated at random, `count` in all."""
    turned = [start.copy() for _ in range(count)]
    if count > 1:
        atoms = nmer.slices[1]
        centre = np.average(start[atoms], axis=0, weights=nmer.masses[atoms])
        # directions of normal quaternions are uniform rotations (Shoemake, Graphics Gems III (1992), p. 124)
        turns = Rotation.from_quat(rng.normal(size=(count - 1, 4)))
        for x, turn in zip(turned[1:], turns, strict=True):
            x[atoms] = centre + turn.apply(start[atoms] - centre)
    return turned


def _set(nmer: NMer, axes: list[Axis], point: tuple[float, ...], start: Floats) -> Floats:
    """Return the geometry with every axis at its value; they are set in turn until all agree."""
    x = start.copy()
    for _ in range(SWEEPS):
        for axis, value in zip(axes, point, strict=True):
            _move(nmer, axis, value, x)
        if all(abs(_error(nmer, axis, value, x)) < EXACT for axis, value in zip(axes, point, strict=True)):
            return x
    raise StageError(
        f"sampling: the scan's axes cannot be at {_at(axes, point)} together; narrow their ranges, or scan "
        "variables that are compatible"
    )


def _error(nmer: NMer, axis: Axis, value: float, x: Floats) -> float:
    """Return by how much an axis exceeds its value, Angstrom or rad; for a torsion between -pi and pi."""
    if not axis.atoms:
        return float(com_distance(nmer, x[None])[0]) - value
    error = float(cv_values([CV(axis.atoms)], x[None])[0, 0]) - value
    return (error + np.pi) % (2.0 * np.pi) - np.pi if len(axis.atoms) == 4 else error


def _move(nmer: NMer, axis: Axis, value: float, x: Floats) -> None:
    """Move an axis to its value, in place."""
    moving = list(axis.moving)
    back = -_error(nmer, axis, value, x)
    if len(axis.atoms) < 3:
        x[moving] += back * _unit(_ends(nmer, axis, x))
        return
    if len(axis.atoms) == 3:
        i, j, k = (x[a] for a in axis.atoms)
        pivot, line = j, np.cross(i - j, k - j)
        if np.linalg.norm(line) < 1e-8 * np.linalg.norm(i - j) * np.linalg.norm(k - j):
            # for collinear atoms any perpendicular direction can be used
            line = np.cross(i - j, np.eye(3)[np.argmin(np.abs(i - j))])
    else:
        pivot, line = x[axis.atoms[2]].copy(), x[axis.atoms[2]] - x[axis.atoms[1]]
    turn = Rotation.from_rotvec(back * _unit(line))
    x[moving] = pivot + turn.apply(x[moving] - pivot)


def _ends(nmer: NMer, axis: Axis, x: Floats) -> Floats:
    """Return the vector whose length is the distance of an axis, Angstrom."""
    if axis.atoms:
        return np.asarray(x[axis.atoms[1]] - x[axis.atoms[0]])
    bodies = (slice(0, axis.moving[0]), slice(axis.moving[0], None))
    first, rest = (np.average(x[body], axis=0, weights=nmer.masses[body]) for body in bodies)
    return np.asarray(rest - first)


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / np.linalg.norm(vector))


def _with_lengths(x: Floats, caps: list[tuple[int, int, float]]) -> Floats:
    """Return a geometry with its caps at given lengths (Angstrom)."""
    moved = x.copy()
    for cap, anchor, length in caps:
        moved[cap] = x[anchor] + length * _unit(x[cap] - x[anchor])
    return moved


def _at(axes: list[Axis], point: tuple[float, ...]) -> str:
    """Return a point of the grid as text for messages."""
    return ", ".join(
        f"{axis.name} = {value:g} A" if len(axis.atoms) < 3 else f"{axis.name} = {np.rad2deg(value):g} degrees"
        for axis, value in zip(axes, point, strict=True)
    )
