"""The arrays and attributes that a version's file may hold, checked by the HDF5 metadata before they are read.

HDF5 files can link to other files, hold objects of programs, load filters from elsewhere, and declare arrays
larger than any memory. A version's file does none of these; a file that does is refused before anything is
followed or read.
"""

from __future__ import annotations

import os
import re
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from potentials.errors import InputError

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
"""Allowed names of arrays and attributes."""

_ALLOWED = "allowed: letters, digits, and underscores, a letter first"

MOST_NAMES = 64
"""Most arrays in a file, and most attributes of the root or of an array."""

MOST_DIMENSIONS = 4

MOST_EXPANDED = 100
"""The arrays together may take this many times the size of their file ..."""

SLACK = 64 * 2**20
"""... and this many bytes more: compressed counts and zeros take almost no space."""

TEXT = 64
"""Least memory of a string, bytes."""

FILTERS = {h5py.h5z.FILTER_DEFLATE: "gzip", h5py.h5z.FILTER_SHUFFLE: "shuffle", h5py.h5z.FILTER_FLETCHER32: "crc"}
"""The filters that are part of HDF5 and that a version may use."""

ROWS = 256
"""Strings read at once: many may share one place in the file, but each takes memory of its own."""


def check_regular(path: Path, hint: str = "") -> int:
    """Return the size of a file in bytes; refuse pipes and devices, which could block a reader forever.

    Parameters
    ----------
    path
        The file.
    hint
        Advice for the message if it does not exist.

    Raises
    ------
    InputError
        If it does not exist, cannot be accessed, or is not a regular file.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise InputError(f"'{path}' does not exist{hint and '; '}{hint}") from None
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise InputError(f"'{path}' cannot be read: {said}") from None
    if not os.path.isfile(path):
        raise InputError(f"'{path}' is not a file")
    return found.st_size


def own_array(file: h5py.File, name: str) -> h5py.Dataset:
    """Return an array of numbers or strings whose values are in the file itself.

    Raises
    ------
    InputError
        If it is anything else, or its declared size is larger than its file can hold.
    """
    # links to other places are not followed
    found = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if (
        not isinstance(found, h5py.Dataset)
        or found.is_virtual
        or found.external is not None
        or not ((found.dtype.kind in "biuf" and found.dtype.itemsize <= 8) or h5py.check_string_dtype(found.dtype))
        or found.shape is None
    ):
        raise InputError(f"'{file.filename}' has '{name}', which is not an array of numbers or strings of its own")
    if not 0 < len(found.shape) <= MOST_DIMENSIONS:
        raise InputError(
            f"'{file.filename}': '{name}' has {len(found.shape)} dimensions; allowed: 1 to {MOST_DIMENSIONS}"
        )
    settings = found.id.get_create_plist()
    for number in range(settings.get_nfilters()):
        code, *_, called = settings.get_filter(number)
        if code not in FILTERS:
            said = called.decode("ascii", "replace") if called else f"number {code}"
            raise InputError(
                f"'{file.filename}': '{name}' is packed with the filter {said!r}; allowed: "
                f"{', '.join(FILTERS.values())}"
            )
    largest = max(declared(found), prod(found.chunks or ()) * _item(found))
    if largest > most_bytes(file):
        raise InputError(
            f"'{file.filename}': '{name}' declares the shape {found.shape}, which is larger than the file can hold"
        )
    return found


def has_own(file: h5py.File, name: str) -> bool:
    """Return whether the file has something of that name, without following a link to elsewhere."""
    return file.get(name, getlink=True) is not None


def declared(array: h5py.Dataset) -> int:
    """Return the bytes that an array takes in memory by its shape."""
    return int(prod(array.shape)) * _item(array)


def most_bytes(file: h5py.File) -> int:
    """Return the bytes that the arrays of a file may take in memory."""
    return int(MOST_EXPANDED * file.id.get_filesize() + SLACK)


def most_text(array: h5py.Dataset) -> int:
    """Return the largest total length of an array's strings: those of variable length are not compressed."""
    return int(array.file.id.get_filesize()) if array.dtype.kind == "O" else most_bytes(array.file)


def check_arrays(file: h5py.File) -> int:
    """Check every array of a file, and the attributes of each; return the bytes that they take in memory.

    The values of strings are read, because each may be much longer than what it takes in the file; those of
    numbers are not.

    Raises
    ------
    InputError
        If one is not allowed.
    """
    if len(file) > MOST_NAMES:
        raise InputError(f"'{file.filename}' has {len(file)} arrays; allowed: up to {MOST_NAMES}")
    total = 0
    for name in file:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise InputError(f"'{file.filename}' has an array called {name[:80]!r}; {_ALLOWED}")
        array = own_array(file, name)
        attributes_of(array, f"'{file.filename}': '{name}'")
        total += declared(array)
        if total > most_bytes(file):
            raise InputError(f"'{file.filename}' declares arrays that are larger than the file can hold")
        if h5py.check_string_dtype(array.dtype):
            read_array(array)
    return total


def read_array(array: h5py.Dataset) -> NDArray[Any]:
    """Return the values of an array that `own_array` gave; strings come back as an array of str.

    Raises
    ------
    InputError
        If the strings are not UTF-8, or together longer than the file can hold.
    """
    if not h5py.check_string_dtype(array.dtype):
        return np.asarray(array[()])
    found: list[NDArray[Any]] = []
    total, most = 0, most_text(array)
    try:
        for start in range(0, len(array), ROWS):
            block = np.asarray(array.asstr()[start : start + ROWS], dtype=object)
            total += sum(len(text) for text in block.flat)
            if total > most:
                raise InputError(f"'{array.file.filename}': '{array.name}' holds strings longer than the file can")
            found.append(block)
    except UnicodeDecodeError:
        raise InputError(f"'{array.file.filename}': '{array.name}' holds strings that are not UTF-8") from None
    return np.concatenate(found) if found else np.empty(array.shape, dtype=object)


def attributes_of(thing: h5py.File | h5py.Dataset, where: str) -> dict[str, str | int | float]:
    """Return the attributes of the root or of an array; each is one number or one string.

    Parameters
    ----------
    thing
        The root or an array.
    where
        How messages begin.

    Raises
    ------
    InputError
        If one is anything else.
    """
    attributes = thing.attrs
    if len(attributes) > MOST_NAMES:
        raise InputError(f"{where} has {len(attributes)} attributes; allowed: up to {MOST_NAMES}")
    found: dict[str, str | int | float] = {}
    for name in attributes:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise InputError(f"{where} has an attribute called {name[:80]!r}; {_ALLOWED}")
        found[name] = _value(attributes.get_id(name), f"{where} has the attribute '{name}'")
    return found


def _value(attribute: h5py.h5a.AttrID, where: str) -> str | int | float:
    kind = attribute.dtype
    plain = kind.kind in "biuf" and kind.itemsize <= 8
    text = h5py.check_string_dtype(kind)
    if attribute.shape != () or not (plain or (text and text.length is None)):
        raise InputError(f"{where}, which is not one number or one string")
    value = np.zeros((), dtype=kind)
    attribute.read(value, mtype=h5py.h5t.py_create(kind))
    found = value.item()
    try:
        return found.decode() if isinstance(found, bytes) else found
    except UnicodeDecodeError:
        raise InputError(f"{where}, which is not UTF-8") from None


def _item(array: h5py.Dataset) -> int:
    text = h5py.check_string_dtype(array.dtype)
    return max(TEXT, text.length or 0) if text else int(array.dtype.itemsize)
