"""Energies in the comment lines of an xyz file: which number is taken, and in which unit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.units import energy_unit, length_unit
from recipes.xyz_frames import Frame
from recipes.xyz_words import NUMBER, number_of
from storage.xyz_options import Reading, ReadOptions

ENERGY_KEYS = ("nbody_energy", "REF_energy", "energy")
"""Keys of an energy in extended xyz; the first that is present is used."""

UNIT_KEYS = ("energy_unit", "energy_units", "units")

MBFIT = "as MB-Fit writes; no --unit is given"
ASE = "as ASE writes; neither the file nor --unit names one"


@dataclass(frozen=True)
class Energies:
    """The energies of a file.

    Attributes
    ----------
    values
        (n,), in `unit`.
    unit
        A name of `potentials.units.ENERGY`.
    unit_from
        Where the unit is known from.
    guessed
        Whether the unit is assumed to be MB-Fit's, because none is given.
    key
        Their key; None for plain numbers.
    said
        Which numbers they are, in words.
    notes
        Warnings.
    """

    values: Floats
    unit: str
    unit_from: str
    guessed: bool
    key: str | None
    said: str
    notes: tuple[str, ...]


def energies_of(frames: Sequence[Frame], options: ReadOptions, train: Reading | None) -> Energies:
    """Return the energies of frames, all from the same place of the comment.

    Parameters
    ----------
    frames
        All of a file.
    options
        The user's options.
    train
        How the training set was read, where this is the test set.

    Raises
    ------
    InputError
        If a frame has no such number, or the choice is ambiguous.
    """
    for frame in frames:
        if (frame.keys is None) != (frames[0].keys is None):
            raise InputError(
                f"{frame.on_comment}: the comment '{frame.comment.strip()[:60]}' "
                f"{'is not energies' if frames[0].keys is None else 'has no keys'}, unlike the first one's"
            )
    if frames[0].keys is None:
        return _plain(frames, options, train)
    return _named(frames, options, train)


def _plain(frames: Sequence[Frame], options: ReadOptions, train: Reading | None) -> Energies:
    rows = [_numbers(frame) for frame in frames]
    count, where = len(rows[0]), frames[0].on_comment
    for frame, row in zip(frames, rows, strict=True):
        if not row or len(row) != count:
            more = "" if frame is frames[0] else f"; the first has {count}"
            raise InputError(f"{frame.on_comment} has {len(row)} energies in its comment{more}")
    place = options.place
    if options.energy is not None and place is None:
        raise InputError(
            f"{where}: the comment holds plain numbers, and --energy is '{options.energy}'; allowed: first, "
            "second, or a number from 1"
        )
    if place is not None and not 1 <= place <= count:
        raise InputError(f"{where} has {count} energies in its comment; column {place} is not one of them")
    if place is None and count > 2:
        raise InputError(
            f"{where} has {count} energies in its comment; say which is meant with --energy, a number from 1 to "
            f"{count}"
        )
    taken = place or count
    said = "the number in the comment" if count == 1 else f"number {taken} of {count} in the comment"
    notes = []
    if train is not None and place is None and "in the comment" in train.energy:
        _check_same(where, said, train)
    values = np.array(rows, dtype=np.float64)
    if count > 1 and place is None:
        lower = int((values[:, 0] < values[:, 1]).sum())
        notes.append(
            f"the comments of '{frames[0].path.name}' have two numbers, and the second was taken: MB-Fit writes "
            "the binding energy first and the n-body energy second, others write the n-body energy first; the "
            f"first is the lower one in {lower} of {len(rows)}; --energy first or second says which"
        )
    guessed = options.unit is None
    unit, unit_from = ("kcal/mol", MBFIT) if guessed else (energy_unit(str(options.unit)), "as --unit says")
    return Energies(values[:, taken - 1], unit, unit_from, guessed, None, said, tuple(notes))


def _check_same(where: str, said: str, train: Reading) -> None:
    """Raise InputError if a test set's energies would be other numbers than the training set's."""
    if train.energy != said:
        raise InputError(
            f"{where}: the energy would be {said}, and that of the training set is {train.energy}; say which is "
            "meant with --energy"
        )


def _numbers(frame: Frame) -> list[float]:
    """Return the plain numbers of a comment; a comma may stand between two, not in one."""
    text = frame.comment.strip()
    found = []
    try:
        for word in re.split(r",?\s+,?|,$", text):
            parts = word.split(",")
            several = len(parts) > 1 and all(NUMBER.fullmatch(p) and not p.lstrip("+-").isdigit() for p in parts)
            found += [number_of(part) for part in (parts if several else [word]) if part]
    except ValueError as error:
        if "not finite" in str(error):
            raise InputError(f"{frame.on_comment}: {error}") from None
        raise InputError(f"{frame.on_comment}: the comment '{text[:60]}' is not energies: {error}") from None
    return found


def _named(frames: Sequence[Frame], options: ReadOptions, train: Reading | None) -> Energies:
    first = frames[0]
    keys, where = first.keys or {}, first.on_comment
    numeric = [key for key, value in keys.items() if NUMBER.fullmatch(value)]
    if options.energy is not None:
        key: str | None = options.energy.strip()
        if key not in keys:
            raise InputError(
                f"{where} has no '{key}' in its comment; with numbers it has: {', '.join(numeric) or 'none'}"
            )
    else:
        key = next((name for name in ENERGY_KEYS if name in keys), None)
    if key is None:
        others = f"; --energy takes another: {', '.join(numeric)}" if numeric else ""
        raise InputError(f"{where} has no energy; allowed names: {', '.join(ENERGY_KEYS)}{others}")
    said = f"'{key}' of the comment"
    if train is not None and options.energy is None and "'" in train.energy:
        _check_same(where, said, train)
    unit, unit_from = _unit(first, key, options)
    values = []
    for frame in frames:
        text = (frame.keys or {}).get(key)
        if text is None:
            raise InputError(f"{frame.on_comment} has no energy '{key}', which the first configuration has")
        try:
            values.append(number_of(text))
        except ValueError as error:
            raise InputError(f"{frame.on_comment}: {key}: {error}") from None
        if _said_unit(frame) != _said_unit(first):
            raise InputError(f"{frame.on_comment} names another unit of energy than the first configuration")
    notes = []
    if unit_from == ASE:
        notes.append(f"'{key}' of '{first.path.name}' was read in eV, {ASE}; --unit says otherwise")
    more = [name for name in ENERGY_KEYS if name in keys and name != key]
    if more and options.energy is None:
        notes.append(
            f"'{first.path.name}' has '{key}' and {', '.join(more)}; '{key}' was taken, --energy says otherwise"
        )
    return Energies(np.array(values), unit, unit_from, False, key, said, tuple(notes))


def _said_unit(frame: Frame) -> tuple[str, ...]:
    """Return what a comment says about the unit of its energies."""
    keys = {key.lower(): value for key, value in (frame.keys or {}).items()}
    found = [keys[name] for name in UNIT_KEYS if name in keys and length_unit(keys[name]) is None]
    return (*found, *(word.strip(",;()[]") for word in frame.bare if _is_unit(word.strip(",;()[]"))))


def _is_unit(word: str) -> bool:
    try:
        return len(word) > 1 and bool(energy_unit(word))
    except InputError:
        return False


def _unit(first: Frame, key: str, options: ReadOptions) -> tuple[str, str]:
    """Return the unit of the energies under a key, and where it is known from."""
    said = _said_unit(first)
    try:
        named = {energy_unit(text) for text in said}
    except InputError as error:
        raise InputError(f"{first.on_comment}: energy_unit is {error}") from None
    if options.unit is not None:
        wanted = energy_unit(options.unit)
        if named - {wanted}:
            raise InputError(f"{first.on_comment} says its energies are in {said[0]}; --unit is {options.unit}")
        return wanted, "as --unit says"
    if len(named) > 1:
        raise InputError(f"{first.on_comment} names two units of energy: {', '.join(said)}; give --unit")
    if named:
        return named.pop(), "as the file says"
    if key not in ENERGY_KEYS:
        raise InputError(f"{first.on_comment}: the unit of '{key}' is not given; give --unit")
    return "eV", ASE
