"""Read the subset of PLUMED's input language that describes a run of METAD or PBMetaD.

Supported are UNITS, RESTART (of METAD), COM, DISTANCE, ANGLE, TORSION, COMBINE (of distances), PBMETAD (with or
without PF) and METAD (with or without walkers), each with or without a grid, UPPER_WALLS, LOWER_WALLS, PRINT and
FLUSH. Anything else is an error that names the action and its line, so that the bias never differs silently from
the one in the file.
"""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

from potentials.errors import InputError
from potentials.units import KCAL_IN_KJ
from tasks.bias.plumed_metad import read_metad
from tasks.bias.plumed_model import PbMetaD, PlumedCV, PlumedInput, PlumedMetaD, Wall
from tasks.bias.plumed_pbmetad import read_pbmetad
from tasks.bias.plumed_words import Action, short, split_actions

LENGTH = {"nm": 10.0, "A": 1.0, "Bohr": 0.52917721067, "um": 10_000.0}
ENERGY = {
    "kj/mol": 1 / KCAL_IN_KJ,
    "kcal/mol": 1.0,
    "j/mol": 1e-3 / KCAL_IN_KJ,
    "eV": 96.48530749925792 / KCAL_IN_KJ,
    "Ha": 2625.499638 / KCAL_IN_KJ,
}
TIME = {"ps": 1000.0, "fs": 1.0, "ns": 1e6, "atomic": 2.418884326509e-2}
"""PLUMED's units in Angstrom, kcal/mol and fs; its Bohr and Ha are those of CODATA 2014."""

_HILLS = {
    *("ARG", "SIGMA", "PACE", "HEIGHT", "BIASFACTOR", "TEMP", "FILE", "FMT"),
    *("GRID_MIN", "GRID_MAX", "GRID_BIN", "GRID_SPACING"),
}
KEYS: dict[str, set[str]] = {
    "UNITS": {"LENGTH", "ENERGY", "TIME", "MASS", "CHARGE"},
    "RESTART": set(),
    **{name: {"ATOMS", "NOPBC"} for name in ("COM", "DISTANCE", "ANGLE", "TORSION")},
    "COMBINE": {"ARG", "COEFFICIENTS", "PERIODIC"},
    "PBMETAD": {*_HILLS, "PF"},
    "METAD": {*_HILLS, "WALKERS_N", "WALKERS_ID", "WALKERS_DIR", "WALKERS_RSTRIDE", "RESTART"},
    **{name: {"ARG", "AT", "KAPPA", "EXP", "EPS", "OFFSET"} for name in ("UPPER_WALLS", "LOWER_WALLS")},
    "PRINT": {"ARG", "FILE", "STRIDE", "FMT"},
    "FLUSH": {"STRIDE"},
}
POINTS = {"DISTANCE": 2, "ANGLE": 3, "TORSION": 4}


