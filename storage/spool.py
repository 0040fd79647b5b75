"""The spool: what a worker has finished, written to disk before it is reported.

Each worker process appends to a file of its own, one line an entry: the crc32 of the JSON as 8 hexadecimal digits,
a space, the JSON. A line is on disk (fsync) before `append` returns, so an entry survives a crash of the worker,
the scheduler, the flow, or the machine. A line torn by a crash fails its crc and is skipped.
"""

from __future__ import annotations

import json
import os
import socket
import uuid
import zlib
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.durable import make_folder, sync
from storage.keys import canonical_json

SUFFIX = ".spool"
"""Ending of spool files."""


@dataclass(frozen=True)
class SpoolPart:
    """What one reading of a spool file found.

    Attributes
    ----------
    entries
        The entries whose crc is right, in the order they were written.
    skipped
        Number of lines that were torn or damaged.
    end
        Position (bytes) behind the last complete line: where the next reading begins.
    """

    entries: tuple[dict[str, Any], ...]
    skipped: int
    end: int


@dataclass(frozen=True)
class SpoolRange:
    """A part of a spool file: its name, and where the part begins and ends (bytes)."""

    file: str
    start: int
    end: int


class SpoolWriter(AbstractContextManager["SpoolWriter"]):
    """Appends entries to a new spool file of this process.

    Parameters
    ----------
    folder
        The spool's folder; it is made. It may lie on a shared file system.
    """

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}{SUFFIX}"
        self.path = folder / name
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
        sync(folder)

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write one entry and return when it is on disk; raises as `extend` does."""
        self.extend([entry])

    def extend(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Write entries and return when they are on disk: one wait for the disk for all of them.

        Raises
        ------
        OSError
            If the disk is full or gone. Complete lines are kept; an incomplete one is removed where possible, so
            that a later entry is not appended to it.
        """
        data = b"".join(encode(entry) for entry in entries)
        start, done = self.end, 0
        try:
            while done < len(data):
                done += os.write(self._file, memoryview(data)[done:])
        except OSError:
            os.ftruncate(self._file, start + data.rfind(b"\n", 0, done) + 1)
            raise
        os.fsync(self._file)

    @property
    def end(self) -> int:
        """Length of the file, bytes."""
        return os.fstat(self._file).st_size

    def close(self) -> None:
        """Close the file; nothing can be appended any more."""
        os.close(self._file)


def encode(entry: Mapping[str, Any]) -> bytes:
    """Return the line of one entry, with its newline; raises ValueError if a value is not finite."""
    text = canonical_json(dict(entry)).encode()
    return b"%08x " % zlib.crc32(text) + text + b"\n"


def decode(line: bytes) -> dict[str, Any] | None:
    """Return the entry of one line without its newline, or None if the line is torn or damaged."""
    crc, _, text = line.partition(b" ")
    if crc != b"%08x" % zlib.crc32(text):
        return None
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):  # no worker of ours wrote it
        return None
    return entry if isinstance(entry, dict) else None


def read_spool(path: Path, start: int = 0) -> SpoolPart:
    """Read a spool file from a position on.

    Parameters
    ----------
    path
        The file. Its worker may still be writing to it.
    start
        Position in bytes, the `SpoolPart.end` of an earlier reading.

    Returns
    -------
    SpoolPart
        A last line without its newline counts as skipped, and `end` stays before it: its worker may be about
        to finish it.
    """
    with path.open("rb") as file:
        file.seek(start)
        data = file.read()
    *lines, tail = data.split(b"\n")
    entries = [decode(line) for line in lines]
    good = tuple(entry for entry in entries if entry is not None)
    skipped = len(lines) - len(good) + bool(tail)
    return SpoolPart(good, skipped, start + len(data) - len(tail))


def spool_files(folder: Path) -> tuple[Path, ...]:
    """Return the spool files of a folder, by name; none if there is no such folder."""
    return tuple(sorted(folder.glob(f"*{SUFFIX}")))
