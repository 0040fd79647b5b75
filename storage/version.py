"""One immutable version: an HDF5 file, written whole or not at all.

A version never changes once it has its name. It is written to a temporary file in the same folder, flushed to
the disk, and renamed; a process that dies at any moment leaves either the whole version or none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from potentials.errors import InputError
from storage.checksum import seal
from storage.durable import make_folder, sync_folder

FILE_FORMAT = 1
"""Number of the layout of a version's file; a newer number than this is refused."""

KINDS = ("pool", "selection", "dataset", "potential", "validation")
"""What can be a version, in the order in which one follows from another."""


NOT_STATED = "not stated"
"""What a file says where nobody has said anything."""


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
        """How people name it: ``ch3-water@1`` for a potential, ``dataset:ch3-water@1`` for the others."""
        name = f"{self.nmer}@{self.number}"
        return name if self.kind == "potential" else f"{self.kind}:{name}"

    def attributes(self) -> dict[str, Any]:
        """Root attributes: ``recipe``, ``inputs``, ``engines``, ``facts``, and what names the version.

        Versions of the first release have no ``citation`` and no ``licence``.
        """
        with _open(self.path) as file:
            values = dict(file.attrs)
        return {k: json.loads(v) if k in _JSON_ATTRIBUTES else _plain(v) for k, v in values.items()}

    def has_column(self, name: str) -> bool:
        """Return whether the version has an array of that name; older ones lack what came later."""
        with _open(self.path) as file:
            return name in file

    def column(self, name: str) -> NDArray[Any]:
        """Return one array; strings come back as an array of str.

        Raises
        ------
        InputError
            If the array holds anything but numbers and strings, or is not in this file itself.
        """
        with _open(self.path) as file:
            dataset = own_array(file, name)
            return np.asarray(dataset.asstr()[()] if h5py.check_string_dtype(dataset.dtype) else dataset[()])

    def length(self, name: str) -> int:
        """Return the number of rows of an array without reading it."""
        with _open(self.path) as file:
            return len(file[name])

    def rows(self, name: str, start: int, stop: int, step: int = 1) -> NDArray[Any]:
        """Return every `step`-th row of an array of numbers from `start` to `stop`, reading no others."""
        with _open(self.path) as file:
            return np.asarray(own_array(file, name)[start:stop:step])


_JSON_ATTRIBUTES = ("inputs", "engines", "facts")


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
    # written in memory: HDF5 takes the process down with it when the disk is full while a file closes
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
    with _open(path) as file:
        a = file.attrs
        try:
            return Version(
                str(a["kind"]), str(a["nmer"]), int(a["number"]), str(a["key"]), str(a["created"]), path
            )
        except (OSError, KeyError, ValueError, RuntimeError) as error:
            raise InputError(f"'{path}' is damaged: {error}") from None


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or as it was before."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes, mode: int | None = None) -> None:
    """Write a file so that it is there whole or as it was before, and nothing of it where the disk is full.

    Parameters
    ----------
    path
        The file; its folder is made.
    content
        What is to be in it.
    mode
        Who may read and write it, if that is not for the system to say.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


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


def own_array(file: h5py.File, name: str) -> h5py.Dataset:
    """Return an array of numbers or strings whose values are in the file itself.

    HDF5 can also point to other files, and h5py keep Python's objects; a version has neither.

    Raises
    ------
    InputError
        If it is anything else.
    """
    link = file.get(name, getlink=True)
    found = file[name] if isinstance(link, h5py.HardLink) else None
    if (
        isinstance(found, h5py.Dataset)
        and not found.is_virtual
        and found.external is None
        and (found.dtype.kind in "biuf" or h5py.check_string_dtype(found.dtype))
    ):
        return found
    raise InputError(f"'{file.filename}' has '{name}', which is not an array of numbers or strings of its own")


def _open(path: Path) -> h5py.File:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"'{path}' cannot be read as HDF5: {error}") from None
    found = file.attrs.get("nmer_format")
    if found is None or int(found) > FILE_FORMAT:
        file.close()
        what = "is not a version of ours" if found is None else f"has the newer format {int(found)}"
        raise InputError(f"'{path}' {what}; allowed: nmer_format up to {FILE_FORMAT}")
    return file


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def package_versions(*names: str) -> dict[str, str]:
    """Return the installed version of each package."""
    return {name: package_version(name) for name in names}
