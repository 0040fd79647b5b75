"""Verification of a whole store, or of one version with everything it was made from."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from potentials.errors import InputError
from storage.apart import GIB, Apart, CrashedError
from storage.attributes import FOLDERS
from storage.foreign import SLOWEST
from storage.ledger import Ledger
from storage.store import Store
from storage.tags import FILE, read_tags
from storage.verify.labels import check_labels
from storage.verify.links import Factors, Links, Recomputed, Slopes, named_file, not_recomputed
from storage.verify.versions import Damage, FileCheck, check_file, in_words
from storage.version import KINDS, Version, read_version

OK, NO_CHECKSUM, DAMAGED = "ok", "no checksum", "damaged"


@dataclass(frozen=True)
class Verified:
    """What verification found.

    Attributes
    ----------
    files
        How each version's file is, by its name in the store: ``ok``, ``no checksum`` (written before there were
        any; all that can be checked without is right), ``damaged``.
    damages
        What is wrong.
    notes
        What could not be checked.
    """

    files: dict[str, str]
    damages: tuple[Damage, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "sound": not self.damages,
            "files": self.files,
            "damages": [asdict(damage) for damage in self.damages],
            "notes": list(self.notes),
        }


def verify(
    store: Store,
    factors: Factors,
    paths: Sequence[Path],
    reader: Apart,
    progress: Callable[[int, int], None] = lambda done, bad: None,
    recomputed: Recomputed = not_recomputed,
    slopes: Slopes | None = None,
) -> Verified:
    """Verify versions, the links between them, the labels, and the tags.

    Parameters
    ----------
    store
        The store. Nothing is written, and a run may be in progress.
    factors
        How energies of sub-calculations make up an n-body energy.
    paths
        The versions' files, see `files_of`.
    reader
        Reads them.
    progress
        Called with the number of sound and of damaged files so far.
    recomputed
        Computes energies of a trajectory again.
    slopes
        Computes gradients of n-body energies from the ledger again; None: they are not.
    """
    checks: dict[Path, FileCheck] = {}
    damages: list[Damage] = []
    notes: list[str] = []
    bad = 0

    for path in paths:
        checks[path] = _check(reader, path, store.path)
        bad += bool(checks[path].damages)
        progress(len(checks) - bad, bad)
    sound = [check.version for check in checks.values() if check.version and not check.damages]
    with _ledger(store) as ledger:
        links = Links(store, sound, ledger, factors, recomputed, slopes)
        for path, check in checks.items():
            damages += check.damages
            notes += check.notes
            if check.version is not None and not check.damages:
                found, more = _linked(links, check.version, str(path.relative_to(store.path)))
                damages += found
                notes += more
    wrong, said = check_labels(store.labels, store.path)
    damages += [*wrong, *_tags(store, checks)]
    damaged = {damage.file for damage in damages}
    files = {}
    for path, check in checks.items():
        name = str(path.relative_to(store.path))
        files[name] = DAMAGED if name in damaged else OK if check.sealed else NO_CHECKSUM
    return Verified(files, tuple(damages), (*notes, *said))


def _check(reader: Apart, path: Path, store: Path) -> FileCheck:
    try:
        size = path.stat().st_size
        return reader.call(check_file, path, store, seconds=size / SLOWEST, memory=4 * GIB + 8.0 * size)
    except CrashedError as error:
        return FileCheck(None, True, (Damage(str(path.relative_to(store)), "", f"cannot be read: {error}"),))


def files_of(store: Store, ref: str | None, reader: Apart) -> list[Path]:
    """Return the files to verify: of everything, or of one version and all it was made from.

    Raises
    ------
    InputError
        If the reference names nothing.
    """
    if ref is None:
        return version_files(store)
    try:
        return reader.call(files_below, store, ref)
    except CrashedError:  # verifying everything names the file
        return version_files(store)


def version_files(store: Store) -> list[Path]:
    """Return the files of all versions, readable or not."""
    return [path for kind in KINDS for path in sorted((store.path / FOLDERS[kind]).glob("*/*.h5"))]


def files_below(store: Store, ref: str) -> list[Path]:
    """Return the file of a version and those of all it was made from, as far as they can be read.

    Raises
    ------
    InputError
        If the reference names nothing.
    """
    known: dict[Path, tuple[str, str]] = {}
    for path in version_files(store):
        try:
            version = read_version(path)
            known[path] = (version.kind, version.key)
        except InputError:  # if it belongs to the lineage, it is found by its reference
            continue
    found: dict[Path, None] = {}
    waiting = [_file_of(store, ref)]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found[path] = None
        try:
            inputs = read_version(path).attributes()["inputs"]
        except Exception:  # its check will report the damage
            continue
        for made_from in inputs:
            named, wanted = named_file(store.path, made_from), (made_from["kind"], made_from["key"])
            elsewhere = [path for path, key in known.items() if key == wanted]
            waiting.append(named if known.get(named) == wanted or not elsewhere else elsewhere[0])
    return [path for path in found if path.is_file()]


def _file_of(store: Store, ref: str) -> Path:
    """Return the file that a reference names, also if it is damaged."""
    try:
        return store.resolve(ref).path
    except InputError:
        kind, _, name = ref.rpartition(":")
        path = named_file(store.path, {"kind": kind or "potential", "ref": name})
        if path.is_file():
            return path
        raise


@contextmanager
def _ledger(store: Store) -> Iterator[Ledger | None]:
    """Open the ledger to read; None if it is too damaged for that, which its check will report."""
    try:
        ledger = Ledger.read(store.labels)
    except (InputError, sqlite3.Error, ValueError):
        yield None
        return
    with ledger:
        yield ledger


def _linked(links: Links, version: Version, file: str) -> tuple[list[Damage], list[str]]:
    try:
        return links.check(version)
    except sqlite3.Error as error:
        return [], [f"{file}: not compared with the ledger, which cannot be read ({in_words(error)})"]
    except Exception as error:  # a file without checksums may be damaged in ways that only show here
        return [Damage(file, "", f"cannot be compared with what it was made from: {in_words(error)}")], []


def _tags(store: Store, checks: Mapping[Path, FileCheck]) -> list[Damage]:
    """Return what is wrong with the tags: their file, and tags of versions that are not there or are others."""
    try:
        tags = read_tags(store.path)
    except InputError as error:
        return [Damage(FILE, "", in_words(error))]
    found = []
    for tag in tags:
        path = store.path / FOLDERS[tag.kind] / tag.nmer / f"{tag.number}.h5"
        check = checks.get(path)
        if not path.is_file():
            found.append(Damage(FILE, f"tag {tag.ref}", f"its version, number {tag.number}, is not there"))
        elif check is not None and check.version is not None and check.version.key != tag.key:
            found.append(Damage(FILE, f"tag {tag.ref}", f"number {tag.number} is not the version that was tagged"))
    return found
