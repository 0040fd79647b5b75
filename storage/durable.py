"""Folders and names that survive a power cut, and what is left where a writer was killed."""

from __future__ import annotations

import os
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


def clear_temporaries(folder: Path) -> None:
    """Remove what killed writers have left half written; the caller knows that nobody else writes here."""
    for left in folder.glob(".*.tmp"):
        left.unlink(missing_ok=True)
