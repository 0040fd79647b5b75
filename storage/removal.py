"""Removal of versions, and of leftovers of work that has ended.

A version that another one was made from is kept. The number of a removed version is not used again:
``<number>.removed`` is written beside the versions before the file is deleted. After an interruption the version
is either there or removed, and the same command completes the removal. Labels are never removed.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from potentials.errors import InputError
from storage.attributes import KIND_OF
from storage.durable import disk_errors, sync, write_text
from storage.foreign import Entry
from storage.store import REMOVED, Store
from storage.tags import read_tags, tags_of
from storage.version import KINDS, Version

OLD = 3600.0
"""Seconds without a change after which a temporary file is a leftover."""


@dataclass(frozen=True)
class Gone:
    """Something that was removed, or can be.

    Attributes
    ----------
    what
        A version's reference, or a phrase.
    path
        File or folder.
    size
        Bytes.
    """

    what: str
    path: Path
    size: int


def dependants(version: Version, entries: Sequence[Entry]) -> list[Version]:
    """Return the versions that were made from one.

    Parameters
    ----------
    version
        The version.
    entries
        All versions of the store.
    """
    return [
        e.version
        for e in entries
        if any((i["kind"], i["key"]) == (version.kind, version.key) for i in e.inputs) and e.version != version
    ]


def remove(store: Store, versions: Sequence[Version]) -> list[Gone]:
    """Remove versions, a potential with its verdicts and its report; the caller holds the store's writer lock.

    Parameters
    ----------
    store
        The store.
    versions
        What to remove; if one of them must be kept, none is removed.

    Raises
    ------
    InputError
        If another version was made from one of them, one carries a tag, or one is a potential's verdict; or a
        file that cannot be read may have been made from one.
    """
    every, hidden = store.entries(), store.unreadable()
    leaving = list(dict.fromkeys(versions))
    for potential in [v for v in leaving if v.kind == "potential"]:
        leaving += [v for v in dependants(potential, every) if v.kind == "validation" and v not in leaving]
    tags = read_tags(store.path)
    for version in leaving:
        carried = tags_of(version, tags)
        if carried:
            raise InputError(
                f"{version.ref} carries the tag '{carried[0]}' and stays; "
                f"'nmer tag {version.ref} {carried[0]} --remove --force' removes the tag"
            )
        others = [v.ref for v in dependants(version, every) if v not in leaving]
        if others:
            verb = "depends" if len(others) == 1 else "depend"
            raise InputError(f"{version.ref} stays, because {', '.join(others)} {verb} on it")
        folders = (KIND_OF[bad.path.relative_to(store.path).parts[0]] for bad in hidden)
        later = KINDS[KINDS.index(version.kind) + 1 :]
        doubtful = [bad for bad, kind in zip(hidden, folders, strict=True) if kind in later]
        if doubtful:
            raise InputError(
                f"{version.ref} stays, because something that cannot be read may depend on it: {doubtful[0].why}; "
                "restore that from a copy, or delete it"
            )
    for version in (v for v in leaving if v.kind == "validation"):
        potentials = [e.version for e in every if e.version.kind == "potential" and e.version not in leaving]
        judged = [v for v in potentials if store.verdict(v) == version]
        if judged:
            raise InputError(
                f"{version.ref} stays, because it is the verdict on {judged[0].ref}; both are removed together"
            )
    gone: list[Gone] = []
    for version in sorted(leaving, key=lambda v: -KINDS.index(v.kind)):
        with disk_errors(f"'{version.path}' cannot be removed"):
            gone += _take_away(store, version)
    return gone


def _take_away(store: Store, version: Version) -> list[Gone]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    said = {"nmer_removed_format": 1, "key": version.key, "created": version.created, "removed": now}
    write_text(version.path.with_suffix(REMOVED), json.dumps(said) + "\n")
    gone = [Gone(version.ref, version.path, version.path.stat().st_size)]
    version.path.unlink()
    sync(version.path.parent)
    beside = {"potential": ("report", store.report(version)), "pool": ("PLUMED files", store.plumed(version))}
    if version.kind in beside:
        what, folder = beside[version.kind]
        if folder.exists():
            gone.append(Gone(f"{what} of {version.ref}", folder, _size(folder)))
            clear(gone[-1:])
    return gone


def leftovers(store: Store) -> list[Gone]:
    """Return what is no longer needed; the caller holds the store's writer lock, so that no run is in progress.

    That is scratch of finished versions, temporary files unchanged for an hour, and remains of an interrupted
    removal; never versions, labels, or scratch of unfinished work.
    """
    versions = store.versions()
    finished = {v.key[:16]: v.ref for v in versions}
    found = []
    for folder in sorted((store.path / "scratch").glob("*/")):
        if folder.name in finished:
            found.append(Gone(f"scratch of {finished[folder.name]}, which is finished", folder, _size(folder)))
        elif folder.name in ("dask", "labels") and _untouched(folder):
            found.append(Gone(f"scratch of {folder.name}, whose processes have ended", folder, _size(folder)))
    # the process cannot be identified by its number: each host and container has its own numbers
    for path in sorted(store.path.rglob(".*.tmp")):
        if not any(path.is_relative_to(each.path) for each in found) and _untouched(path):
            found.append(Gone("temporary file of a process that has ended", path, _size(path)))
    for mark in sorted(store.path.glob(f"potentials/*/*{REMOVED}")):
        report = store.path / "reports" / f"{mark.parent.name}@{mark.stem}"
        if report.exists() and not mark.with_suffix(".h5").exists():
            found.append(Gone("report of a potential that was removed", report, _size(report)))
    return found


def unused(store: Store) -> list[Version]:
    """Return the pools, selections, and datasets that nothing was made from and that carry no tag."""
    entries, tags = store.entries(), read_tags(store.path)
    needed = {(i["kind"], i["key"]) for e in entries for i in e.inputs}
    return [
        v
        for v in (e.version for e in entries)
        if v.kind in ("pool", "selection", "dataset") and (v.kind, v.key) not in needed and not tags_of(v, tags)
    ]


def clear(gone: Sequence[Gone]) -> None:
    """Remove leftovers; the caller has held the store's writer lock since they were found."""
    for each in gone:
        with disk_errors(f"'{each.path}' cannot be removed"):
            if each.path.is_dir():
                shutil.rmtree(each.path)
            else:
                each.path.unlink(missing_ok=True)


def _untouched(path: Path) -> bool:
    """Return whether nothing in a folder, or a file, was written to for `OLD` seconds."""
    every = [path, *path.rglob("*")] if path.is_dir() else [path]
    return all(p.lstat().st_mtime < time.time() - OLD for p in every)


def _size(path: Path) -> int:
    every = path.rglob("*") if path.is_dir() else [path]
    return sum(p.lstat().st_size for p in every if p.is_file())
