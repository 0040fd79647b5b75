"""What a PLUMED input asks for, in Angstrom, kcal/mol, rad, K, and fs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """A distance, angle, or dihedral between points, or a sum of distances.

    Attributes
    ----------
    label
        Its name in the file.
    kind
        ``DISTANCE``, ``ANGLE``, ``TORSION``, or ``COMBINE``.
    points
        For each point its atoms, counted from 0; several atoms stand for their centre of mass.
    nearest
        Whether it is taken between nearest images, where there is a box: the file does not say NOPBC.
    whole
        For each point whether its atoms are joined over nearest images, each to the one before.
    parts
        Of a ``COMBINE`` the labels of distances, each with its coefficient.
    """

    label: str
    kind: str
    points: tuple[tuple[int, ...], ...]
    nearest: bool = False
    whole: tuple[bool, ...] = ()
    parts: tuple[tuple[str, float], ...] = ()

    @property
    def periodic(self) -> bool:
        """Whether -pi and pi are the same value."""
        return self.kind == "TORSION"

    def scale(self, length: float) -> float:
        """Return the file's unit of this variable, in Angstrom or rad; `length` is its unit of length."""
        return length if self.kind in ("DISTANCE", "COMBINE") else 1.0


@dataclass(frozen=True)
class PbMetaD:
    """One PBMETAD action, in Angstrom, kcal/mol, rad, K.

    Attributes
    ----------
    label
        Its name.
    arguments
        Labels of the variables.
    family
        Family of each argument.
    heads
        Label of each family's first variable, in the order of its PF: the name that its HILLS file bears.
    periodic
        Whether each family's variables are periodic.
    sigma
        One for each family.
    lower, upper, bins
        Ends and number of intervals of each family's grid; empty: no grid, each hill is kept.
    pace, height, biasfactor, temperature
        Steps, kcal/mol, 1, K; a bias factor of 1 is no tempering.
    files
        Names of the HILLS files, one for each family.
    """

    label: str
    arguments: tuple[str, ...]
    family: tuple[int, ...]
    heads: tuple[str, ...]
    periodic: tuple[bool, ...]
    sigma: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    bins: tuple[int, ...]
    pace: int
    height: float
    biasfactor: float
    temperature: float
    files: tuple[str, ...]


@dataclass(frozen=True)
class Wall:
    """One argument of UPPER_WALLS or LOWER_WALLS: kappa ((s - at + offset) / eps)^exp beyond the wall."""

    label: str
    upper: bool
    argument: str
    at: float
    kappa: float
    exponent: float
    eps: float
    offset: float


@dataclass(frozen=True)
class PlumedInput:
    """What a file asks for; lengths in Angstrom, energies in kcal/mol, times in fs.

    Attributes
    ----------
    variables, biases, walls
        In the order of the file.
    printed
        Labels given to PRINT.
    length, energy, time
        The file's own units in Angstrom, kcal/mol, fs.
    notes
        Sentences about where PLUMED itself computes another number, or warns.
    """

    variables: tuple[Variable, ...]
    biases: tuple[PbMetaD, ...]
    walls: tuple[Wall, ...]
    printed: tuple[str, ...]
    length: float
    energy: float
    time: float
    notes: tuple[str, ...] = ()
