"""Apply a PLUMED input to a trajectory, as ``plumed driver`` does, with the compiled kernel's arithmetic.

Two habits of PLUMED are not copied. Its PBMETAD takes the periodicity of family number f from argument number f;
here every family has the periodicity of its own variables. Where the first arguments are one representative of
each family in the families' order, the two agree to 1e-12. And where a hill is wider than the period of its grid
PLUMED adds the points that wrap around twice; here once. The input's notes say where either matters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import InputError
from potentials.systems.cell import Cell
from storage.durable import write_text
from tasks.sampling.bias.hills import GridHills, Hills, SingleHills, difference
from tasks.sampling.bias.kernel import CV_ROW
from tasks.sampling.bias.kernel_variables import variable
from tasks.sampling.bias.nearest import boxes, joined
from tasks.sampling.bias.plumed_model import PbMetaD, PlumedInput, Variable, Wall
from tasks.sampling.bias.specification import KB

PERIOD = 2.0 * math.pi
"""Period of a torsion, rad."""


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
        For each HILLS file its hills, (hills, 5): time in the input's unit, centre, sigma, height times
        gamma / (gamma - 1) in the input's units, and gamma: PLUMED's columns.
    heads
        For each HILLS file the label of its family's first variable, and whether it is periodic.
    """

    bias: Floats
    forces: Floats
    printed: dict[str, Floats]
    hills: dict[str, Floats]
    heads: dict[str, tuple[str, bool]]


class _State:
    """The bias of one PBMETAD action, and the hills put on it."""

    def __init__(self, bias: PbMetaD, variables: dict[str, Variable]) -> None:
        self.bias = bias
        self.kt = KB * bias.temperature
        self.members = [variables[name] for name in bias.arguments]
        count = len(bias.sigma)
        self.families: list[Hills] = [
            GridHills(bias.lower[f], bias.upper[f], bias.bins[f], bias.sigma[f], bias.periodic[f])
            if bias.bins
            else SingleHills(bias.sigma[f], PERIOD if bias.periodic[f] else 0.0)
            for f in range(count)
        ]
        self.hills: list[list[tuple[int, float, float]]] = [[] for _ in range(count)]

    @property
    def untempered(self) -> float:
        """What PLUMED multiplies heights by in its files: gamma / (gamma - 1), or 1 without tempering."""
        gamma = self.bias.biasfactor
        return gamma / (gamma - 1.0) if gamma > 1.0 else 1.0

    def check(self, s: Floats, frame: int) -> None:
        """Raise InputError if a variable is beyond its grid, where PLUMED stops."""
        for member, family, value in zip(self.members, self.bias.family, s, strict=True):
            if self.bias.bins and not self.bias.lower[family] <= value <= self.bias.upper[family]:
                unit = "A" if member.kind == "DISTANCE" else "rad"
                raise InputError(
                    f"frame {frame}: '{member.label}' is {value:.6g} {unit}, outside its grid of "
                    f"{self.bias.lower[family]:.6g} to {self.bias.upper[family]:.6g} {unit}, where PLUMED stops; "
                    "set a wider GRID_MIN and GRID_MAX"
                )

    def evaluate(self, s: Floats) -> tuple[float, Floats, Floats]:
        """Return the bias, its derivative by each variable, and each variable's own bias (kcal/mol)."""
        found = [self.families[f](float(value)) for f, value in zip(self.bias.family, s, strict=True)]
        v, dv = np.array(found).T
        weight = np.exp(-(v - v.min()) / self.kt)
        total = v.min() - self.kt * (np.log(weight.sum()) - np.log(len(v)))
        return float(total), weight / weight.sum() * dv, v

    def deposit(self, step: int, s: Floats, v: Floats) -> None:
        """Add one hill for each variable."""
        weight = np.exp(-(v - v.min()) / self.kt)
        heights = self.bias.height * weight / weight.sum()
        if self.bias.biasfactor > 1.0:
            heights *= np.exp(-v / (self.kt * (self.bias.biasfactor - 1.0)))
        for family, centre, height in zip(self.bias.family, s, heights, strict=True):
            self.families[family].add(float(centre), float(height))
            self.hills[family].append((step, float(centre), float(height)))


