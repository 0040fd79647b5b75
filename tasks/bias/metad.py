"""Metadynamics (Laio and Parrinello 2002), well-tempered (Barducci et al. 2008) or not, of one to eight variables.

The bias is the sum of the hills of all walkers so far. It is computed by the compiled kernel from one buffer, so
that LAMMPS calls compiled code alone; `MetaDBias` is that buffer with what Python has to know about it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError, StageError
from tasks.bias import metad_kernel as kernel
from tasks.bias.cvs import CV
from tasks.bias.specification import KB, Grid

PERIOD = 2.0 * math.pi
"""Period of a torsion, rad."""

MOST_POINTS = 20_000_000
"""Most points of a grid of all variables."""


@dataclass(frozen=True)
class MetaD:
    """The settings of one bias.

    Attributes
    ----------
    sigma
        Width of the hills along each variable, Angstrom or rad.
    periodic
        Whether each variable is a torsion.
    height, pace
        Height of the first hill (kcal/mol), steps between hills.
    biasfactor
        Well-tempered bias factor gamma, above 1; None: hills keep their height.
    temperature
        K; needed with a bias factor.
    grids
        A grid along each variable, in which `Grid.sigma` is that of the variable; empty: the bias is the sum of
        all hills.
    """

    sigma: tuple[float, ...]
    periodic: tuple[bool, ...]
    height: float
    pace: int
    biasfactor: float | None = None
    temperature: float = 0.0
    grids: tuple[Grid, ...] = ()

    def __post_init__(self) -> None:
        """Raise InputError if a number is out of its range: the kernel trusts them."""
        n = len(self.sigma)
        if not 1 <= n <= kernel.MOST or len(self.periodic) != n or len(self.grids) not in (0, n):
            raise InputError(
                f"metadynamics of {n} widths, {len(self.periodic)} variables and {len(self.grids)} grids; "
                f"allowed: 1 to {kernel.MOST} variables, a width for each, and a grid for each or none"
            )
        if not all(0 < width < math.inf for width in self.sigma) or not 0 < self.height < math.inf:
            raise InputError("the width and the height of the hills of metadynamics must be above 0")
        if self.pace < 1:
            raise InputError(f"the pace of metadynamics is {self.pace}; it must be at least 1 step")
        if self.biasfactor is not None and not 1 < self.biasfactor < math.inf:
            raise InputError(f"the bias factor of metadynamics is {self.biasfactor:g}; it must be above 1")
        if self.biasfactor is not None and not 0 < self.temperature < math.inf:
            raise InputError("well-tempered metadynamics needs a temperature above 0 K")
        if self.points > MOST_POINTS:
            raise InputError(f"a grid of {self.points:,} points is too large; allowed: up to {MOST_POINTS:,}")

    @property
    def points(self) -> int:
        """Number of points of the grid of all variables; 0 without a grid."""
        return math.prod(grid.points for grid in self.grids) if self.grids else 0

    @property
    def raised(self) -> float:
        """Factor of the heights in PLUMED's HILLS files, gamma / (gamma - 1); 1 without tempering."""
        return 1.0 if self.biasfactor is None else self.biasfactor / (self.biasfactor - 1.0)

    @property
    def kt(self) -> float:
        """Boltzmann's constant (PLUMED's) times the temperature, kcal/mol."""
        return KB * self.temperature


