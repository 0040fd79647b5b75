"""Apply a PLUMED input to a trajectory, as ``plumed driver`` does, with the functions of the compiled kernel.

The results differ from PLUMED's in two cases. PLUMED's PBMETAD takes the periodicity of family number f from
argument number f; here every family has the periodicity of its own variables. If the first arguments are one
representative of each family in the order of the families, both agree to 1e-12. If a hill is wider than the period
of its grid, PLUMED adds some grid points twice; here each is added once. The notes of an input name these cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import InputError
from potentials.systems.cell import Cell
from tasks.bias.hills import difference
from tasks.bias.hills_file import Heads
from tasks.bias.kernel import CV_ROW
from tasks.bias.kernel_variables import variable
from tasks.bias.metad import PERIOD
from tasks.bias.plumed_model import PlumedCV, PlumedInput, Wall
from tasks.bias.plumed_states import state_of


@dataclass(frozen=True)
class BiasedTrajectory:
    """The bias along a trajectory.

    Attributes
    ----------
    bias
        (frames,), sum of all biases and walls, kcal/mol.
    forces
        (frames, atoms, 3), kcal/mol/Angstrom.
    printed
        (frames,) for each label given to PRINT, in the input's own units.
    hills
        For each HILLS file PLUMED's columns in the input's units, as `hills_file.write_hills` takes them.
    heads
        For each HILLS file the variables: of a family the first one.
    """

    bias: Floats
    forces: Floats
    printed: dict[str, Floats]
    hills: dict[str, Floats]
    heads: dict[str, Heads]


def drive(
    plumed: PlumedInput,
    positions: Floats,
    masses: Floats,
    steps: Ints,
    timestep: float,
    box: Floats | None = None,
    folder: Path | None = None,
) -> BiasedTrajectory:
    """Apply a PLUMED input to a trajectory, frame by frame.

    Parameters
    ----------
    plumed
        The input.
    positions
        (frames, atoms, 3), Angstrom.
    masses
        (atoms,), u.
    steps
        (frames,), step number of each frame.
    timestep
        Time of one step, fs.
    box
        (3, 3) or (frames, 3, 3), Angstrom, one edge per row; zeros or None if nothing is periodic. Variables
        without NOPBC use nearest images.
    folder
        From where the names of HILLS files to be read start, as the working folder in PLUMED; None: that folder.

    Raises
    ------
    InputError
        If the input names an atom that the trajectory does not have, a variable leaves its grid, its gradient is
        not a finite number, a box spans no volume, or a HILLS file to be read is missing or has other variables.
    """
    cvs = {cv.label: cv for cv in plumed.cvs}
    largest = max((a for cv in plumed.cvs for p in cv.points for a in p), default=-1)
    if largest >= positions.shape[1]:
        raise InputError(f"the input names atom {largest + 1}, but the trajectory has {positions.shape[1]} atoms")
    cells = boxes(np.zeros((3, 3)) if box is None else box, len(positions))
    states = [state_of(bias, plumed, cvs, timestep, folder) for bias in plumed.biases]
    bias, forces = np.zeros(len(positions)), np.zeros_like(positions)
    printed = {name: np.zeros(len(positions)) for name in plumed.printed}
    for n, (x, step) in enumerate(zip(positions, steps, strict=True)):
        values: dict[str, float] = {}
        gradients: dict[str, Floats] = {}
        for name, cv in cvs.items():
            if cv.summed:
                values[name] = sum(factor * values[other] for other, factor in cv.summed)
                gradients[name] = sum((factor * gradients[other] for other, factor in cv.summed), np.zeros_like(x))
            else:
                values[name], gradients[name] = _value_and_gradient(cv, x, masses, cells[n])
            if not np.isfinite(gradients[name]).all():
                raise InputError(f"frame {n}: '{name}' or its gradient is not a finite number")
        slope_of = dict.fromkeys(cvs, 0.0)
        energies: dict[str, float] = {}
        for state in states:
            s = np.array([values[name] for name in state.bias.arguments])
            state.check(s, n)
            energies[f"{state.bias.label}.bias"], slopes, v = state.evaluate(s)
            for name, slope in zip(state.bias.arguments, slopes, strict=True):
                slope_of[name] += slope
            state.update(int(step), n > 0, s, v)
        squares: dict[str, float] = {}
        for wall in plumed.walls:
            cv = cvs[wall.argument]
            energy, slope = _wall(wall, values[wall.argument], cv.periodic)
            energies[f"{wall.label}.bias"] = energies.get(f"{wall.label}.bias", 0.0) + energy
            name = f"{wall.label}.force2"
            squares[name] = squares.get(name, 0.0) + (slope * cv.scale(plumed.length) / plumed.energy) ** 2
            slope_of[wall.argument] += slope
        bias[n] = sum(energies.values())
        forces[n] = -sum((slope_of[name] * gradients[name] for name in cvs if slope_of[name]), np.zeros_like(x))
        shown = squares | {name: value / cvs[name].scale(plumed.length) for name, value in values.items()}
        shown |= {name: energy / plumed.energy for name, energy in energies.items()}
        for name, column in printed.items():
            column[n] = shown[name]
    tables = [table for state in states for table in state.tables()]
    hills = {table.file: table.columns for table in tables}
    return BiasedTrajectory(bias, forces, printed, hills, {table.file: table.heads for table in tables})


def _value_and_gradient(cv: PlumedCV, x: Floats, masses: Floats, box: Cell | None) -> tuple[float, Floats]:
    """Return a variable and its gradient by every atom; the atoms of a centre of mass share it by mass."""
    shares = [masses[list(p)] / masses[list(p)].sum() for p in cv.points]
    atoms = [x[list(p)] for p in cv.points]
    if box is not None:
        atoms = [joined(box, group) if whole else group for group, whole in zip(atoms, cv.whole, strict=True)]
    points = np.array([share @ group for group, share in zip(atoms, shares, strict=True)])
    if box is not None and cv.nearest:
        points = joined(box, points)
    table = np.zeros((1, CV_ROW))
    table[0, 0] = len(points)
    table[0, 2 : 2 + len(points)] = range(len(points))
    d = np.empty((1, 4, 3))
    value = float(variable(points, table, 0, d))
    gradient = np.zeros_like(x)
    for group, share, by_point in zip(cv.points, shares, d[0], strict=False):
        gradient[list(group)] += share[:, None] * by_point
    return value, gradient


def _wall(wall: Wall, value: float, periodic: bool) -> tuple[float, float]:
    """Return a wall's energy and its derivative by the variable."""
    beyond = difference(value, wall.at, PERIOD if periodic else 0.0)
    reach = (beyond + wall.offset) / wall.eps if wall.upper else -(beyond - wall.offset) / wall.eps
    if reach <= 0.0:
        return 0.0, 0.0
    slope = wall.kappa * wall.exponent * reach ** (wall.exponent - 1) / wall.eps
    return wall.kappa * reach**wall.exponent, slope if wall.upper else -slope


def joined(box: Cell, points: Floats) -> Floats:
    """Return points (n, 3), each moved to the image that is nearest to the point before it."""
    moved = points.copy()
    for n in range(1, len(points)):
        moved[n] = moved[n - 1] + box.nearest(points[n] - moved[n - 1])[0]
    return moved


def boxes(box: Floats, frames: int) -> list[Cell | None]:
    """Return the box of each frame, periodic along every edge; None if it is all zeros.

    Parameters
    ----------
    box
        (3, 3) for all frames, or (frames, 3, 3), Angstrom.
    frames
        Number of frames.

    Raises
    ------
    InputError
        If the edges are not finite, or span no volume.
    """
    return [_box(tuple((x, y, z) for x, y, z in edges)) for edges in np.broadcast_to(box, (frames, 3, 3)).tolist()]


@lru_cache(maxsize=1)
def _box(edges: tuple[tuple[float, float, float], ...]) -> Cell | None:
    try:
        return Cell(edges, (True, True, True)) if np.any(edges) else None
    except InputError as error:
        raise InputError(
            f"a box of the edges {[list(edge) for edge in edges]} spans no volume ({error}); for no box give zeros"
        ) from None
