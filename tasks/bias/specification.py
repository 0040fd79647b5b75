"""The specification of a bias, and its state in one buffer.

Everything that the kernel reads and writes is in one float64 array, so that LAMMPS calls the compiled kernel with
a single pointer and a checkpoint is a copy of the array.
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
from tasks.bias.cvs import CV, CVFamily, cv_families, representatives_first
from tasks.bias.kernel import CUT, CV_ROW, FAMILY_ROW, HEADER, LENGTH, SECOND

KB = 0.0083144621 / KCAL_IN_KJ
"""Boltzmann's constant with PLUMED's value, kcal/mol/K."""


@dataclass(frozen=True)
class Grid:
    """The grid on which the hills of one CV family are stored.

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
        """Whether a hill is wider than the period: PLUMED then adds some points twice, the kernel once."""
        reach = math.ceil(math.sqrt(2.0 * CUT) * self.sigma / self.spacing)
        return self.periodic and 2 * reach + 1 > self.points


@dataclass(frozen=True)
class Walls:
    """Harmonic walls kappa d^2 on the distance between two fragments' centres of mass.

    For three fragments it is the mean over their three pairs, none of which exceeds 1.5 times the mean.

    Attributes
    ----------
    lower, upper
        Angstrom; 0 for no lower wall.
    kappa
        kcal/mol/Angstrom^2.
    first
        Number of atoms of the first fragment.
    second
        Number of atoms of the first two of three fragments; 0 for two fragments.
    """

    lower: float
    upper: float
    kappa: float
    first: int
    second: int = 0

    def bodies(self, atoms: int) -> tuple[range, ...]:
        """Return the atoms of each fragment; `atoms` is the number of all atoms."""
        ends = [self.first, *([self.second] if self.second else []), atoms]
        return tuple(range(start, end) for start, end in pairwise([0, *ends]))


@dataclass(frozen=True)
class BiasSpec:
    """Well-tempered parallel-bias metadynamics with partitioned CV families (Prakash et al. 2018), and walls.

    Attributes
    ----------
    cvs
        The collective variables; first one representative of each family, in the order of the families, for which
        PLUMED also treats periodic families correctly.
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
        """Raise ValueError unless every variable has a family and every family a grid: the kernel trusts it."""
        if len(self.family) != len(self.cvs) or set(self.family) != set(range(len(self.grids))):
            raise ValueError(
                f"{len(self.cvs)} variables of the families {self.family} do not fit {len(self.grids)} grids"
            )

    @property
    def members(self) -> list[list[int]]:
        """The numbers of each family's variables."""
        return [[i for i, f in enumerate(self.family) if f == n] for n in range(len(self.grids))]

    def buffer(self) -> Floats:
        """Return the state before the first step: specification, empty grids, and work space of the kernel."""
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
        header[:3] = len(self.cvs), len(self.grids), len(self.masses)
        header[3:8] = self.pace, self.height, KB * self.temperature, self.biasfactor, start
        if self.walls is not None:
            header[8:12] = self.walls.lower, self.walls.upper, self.walls.kappa, self.walls.first
            header[SECOND] = self.walls.second
        header[12] = -1  # step of the last hill: none yet
        grids_and_work = np.zeros(2 * start + 16 * len(self.cvs))
        buffer: Floats = np.concatenate(
            [header, self.masses, cv_table.ravel(), family_table.ravel(), grids_and_work]
        )
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
        Lower and upper centre-of-mass distance, Angstrom; for three fragments the mean over their pairs.
    """
    families = cv_families(nmer, settings.families)
    variables = representatives_first(families)
    walls = None
    if len(nmer.fragments) > 1:
        first, second = (nmer.slices[n].start if n < len(nmer.slices) else 0 for n in (1, 2))
        walls = Walls(window[0], window[1], settings.wall_kappa, first, second)
    return BiasSpec(
        cvs=tuple(cv for cv, _ in variables),
        family=tuple(n for _, n in variables),
        grids=tuple(_grid(family, settings) for family in families),
        masses=tuple(float(m) for m in nmer.masses),
        temperature=temperature,
        height=settings.height,
        pace=settings.pace,
        biasfactor=settings.biasfactor,
        walls=walls,
    )


def hill_width(family: CVFamily, settings: Bias) -> float:
    """Return the width of a family's hills, Angstrom or rad."""
    if family.sigma is not None:
        return family.sigma
    if family.cvs[0].kind != "distance":
        return settings.sigma_angle
    return settings.sigma_intermolecular if family.intermolecular else settings.sigma_distance


def _grid(family: CVFamily, settings: Bias) -> Grid:
    """Return a family's grid, four intervals per hill width, wider than any value of its variables."""
    kind, sigma = family.cvs[0].kind, hill_width(family, settings)
    lower, upper = -np.pi if kind == "torsion" else 0.0, np.pi
    if kind == "distance":
        upper = 30.0 if family.intermolecular else 5.0
    return Grid(lower, upper, round((upper - lower) / sigma * 4), sigma, kind == "torsion")
