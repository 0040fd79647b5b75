"""A dataset's configurations with their energies as xyz, whatever the comments are.

It is a folder with ``train.xyz`` and ``test.xyz``; what `nmer import` reads back is the same dataset again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from storage.exchange.exporter import Files
from storage.exchange.subject import DatasetSubject
from storage.exchange.text import plain
from storage.records import TEST, TRAIN, Dataset
from storage.xyz import read_labelled
from storage.xyz_options import ReadOptions

SPLITS = {"train": TRAIN, "test": TEST}

ROUND_OFF = 1e-9
"""Largest deviation of what is read back, kcal/mol and Angstrom."""


def read_back(folder: Path, subject: DatasetSubject, unit: str | None = None) -> str:
    """Read the files as `nmer import` does, with the unit that it is given, and compare them with the dataset."""
    count, largest = 0, 0.0
    for name, split in SPLITS.items():
        part = subject.dataset.part(split)
        if not len(part):
            continue
        found = read_labelled(folder / f"{name}.xyz", options=ReadOptions(unit=unit))
        if found.symbols != subject.nmer.symbols or len(found) != len(part):
            raise InputError(f"{name}.xyz read back has other atoms or another number of configurations")
        off = np.abs(found.energy - part.energy).max(), np.abs(found.positions - part.positions).max()
        count, largest = count + len(part), max(largest, *map(float, off))
    if not largest <= ROUND_OFF:
        raise InputError(f"what is read back differs by {largest:.1e} from the dataset")
    return f"read back: {count} configurations, largest deviation {largest:.1e} kcal/mol or A"


def xyz_files(subject: DatasetSubject, comment: Callable[[Dataset, int], str]) -> Files:
    """Return ``train.xyz`` and ``test.xyz``; `comment` gives the second line of a configuration.

    Raises
    ------
    InputError
        If a configuration's id has characters that are not allowed.
    """
    for one in subject.dataset.ids:
        if not re.fullmatch(r"[0-9A-Za-z][\w.-]{0,99}", one, re.ASCII):
            raise InputError(
                f"{plain(subject.ref)} has the configuration id {one[:60]!a}; allowed: letters, digits, and _ . -"
            )
    files = {}
    for name, split in SPLITS.items():
        part = subject.dataset.part(split)
        if len(part):
            frames = (xyz_frame(subject.nmer.symbols, x, comment(part, n)) for n, x in enumerate(part.positions))
            files[f"{name}.xyz"] = "".join(frames)
    return files


def xyz_frame(symbols: Sequence[str], positions: Floats, comment: str) -> str:
    """Return one configuration as xyz; positions are (atoms, 3), and are written to the last digit."""
    rows = zip(symbols, positions.tolist(), strict=True)
    lines = [f"{symbol} {x!r} {y!r} {z!r}" for symbol, (x, y, z) in rows]
    return "\n".join([str(len(lines)), comment, *lines, ""])
