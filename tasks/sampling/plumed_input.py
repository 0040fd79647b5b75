"""Read the part of PLUMED's input language that describes a PBMetaD run.

Read are UNITS, COM, DISTANCE, ANGLE, TORSION, PBMETAD (with or without PF), UPPER_WALLS, LOWER_WALLS, and PRINT.
Whatever else a file asks for is refused by name: a bias that is silently another one would be worse than none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from potentials.errors import InputError

LENGTH = {"nm": 10.0, "A": 1.0, "Bohr": 0.529177210903}
ENERGY = {"kj/mol": 1 / 4.184, "kcal/mol": 1.0, "j/mol": 1 / 4184.0, "eV": 96.48530749925792 / 4.184}
TIME = {"ps": 1000.0, "fs": 1.0, "ns": 1e6}

KEYS: dict[str, set[str]] = {
    "UNITS": {"LENGTH", "ENERGY", "TIME"},
    "COM": {"ATOMS", "NOPBC"},
    "DISTANCE": {"ATOMS", "NOPBC"},
    "ANGLE": {"ATOMS", "NOPBC"},
    "TORSION": {"ATOMS", "NOPBC"},
    "PBMETAD": {
        *("ARG", "SIGMA", "PACE", "HEIGHT", "BIASFACTOR", "TEMP", "FILE", "FMT"),
        *("GRID_MIN", "GRID_MAX", "GRID_BIN"),
    },
    "UPPER_WALLS": {"ARG", "AT", "KAPPA", "EXP", "EPS", "OFFSET"},
    "LOWER_WALLS": {"ARG", "AT", "KAPPA", "EXP", "EPS", "OFFSET"},
    "PRINT": {"ARG", "FILE", "STRIDE", "FMT"},
}
POINTS = {"DISTANCE": 2, "ANGLE": 3, "TORSION": 4}


@dataclass(frozen=True)
class Variable:
    """A distance, angle, or dihedral between points.

    Attributes
    ----------
    label
        Its name in the file.
    kind
        ``DISTANCE``, ``ANGLE``, or ``TORSION``.
    points
        For each point its atoms, counted from 0; several atoms stand for their centre of mass.
    """

    label: str
    kind: str
    points: tuple[tuple[int, ...], ...]


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
    sigma, lower, upper, bins
        One for each family.
    pace, height, biasfactor, temperature
        Steps, kcal/mol, 1, K.
    files
        Names of the HILLS files, one for each family.
    """

    label: str
    arguments: tuple[str, ...]
    family: tuple[int, ...]
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
        The file's own units in Angstrom, kcal/mol, and fs: what is printed is divided by them.
    """

    variables: tuple[Variable, ...]
    biases: tuple[PbMetaD, ...]
    walls: tuple[Wall, ...]
    printed: tuple[str, ...]
    length: float
    energy: float
    time: float


def read_plumed(path: Path) -> PlumedInput:
    """Read a ``plumed.dat``.

    Raises
    ------
    InputError
        If the file cannot be read, or asks for something that is not supported; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"'{path}' cannot be read: {error}") from None
    return _Reader(path.name).read(text)


