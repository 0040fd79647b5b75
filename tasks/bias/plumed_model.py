"""The content of a PLUMED input, in Angstrom, kcal/mol, rad, K, and fs."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.bias.metad import MetaD


@dataclass(frozen=True)
class PlumedCV:
    """A distance, angle, or dihedral between points, or a sum of distances.

    Attributes
    ----------
    label
        Its name in the file.
    kind
        ``DISTANCE``, ``ANGLE``, ``TORSION``, or ``COMBINE``.
    points
        For each point its atoms, counted from 0; the point is their centre of mass.
    nearest
        Whether nearest images are used in a box, that is, NOPBC is not given.
    whole
        For each point whether each of its atoms is moved to the image nearest to the atom before it.
    summed
        For a ``COMBINE`` the labels of distances, each with its coefficient.
    """

    label: str
    kind: str
    points: tuple[tuple[int, ...], ...]
    nearest: bool = False
    whole: tuple[bool, ...] = ()
    summed: tuple[tuple[str, float], ...] = ()

    @property
    def periodic(self) -> bool:
        """Whether -pi and pi are the same value."""
        return self.kind == "TORSION"

    def scale(self, length: float) -> float:
        """Return the file's unit of this variable in Angstrom or rad; `length` is the file's unit of length."""
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
        Label of each family's first variable in PF, which is the name in its HILLS file.
    periodic
        Whether each family's variables are periodic.
    sigma
        One for each family.
    lower, upper, bins
        Ends and number of intervals of each family's grid; empty if there is no grid and each hill is stored.
    pace, height, biasfactor, temperature
        Steps, kcal/mol, 1, K; a bias factor of 1 means no tempering.
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
class Walkers:
    """The walkers of a METAD action, which read each other's hills.

    Attributes
    ----------
    number, own
        How many there are, and the number of this one, from 0.
    folder
        Where their HILLS files are; empty: where PLUMED writes its files.
    stride
        Steps between two readings.
    """

    number: int
    own: int
    folder: str
    stride: int


@dataclass(frozen=True)
class PlumedMetaD:
    """One METAD action.

    Attributes
    ----------
    label
        Its name.
    arguments
        Labels of the variables.
    settings
        In Angstrom, kcal/mol, rad, K.
    file
        Name of the HILLS file; with several walkers those of the walkers end with a point and their number.
    walkers
        None for one walker.
    restart
        Whether the hills that are in the files before the first step are read.
    """

    label: str
    arguments: tuple[str, ...]
    settings: MetaD
    file: str
    walkers: Walkers | None = None
    restart: bool = False

    @property
    def every_file(self) -> tuple[str, ...]:
        """The HILLS file of each walker."""
        if self.walkers is None:
            return (self.file,)
        where = f"{self.walkers.folder}/" if self.walkers.folder else ""
        return tuple(f"{where}{self.file}.{n}" for n in range(self.walkers.number))

    @property
    def files(self) -> tuple[str, ...]:
        """The HILLS file that is written."""
        return (self.every_file[self.walkers.own if self.walkers else 0],)


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
    """The content of a file; lengths in Angstrom, energies in kcal/mol, times in fs.

    Attributes
    ----------
    cvs, biases, walls
        In the order of the file.
    printed
        Labels given to PRINT.
    length, energy, time
        The file's own units in Angstrom, kcal/mol, fs.
    notes
        Sentences on where PLUMED itself computes a different number, or warns.
    """

    cvs: tuple[PlumedCV, ...]
    biases: tuple[PbMetaD | PlumedMetaD, ...]
    walls: tuple[Wall, ...]
    printed: tuple[str, ...]
    length: float
    energy: float
    time: float
    notes: tuple[str, ...] = ()
