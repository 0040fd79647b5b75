"""The zip file of a bundle, checked before anything in it is read.

A bundle stores its members uncompressed, one after the other, so that together they cannot be longer than the
file. The list of members alone shows whatever is refused: compressed members, members that overlap, repeated
names, links, encryption.
"""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from potentials.errors import InputError
from storage.arrays import check_regular

MOST_MEMBERS = 20_000
MOST_LIST = 4 * 2**20
"""Largest list of members at the end of the file, and largest single read, bytes."""


def damaged(path: Path, why: str) -> InputError:
    """Return the error for a file that is not a bundle, or is damaged."""
    return InputError(f"'{path}' is damaged or not a bundle of nmer: {why}; get it again")


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a bundle's zip file for reading, as a context, after a check of its list of members.

    Raises
    ------
    InputError
        If it does not exist or is not a zip file; also in place of errors of `zipfile` within the block.
    """
    size = check_regular(path)
    try:
        with path.open("rb", buffering=0) as raw, zipfile.ZipFile(_Bounded(raw)) as archive:
            _check_list(path, archive.infolist(), size)
            yield archive
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}") from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError) as error:
        raise damaged(path, f"it cannot be read as a zip file ({error})") from None


def read_member(path: Path, archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Return a whole member, if it is not longer than `most` bytes; raises InputError if it is."""
    size = archive.getinfo(name).file_size
    if size > most:
        raise damaged(path, f"its {name} has {size} bytes; allowed: {most}")
    return archive.read(name)


class _Bounded(io.BufferedReader):
    """A file with a limit on one read: `zipfile` reads the whole list of members at once, however long it is."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = max(os.fstat(self.fileno()).st_size - self.tell(), 0)
        if size > MOST_LIST:
            raise zipfile.BadZipFile("its list of members is too long")
        return super().read(size)


def _check_list(path: Path, members: list[zipfile.ZipInfo], size: int) -> None:
    if len(members) > MOST_MEMBERS:
        raise damaged(path, f"it has {len(members)} members; allowed: {MOST_MEMBERS}")
    names: set[str] = set()
    for member in members:
        shown = f"'{member.orig_filename[:100]}'"
        if member.filename != member.orig_filename or not member.filename.isprintable():
            raise damaged(path, f"the name of its member {shown!r} has characters that are not allowed")
        if member.filename in names:
            raise damaged(path, f"{shown} is in it twice")
        names.add(member.filename)
        if member.compress_type != zipfile.ZIP_STORED:
            raise damaged(path, f"its member {shown} is compressed, which those of a bundle are not")
        if member.file_size != member.compress_size or member.flag_bits & 0x41:
            raise damaged(path, f"its member {shown} is encrypted, or its length is not the stated one")
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
            raise damaged(path, f"its member {shown} is not a file")
    if sum(member.file_size for member in members) > size:
        raise damaged(path, "its members are longer than the file")