class _Reader:
    """Collects the actions of one file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.where = ""
        self.length, self.energy, self.time = LENGTH["nm"], ENERGY["kj/mol"], TIME["ps"]
        self.centres: dict[str, tuple[int, ...]] = {}
        self.variables: dict[str, Variable] = {}
        self.biases: list[PbMetaD] = []
        self.walls: list[Wall] = []
        self.printed: list[str] = []

    def read(self, text: str) -> PlumedInput:
        for number, words in _actions(text, self.name):
            self.where = f"{self.name}, line {number}"
            label, action, values = self._split(words)
            self._take(label, action, values)
        return PlumedInput(
            tuple(self.variables.values()),
            tuple(self.biases),
            tuple(self.walls),
            tuple(dict.fromkeys(self.printed)),
            self.length,
            self.energy,
            self.time,
        )

    def fail(self, message: str) -> InputError:
        return InputError(f"{self.where}: {message}")

    def _split(self, words: list[str]) -> tuple[str, str, dict[str, str]]:
        label = ""
        if words[0].endswith(":"):
            label, words = words[0][:-1], words[1:]
        if not words or words[0] not in KEYS:
            action = words[0] if words else ""
            raise self.fail(f"action '{action}' is not supported; allowed: {', '.join(KEYS)}")
        action, values = words[0], {}
        for word in words[1:]:
            key, _, value = word.partition("=")
            if key == "LABEL":
                label = value
            elif key in KEYS[action] or (action == "PBMETAD" and re.fullmatch(r"PF\d+", key)):
                values[key] = value
            else:
                raise self.fail(
                    f"keyword '{key}' of {action} is not supported; allowed: {', '.join(sorted(KEYS[action]))}"
                )
        return label, action, values

    def _take(self, label: str, action: str, values: dict[str, str]) -> None:
        if action == "UNITS":
            self.length = self._unit(values, "LENGTH", LENGTH, self.length)
            self.energy = self._unit(values, "ENERGY", ENERGY, self.energy)
            self.time = self._unit(values, "TIME", TIME, self.time)
        elif action == "COM":
            self.centres[label] = self._atoms(values.get("ATOMS", ""))
        elif action in POINTS:
            self._variable(label, action, values)
        elif action == "PBMETAD":
            self._pbmetad(label, values)
        elif action == "PRINT":
            self.printed += self._printed(values)
        else:
            self._walls(label, action == "UPPER_WALLS", values)

    def _unit(self, values: dict[str, str], key: str, known: dict[str, float], default: float) -> float:
        given = values.get(key)
        if given is None:
            return default
        if given not in known:
            raise self.fail(f"{key}={given} is not supported; allowed: {', '.join(known)}")
        return known[given]

    def _atoms(self, text: str) -> tuple[int, ...]:
        atoms: list[int] = []
        for part in text.split(","):
            match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
            if not match or int(match[1]) < 1:
                raise self.fail(
                    f"ATOMS={text} is not readable; allowed: numbers from 1 and ranges, for example 1,3-5"
                )
            atoms += range(int(match[1]) - 1, int(match[2] or match[1]))
        return tuple(atoms)

    def _variable(self, label: str, action: str, values: dict[str, str]) -> None:
        points: list[tuple[int, ...]] = []
        for word in values.get("ATOMS", "").split(","):
            points += [self.centres[word]] if word in self.centres else [(a,) for a in self._atoms(word)]
        if len(points) != POINTS[action] or not label:
            raise self.fail(f"{action} needs a label and {POINTS[action]} atoms; it has {len(points)}")
        self.variables[label] = Variable(label, action, tuple(points))

    def _arguments(self, values: dict[str, str]) -> tuple[str, ...]:
        names = tuple(values.get("ARG", "").split(","))
        for name in names:
            if name not in self.variables:
                raise self.fail(
                    f"ARG={name} is not a variable defined above; allowed: {', '.join(self.variables)}"
                )
        return names

    def _numbers(self, values: dict[str, str], key: str, count: int, default: str | None = None) -> list[float]:
        text = values.get(key, default)
        if text is None:
            raise self.fail(f"{key} is missing; PLUMED's other ways without it are not supported")
        words = text.split(",")
        if len(words) == 1 and default is not None:
            words *= count
        if len(words) != count:
            raise self.fail(f"{key}={text} has {len(words)} values; {count} are needed")
        return [self._number(key, word) for word in words]

    def _number(self, key: str, word: str) -> float:
        match = re.fullmatch(r"([+-]?[\d.]*(?:[eE][+-]?\d+)?)\*?(pi)?", word)
        try:
            if match and match[2]:
                return math.pi * float({"": "1", "-": "-1", "+": "1"}.get(match[1], match[1]))
            return float(word)
        except ValueError:
            raise self.fail(f"{key}={word} is not a number") from None

    def _scale(self, name: str) -> float:
        return self.length if self.variables[name].kind == "DISTANCE" else 1.0

    def _pbmetad(self, label: str, values: dict[str, str]) -> None:
        names = self._arguments(values)
        groups = [values[f"PF{n}"].split(",") for n in range(len(values)) if f"PF{n}" in values]
        groups = groups or [[name] for name in names]
        family = {name: n for n, group in enumerate(groups) for name in group}
        if sorted(family) != sorted(names) or sum(map(len, groups)) != len(names):
            raise self.fail("the families PF0, PF1, ... must hold every argument of ARG exactly once")
        count = len(groups)
        scale = [self._scale(group[0]) for group in groups]
        numbers = {k: self._numbers(values, k, count) for k in ("SIGMA", "GRID_MIN", "GRID_MAX", "GRID_BIN")}
        single = {k: self._numbers(values, k, 1)[0] for k in ("PACE", "HEIGHT", "BIASFACTOR", "TEMP")}

        def scaled(key: str) -> tuple[float, ...]:
            return tuple(v * s for v, s in zip(numbers[key], scale, strict=True))

        default = ",".join(f"HILLS.{groups[n][0]}" for n in range(count))
        files = values.get("FILE", default).split(",")
        if len(files) != count or single["BIASFACTOR"] <= 1 or min(numbers["GRID_BIN"]) < 1 or single["PACE"] < 1:
            raise self.fail("PBMETAD needs one FILE a family, BIASFACTOR above 1, PACE and GRID_BIN of at least 1")
        self.biases.append(
            PbMetaD(
                label or "pbmetad",
                names,
                tuple(family[name] for name in names),
                scaled("SIGMA"),
                scaled("GRID_MIN"),
                scaled("GRID_MAX"),
                tuple(round(b) for b in numbers["GRID_BIN"]),
                round(single["PACE"]),
                single["HEIGHT"] * self.energy,
                single["BIASFACTOR"],
                single["TEMP"],
                tuple(files),
            )
        )

    def _walls(self, label: str, upper: bool, values: dict[str, str]) -> None:
        names = self._arguments(values)
        given = {k: self._numbers(values, k, len(names)) for k in ("AT", "KAPPA")}
        given |= {
            k: self._numbers(values, k, len(names), d) for k, d in (("EXP", "2"), ("EPS", "1"), ("OFFSET", "0"))
        }
        for n, name in enumerate(names):
            scale, exponent = self._scale(name), given["EXP"][n]
            # kappa ((s - at + offset) / eps)^exp with s in the file's length is kappa * length^-exp in Angstrom
            kappa = given["KAPPA"][n] * self.energy / scale**exponent
            offset = given["OFFSET"][n] * scale
            self.walls.append(
                Wall(label, upper, name, given["AT"][n] * scale, kappa, exponent, given["EPS"][n], offset)
            )

    def _printed(self, values: dict[str, str]) -> list[str]:
        biases = [b.label for b in self.biases] + [w.label for w in self.walls]
        known = [*self.variables, *dict.fromkeys(f"{label}.bias" for label in biases)]
        names: list[str] = []
        for word in values.get("ARG", "").split(","):
            if word == "*":
                names += known
            elif word in known:
                names.append(word)
            else:
                raise self.fail(f"PRINT ARG={word} is not known; allowed: {', '.join(known)}")
        return names


def _actions(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, words) of each action, `...` blocks joined and comments left out."""
    block: list[str] | None = None
    start = 0
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if words[0] == "ENDPLUMED":
            break
        if block is None:
            if words[-1] == "...":
                block, start = words[:-1], number
            else:
                yield number, words
        elif words[0] == "...":
            yield start, block
            block = None
        else:
            block += words
    if block is not None:
        raise InputError(f"{name}, line {start}: the block that begins here does not end with '...'")