def drive(
    plumed: PlumedInput,
    positions: Floats,
    masses: Floats,
    steps: Ints,
    timestep: float,
    box: Floats | None = None,
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
        (3, 3) or (frames, 3, 3), Angstrom, one edge a row; zeros, or None: nothing is periodic. What does not say
        NOPBC is taken between nearest images.

    Raises
    ------
    InputError
        If the input names an atom that the trajectory does not have, a variable leaves its grid, its gradient is
        not a finite number, or a box spans no volume.
    """
    variables = {v.label: v for v in plumed.variables}
    largest = max((a for v in plumed.variables for p in v.points for a in p), default=-1)
    if largest >= positions.shape[1]:
        raise InputError(f"the input names atom {largest + 1}, but the trajectory has {positions.shape[1]} atoms")
    cells = boxes(np.zeros((3, 3)) if box is None else box, len(positions))
    states = [_State(bias, variables) for bias in plumed.biases]
    bias, forces = np.zeros(len(positions)), np.zeros_like(positions)
    printed = {name: np.zeros(len(positions)) for name in plumed.printed}
    for n, (x, step) in enumerate(zip(positions, steps, strict=True)):
        values: dict[str, float] = {}
        gradients: dict[str, Floats] = {}
        for name, one in variables.items():
            if one.parts:
                values[name] = sum(factor * values[part] for part, factor in one.parts)
                gradients[name] = sum((f * gradients[part] for part, f in one.parts), np.zeros_like(x))
            else:
                values[name], gradients[name] = _value_and_gradient(one, x, masses, cells[n])
            if not np.isfinite(gradients[name]).all():
                raise InputError(f"frame {n}: '{name}' or its gradient is not a finite number")
        pull = dict.fromkeys(variables, 0.0)
        parts: dict[str, float] = {}
        for state in states:
            s = np.array([values[name] for name in state.bias.arguments])
            state.check(s, n)
            parts[f"{state.bias.label}.bias"], slopes, v = state.evaluate(s)
            for name, slope in zip(state.bias.arguments, slopes, strict=True):
                pull[name] += slope
            if n > 0 and step % state.bias.pace == 0:
                state.deposit(int(step), s, v)
        squares: dict[str, float] = {}
        for wall in plumed.walls:
            energy, slope = _wall(wall, values[wall.argument], variables[wall.argument].periodic)
            parts[f"{wall.label}.bias"] = parts.get(f"{wall.label}.bias", 0.0) + energy
            scale = variables[wall.argument].scale(plumed.length)
            name = f"{wall.label}.force2"
            squares[name] = squares.get(name, 0.0) + (slope * scale / plumed.energy) ** 2
            pull[wall.argument] += slope
        bias[n] = sum(parts.values())
        forces[n] = -sum((pull[name] * gradients[name] for name in variables if pull[name]), np.zeros_like(x))
        for name, column in printed.items():
            if name in variables:
                column[n] = values[name] / variables[name].scale(plumed.length)
            else:
                column[n] = parts[name] / plumed.energy if name in parts else squares[name]
    hills, heads = _hill_tables(plumed, states, timestep)
    return BiasedTrajectory(bias, forces, printed, hills, heads)


def write_hills(path: Path, table: Floats, head: tuple[str, bool]) -> None:
    """Write hills in PLUMED's format, every digit of a float64 kept.

    Parameters
    ----------
    path
        The file.
    table
        (hills, 5), the columns of `BiasedTrajectory.hills`.
    head
        Label of the family's first variable, and whether it is periodic.
    """
    name, periodic = head
    lines = [f"#! FIELDS time {name} sigma_{name} height biasf", "#! SET multivariate false"]
    lines.append("#! SET kerneltype stretched-gaussian")
    if periodic:
        lines += [f"#! SET min_{name} -pi", f"#! SET max_{name} pi"]
    lines += [" " + " ".join(f"{v:24.16e}" for v in row) for row in table]
    write_text(path, "\n".join(lines) + "\n")


def _value_and_gradient(one: Variable, x: Floats, masses: Floats, box: Cell | None) -> tuple[float, Floats]:
    """Return a variable and its gradient by every atom; a centre of mass passes its share on by mass."""
    shares = [masses[list(p)] / masses[list(p)].sum() for p in one.points]
    atoms = [x[list(p)] for p in one.points]
    if box is not None:
        atoms = [joined(box, group) if whole else group for group, whole in zip(atoms, one.whole, strict=True)]
    points = np.array([share @ group for group, share in zip(atoms, shares, strict=True)])
    if box is not None and one.nearest:
        points = joined(box, points)
    table = np.zeros((1, CV_ROW))
    table[0, 0] = len(points)
    table[0, 2 : 2 + len(points)] = range(len(points))
    d = np.empty((1, 4, 3))
    value = float(variable(points, table, 0, d))
    gradient = np.zeros_like(x)
    for group, share, by_point in zip(one.points, shares, d[0], strict=False):
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


def _hill_tables(
    plumed: PlumedInput, states: list[_State], timestep: float
) -> tuple[dict[str, Floats], dict[str, tuple[str, bool]]]:
    tables: dict[str, Floats] = {}
    heads: dict[str, tuple[str, bool]] = {}
    for state in states:
        for family, name in enumerate(state.bias.files):
            first = state.members[state.bias.family.index(family)]
            length = first.scale(plumed.length)
            hills = np.array(state.hills[family], dtype=np.float64).reshape(-1, 3)
            table = np.empty((len(hills), 5))
            table[:, 0] = hills[:, 0] * timestep / plumed.time
            table[:, 1] = hills[:, 1] / length
            table[:, 2] = state.bias.sigma[family] / length
            table[:, 3] = hills[:, 2] / plumed.energy * state.untempered
            table[:, 4] = state.bias.biasfactor
            tables[name] = table
            heads[name] = state.bias.heads[family], state.bias.periodic[family]
    return tables, heads
