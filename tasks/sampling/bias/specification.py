"""The specification of a bias, and its state in one buffer.

Everything the kernel reads and writes is in one float64 array, so that LAMMPS can call the compiled kernel with a
single pointer, and a checkpoint is a copy of the array.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from potentials.units import KCAL_IN_KJ
from recipes.schema.recipe import Bias
from tasks.sampling.bias.cvs import CV, Family, families, representatives_first
from tasks.sampling.bias.kernel import CUT, CV_ROW, FAMILY_ROW, HEADER, LENGTH, SECOND, apply_bias

KB = 0.0083144621 / KCAL_IN_KJ
"""Boltzmann's constant as PLUMED has it, kcal/mol/K."""


@dataclass(frozen=True)
class Grid:
    """The grid that one family's hills are kept on.

    Attributes
    ----------
    lower, upper
        Ends, Angstrom or rad. A periodic variable's period is upper - lower.
    bins
        Number of intervals.
    sigma
        Width of the hills, Angstrom or rad.
    periodic
        Whether the ends are the same point.
    """

    lower: float
    upper: float
    bins: int
    sigma: float
    periodic: bool = False

    @property
    def points(self) -> int:
        """Number of grid points."""
        return self.bins if self.periodic else self.bins + 1

    @property
    def spacing(self) -> float:
        """Distance of two grid points, Angstrom or rad."""
        return (self.upper - self.lower) / self.bins

    @property
    def wraps(self) -> bool:
        """Whether a hill is wider than the period.

        PLUMED adds the points that wrap around twice, the kernel once.
        """
        reach = math.ceil(math.sqrt(2.0 * CUT) * self.sigma / self.spacing)
        return self.periodic and 2 * reach + 1 > self.points


@dataclass(frozen=True)
class Walls:
    """Harmonic walls kappa d^2 on the distance between two fragments' centres of mass.

    Of three fragments it is the mean distance over their three pairs: none of these is above 1.5 times the mean.

    Attributes
    ----------
    lower, upper
        Angstrom; a lower wall at 0 is none.
    kappa
        kcal/mol/Angstrom^2.
    first
        Number of atoms of the first fragment.
    second
        Number of atoms of the first two of three fragments; 0: all others are the second.
    """

    lower: float
    upper: float
    kappa: float
    first: int
    second: int = 0

    def bodies(self, atoms: int) -> tuple[range, ...]:
        """Return the atoms of each fragment, of so many in all."""
        ends = [self.first, *([self.second] if self.second else []), atoms]
        return tuple(range(start, end) for start, end in pairwise([0, *ends]))


@dataclass(frozen=True)
class BiasSpec:
    """Well-tempered parallel-bias metadynamics with partitioned families (Prakash et al. 2018), and walls.

    Attributes
    ----------
    cvs
        The collective variables; the first ones are one representative of each family, in the families' order
        (the order in which PLUMED, too, treats periodic families right).
    family
        The family of each variable.
    grids
        One for each family.
    masses
        (atoms,), u.
    temperature
        K.
    height, pace, biasfactor
        Initial hill height (kcal/mol), steps between hills, well-tempered bias factor.
    walls
        None for a single fragment.
    """

    cvs: tuple[CV, ...]
    family: tuple[int, ...]
    grids: tuple[Grid, ...]
    masses: tuple[float, ...]
    temperature: float
    height: float
    pace: int
    biasfactor: float
    walls: Walls | None = None

    def __post_init__(self) -> None:
        """Check that there is a family for each variable, and a grid for each family.

        Raises
        ------
        ValueError
            If not.
        """
        if len(self.family) != len(self.cvs) or set(self.family) != set(range(len(self.grids))):
            raise ValueError(
                f"{len(self.cvs)} variables of the families {self.family} do not fit {len(self.grids)} grids"
            )

    def buffer(self) -> Floats:
        """Return the state before the first step: specification, empty grids, and room for the kernel's work."""
        cv_table = np.zeros((len(self.cvs), CV_ROW))
        for row, cv, family in zip(cv_table, self.cvs, self.family, strict=True):
            row[0], row[1] = len(cv.atoms), family
            row[2 : 2 + len(cv.atoms)] = cv.atoms
        family_table = np.zeros((len(self.grids), FAMILY_ROW))
        start = 0
        for row, grid in zip(family_table, self.grids, strict=True):
            row[:] = grid.lower, grid.spacing, grid.points, grid.periodic, grid.sigma, start
            start += grid.points
        header = np.zeros(HEADER)
        header[:8] = (
            len(self.cvs),
            len(self.grids),
            len(self.masses),
            self.pace,
            self.height,
            KB * self.temperature,
            self.biasfactor,
            start,
        )
        if self.walls is not None:
            header[8:12] = self.walls.lower, self.walls.upper, self.walls.kappa, self.walls.first
            header[SECOND] = self.walls.second
        header[12] = -1  # the step of the last hill: none yet
        work = np.zeros(len(self.cvs) * 16)
        parts = [
            header,
            np.array(self.masses),
            cv_table.ravel(),
            family_table.ravel(),
            np.zeros(2 * start),
            work,
        ]
        buffer: Floats = np.concatenate(parts)
        buffer[LENGTH] = len(buffer)
        return buffer


