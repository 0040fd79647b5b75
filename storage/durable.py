"""Write files and folders so that they survive a power cut, and remove what killed writers have left."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from potentials.errors import InputError


@contextmanager
def disk_errors(sentence: str) -> Iterator[None]:
    """Turn errors of the file system into one sentence, ``'FILE' cannot be written``, with the reason.

    Raises
    ------
    OSError
        If the disk is full, which is no error of the input.
    InputError
        In place of all other errors of the file system.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(f"{sentence}: {error.strerror}") from None


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, and return when their names are on the disk."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync(each.parent)


def sync(path: Path) -> None:
    """Return when the content of a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path, mode: int | None = None, certain: bool = True) -> Iterator[Path]:
    """Yield a temporary path; what is made there replaces a file or folder when the block ends.

    If the block raises, the path stays as it was and nothing of the new content is left.

    Parameters
    ----------
    path
        The file or folder; the folder above it is made. A folder with files is not replaced.
    mode
        Permissions; by default those that the system gives.
    certain
        Return only when it is on the disk; otherwise a power cut may leave other content under the name.
    """
    make_folder(path.parent)
    temporary = temporary_for(path)
    try:
        yield temporary
        made = [temporary, *temporary.rglob("*")] if temporary.is_dir() else [temporary]
        for each in made if certain else ():
            sync(each)
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        temporary.unlink(missing_ok=True)  # it would take space on a full disk
    if certain:
        sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a text file as `replacing` does."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes, mode: int | None = None, certain: bool = True) -> None:
    """Write a file as `replacing` does, whose parameters it has."""
    with replacing(path, mode, certain) as temporary, temporary.open("xb") as file:
        file.write(content)


def temporary_for(path: Path) -> Path:
    """Return a temporary name beside a path that no other process or host uses.

    The caller must create it exclusively (mode ``x``, or `os.mkdir`). `tempfile` would make it accessible to one
    user only, but a store may belong to a group.
    """
    start = path.name.encode()[:100].decode(errors="ignore")  # a name has at most 255 bytes
    return path.with_name(f".{start}.{secrets.token_hex(8)}.tmp")


def clear_temporaries(folder: Path) -> None:
    """Remove unfinished files of killed writers; the caller must be the only writer here."""
    for left in folder.glob(".*.tmp"):
        left.unlink(missing_ok=True)
