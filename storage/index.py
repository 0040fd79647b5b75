"""Which versions a store has, without opening every file each time.

``.index`` in the store's folder keeps the version of each file, with the file's size, times, and inode. The
folders decide which versions exist; an entry is used only if its file is unchanged, so none is used in a copied
store. Files without an entry are read in a separate process. The index is written by the holder of the writer
lock, and by a process that had to read many files. It is replaced as a whole by the last writer, and what it lacks
is read again. If the index is missing, damaged, or cannot be written, all versions are still found.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from potentials.errors import InputError
from storage.attributes import FOLDERS, KIND_OF, KINDS, NewerError, allowed_name, is_input
from storage.durable import write_bytes
from storage.foreign import Entry, look_at
from storage.version import Version

FILE = ".index"
INDEX_FORMAT = 1

MANY = 50
"""Files that a process without the writer lock must have read before it writes the index."""

At = tuple[int, int, int, int]
"""Size, times of change of the content and of the inode (ns), and number of the inode."""

_NUMBER = re.compile(r"[1-9][0-9]{0,17}\.h5")


class DamagedWarning(UserWarning):
    """A file of a store cannot be read and is left out."""


@dataclass(frozen=True)
class Unreadable:
    """A file where a version should be.

    Attributes
    ----------
    path
        The file, or a folder of files.
    why
        One sentence that names it.
    newer
        Whether its format is newer than this nmer.
    """

    path: Path
    why: str
    newer: bool = False


class Index:
    """The versions in the files of a store.

    Parameters
    ----------
    store
        Folder of the store.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._known: dict[str, tuple[At, Entry | Unreadable]] = {}
        self._read_at: At | None = None
        self._unsaved = False
        self._looked = 0

    def look(self, kind: str, nmer: str | None = None, warn: bool = True) -> tuple[list[Entry], list[Unreadable]]:
        """Return the versions of a kind by n-mer and number, and what cannot be read.

        Parameters
        ----------
        kind
            One of `KINDS`.
        nmer
            Only those of this n-mer.
        warn
            Whether to give a `DamagedWarning` for each that cannot be read.
        """
        self._read()
        entries: list[Entry] = []
        bad: list[Unreadable] = []
        try:
            folders = [nmer] if nmer is not None else sorted(_names(self._store / FOLDERS[kind], folders=True))
        except OSError as error:
            folders, path = [], self._store / FOLDERS[kind]
            bad.append(Unreadable(path, f"'{path}' cannot be read: {error.strerror}"))
        for name in folders:
            for found in self._folder(kind, name):
                (entries if isinstance(found, Entry) else bad).append(found)  # type: ignore[arg-type]
        if self._looked >= MANY:
            self._write()
        for one in bad if warn else ():
            warnings.warn(f"{one.why}; it is left out", DamagedWarning, stacklevel=3)
        return entries, bad

    def one(self, kind: str, nmer: str, number: int) -> Entry | Unreadable | None:
        """Return one version, why it cannot be read, or None if it is not there."""
        self._read()
        return self._one(kind, nmer, f"{number}.h5")

    def put(self, entry: Entry) -> None:
        """Add a version that this process has just written."""
        name = str(entry.version.path.relative_to(self._store))
        with suppress(OSError):
            self._known[name] = (_at(entry.version.path), entry)
            self._unsaved = True

    def save(self) -> None:
        """Write the index if it has changed; the caller holds the store's writer lock.

        If it cannot be written, the store has no index.
        """
        for kind in KINDS:
            self.look(kind, warn=False)
        if self._unsaved:
            self._write()

    def _write(self) -> None:
        self._looked = 0
        rows = {
            name: [*at, found.version.key, found.version.created, list(found.inputs), found.passed]
            for name, (at, found) in self._known.items()
            if isinstance(found, Entry) and (self._store / name).is_file()
        }
        text = json.dumps({"nmer_index_format": INDEX_FORMAT, "files": rows}, separators=(",", ":"))
        with suppress(OSError):
            write_bytes(self._store / FILE, text.encode(), certain=False)
            self._read_at = _at(self._store / FILE)
            self._unsaved = False

    def _folder(self, kind: str, nmer: str) -> Iterator[Entry | Unreadable]:
        folder = self._store / FOLDERS[kind] / nmer
        try:
            names = [name for name in _names(folder) if name.endswith(".h5") and not name.startswith(".")]
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                yield Unreadable(folder, f"'{folder}' cannot be read: {error.strerror}")
            return
        for name in sorted(names, key=lambda name: (number_of(name), name)):
            found = self._one(kind, nmer, name)
            if found is not None:
                yield found

    def _one(self, kind: str, nmer: str, name: str) -> Entry | Unreadable | None:
        short = f"{FOLDERS[kind]}/{nmer}/{name}"
        path = self._store / short
        try:
            at = _at(path)
        except FileNotFoundError:  # it was removed just now, or is a link to nowhere
            return Unreadable(path, f"'{path}' is a link to nowhere") if path.is_symlink() else None
        except OSError as error:
            return Unreadable(path, f"'{path}' cannot be read: {error.strerror}")
        known = self._known.get(short)
        if known is not None and known[0] == at:
            return known[1]
        found = _looked_at(path, kind, nmer)
        self._known[short] = (at, found)
        if isinstance(found, Entry):
            self._unsaved = True
            self._looked += 1
        return found

    def _read(self) -> None:
        """Read the index file, if it has changed since the last reading."""
        path = self._store / FILE
        try:
            at = _at(path)
            if at == self._read_at:
                return
            text = path.read_text(encoding="utf-8")
            found = json.loads(text)
            if found["nmer_index_format"] != INDEX_FORMAT:
                raise ValueError("another format")
            rows = {str(name): _of_row(self._store, str(name), row) for name, row in found["files"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self._unsaved = True  # missing or damaged
            return
        self._read_at = at
        self._known = rows | self._known


def number_of(name: str) -> int:
    """Return the number in a file's name, ``3.h5`` or ``3.removed``; 0 where there is none."""
    start = name.partition(".")[0]
    return int(start) if re.fullmatch(r"[0-9]{1,18}", start) else 0


def _names(folder: Path, folders: bool = False) -> list[str]:
    """Return the names in a folder, or only those of folders; none if it does not exist."""
    try:
        with os.scandir(folder) as found:
            return [each.name for each in found if not folders or each.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _at(path: Path) -> At:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _looked_at(path: Path, kind: str, nmer: str) -> Entry | Unreadable:
    try:
        entry = look_at(path)
    except InputError as error:
        return Unreadable(path, str(error), newer=isinstance(error, NewerError))
    version = entry.version
    if (version.kind, version.nmer, f"{version.number}.h5") != (kind, nmer, path.name):
        return Unreadable(path, f"'{path}' holds {version.ref}, which does not belong there")
    return entry


def _of_row(store: Path, name: str, row: list[Any]) -> tuple[At, Entry]:
    """Return the entry of a row of the index file; raises ValueError if the row is not valid."""
    *at, key, created, inputs, passed = row
    folder, nmer, file = name.split("/")
    kind, number = KIND_OF.get(folder, ""), number_of(file)
    named = {"kind": kind, "nmer": nmer, "number": number, "key": key, "created": created}
    if (
        len(at) != 4
        or not all(type(n) is int for n in at)
        or any(allowed_name(each, value) for each, value in named.items())
        or not _NUMBER.fullmatch(file)
        or not all(is_input(each) for each in inputs)
        or type(passed) is not bool
    ):
        raise ValueError(f"'{name}' cannot be")
    return (at[0], at[1], at[2], at[3]), Entry(
        Version(kind, nmer, number, key, created, store / folder / nmer / file), tuple(inputs), passed
    )
