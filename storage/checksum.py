"""Checksums of what a version's file holds: written with it, computed again by ``nmer verify``.

Every array has the sha256 of its name, type, shape, unit, meaning, and values in its attribute ``sha256``; the
root's ``content_sha256`` is that of the root attributes and of the arrays' checksums. They cover the content, not
its layout in the file, and not the numbers of a version and of its inputs, which another store may change. Files
of the first releases have none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from math import prod
from typing import Any

import h5py
import numpy as np

from storage.arrays import ROWS, most_text, own_array
from storage.canonical import canonical_json

ARRAY = "sha256"
"""Attribute of an array with its checksum."""

ROOT = "content_sha256"
"""Root attribute with the checksum of the whole content."""

BLOCK = 16 * 2**20
"""Bytes of an array that are read at once."""


def seal(file: h5py.File) -> None:
    """Write the checksums into a file that is otherwise complete."""
    found = {name: array_sha256(file[name]) for name in sorted(file)}
    for name, checksum in found.items():
        file[name].attrs[ARRAY] = checksum
    file.attrs[ROOT] = _content(file, found)


def is_sealed(file: h5py.File) -> bool:
    """Return whether a file has checksums."""
    own = (name for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink))
    return ROOT in file.attrs or any(ARRAY in file[name].attrs for name in own)


def broken_seals(file: h5py.File) -> Iterator[tuple[str, str]]:
    """Yield the name of each damaged array, or ``attributes``, and what is wrong with it.

    Parameters
    ----------
    file
        A file that `is_sealed`.
    """
    found: dict[str, str] = {}
    written: dict[str, str] = {}
    for name in sorted(file):
        try:
            dataset = own_array(file, name)
            found[name] = array_sha256(dataset)
            written[name] = str(dataset.attrs[ARRAY])
        except Exception as error:  # damage causes many kinds of errors in HDF5; each is reported
            yield name, f"cannot be read: {' '.join(str(error).split())}"
            continue
        if found[name] != written[name]:
            yield name, "its content is not what its checksum says"
    try:
        same = str(file.attrs[ROOT]) in (_content(file, found), _content(file, written))
    except Exception as error:  # as above
        yield "attributes", f"cannot be read: {' '.join(str(error).split())}"
        return
    if not same:
        yield "attributes", "the root attributes, or which arrays there are, are not what the checksum says"


def array_sha256(dataset: h5py.Dataset) -> str:
    """Return the checksum of one array.

    Raises
    ------
    ValueError
        If its strings are longer than its file could hold.
    """
    strings = h5py.check_string_dtype(dataset.dtype) is not None
    little = dataset.dtype if strings else dataset.dtype.newbyteorder("<")
    head = {
        "name": str(dataset.name).removeprefix("/"),
        "kind": "str" if strings else little.str,
        "shape": list(dataset.shape),
        "attributes": {name: str(value) for name, value in dataset.attrs.items() if name != ARRAY},
    }
    found = hashlib.sha256(canonical_json(head).encode())
    row = prod(dataset.shape[1:]) * dataset.dtype.itemsize
    step, total = ROWS if strings else max(BLOCK // max(row, 1), 1), 0
    for start in range(0, len(dataset), step):
        values = dataset[start : start + step]
        if strings:
            for text in values.ravel():
                found.update(len(text).to_bytes(8, "little") + text)
                total += len(text)
            if total > most_text(dataset):
                raise ValueError("its strings are longer than the file can hold")
        else:
            found.update(np.ascontiguousarray(values, dtype=little).tobytes())
    return found.hexdigest()


def _content(file: h5py.File, arrays: dict[str, str]) -> str:
    attributes: dict[str, Any] = {
        name: value.tolist() if isinstance(value, np.generic | np.ndarray) else value
        for name, value in file.attrs.items()
        if name not in (ROOT, "number")
    }
    if "inputs" in attributes:
        attributes["inputs"] = [{**i, "ref": ""} for i in json.loads(attributes["inputs"])]
    return hashlib.sha256(canonical_json({"attributes": attributes, "arrays": arrays}).encode()).hexdigest()
