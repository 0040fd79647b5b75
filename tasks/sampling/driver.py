"""Apply a PLUMED input to a trajectory, as ``plumed driver`` does, with the compiled kernel's arithmetic.

Two habits of PLUMED are not copied. Its PBMETAD takes the periodicity of family number f from argument number f;
here every family has the periodicity of its own variables. Where the first arguments are one representative of
each family in the families' order, the two agree to 1e-12. And where a variable leaves its grid PLUMED stops; here
the bias stays at the grid's end and pushes no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from potentials.errors import InputError
from storage.records import Floats, Ints
from tasks.sampling.bias import KB
from tasks.sampling.kernel import CV_ROW, add_hill, interpolate, variable
from tasks.sampling.plumed_input import PbMetaD, PlumedInput, Variable, Wall


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
    """The grids of one PBMETAD action, and the hills put on them."""

    def __init__(self, bias: PbMetaD, variables: dict[str, Variable]) -> None:
        self.bias = bias
        self.kt = KB * bias.temperature
        self.members = [variables[name] for name in bias.arguments]
        count = len(bias.sigma)
        heads = [self.members[bias.family.index(f)] for f in range(count)]
        self.heads = [(v.label, v.kind == "TORSION") for v in heads]
        points = [b if periodic else b + 1 for b, (_, periodic) in zip(bias.bins, self.heads, strict=True)]
        starts = np.cumsum([0, *points])
        lower, upper, bins = np.array(bias.lower), np.array(bias.upper), np.array(bias.bins)
        columns = (lower, (upper - lower) / bins, points, [p for _, p in self.heads], bias.sigma, starts[:-1])
        self.rows = np.array(columns, dtype=np.float64).T.copy()
        self.grid, self.slope = np.zeros(starts[-1]), np.zeros(starts[-1])
        self.hills: list[list[tuple[float, float]]] = [[] for _ in range(count)]
        self.steps: list[list[int]] = [[] for _ in range(count)]

    def evaluate(self, s: Floats) -> tuple[float, Floats, Floats]:
        """Return the bias, its derivative by each variable, and each variable's own bias (kcal/mol)."""
        found = [
            interpolate(self.grid, self.slope, self.rows, family, value)
            for family, value in zip(self.bias.family, s, strict=True)
        ]
        v, dv = np.array(found).T
        weight = np.exp(-(v - v.min()) / self.kt)
        total = v.min() - self.kt * (np.log(weight.sum()) - np.log(len(v)))
        return float(total), weight / weight.sum() * dv, v

    def deposit(self, step: int, s: Floats, v: Floats) -> None:
        """Add one hill for each variable."""
        weight = np.exp(-(v - v.min()) / self.kt)
        heights = self.bias.height * weight / weight.sum() * np.exp(-v / (self.kt * (self.bias.biasfactor - 1.0)))
        for family, centre, height in zip(self.bias.family, s, heights, strict=True):
            add_hill(self.grid, self.slope, self.rows, family, centre, height)
            self.hills[family].append((float(centre), float(height)))
            self.steps[family].append(step)


def drive(
    plumed: PlumedInput, positions: Floats, masses: Floats, steps: Ints, timestep: float
) -> BiasedTrajectory:
    """Apply a PLUMED input to a trajectory, frame by frame.

    Parameters
    ----------
    plumed
        The input.
    positions
        (frames, atoms, 3), Angstrom; no periodic box.
    masses
        (atoms,), u.
    steps
        (frames,), step number of each frame.
    timestep
        Time of one step, fs.

    Raises
    ------
    InputError
        If the input names an atom that the trajectory does not have.
    """
    variables = {v.label: v for v in plumed.variables}
    largest = max((a for v in plumed.variables for p in v.points for a in p), default=-1)
    if largest >= positions.shape[1]:
        raise InputError(f"the input names atom {largest + 1}, but the trajectory has {positions.shape[1]} atoms")
    states = [_State(bias, variables) for bias in plumed.biases]
    bias, forces = np.zeros(len(positions)), np.zeros_like(positions)
    printed = {name: np.zeros(len(positions)) for name in plumed.printed}
    for n, (x, step) in enumerate(zip(positions, steps, strict=True)):
        values, gradients = {}, {}
        for name, one in variables.items():
            values[name], gradients[name] = _value_and_gradient(one, x, masses)
        pull = dict.fromkeys(variables, 0.0)
        parts: dict[str, float] = {}
        for state in states:
            s = np.array([values[name] for name in state.bias.arguments])
            parts[f"{state.bias.label}.bias"], slopes, v = state.evaluate(s)
            for name, slope in zip(state.bias.arguments, slopes, strict=True):
                pull[name] += slope
            if n > 0 and step % state.bias.pace == 0:
                state.deposit(int(step), s, v)
        for wall in plumed.walls:
            energy, slope = _wall(wall, values[wall.argument])
            parts[f"{wall.label}.bias"] = parts.get(f"{wall.label}.bias", 0.0) + energy
            pull[wall.argument] += slope
        bias[n] = sum(parts.values())
        forces[n] = -sum((pull[name] * gradients[name] for name in variables if pull[name]), np.zeros_like(x))
        for name, column in printed.items():
            length = plumed.length if name in variables and variables[name].kind == "DISTANCE" else 1.0
            column[n] = parts[name] / plumed.energy if name in parts else values[name] / length
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
    path.write_text("\n".join(lines) + "\n")


def _value_and_gradient(one: Variable, x: Floats, masses: Floats) -> tuple[float, Floats]:
    """Return a variable and its gradient by every atom; a centre of mass passes its share on by mass."""
    shares = [masses[list(p)] / masses[list(p)].sum() for p in one.points]
    points = np.array([share @ x[list(p)] for p, share in zip(one.points, shares, strict=True)])
    table = np.zeros((1, CV_ROW))
    table[0, 0] = len(points)
    table[0, 2 : 2 + len(points)] = range(len(points))
    d = np.empty((1, 4, 3))
    value = float(variable(points, table, 0, d))
    gradient = np.zeros_like(x)
    for atoms, share, by_point in zip(one.points, shares, d[0], strict=False):
        gradient[list(atoms)] += share[:, None] * by_point
    return value, gradient


def _wall(wall: Wall, value: float) -> tuple[float, float]:
    """Return a wall's energy and its derivative by the variable."""
    reach = (value - wall.at + wall.offset) / wall.eps
    if not wall.upper:
        reach = -(value - wall.at - wall.offset) / wall.eps
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
        gamma = state.bias.biasfactor
        for family, name in enumerate(state.bias.files):
            first = state.members[state.bias.family.index(family)]
            length = plumed.length if first.kind == "DISTANCE" else 1.0
            table = np.empty((len(state.hills[family]), 5))
            table[:, 0] = np.array(state.steps[family], dtype=np.float64) * timestep / plumed.time
            hills = np.array(state.hills[family]).reshape(-1, 2)
            table[:, 1] = hills[:, 0] / length
            table[:, 2] = state.bias.sigma[family] / length
            table[:, 3] = hills[:, 1] / plumed.energy * gamma / (gamma - 1.0)
            table[:, 4] = gamma
            tables[name], heads[name] = table, state.heads[family]
    return tables, heads
