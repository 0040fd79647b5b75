"""Files, folders, and names that survive a power cut, and what is left where a writer was killed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, and return when their names are on the disk."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """Return when the names that were given, changed, or taken in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or as it was before."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes, mode: int | None = None, certain: bool = True) -> None:
    """Write a file so that it is there whole or as it was before, and nothing of it where the disk is full.

    Parameters
    ----------
    path
        The file; its folder is made.
    content
        What is to be in it.
    mode
        Who may read and write it, if that is not for the system to say.
    certain
        Return only when it is on the disk; else a power cut may leave another content under the name.
    """
    make_folder(path.parent)
    temporary = temporary_for(path)
    try:
        with temporary.open("xb") as handle:
            handle.write(content)
            handle.flush()
            if certain:
                os.fsync(handle.fileno())
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if certain:
        sync_folder(path.parent)


def temporary_for(path: Path) -> Path:
    """Return a name beside a path for what is to become it, which no other process or host has.

    Who makes it, makes it exclusively (mode ``x``, or `os.mkdir`). `tempfile` would make it for one user alone,
    and a store may be a group's.
    """
    start = path.name.encode()[:100].decode(errors="ignore")  # a name has at most 255 bytes
    return path.with_name(f".{start}.{secrets.token_hex(8)}.tmp")


def clear_temporaries(folder: Path) -> None:
    """Remove what killed writers have left half written; the caller knows that nobody else writes here."""
    for left in folder.glob(".*.tmp"):
        left.unlink(missing_ok=True)
