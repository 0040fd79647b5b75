"""Files of unknown origin, checked and read in a separate process, which may crash without harm.

It returns only numbers and strings. A file that cannot be read is named; the others are still read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from potentials.errors import InputError
from storage.apart import GIB, CrashedError, reader
from storage.arrays import check_arrays, check_regular, own_array, read_array
from storage.attributes import content_in, names_in
from storage.checksum import broken_seals, is_sealed
from storage.version import Version, open_version

SLOWEST = 1e6
"""Bytes of a file that are read and checked in a second on the slowest machine."""

BLOCK = 65_536
"""Rows of an array without a checksum that are read at once."""

MOST_MEMORY = 2.0 * GIB
"""Bytes that the arrays of a file may take in memory, for it to be read whole."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Entry:
    """A version, with what is needed to find it without opening its file again.

    Attributes
    ----------
    version
        The version.
    inputs
        What it was made from, each with ``kind``, ``ref``, and ``key``.
    passed
        Of a validation: whether every gate was passed.
    """

    version: Version
    inputs: tuple[dict[str, str], ...] = ()
    passed: bool = False


@dataclass(frozen=True)
class ForeignVersion(Version):
    """A version whose content was read in another process; its file is not opened here.

    Attributes
    ----------
    values
        Root attributes, see `Version.attributes`.
    arrays
        The arrays by their names.
    """

    values: Mapping[str, Any] = field(repr=False, compare=False)
    arrays: Mapping[str, NDArray[Any]] = field(repr=False, compare=False)

    def attributes(self) -> dict[str, Any]:
        """Return the root attributes; see `Version.attributes`."""
        return dict(self.values)

    def has_column(self, name: str) -> bool:
        """Return whether the version has an array of that name."""
        return name in self.arrays

    def column(self, name: str) -> NDArray[Any]:
        """Return one array; raises InputError if there is none of that name."""
        if name not in self.arrays:
            raise InputError(f"'{self.path}' has no array '{name}'")
        return self.arrays[name]

    def length(self, name: str) -> int:
        """Return the number of rows of an array."""
        return len(self.column(name))

    def rows(self, name: str, start: int, stop: int, step: int = 1) -> NDArray[Any]:
        """Return every `step`-th row of an array from `start` to `stop`."""
        return self.column(name)[start:stop:step]


def read_foreign(path: Path, hint: str = "") -> Version:
    """Read a version's file of unknown origin.

    Parameters
    ----------
    path
        The file.
    hint
        Advice for the message if it does not exist.

    Raises
    ------
    InputError
        If it is damaged, not ours, of a newer format, or too large for memory.
    """
    check_regular(path, hint)
    return _apart(whole_content, path, MOST_MEMORY * 2)


def look_at(path: Path) -> Entry:
    """Return the version of a file, after a check that this process can safely read its content.

    Raises
    ------
    InputError
        If it is damaged, not ours, or of a newer format.
    """
    return _apart(entry_of_file, path, GIB)


def check_whole(path: Path) -> Entry:
    """Return the version of a file, after all of it was read and compared with its checksums.

    Raises
    ------
    InputError
        As `look_at`, or if a checksum does not match.
    """
    return _apart(entry_of_whole, path, GIB)


def copy_renumbered(path: Path, target: Path, number: int, inputs: list[dict[str, str]]) -> Entry:
    """Copy a version that was checked, with the number and the names of its inputs that it has in another store.

    Parameters
    ----------
    path
        The file.
    target
        The copy, which must not exist; when this returns it is on the disk.
    number, inputs
        Values in the copy.

    Raises
    ------
    InputError
        As `check_whole`, of the copy.
    OSError
        If the copy cannot be written.
    """
    _apart(write_renumbered, path, GIB + 4.0 * path.stat().st_size, target.absolute(), number, inputs)
    return check_whole(target)


def entry_of_file(path: Path) -> Entry:
    """Do what `look_at` does, in this process."""
    with open_version(path) as (file, found):
        check_arrays(file)
        return _entry(found, path)


def entry_of_whole(path: Path) -> Entry:
    """Do what `check_whole` does, in this process."""
    with open_version(path) as (file, found):
        check_arrays(file)
        entry = _entry(found, path)
        if is_sealed(file):
            for name, what in broken_seals(file):
                raise InputError(f"'{path}' is damaged: {name}: {what}")
        else:
            for name in file:
                array = own_array(file, name)
                for start in range(0, len(array), BLOCK):
                    array[start : start + BLOCK]
        return entry


def _entry(found: Mapping[str, Any], path: Path) -> Entry:
    version, content = Version(*names_in(found, path), path), content_in(found, path)
    inputs = tuple({name: i[name] for name in ("kind", "ref", "key")} for i in content["inputs"])
    return Entry(version, inputs, version.kind == "validation" and content["facts"].get("passed") is True)


def whole_content(path: Path) -> ForeignVersion:
    """Do what `read_foreign` does, in this process."""
    version = entry_of_whole(path).version
    with open_version(path) as (file, found):
        size = check_arrays(file)
        if size > MOST_MEMORY:
            raise InputError(
                f"'{path}' holds {size / GIB:.1f} GiB; allowed outside of a store: up to {MOST_MEMORY / GIB:g}"
            )
        arrays = {name: read_array(own_array(file, name)) for name in file}
        values = content_in(found, path)
    return ForeignVersion(version.kind, version.nmer, version.number, version.key, version.created, path, values,
                          {name: np.asarray(array) for name, array in arrays.items()})  # fmt: skip


def write_renumbered(path: Path, target: Path, number: int, inputs: list[dict[str, str]]) -> None:
    """Do what `copy_renumbered` does, in this process.

    The copy is made in memory: HDF5 crashes the process if the disk is full when a file is closed.
    """
    with h5py.File(path, "r+", driver="core", backing_store=False) as file:
        file.attrs["number"] = number
        file.attrs["inputs"] = json.dumps(inputs)
        file.flush()
        image = file.id.get_file_image()
    with target.open("xb") as file:
        file.write(image)


def _apart(function: Callable[..., Result], path: Path, memory: float, *values: Any) -> Result:
    """Call a function with a file in the other process; results and errors name the file as given here."""
    size = check_regular(path)
    whole = path.absolute()
    try:
        found = reader().call(function, whole, *values, seconds=size / SLOWEST, memory=memory)
    except CrashedError as error:
        raise InputError(f"'{path}' is damaged: {error}") from None
    except InputError as error:
        raise type(error)(str(error).replace(f"'{whole}'", f"'{path}'")) from None
    if isinstance(found, Entry):
        return replace(found, version=replace(found.version, path=path))
    if isinstance(found, Version):
        return replace(found, path=path)
    return found
