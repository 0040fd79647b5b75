"""Water around molecules in a cubic cell, packed by packmol: whole molecules, no two of them too near."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
from ase.data import atomic_masses, atomic_numbers
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from potentials.arrays import Floats
from potentials.errors import InputError, MissingProgramError
from potentials.neighbours import pairs_within
from potentials.systems.cell import Cell
from potentials.systems.system import System
from recipes.registry import Need

PACKMOL = Need("packmol", "pip install 'nmer[solvate]'")

DENSITY = 0.997
"""Density of the cell with everything in it, g/cm^3: that of water at 298 K."""

CUBIC_ANGSTROM = 1.66053907
"""Volume in cubic Angstrom of 1 amu at 1 g/cm^3."""

TOLERANCE = 2.0
"""Smallest distance of atoms of different molecules that packmol is asked for, Angstrom."""

NEAREST = 1.8
"""The same that is accepted; hydrogen bonds are as short."""

MARGIN = 1.0
"""Least distance of the solute from the faces of the cell, Angstrom."""

MOST_WATERS = 100_000
"""Largest number of water molecules."""

TIME_LIMIT = 3600.0
"""Longest time of packmol, s."""

WATER = (("O", "H", "H"), ((0.0, 0.0, 0.0), (0.756950, 0.585882, 0.0), (-0.756950, 0.585882, 0.0)))
"""Water in its equilibrium geometry, 0.9572 A and 104.52 degrees (Benedict, Gailar, Plyler 1956)."""

_PAIRS = ((0, 1), (0, 2), (1, 2))


def solvate(
    solute: System | None, waters: int | None = None, padding: float | None = None, seed: int = 2025
) -> System:
    """Return a system with water around it in a cubic cell; the waters follow its atoms as O, H, H.

    The density of the whole cell is `DENSITY`. packmol (Martinez, Andrade, Birgin, Martinez 2009) places the
    waters at random so that no atoms of different molecules are nearer than `TOLERANCE`, images included; the
    solute does not move within the cell. The structure is one to start from: minimize and equilibrate it.

    Parameters
    ----------
    solute
        What is solvated, in vacuum; None: water alone.
    waters
        Number of water molecules.
    padding
        Instead of their number, the least distance from the solute to the faces of the cell, Angstrom: the edge is
        the largest distance of two of its atoms and twice the padding.
    seed
        Seed of packmol; the same gives the same system.

    Raises
    ------
    InputError
        If not exactly one of `waters` and `padding` is given, the solute has a cell, or the waters do not fit.
    MissingProgramError
        If packmol is not installed.
    """
    edge, count = _size(solute, waters, padding)
    if not 0 <= seed < 2**31 - 1:
        raise InputError(f"seed is {seed}; allowed: 0 to {2**31 - 2}")
    if lack := PACKMOL.lack():
        raise MissingProgramError(f"solvation {lack}")
    start = np.empty((0, 3)) if solute is None else _centred(solute.positions) + edge / 2
    placed = _packed(() if solute is None else solute.symbols, start, count, edge, seed)
    n = len(start)
    bonds = [(n + 3 * k, n + 3 * k + h) for k in range(count) for h in (1, 2)]
    system = System(
        (*(() if solute is None else solute.symbols), *(count * WATER[0])),
        np.concatenate([start, placed]),
        (*(() if solute is None else solute.bonds), *bonds),
        Cell(((edge, 0.0, 0.0), (0.0, edge, 0.0), (0.0, 0.0, edge)), (True, True, True)),
        name="water" if solute is None else f"{solute.name} in water",
    )
    _check(system, n)
    return system


def density(system: System) -> float | None:
    """Return the density of a periodic system, g/cm^3; None in vacuum."""
    if system.vectors is None:
        return None
    return _mass(system.symbols) * CUBIC_ANGSTROM / abs(float(np.linalg.det(system.vectors)))


def _mass(symbols: tuple[str, ...]) -> float:
    return float(atomic_masses[[atomic_numbers[s] for s in symbols]].sum())


def _size(solute: System | None, waters: int | None, padding: float | None) -> tuple[float, int]:
    """Return the edge of the cell, Angstrom, and the number of waters."""
    if (waters is None) == (padding is None):
        raise InputError("give the number of waters or the padding, one of them")
    if solute is not None and solute.cell is not None:
        raise InputError(f"{solute.name} has a cell already; allowed: a system in vacuum")
    one, mass = _mass(WATER[0]), 0.0 if solute is None else _mass(solute.symbols)
    across = 0.0 if solute is None else _largest_distance(solute.positions)
    if padding is not None:
        if solute is None:
            raise InputError("padding is around a solute; for water alone give the number of waters")
        if not MARGIN <= padding <= 1000.0:
            raise InputError(f"padding is {padding:g} A; allowed: {MARGIN:g} to 1000 A")
        edge = across + 2 * padding
        waters = round((edge**3 * DENSITY / CUBIC_ANGSTROM - mass) / one)
        if not 1 <= waters <= MOST_WATERS:
            raise InputError(
                f"padding of {padding:g} A leaves room for {waters} waters; allowed: 1 to {MOST_WATERS}"
            )
        return edge, waters
    assert waters is not None
    if not 1 <= waters <= MOST_WATERS:
        raise InputError(f"waters is {waters}; allowed: 1 to {MOST_WATERS}")
    edge = ((waters * one + mass) * CUBIC_ANGSTROM / DENSITY) ** (1 / 3)
    if edge < across + 2 * MARGIN:
        needed = ((across + 2 * MARGIN) ** 3 * DENSITY / CUBIC_ANGSTROM - mass) / one
        raise InputError(
            f"a cell of {waters} waters is {edge:.1f} A wide, and the solute {across:.1f} A long; allowed: "
            f"{int(np.ceil(needed))} waters or more"
        )
    return edge, waters


def _largest_distance(positions: Floats) -> float:
    """Return the largest distance of two atoms, Angstrom; that of two corners of the convex hull."""
    points = positions
    if len(points) > 1000:
        try:
            points = positions[ConvexHull(positions).vertices]
        except QhullError:  # all in one plane
            points = positions
    return float(pdist(points).max(initial=0.0))


def _centred(positions: Floats) -> Floats:
    return np.asarray(positions - (positions.min(axis=0) + positions.max(axis=0)) / 2)


def _packed(symbols: tuple[str, ...], start: Floats, waters: int, edge: float, seed: int) -> Floats:
    """Return the positions of packmol's waters, (3 waters, 3), Angstrom."""
    from packmol.cli import get_binary_path

    lines = [f"tolerance {TOLERANCE}", "filetype xyz", "output packed.xyz", f"seed {seed}"]
    lines += [f"pbc {edge:.6f} {edge:.6f} {edge:.6f}"]
    if len(start):
        lines += ["structure solute.xyz", "number 1", "fixed 0. 0. 0. 0. 0. 0.", "end structure"]
    lines += ["structure water.xyz", f"number {waters}", "end structure", ""]
    with tempfile.TemporaryDirectory(prefix="nmer-packmol-") as name:
        folder = Path(name)
        (folder / "water.xyz").write_text(_xyz(WATER[0], np.array(WATER[1])), encoding="ascii")
        (folder / "solute.xyz").write_text(_xyz(symbols, start), encoding="ascii")
        (folder / "packmol.inp").write_text("\n".join(lines), encoding="ascii")
        try:
            with (folder / "packmol.inp").open() as text:
                done = subprocess.run(
                    [str(get_binary_path())],
                    stdin=text,
                    capture_output=True,
                    text=True,
                    cwd=folder,
                    timeout=TIME_LIMIT,
                )
        except subprocess.TimeoutExpired:
            raise InputError(f"packmol did not place {waters} waters within {TIME_LIMIT:g} s") from None
        packed = folder / "packed.xyz"
        if done.returncode or "Success!" not in done.stdout or not packed.is_file():
            raise InputError(
                f"packmol found no way to place {waters} waters in a cell of {edge:.2f} A; allowed: another "
                "seed, or a number that leaves more room"
            )
        rows = [line.split()[1:4] for line in packed.read_text(encoding="ascii").splitlines()[2 + len(start) :]]
    found = np.array([row for row in rows if row], dtype=np.float64)
    if found.shape != (3 * waters, 3):
        raise InputError(f"packmol wrote {len(found)} atoms of {waters} waters")
    return found


