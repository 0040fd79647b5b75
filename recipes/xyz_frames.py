"""Read xyz files as frames: atoms, positions, further columns, comment, cell.

Plain xyz and extended xyz are read with their common variations: a byte order mark, CRLF, tabs, blank lines at the
end, Fortran exponents, numbers after the symbols of atoms, and atomic numbers instead of symbols. Ambiguous input
is refused with the file's name and the line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.systems.cell import Cell
from potentials.units import length_unit
from recipes.xyz_words import element, number_of

FARTHEST = 1e6
"""Largest coordinate that is accepted, Angstrom."""

_KEY = re.compile(r"([A-Za-z_][\w.\-]*)\s*=\s*(\"[^\"]*\"|'[^']*'|\{[^}]*\}|\[[^\]]*\]|\S+)|(\S+)")
_LENGTH_KEYS = ("units", "length_unit", "length_units", "pos_unit", "positions_unit")
_OTHER_CELLS = ("cell", "box", "unit_cell", "cell_vectors", "cell_parameters")
_TRUE, _FALSE = ("T", "TRUE", "1"), ("F", "FALSE", "0")
_WIDTHS = {"S", "R", "I", "L"}

Word = TypeVar("Word")


@dataclass(frozen=True)
class Column:
    """Numbers or words after the positions of the atoms.

    Attributes
    ----------
    name
        Its name in Properties; empty in plain xyz.
    width
        Number of columns of text.
    values
        (atoms, width) if they are real numbers, else None.
    trouble
        Why they are not, if they should be.
    """

    name: str
    width: int
    values: Floats | None
    trouble: str = ""


@dataclass(frozen=True)
class Frame:
    """One configuration of a file.

    Attributes
    ----------
    path, line, number
        File, line of its number of atoms, and its own number, both from 1.
    comment
        The second line.
    keys
        The keys of the comment with their values; None if it has no key.
    bare
        The words without a key of a comment that has keys.
    symbols
        Element of each atom.
    positions
        (atoms, 3), Angstrom.
    further
        Columns after the positions.
    cell
        The periodic cell; None without periodicity.
    cell_said
        What the comment says about cell and periodicity, in words; empty if nothing.
    """

    path: Path
    line: int
    number: int
    comment: str
    keys: dict[str, str] | None
    bare: tuple[str, ...]
    symbols: tuple[str, ...]
    positions: Floats
    further: tuple[Column, ...]
    cell: Cell | None
    cell_said: str

    @property
    def where(self) -> str:
        """File, line of the number of atoms, and number of the frame, as in messages."""
        return _where(self.path, self.line, self.number)

    @property
    def on_comment(self) -> str:
        """File, line of the comment, and number of the frame."""
        return _where(self.path, self.line + 1, self.number)


def read_frames(path: Path, ignore_cell: bool = False) -> Iterator[Frame]:
    """Yield the frames of an xyz or extended xyz file.

    Parameters
    ----------
    path
        The file.
    ignore_cell
        Ignore cell and periodicity.

    Raises
    ------
    InputError
        If the file cannot be read; the message names the line and the configuration, counted from 1.
    """
    lines = _lines(path)
    at, number = 0, 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        number += 1
        count = _count(path, lines, at)
        yield _frame(path, lines, at, count, number, ignore_cell)
        at += 2 + count
    if not number:
        raise InputError(f"'{path}' holds no configurations")


def _lines(path: Path) -> list[str]:
    def refused(reason: str) -> InputError:
        return InputError(f"'{path}' cannot be read as xyz: {reason}")

    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InputError(f"'{path}' cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise refused("it is UTF-16; save it as UTF-8")
    if b"\0" in data:
        raise refused("it is not text")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise refused(f"line {line} is not UTF-8 text") from None
    lines = re.split(r"\r\n|\n|\r", text)
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def _count(path: Path, lines: list[str], at: int) -> int:
    text = lines[at].strip()
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise InputError(f"'{path}' cannot be read as xyz: line {at + 1}: '{text[:40]}' is not a number of atoms")
    count, rest = int(text), len(lines) - at - 2
    if count < 1 or rest < count:
        raise InputError(
            f"'{path}' cannot be read as xyz: line {at + 1}: {count} atoms are announced and {max(0, rest)} follow"
        )
    return count


def _where(path: Path, line: int, number: int) -> str:
    return f"'{path}', line {line}, configuration {number}"


def _frame(path: Path, lines: list[str], at: int, count: int, number: int, ignore_cell: bool) -> Frame:
    comment, where = lines[at + 1], _where(path, at + 2, number)
    keys, bare = _keys(comment) if "=" in comment else (None, ())
    layout = _layout(where, keys)
    for key, value in (keys or {}).items():
        if key.lower() in _LENGTH_KEYS and length_unit(value) not in (None, "A"):
            raise InputError(f"{where}: {key} is '{value}'; positions are allowed in Angstrom alone")
    words: list[list[str]] = []
    for line, row in enumerate(lines[at + 2 : at + 2 + count], start=at + 3):
        found = row.split()
        if len(found) < 4:
            raise InputError(f"{_where(path, line, number)}: a line is not 'element x y z': '{row.strip()[:40]}'")
        if words and len(found) != len(words[0]):
            raise InputError(
                f"{_where(path, line, number)}: the line has {len(found)} columns, the first atom's has "
                f"{len(words[0])}"
            )
        words.append(found)
    width = len(words[0])
    if layout is None:
        layout = [("species", "S", 0, 1), ("pos", "R", 1, 3)]
        if width > 4:
            layout.append(("", "R", 4, width - 4))
    if (described := sum(entry[3] for entry in layout)) != width:
        raise InputError(f"{where}: Properties describes {described} columns; the atoms' lines have {width}")
    positions: Floats = np.empty(0)
    further: list[Column] = []
    for name, kind, start, wide in layout:
        rows = _Rows(path, at + 3, number, [row[start : start + wide] for row in words])
        if name in ("species", "Z"):
            symbols = [symbol for (symbol,) in rows.read(element)]
        elif name == "pos":
            positions = np.array(rows.read(number_of, "a line is not 'element x y z': "))
        else:
            further.append(_further(name, kind, rows))
    if np.abs(positions).max() > FARTHEST:
        raise InputError(f"{where}: a coordinate is larger than {FARTHEST:g} A")
    cell, said = (None, "") if ignore_cell else _cell(where, keys or {}, comment)
    return Frame(path, at + 1, number, comment, keys, bare, tuple(symbols), positions, tuple(further), cell, said)


def _further(name: str, kind: str, rows: _Rows) -> Column:
    if kind != "R":
        return Column(name, rows.width, None)
    try:
        return Column(name, rows.width, np.array(rows.read(number_of)))
    except InputError as error:  # raised if the column is needed
        return Column(name, rows.width, None, str(error))


@dataclass(frozen=True)
class _Rows:
    """Some columns of the lines of atoms: the file, the first line and the frame's number, both from 1."""

    path: Path
    line: int
    number: int
    words: list[list[str]]

    @property
    def width(self) -> int:
        return len(self.words[0])

    def read(self, read: Callable[[str], Word], before: str = "") -> list[list[Word]]:
        """Return every word as `read` gives it; raises InputError in place of its ValueError."""
        found = []
        for line, row in enumerate(self.words, start=self.line):
            try:
                found.append([read(word) for word in row])
            except ValueError as error:
                said = f"{'' if 'not finite' in str(error) else before}{error}"
                raise InputError(f"{_where(self.path, line, self.number)}: {said}") from None
        return found


