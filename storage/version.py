"""One immutable version: an HDF5 file, written whole or not at all.

A version never changes once it has its name. It is written to a temporary file in the same folder, flushed to the
disk, and renamed; a process killed at any moment leaves either the whole version or none.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from potentials.errors import InputError
from storage.arrays import check_regular, has_own, own_array, read_array
from storage.attributes import FILE_FORMAT as FILE_FORMAT
from storage.attributes import KINDS as KINDS
from storage.attributes import NMER as NMER
from storage.attributes import content_in, names_in, ref_of, root_attributes
from storage.checksum import seal
from storage.durable import make_folder, write_bytes

NOT_STATED = "not stated"
"""Value of an attribute that is not given."""


@dataclass(frozen=True)
class Column:
    """One array of a version, with what it means.

    Attributes
    ----------
    values
        Numbers, or strings.
    unit
        For example ``Angstrom``; ``1`` for pure numbers and names.
    meaning
        One phrase, with the shape in words.
    source
        Where the values come from: a program, the ledger, or what they were computed from.
    """

    values: NDArray[Any] | tuple[str, ...]
    unit: str
    meaning: str
    source: str = NOT_STATED


@dataclass(frozen=True)
class Version:
    """A version that is in the store.

    Attributes
    ----------
    kind
        One of `KINDS`.
    nmer
        Name of the n-mer.
    number
        1, 2, 3, ... for each kind of each n-mer.
    key
        sha256 of what decides the content.
    created
        When, UTC.
    path
        The file.
    """

    kind: str
    nmer: str
    number: int
    key: str
    created: str
    path: Path

    @property
    def ref(self) -> str:
        """Its reference: ``ch3-water@1`` for a potential, ``dataset:ch3-water@1`` for the others."""
        return ref_of(self.kind, self.nmer, self.number)

    def attributes(self) -> dict[str, Any]:
        """Root attributes: ``recipe``, ``inputs``, ``engines``, ``facts``, and what names the version.

        Versions of the first release have no ``citation`` and no ``licence``.

        Raises
        ------
        InputError
            If the file is damaged, or an attribute is not what it should be.
        """
        with open_version(self.path) as (_, found):
            return content_in(found, self.path)

    def has_column(self, name: str) -> bool:
        """Return whether the version has an array of that name; older ones lack what came later."""
        with open_version(self.path) as (file, _):
            return has_own(file, name)

    def column(self, name: str) -> NDArray[Any]:
        """Return one array; strings come back as an array of str.

        Raises
        ------
        InputError
            If the array holds anything but numbers and strings, or is not in this file itself.
        """
        with open_version(self.path) as (file, _):
            return read_array(own_array(file, name))

    def length(self, name: str) -> int:
        """Return the number of rows of an array without reading it; raises as `column` does."""
        with open_version(self.path) as (file, _):
            return len(own_array(file, name))

    def rows(self, name: str, start: int, stop: int, step: int = 1) -> NDArray[Any]:
        """Return every `step`-th row of an array of numbers from `start` to `stop`, reading no others."""
        with open_version(self.path) as (file, _):
            return np.asarray(own_array(file, name)[start:stop:step])


def write_version(
    path: Path,
    kind: str,
    nmer: str,
    number: int,
    key: str,
    *,
    columns: Mapping[str, Column],
    recipe: str,
    inputs: list[dict[str, str]],
    engines: Mapping[str, str],
    facts: Mapping[str, Any],
    citation: str = NOT_STATED,
    licence: str = NOT_STATED,
) -> Version:
    """Write a version's file so that it is there whole or not at all.

    Parameters
    ----------
    path
        The file; its folder is made. It must not exist yet.
    kind, nmer, number, key
        What the version is.
    columns
        The arrays.
    recipe
        The fully expanded recipe as TOML.
    inputs
        What it was made from, each with ``kind``, ``ref``, and ``key``.
    engines
        Name and version of every program and library that decided the numbers.
    facts
        Small values that belong to the content, as JSON allows them.
    citation
        The papers that it rests on, one a line.
    licence
        Licence of the data.

    Raises
    ------
    FileExistsError
        If the version is there already: versions are immutable.
    """
    if path.exists():
        raise FileExistsError(f"{path} exists; a version is never overwritten")
    make_folder(path.parent)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    # written in memory: HDF5 crashes the process if the disk is full when a file is closed
    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        file.attrs.update(
            {
                "nmer_format": FILE_FORMAT,
                "creator": f"nmer {package_version('nmer')}",
                "kind": kind,
                "nmer": nmer,
                "number": number,
                "key": key,
                "created": created,
                "recipe": recipe,
                "inputs": json.dumps(inputs),
                "engines": json.dumps(dict(engines)),
                "facts": json.dumps(dict(facts), allow_nan=False),
                "citation": citation,
                "licence": licence,
            }
        )
        for name, column in columns.items():
            _write_column(file, name, column)
        seal(file)
        file.flush()
        image = file.id.get_file_image()
    write_bytes(path, image, mode=0o444)
    return Version(kind, nmer, number, key, created, path)


def read_version(path: Path) -> Version:
    """Read what a version is, without its arrays.

    Raises
    ------
    InputError
        If the file is damaged, not ours, or of a newer format.
    """
    with open_version(path) as (_, found):
        return Version(*names_in(found, path), path)


def _write_column(file: h5py.File, name: str, column: Column) -> None:
    if isinstance(column.values, tuple):
        dataset = file.create_dataset(name, data=list(column.values), dtype=h5py.string_dtype())
    else:
        large = column.values.size > 10_000
        options = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if large else {}
        dataset = file.create_dataset(name, data=column.values, **options)
    dataset.attrs["unit"] = column.unit
    dataset.attrs["meaning"] = column.meaning
    dataset.attrs["source"] = column.source


@contextmanager
def open_version(path: Path) -> Iterator[tuple[h5py.File, dict[str, Any]]]:
    """Open a version's file for reading, as a context that yields the file and its root attributes.

    Raises
    ------
    InputError
        If it is damaged, not ours, or of a newer format; also in place of HDF5's errors within the block.
    """
    check_regular(path)
    try:
        file = h5py.File(path, "r")
    except PermissionError:
        raise InputError(f"'{path}' cannot be read: {os.strerror(errno.EACCES)}") from None
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise InputError(f"'{path}' cannot be read as HDF5: {error}") from None
    with file:
        try:
            yield file, root_attributes(file, path)
        except (InputError, MemoryError):
            raise
        except Exception as error:  # damage causes many kinds of errors in HDF5 and h5py
            raise InputError(f"'{path}' is damaged: {' '.join(str(error).split())}") from None


def package_versions(*names: str) -> dict[str, str]:
    """Return the installed version of each package."""
    return {name: package_version(name) for name in names}