def _xyz(symbols: tuple[str, ...], positions: Floats) -> str:
    rows = [f"{s} {x:.6f} {y:.6f} {z:.6f}" for s, (x, y, z) in zip(symbols, positions, strict=True)]
    return "\n".join([str(len(rows)), "", *rows, ""])


def _check(system: System, solute: int) -> None:
    """Raise InputError if a water is not whole, or an atom is near to one of another molecule.

    Parameters
    ----------
    system
        The system.
    solute
        Its first atoms, whose distances to each other are given.
    """
    one = np.array(WATER[1])
    molecules = system.positions[solute:].reshape(-1, 3, 3)
    lengths = np.stack([np.linalg.norm(molecules[:, a] - molecules[:, b], axis=1) for a, b in _PAIRS], axis=1)
    if np.abs(lengths - [np.linalg.norm(one[a] - one[b]) for a, b in _PAIRS]).max() > 1e-3:
        raise InputError("packmol changed the geometry of a water")
    i, j = pairs_within(system.positions, system.vectors, NEAREST)
    owner = np.concatenate([np.full(solute, -1), np.arange(3 * len(molecules)) // 3])
    near = np.flatnonzero(owner[i] != owner[j])
    if len(near):
        one_atom, other = (system.atom(int(a[near[0]])) for a in (i, j))
        raise InputError(
            f"packmol left {one_atom} and {other} of different molecules nearer than {NEAREST:g} A; allowed: "
            "another seed"
        )