def _keys(comment: str) -> tuple[dict[str, str] | None, tuple[str, ...]]:
    """Return the keys of a comment with their values, and its words without a key.

    The values of a key that occurs twice are joined by "and", so that they are not taken for a number.
    """
    found: dict[str, str] = {}
    bare = []
    for match in _KEY.finditer(comment):
        if match[3] is not None:
            bare.append(match[3])
            continue
        value = match[2]
        if value[0] in "\"'{[" and len(value) > 1:
            value = value[1:-1]
        found[match[1]] = f"{found[match[1]]} and {value}" if match[1] in found else value
    return found or None, tuple(bare)


def _layout(where: str, keys: dict[str, str] | None) -> list[tuple[str, str, int, int]] | None:
    """Return name, type, first column and width of each entry of Properties; None without Properties."""
    text = next((value for key, value in (keys or {}).items() if key.lower() == "properties"), None)
    if text is None:
        return None
    parts = text.split(":")
    names, kinds, widths = parts[::3], parts[1::3], parts[2::3]
    allowed = "allowed: name:type:columns, such as species:S:1:pos:R:3:forces:R:3"
    if len(parts) % 3 or not set(kinds) <= _WIDTHS or not all(re.fullmatch(r"[1-9]\d?", w) for w in widths):
        raise InputError(f"{where}: Properties is '{text[:80]}'; {allowed}")
    if len(set(names)) < len(names) or "" in names:
        raise InputError(f"{where}: Properties '{text[:80]}' has a name twice or none; {allowed}")
    layout, start = [], 0
    for name, kind, width in zip(names, kinds, widths, strict=True):
        layout.append((name, kind, start, int(width)))
        start += int(width)
    shapes = {name: (kind, width) for name, kind, _, width in layout}
    species = shapes.get("species") == ("S", 1) or ("species" not in shapes and shapes.get("Z") == ("I", 1))
    if not species or shapes.get("pos") != ("R", 3):
        raise InputError(f"{where}: Properties is '{text[:80]}'; needed: species:S:1 (or Z:I:1) and pos:R:3")
    if "species" in shapes:  # the symbols are used; atomic numbers beside them are a further column
        layout = [("Z of species", *entry[1:]) if entry[0] == "Z" else entry for entry in layout]
    return layout


