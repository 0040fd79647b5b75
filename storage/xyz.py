"""Read labelled configurations of other programs: MB-Fit's xyz, and extended xyz.

MB-Fit writes energies in kcal/mol, without names, into the comment line: one number, or the binding energy and
the n-body energy. Extended xyz names what it holds; without a word about units its energies are in eV, as ASE has
them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from potentials.errors import InputError

Floats = NDArray[np.float64]

ENERGY_KEYS = ("nbody_energy", "REF_energy", "energy")
"""Names of an energy in extended xyz, the first that is there counts."""

FORCES_KEYS = ("nbody_forces", "REF_forces", "forces")
"""Names of forces in extended xyz, likewise."""

UNITS = {"kcal/mol": 1.0, "eV": 23.060547830619026, "hartree": 627.5094740631}
"""Energies in kcal/mol; forces are per Angstrom throughout."""

FREE_UNIT = "eV"
"""Of extended xyz that names none in ``energy_unit``."""


@dataclass(frozen=True)
class Labelled:
    """Configurations of one molecule or cluster with their energies.

    Attributes
    ----------
    symbols
        Element of each atom.
    positions
        (n, atoms, 3), Angstrom.
    energy
        (n,), kcal/mol.
    gradient
        (n, atoms, 3), kcal/mol/Angstrom; None where the file has none.
    """

    symbols: tuple[str, ...]
    positions: Floats
    energy: Floats
    gradient: Floats | None = None

    def __len__(self) -> int:
        return len(self.energy)


def read_labelled(path: Path, column: int | None = None) -> Labelled:
    """Read an xyz file whose comment lines hold energies.

    Parameters
    ----------
    path
        MB-Fit style xyz (numbers in the comment, kcal/mol) or extended xyz (``energy=``).
    column
        Which number of the comment, counted from 1; by default the second where there are two or more.

    Raises
    ------
    InputError
        If the file cannot be read, holds no energies, or not the same atoms throughout; the message names the
        configuration, counted from 1.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"'{path}' cannot be read: {getattr(error, 'strerror', None) or error}") from None
    lines = text.splitlines()
    if len(lines) > 1 and "=" in lines[1]:
        if column is not None:
            raise InputError(f"'{path}' is extended xyz, whose energies have names; column counts plain numbers")
        return _read_extended(path, text)
    return _read_plain(path, lines, column)


def _read_plain(path: Path, lines: list[str], column: int | None) -> Labelled:
    symbols: tuple[str, ...] = ()
    positions, energies = [], []
    for number, (comment, rows) in enumerate(_blocks(path, lines), start=1):
        where = f"'{path}', configuration {number}"
        words = [row.split() for row in rows]
        try:
            places = [[float(x) for x in word[1:4]] for word in words]
            elements = tuple(word[0].capitalize() for word in words)
        except (ValueError, IndexError):
            raise InputError(f"{where}: a line is not 'element x y z'") from None
        if {len(place) for place in places} != {3}:
            raise InputError(f"{where}: a line is not 'element x y z'")
        symbols = symbols or elements
        if elements != symbols:
            raise InputError(f"{where} has the atoms {' '.join(elements)}; the first has {' '.join(symbols)}")
        positions.append(places)
        energies.append(_pick(where, comment, column))
    return _checked(path, Labelled(symbols, np.array(positions), np.array(energies)))


def _blocks(path: Path, lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the comment and the atoms' lines of each configuration."""
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        try:
            count = int(lines[at])
        except ValueError:
            raise InputError(f"'{path}', line {at + 1}: '{lines[at][:40]}' is not a number of atoms") from None
        rows = lines[at + 2 : at + 2 + count]
        if count < 1 or len(rows) < count:
            raise InputError(f"'{path}', line {at + 1}: {count} atoms are announced and {len(rows)} follow")
        yield lines[at + 1], rows
        at += 2 + count


def _pick(where: str, comment: str, column: int | None) -> float:
    try:
        numbers = [float(word) for word in comment.replace(",", " ").split()]
    except ValueError:
        raise InputError(f"{where}: the comment '{comment.strip()[:60]}' is not energies in kcal/mol") from None
    wanted = column if column is not None else min(2, len(numbers))
    if not 1 <= wanted <= len(numbers):
        raise InputError(f"{where} has {len(numbers)} energies in its comment; column {wanted} is not one of them")
    return numbers[wanted - 1]


def _read_extended(path: Path, text: str) -> Labelled:
    from ase.io import iread

    frames = []
    try:
        for atoms in iread(io.StringIO(text), index=":", format="extxyz"):
            frames.append(atoms)
    except Exception as error:  # ASE's reader raises whatever its parts do
        raise InputError(f"'{path}', configuration {len(frames) + 1}: not extended xyz ({error})") from None
    symbols = tuple(frames[0].get_chemical_symbols())
    energies, gradients = [], []
    for number, atoms in enumerate(frames, start=1):
        where = f"'{path}', configuration {number}"
        if tuple(atoms.get_chemical_symbols()) != symbols:
            raise InputError(f"{where} has other atoms than the first, or another order of them")
        results: dict[str, Any] = atoms.calc.results if atoms.calc else {}
        unit = str(atoms.info.get("energy_unit", FREE_UNIT))
        if unit not in UNITS:
            raise InputError(f"{where}: energy_unit is '{unit}'; allowed: {', '.join(UNITS)}")
        energy = _first(ENERGY_KEYS, atoms.info | results)
        if energy is None:
            raise InputError(f"{where} has no energy; allowed names: {', '.join(ENERGY_KEYS)}")
        forces = _first(FORCES_KEYS, atoms.arrays | results)
        energies.append(UNITS[unit] * float(energy))
        gradients.append(None if forces is None else -UNITS[unit] * np.asarray(forces, dtype=np.float64))
    positions = np.array([atoms.get_positions() for atoms in frames])
    known = [g for g in gradients if g is not None]
    if known and len(known) < len(gradients):
        raise InputError(f"'{path}': {len(known)} of {len(gradients)} configurations have forces; all or none may")
    return _checked(path, Labelled(symbols, positions, np.array(energies), np.array(known) if known else None))


def _first(names: tuple[str, ...], values: dict[str, Any]) -> Any:
    return next((values[name] for name in names if name in values), None)


def _checked(path: Path, found: Labelled) -> Labelled:
    from ase.data import atomic_numbers

    if not len(found):
        raise InputError(f"'{path}' holds no configurations")
    unknown = [s for s in found.symbols if s not in atomic_numbers or s == "X"]
    if unknown:
        raise InputError(f"'{path}': '{unknown[0]}' is not the symbol of an element")
    wrong = ~(np.isfinite(found.energy) & np.isfinite(found.positions).all(axis=(1, 2)))
    if wrong.any():
        raise InputError(f"'{path}', configuration {int(wrong.argmax()) + 1}: a number is not finite")
    return found
