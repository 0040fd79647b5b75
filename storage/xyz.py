"""Read labelled configurations of other programs: MB-Fit's and MSA's xyz, and extended xyz.

MB-Fit writes energies in kcal/mol, without names, into the comment line: one number, or the binding energy and the
n-body energy. MSA writes total energies in hartree, and gradients in hartree/bohr behind the positions. Extended
xyz names its columns; if it gives no unit, its energies are in eV, as in ASE. What was read, the unit, and where
the unit is known from are kept with the configurations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers, covalent_radii

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.systems.cell import AmbiguousImagesError, Cell, make_whole
from potentials.units import ENERGY
from recipes.xyz_frames import Frame, read_frames
from recipes.xyz_words import NUMBER, number_of
from storage.xyz_energies import energies_of
from storage.xyz_gradients import read_gradients
from storage.xyz_looks import (
    looks_at_energies,
    looks_at_positions,
    looks_at_test,
    refuse_hartree,
    total_energies,
)
from storage.xyz_options import Reading, ReadOptions

UNITS = ENERGY
"""Units of energy, in kcal/mol."""

_BLOCK = 1000


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
    reading
        How they were read.
    """

    symbols: tuple[str, ...]
    positions: Floats
    energy: Floats
    gradient: Floats | None
    reading: Reading

    def __len__(self) -> int:
        return len(self.energy)


@dataclass(frozen=True)
class Geometries:
    """Configurations without their energies.

    Attributes
    ----------
    symbols
        Element of each atom of each configuration.
    positions
        (atoms, 3) of each, Angstrom.
    notes
        What of the file was not used, or changed.
    """

    symbols: tuple[tuple[str, ...], ...]
    positions: tuple[Floats, ...]
    notes: tuple[str, ...]


def read_labelled(
    path: Path,
    column: int | None = None,
    options: ReadOptions | None = None,
    fragments: Sequence[int] = (),
) -> Labelled:
    """Read an xyz file whose comment lines hold energies.

    Parameters
    ----------
    path
        Plain xyz (numbers in the comment) or extended xyz (``energy=``).
    column
        Which number of the comment, counted from 1; by default the second where there are two.
    options
        What is known about the file; see `ReadOptions`. A zero of energy is not subtracted here.
    fragments
        Number of atoms of each fragment, for molecules cut by a periodic cell; by default all atoms are one
        fragment.

    Raises
    ------
    InputError
        If the file cannot be read, holds no energies, or not the same atoms throughout; the message names the
        line and the configuration, counted from 1.
    """
    options = options or ReadOptions()
    if column is not None:
        if options.energy is not None:
            raise InputError("--column and --energy set the same; give one of them")
        options = replace(options, energy=str(column))
    return _read(path, options, fragments, None)


def read_sets(
    train: Path,
    test: Path | None,
    column: int | None = None,
    options: ReadOptions | None = None,
    fragments: Sequence[int] = (),
) -> tuple[Labelled, Labelled | None]:
    """Read a training and a test set in the same way, with one zero of energy.

    Total energies of one fragment are taken relative to the lowest of the training set, because the polynomial has
    no constant.

    Parameters
    ----------
    train, test
        The files.
    column, options, fragments
        As in `read_labelled`, for both.

    Raises
    ------
    InputError
        As there; or if energies of several fragments are total energies and no zero is given.
    """
    options = options or ReadOptions()
    first = read_labelled(train, column, options, fragments)
    zero, why = _zero(first, options, fragments)
    first = _counted(first, zero, why)
    if test is None:
        return first, None
    if column is not None:
        options = replace(options, energy=str(column))
    if options.columns is None and first.reading.columns:
        options = replace(options, columns=first.reading.columns)
    second = _counted(_read(test, options, fragments, first.reading), zero, why)
    notes = (*second.reading.notes, *looks_at_test(test, first.energy, second.energy))
    return first, replace(second, reading=replace(second.reading, notes=notes))


def read_geometries(path: Path, fragments: Sequence[int]) -> Geometries:
    """Read the geometries of an xyz file, and say what else is in it and was not used.

    Parameters
    ----------
    path
        The file.
    fragments
        Number of atoms of each fragment, for molecules cut by a periodic cell.

    Raises
    ------
    InputError
        If the file cannot be read, has the same atoms in two orders, or a periodic cell is ambiguous.
    """
    frames = list(read_frames(path))
    notes = []
    if any(_has_numbers(frame) for frame in frames):
        notes.append(f"numbers in the comments of '{path}', energies among them, are not used")
    columns = sorted({c.name or "behind the positions" for frame in frames for c in frame.further})
    if columns:
        notes.append(f"columns of '{path}' that are not used: {', '.join(columns)}")
    places = [frame.positions for frame in frames]
    by_atoms: dict[tuple[str, ...], list[int]] = {}
    for n, frame in enumerate(frames):
        by_atoms.setdefault(frame.symbols, []).append(n)
    said = set()
    orders: dict[tuple[str, ...], Frame] = {}
    for rows in by_atoms.values():
        first = orders.setdefault(tuple(sorted(frames[rows[0]].symbols)), frames[rows[0]])
        if first.symbols != frames[rows[0]].symbols:
            raise InputError(
                f"{frames[rows[0]].where} has the atoms {' '.join(frames[rows[0]].symbols)}, which configuration "
                f"{first.number} has in another order: {' '.join(first.symbols)}"
            )
        alike = [frames[n] for n in rows]
        made, what = _whole(alike, fragments)
        notes += looks_at_positions(alike, made)
        said |= {what} - {""}
        for n, x in zip(rows, made, strict=True):
            places[n] = x
    return Geometries(
        tuple(f.symbols for f in frames), tuple(places), (*notes, *(f"'{path}': {s}" for s in sorted(said)))
    )