class MetaDBias:
    """A bias and its hills so far.

    Parameters
    ----------
    settings
        The settings.
    cvs
        The variables, if their values are to be computed from positions.
    natoms
        Number of atoms.
    timestep
        fs.
    box
        Edges of a rectangular box that stays as it is, Angstrom: variables are those of the nearest images. None
        for none.
    walker
        The number of this walker, from 0.

    Attributes
    ----------
    buffer
        The kernel's state. It is replaced by a longer one where `reserve` needs it.
    """

    def __init__(
        self,
        settings: MetaD,
        cvs: tuple[CV, ...] = (),
        natoms: int = 0,
        timestep: float = 1.0,
        box: tuple[float, float, float] | None = None,
        walker: int = 0,
    ) -> None:
        self.settings, self.cvs, self.natoms, self.walker = settings, cvs, natoms, walker
        self.timestep, self.box = timestep, box
        n = len(settings.sigma)
        if cvs and (len(cvs) != n or tuple(cv.kind == "torsion" for cv in cvs) != settings.periodic):
            raise InputError(
                f"the variables of metadynamics are {', '.join(cv.kind for cv in cvs)}, and its settings are for "
                f"{n}, of which {sum(settings.periodic)} are torsions"
            )
        if any(not 0 <= atom < natoms for cv in cvs for atom in cv.atoms):
            raise InputError(f"a variable of metadynamics names an atom beyond the {natoms} atoms")
        header, table = np.zeros(kernel.HEADER), np.zeros((n, kernel.ROW))
        header[kernel.VARIABLES], header[kernel.ATOMS] = n, natoms
        header[kernel.PACE], header[kernel.HEIGHT] = settings.pace, settings.height
        if settings.biasfactor is not None:
            header[kernel.TEMPERING] = settings.kt * (settings.biasfactor - 1.0)
        header[kernel.GRID], header[kernel.OWNER] = settings.points, walker
        header[kernel.TIMESTEP], header[kernel.TAG_BYTES], header[kernel.LAST] = timestep, 4, -1
        if box is not None:
            header[kernel.BOX : kernel.BOX + 3] = box
        stride = 1
        for i, row in enumerate(table):
            row[kernel.SIGMA], row[kernel.PERIOD] = settings.sigma[i], PERIOD * settings.periodic[i]
            if cvs:
                many = len(cvs[i].atoms)
                row[kernel.KIND], row[2 : 2 + many] = many, 4 * i + np.arange(many)
                row[kernel.FIRST_ATOM : kernel.FIRST_ATOM + many] = cvs[i].atoms
            if settings.grids:
                grid = settings.grids[i]
                row[kernel.LOWER], row[kernel.SPACING], row[kernel.POINTS] = grid.lower, grid.spacing, grid.points
                row[kernel.AGO] = stride
                stride *= grid.points
        self._width = n + 3
        self._hills = kernel.HEADER + n * kernel.ROW + settings.points * (1 + n) + 38 * n
        self.buffer: Floats = np.zeros(self._hills)
        self.buffer[: header.size] = header
        self.buffer[header.size : header.size + table.size] = table.ravel()
        self.buffer[kernel.LENGTH] = len(self.buffer)
        self._slope = np.zeros(n)

    @property
    def hills(self) -> Floats:
        """Every hill in the order in which it was added, (hills, 3 + variables).

        The columns are: number of the walker, time (fs), centre (Angstrom or rad), height (kcal/mol).
        """
        count = int(self.buffer[kernel.COUNT])
        return self.buffer[self._hills : self._hills + count * self._width].reshape(count, self._width).copy()

    @property
    def count(self) -> int:
        """The number of hills."""
        return int(self.buffer[kernel.COUNT])

    @property
    def own(self) -> Floats:
        """The hills of this walker, as `hills`."""
        every = self.hills
        mine: Floats = every[every[:, 0] == self.walker]
        return mine

    def reserve(self, more: int) -> None:
        """Make room for a number of further hills; call it before LAMMPS has the buffer's address."""
        missing = int(self.buffer[kernel.COUNT]) + more - int(self.buffer[kernel.CAPACITY])
        if missing > 0:
            missing = max(missing, self.count // 2)  # else each of many hills added one by one copies them all
            self.buffer = np.concatenate([self.buffer, np.zeros(missing * self._width)])
            self.buffer[kernel.CAPACITY] += missing
            self.buffer[kernel.LENGTH] = len(self.buffer)

    def add(self, hills: Floats) -> None:
        """Add hills, as `hills` gives them: those of other walkers, or those before a restart."""
        self.reserve(len(hills))
        for row in hills:
            kernel.add_hill(self.buffer, row[0], row[1], row[2:-1].copy(), row[-1])
        mine = hills[hills[:, 0] == self.walker]
        if len(mine):
            last = round(float(mine[-1, 1] / self.buffer[kernel.TIMESTEP]))
            self.buffer[kernel.LAST] = max(self.buffer[kernel.LAST], last)

    def at(self, s: Floats) -> tuple[float, Floats]:
        """Return the bias (kcal/mol) at values of the variables, (variables,), and its derivatives.

        Raises
        ------
        StageError
            If a variable is not a finite number, or is outside of its grid.
        """
        value = float(kernel.bias_at(self.buffer, s, self._slope))
        self.check()
        return value, self._slope.copy()

    def deposit(self, step: int, s: Floats, bias: float) -> None:
        """Add this walker's hill at values of the variables where the bias is `bias`."""
        if step <= self.buffer[kernel.LAST]:
            return
        self.reserve(1)
        tempering = float(self.buffer[kernel.TEMPERING])
        height = self.settings.height * (math.exp(-bias / tempering) if tempering else 1.0)
        kernel.add_hill(self.buffer, self.walker, step * self.buffer[kernel.TIMESTEP], s, height)
        self.buffer[kernel.LAST] = step

    def __call__(self, step: int, x: Floats) -> tuple[float, Floats]:
        """Return the bias (kcal/mol) and its forces (atoms, 3) at one step, and add a hill if one is due.

        Raises
        ------
        StageError
            As `at`.
        """
        self.reserve(1)
        n = len(self.cvs)
        start = self._hills - 36 * n
        points = self.buffer[start : start + 12 * n].reshape(n, 4, 3)
        push = self.buffer[start + 12 * n : start + 24 * n].reshape(n, 4, 3)
        for i, cv in enumerate(self.cvs):
            points[i, : len(cv.atoms)] = x[list(cv.atoms)]
        kernel.advance(self.buffer, step)
        self.check()
        forces = np.zeros_like(x)
        for i, cv in enumerate(self.cvs):
            forces[list(cv.atoms)] += push[i, : len(cv.atoms)]
        return self.energy, forces

    @property
    def grid_values(self) -> Floats:
        """The bias at the points of the grid, an axis for each variable, kcal/mol; empty without a grid."""
        points = self.settings.points
        start = kernel.HEADER + len(self.settings.sigma) * kernel.ROW
        shape = [grid.points for grid in self.settings.grids] or [0]
        return self.buffer[start : start + points].reshape(shape, order="F").copy()

    @property
    def energy(self) -> float:
        """The bias at the last step, without a hill added there, kcal/mol."""
        return float(self.buffer[kernel.BIAS])

    @property
    def counted(self) -> int:
        """The number of hills of which the bias at the last step was made."""
        return int(self.buffer[kernel.COUNTED])

    @property
    def values(self) -> Floats:
        """The variables at the last step, (variables,)."""
        start, n = self._hills - 38 * len(self.settings.sigma), len(self.settings.sigma)
        return self.buffer[start : start + n].copy()

    def check(self) -> None:
        """Raise StageError if the kernel has met an error; call it after every run of LAMMPS."""
        error, number = int(self.buffer[kernel.ERROR]), int(self.buffer[kernel.CULPRIT])
        if not error:
            return
        variable = f"variable {number + 1} of metadynamics"
        raise StageError(
            {
                kernel.NOT_FINITE: f"{variable} is not a finite number",
                kernel.OUTSIDE: f"{variable} has left its grid; set a wider grid, or none",
                kernel.FULL: "more hills than there is room for; reserve room before a run",
                kernel.LOST: "LAMMPS divided the atoms among several processes, or lost some",
            }[error]
        )