def _cell(where: str, keys: dict[str, str], comment: str) -> tuple[Cell | None, str]:
    """Return the periodic cell of a comment and what it says; a Lattice without pbc is periodic, as in ASE."""
    named = {key.lower(): value for key, value in keys.items()}
    other = next((key for key in _OTHER_CELLS if key in named), None)
    if other or "CELL{" in comment or "CELL(" in comment:  # the latter two are of i-PI, whose units vary
        raise InputError(f"{where}: its cell is not written as Lattice and pbc; write it so, or leave it out")
    lattice, pbc = named.get("lattice"), named.get("pbc")
    periodic = (lattice is not None,) * 3
    if pbc is not None:
        words = pbc.replace(",", " ").upper().split()
        words = words * 3 if len(words) == 1 else words
        if len(words) != 3 or not set(words) <= {*_TRUE, *_FALSE}:
            raise InputError(f"{where}: pbc is '{pbc[:40]}'; allowed: three of T and F, such as \"T T F\"")
        periodic = (words[0] in _TRUE, words[1] in _TRUE, words[2] in _TRUE)
    if not any(periodic):
        return None, "" if lattice is None else 'a Lattice with pbc "F F F": left as it is'
    if lattice is None:
        raise InputError(f"{where}: pbc is '{pbc}' and there is no Lattice; give one, or pbc \"F F F\"")
    try:
        numbers = [number_of(word) for word in lattice.replace(",", " ").split()]
        if len(numbers) != 9:
            raise ValueError(f"it has {len(numbers)} numbers")
        rows = tuple((numbers[n], numbers[n + 1], numbers[n + 2]) for n in (0, 3, 6))
        cell = Cell(rows, periodic)
    except ValueError as error:
        raise InputError(
            f"{where}: Lattice is '{lattice[:60]}'; allowed: nine finite numbers, three vectors (A): {error}"
        ) from None
    said = f'pbc "{" ".join("T" if p else "F" for p in periodic)}"'
    return cell, said if pbc is not None else f"a Lattice without pbc, so {said}"