def read_plumed(path: Path) -> PlumedInput:
    """Read a PLUMED input file.

    Raises
    ------
    InputError
        If it cannot be read, or contains something that is not supported; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"'{path}' cannot be read: {error}") from None
    if "\0" in text:
        raise InputError(f"'{path}' cannot be read: it is not a text file")
    return parse_plumed(text, path.name)


def parse_plumed(text: str, name: str) -> PlumedInput:
    """Read the content of a PLUMED input file; `name` is its name in messages.

    Raises
    ------
    InputError
        If it contains something that is not supported; the message names the line.
    """
    reader = _Reader()
    for number, action in enumerate(split_actions(text, name, KEYS, {"NOPBC"})):
        reader.add(action, first=number == 0)
    return PlumedInput(
        tuple(reader.cvs.values()),
        tuple(reader.biases),
        tuple(reader.walls),
        tuple(dict.fromkeys(reader.printed)),
        reader.length,
        reader.energy,
        reader.time,
        tuple(reader.notes),
    )


class _Reader:
    """Collects the actions of one file; `known` are the names that PRINT may use."""

    def __init__(self) -> None:
        self.length, self.energy, self.time = LENGTH["nm"], ENERGY["kj/mol"], TIME["ps"]
        self.centres: dict[str, tuple[tuple[int, ...], bool]] = {}
        self.cvs: dict[str, PlumedCV] = {}
        self.biases: list[PbMetaD | PlumedMetaD] = []
        self.restart = False
        self.walls: list[Wall] = []
        self.printed: list[str] = []
        self.known: list[str] = []
        self.notes: list[str] = []

    def add(self, action: Action, first: bool) -> None:
        match action.name:
            case "UNITS" if first:
                self._units(action)
            case "UNITS":
                raise action.fail("UNITS must be the first action, and the only one of its kind")
            case "COM":
                self._centre(action)
            case "DISTANCE" | "ANGLE" | "TORSION":
                self._cv(action)
            case "COMBINE":
                self._combine(action)
            case "RESTART":
                self.restart = True
            case "PBMETAD":
                self._pbmetad(action)
            case "METAD":
                bias, notes = read_metad(action, self._arguments(action), self.length, self.energy, self.restart)
                self._add_bias(action, bias, notes)
            case "PRINT":
                self._print(action)
            case "UPPER_WALLS" | "LOWER_WALLS":
                self._walls(action)

    def _units(self, action: Action) -> None:
        """Set the units; those of mass and charge have no effect here."""
        self.length = _unit(action, "LENGTH", LENGTH, LENGTH["nm"])
        self.energy = _unit(action, "ENERGY", ENERGY, ENERGY["kj/mol"])
        self.time = _unit(action, "TIME", TIME, TIME["ps"])

    def _centre(self, action: Action) -> None:
        atoms = action.atoms(action.words("ATOMS"))
        if len(set(atoms)) != len(atoms):
            raise action.fail("COM names an atom twice")
        self.centres[action.label] = atoms, "NOPBC" not in action.values

    def _cv(self, action: Action) -> None:
        points: list[tuple[tuple[int, ...], bool]] = []
        for word in action.words("ATOMS"):
            if word in self.centres:
                points.append(self.centres[word])
            else:
                points += [((atom,), False) for atom in action.atoms([word])]
        needed = POINTS[action.name]
        if len(points) != needed or action.label.startswith("@"):
            raise action.fail(f"{action.name} needs a label and {needed} atoms; it has {len(points)}")
        if len({atoms for atoms, _ in points}) != needed:
            raise action.fail(f"{action.name} names an atom twice")
        atoms, whole = zip(*points, strict=True)
        self.cvs[action.label] = PlumedCV(action.label, action.name, atoms, "NOPBC" not in action.values, whole)
        self.known.append(action.label)

    def _combine(self, action: Action) -> None:
        distances = self._arguments(action)
        kinds = {cv.kind for cv in distances}
        if action.label.startswith("@") or kinds != {"DISTANCE"} or action.word("PERIODIC") != "NO":
            raise action.fail("COMBINE needs a label, distances as ARG, and PERIODIC=NO")
        factors = action.numbers("COEFFICIENTS", len(distances), "1")
        summed = tuple((cv.label, factor) for cv, factor in zip(distances, factors, strict=True))
        self.cvs[action.label] = PlumedCV(action.label, action.name, (), summed=summed)
        self.known.append(action.label)

    def _arguments(self, action: Action) -> list[PlumedCV]:
        names = action.words("ARG")
        for name in names:
            if name not in self.cvs:
                raise action.fail(
                    f"ARG={short(name)} is not a variable defined above; allowed: {', '.join(self.cvs)}"
                )
        return [self.cvs[name] for name in names]

    def _pbmetad(self, action: Action) -> None:
        if self.restart:
            raise action.fail("PBMETAD cannot RESTART: PLUMED's own does not with PF; allowed: METAD")
        bias, notes = read_pbmetad(action, self._arguments(action), self.length, self.energy)
        self._add_bias(action, bias, notes)

    def _add_bias(self, action: Action, bias: PbMetaD | PlumedMetaD, notes: list[str]) -> None:
        taken = {name for other in self.biases for name in other.files}
        what = "families" if all(isinstance(each, PbMetaD) for each in (*self.biases, bias)) else "biases"
        if len({Path(name).name for name in [*taken, *bias.files]}) != len(taken) + len(bias.files):
            raise action.fail(f"two {what} would write HILLS files of the same name; give each its own FILE")
        self.biases.append(bias)
        self.notes += notes
        self.known.append(f"{action.label}.bias")

    def _walls(self, action: Action) -> None:
        cvs = self._arguments(action)
        count, upper = len(cvs), action.name == "UPPER_WALLS"
        given = {key: action.numbers(key, count) for key in ("AT", "KAPPA")}
        given |= {k: action.numbers(k, count, d) for k, d in (("EXP", "2"), ("EPS", "1"), ("OFFSET", "0"))}
        if min(given["EXP"]) <= 0 or min(given["EPS"]) <= 0:
            raise action.fail("EXP and EPS must be above 0")
        for n, cv in enumerate(cvs):
            scale, exponent = cv.scale(self.length), given["EXP"][n]
            # kappa ((s - at + offset) / eps)^exp with s in the file's length is kappa * length^-exp in Angstrom
            kappa = given["KAPPA"][n] * self.energy / scale**exponent
            offset, at = given["OFFSET"][n] * scale, given["AT"][n] * scale
            self.walls.append(Wall(action.label, upper, cv.label, at, kappa, exponent, given["EPS"][n], offset))
        self.known += [f"{action.label}.bias", f"{action.label}.force2"]

    def _print(self, action: Action) -> None:
        for word in action.words("ARG"):
            names = [word] if word in self.known else []
            if re.fullmatch(r"\*|[\w@+-]+\.\*|\*\.\w+", word):
                names = fnmatch.filter(self.known, word)
            if not names:
                raise action.fail(f"PRINT ARG={short(word)} is not known; allowed: {', '.join(self.known)}")
            self.printed += names


def _unit(action: Action, key: str, known: dict[str, float], default: float) -> float:
    """Return a unit by its name, or by its size in PLUMED's default unit (nm, kJ/mol, ps)."""
    given = action.values.get(key)
    if given is None or given in known:
        return default if given is None else known[given]
    try:
        size = action.number(key, given)
    except InputError:
        size = 0.0
    if size <= 0:
        raise action.fail(
            f"{key}={short(given)} is not supported; allowed: {', '.join(known)}, or a number above 0"
        )
    return size * default