def window_bias(nmer: NMer, settings: Bias, temperature: float, window: tuple[float, float]) -> BiasSpec:
    """Return the bias of one walker of an n-mer.

    Parameters
    ----------
    nmer
        The n-mer.
    settings
        The recipe's ``[sampling.bias]``.
    temperature
        K.
    window
        Lower and upper centre-of-mass distance, Angstrom; of three fragments the mean over their pairs.
    """
    groups = families(nmer, settings.families)
    variables = representatives_first(groups)
    grids = [_grid(group, settings) for group in groups]
    walls = None
    if len(nmer.fragments) > 1:
        first, second = (nmer.slices[n].start if n < len(nmer.slices) else 0 for n in (1, 2))
        walls = Walls(window[0], window[1], settings.wall_kappa, first, second)
    return BiasSpec(
        cvs=tuple(cv for cv, _ in variables),
        family=tuple(n for _, n in variables),
        grids=tuple(grids),
        masses=tuple(float(m) for m in nmer.masses),
        temperature=temperature,
        height=settings.height,
        pace=settings.pace,
        biasfactor=settings.biasfactor,
        walls=walls,
    )


def _grid(family: Family, settings: Bias) -> Grid:
    """Return a family's grid, four points a hill width, wider than any value it can take."""
    kind = family.cvs[0].kind
    if kind == "distance" and family.intermolecular:
        lower, upper, sigma = 0.0, 30.0, settings.sigma_intermolecular
    elif kind == "distance":
        lower, upper, sigma = 0.0, 5.0, settings.sigma_distance
    else:
        lower, upper, sigma = -np.pi if kind == "torsion" else 0.0, np.pi, settings.sigma_angle
    sigma = family.sigma or sigma
    return Grid(lower, upper, round((upper - lower) / sigma * 4), sigma, kind == "torsion")


def evaluate_trajectory(spec: BiasSpec, positions: Floats, steps: Floats) -> tuple[Floats, Floats]:
    """Return the bias and its forces along a trajectory, depositing hills on the way.

    Parameters
    ----------
    spec
        The bias.
    positions
        (frames, atoms, 3), Angstrom.
    steps
        (frames,), step number of each frame.

    Returns
    -------
    bias, forces
        (frames,) in kcal/mol; (frames, atoms, 3) in kcal/mol/Angstrom.
    """
    buffer = spec.buffer()
    bias, forces = np.empty(len(positions)), np.empty_like(positions)
    for n, step in enumerate(steps):
        bias[n] = apply_bias(buffer, int(step), np.ascontiguousarray(positions[n]), forces[n])
    return bias, forces
