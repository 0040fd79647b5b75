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
        off = [np.abs(found.energy - part.energy).max(), np.abs(found.positions - part.positions).max()]
        if found.gradient is not None and part.gradient is not None:
            size = max(1.0, float(np.abs(part.gradient).max()))
            off.append(np.abs(found.gradient - part.gradient).max() / size)
        count, largest = count + len(part), max(largest, *map(float, off))
    if not largest <= ROUND_OFF:
        raise InputError(f"what is read back differs by {largest:.1e} from the dataset")
    return f"read back: {count} configurations, largest deviation {largest:.1e} kcal/mol or A"


def xyz_files(
    subject: DatasetSubject, comment: Callable[[Dataset, int], str], force: float | None = None
) -> Files:
    """Return ``train.xyz`` and ``test.xyz``.

    Parameters
    ----------
    subject
        The dataset.
    comment
        Gives the second line of a configuration.
    force
        kcal/mol/Angstrom of the unit in which forces stand behind the positions, where the dataset has gradients;
        None: forces are left out.

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
            rows = part.positions
            if part.gradient is not None and force is not None:
                rows = np.concatenate([rows, -part.gradient / force], axis=2)
            frames = (xyz_frame(subject.nmer.symbols, x, comment(part, n)) for n, x in enumerate(rows))
            files[f"{name}.xyz"] = "".join(frames)
    return files


def xyz_frame(symbols: Sequence[str], rows: Floats, comment: str) -> str:
    """Return one configuration as xyz.

    Parameters
    ----------
    symbols
        Element of each atom.
    rows
        (atoms, columns), written to the last digit: positions (Angstrom), and what stands behind them.
    comment
        The second line.
    """
    found = zip(symbols, rows.tolist(), strict=True)
    lines = [" ".join([symbol, *map(repr, values)]) for symbol, values in found]
    return "\n".join([str(len(lines)), comment, *lines, ""])