def _read(path: Path, options: ReadOptions, fragments: Sequence[int], train: Reading | None) -> Labelled:
    frames = list(read_frames(path, options.cell == "ignore"))
    symbols = frames[0].symbols
    for frame in frames:
        if frame.symbols != symbols:
            raise InputError(
                f"{frame.where} has the atoms {' '.join(frame.symbols)}; the first has {' '.join(symbols)}"
            )
    energies = energies_of(frames, options, train)
    if energies.guessed and train is None:
        refuse_hartree(path, energies.values)
    energy = ENERGY[energies.unit] * energies.values
    said, unit, unit_from = energies.said, energies.unit, energies.unit_from
    reading = Reading(path.name, len(frames), said, unit, unit_from, notes=energies.notes)
    gradient, reading = read_gradients(frames, energy, reading, energies.key, options)
    positions, cell = _whole(frames, fragments)
    notes = [*reading.notes, *looks_at_positions(frames, positions)]
    if train is None:
        notes += looks_at_energies(path, energies, energy)
    return Labelled(symbols, positions, energy, gradient, replace(reading, cell=cell, notes=tuple(notes)))


def _zero(train: Labelled, options: ReadOptions, fragments: Sequence[int]) -> tuple[float, str]:
    """Return the zero of energy, kcal/mol, and the reason for it; an empty reason if nothing is subtracted."""
    unit = train.reading.energy_unit
    if options.zero not in (None, "none", "minimum"):
        return ENERGY[unit] * number_of(str(options.zero)), "as --zero says"
    low, high = (float(e) / ENERGY[unit] for e in (train.energy.min(), train.energy.max()))
    why = "--zero minimum is for one molecule"
    if options.zero is None and total_energies(train.energy):
        why = f"the energies of '{train.reading.file}', {low:.6g} to {high:.6g} {unit}, look like total energies"
    elif options.zero != "minimum":
        return 0.0, ""
    if len(fragments) > 1:
        raise InputError(
            f"{why}; energies of several fragments are relative to the separated fragments: give --zero with the "
            "sum of their energies, or --zero none"
        )
    guessed = ", because these look like total energies" if options.zero is None else ""
    return float(train.energy.min()), f"the lowest of the training set{guessed}"


def _counted(data: Labelled, zero: float, why: str) -> Labelled:
    if not why:
        return data
    reading = replace(data.reading, zero=zero / ENERGY[data.reading.energy_unit], zero_from=why)
    if "look like" in why:
        note = f"the energies of '{reading.file}' are relative to {reading.zero:.10g} {reading.energy_unit}, {why}"
        reading = replace(reading, notes=(*reading.notes, f"{note}; --zero says otherwise"))
    return replace(data, energy=data.energy - zero, reading=reading)


def _whole(frames: Sequence[Frame], fragments: Sequence[int]) -> tuple[Floats, str]:
    """Return the positions with the molecules of periodic frames made whole, and what was done."""
    positions = np.array([frame.positions for frame in frames])
    cells: dict[Cell, list[int]] = {}
    for n, frame in enumerate(frames):
        if frame.cell is not None:
            cells.setdefault(frame.cell, []).append(n)
    if not cells:
        return positions, next((frame.cell_said for frame in frames if frame.cell_said), "")
    natoms = len(frames[0].symbols)
    parts = list(fragments) if sum(fragments) == natoms else [natoms]
    radii = covalent_radii[[atomic_numbers[s] for s in frames[0].symbols]]
    changed = 0
    for cell, rows in cells.items():
        for start in range(0, len(rows), _BLOCK):
            here = np.array(rows[start : start + _BLOCK])
            try:
                positions[here], moved = make_whole(positions[here], radii, parts, cell)
            except AmbiguousImagesError as error:
                frame = frames[int(here[error.configuration])]
                raise InputError(
                    f"{frame.where}: {error}, so its molecules cannot be made whole; write molecules that are "
                    'whole, without a Lattice or with pbc "F F F"'
                ) from None
            changed += int(moved.sum())
    said = next(frame.cell_said for frame in frames if frame.cell is not None)
    count = sum(map(len, cells.values()))
    what = f"{said} in {count} of {len(frames)}: molecules put together by nearest images in {changed} of them"
    return positions, what


def _has_numbers(frame: Frame) -> bool:
    words = (
        frame.comment.replace(",", " ").split()
        if frame.keys is None
        else [value for key, value in frame.keys.items() if key.lower() not in ("lattice", "pbc", "properties")]
    )
    return any(NUMBER.fullmatch(word) for word in words)
