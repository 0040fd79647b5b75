"""Take a bundle into a store: the same keys, and numbers that are free there."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from potentials.errors import InputError
from storage.bundle import Bundle, Bundled, unpack
from storage.bundle_labels import SPOOL, read_labels
from storage.checksum import broken_seals, is_sealed
from storage.durable import clear_temporaries, make_folder, sync_folder
from storage.ledger import Ledger
from storage.ledger_rows import LabelRow
from storage.spool import SUFFIX, encode
from storage.store import Store
from storage.version import Version, own_array, read_version, write_bytes


@dataclass(frozen=True)
class Taken:
    """A version of a bundle and what it is in the store.

    Attributes
    ----------
    was
        Its reference in the bundle.
    now
        The version in the store.
    new
        Whether it was not there before.
    """

    was: str
    now: Version
    new: bool


def take_in(bundle: Bundle, store: Store) -> list[Taken]:
    """Take a checked bundle into a store; what is there already stays as it is.

    The labels' rows come first, then each version behind what it was made from, each whole or not at all. If this
    is killed, the store is whole, and running it again goes on.

    Parameters
    ----------
    bundle
        As `storage.bundle.read_bundle` gives it.
    store
        The store, whose writer lock the caller holds.

    Raises
    ------
    InputError
        If a member is not what the manifest says it is, or another process holds the label ledger.
    """
    folder = store.scratch("unbundle")
    shutil.rmtree(folder, ignore_errors=True)  # of a killed one
    try:
        new = [v for v in bundle.versions if store.find(v.kind, v.key, v.nmer) is None]
        others = [name for name in bundle.files if name.startswith("labels/")]
        unpack(bundle, [*others, *(v.member for v in new)], folder)
        for version in new:
            _check(folder / version.member, version, bundle.path)
        entries = read_labels(folder / SPOOL, bundle.protocols)
        if entries:
            with Ledger.open(store.labels) as ledger:
                _labels(ledger, entries, bundle)
        for name in others:
            if name != SPOOL and not (store.path / name).exists():
                write_bytes(store.path / name, (folder / name).read_bytes())
        taken = [_taken(version, store, folder) for version in bundle.versions]
        _reports(bundle, store, taken, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return taken


def _labels(ledger: Ledger, entries: list[dict[str, Any]], bundle: Bundle) -> None:
    """Bring labels in as a worker's would come: by a file in the spool, which stays as their witness."""
    for protocol, settings in bundle.protocols.items():
        ledger.record_protocol(protocol, settings)
        here = ledger.rows([e["configuration"] for e in entries], protocol)
        new = [
            entry
            for entry in entries
            if entry["protocol"] == protocol
            and _is_news(entry, here.get(entry["configuration"], {}).get(entry["part"]))
        ]
        lines = b"".join(encode(entry) for entry in new)
        if lines:
            write_bytes(ledger.spool / f"bundle-{hashlib.sha256(lines).hexdigest()[:16]}{SUFFIX}", lines)
    ledger.ingest()


def _is_news(entry: dict[str, Any], row: LabelRow | None) -> bool:
    """Return whether the ledger would take an entry in the place of what it has."""
    if row is None:
        return True
    return row.status != "ok" and (entry["status"] == "ok" or entry["finished"] > row.finished)


def _check(path: Path, version: Bundled, bundle: Path) -> None:
    """Compare a file with what the manifest says it is; see that all its arrays are its own."""
    found = read_version(path)
    if (found.kind, found.nmer, found.number, found.key) != tuple(vars(version).values()):
        raise InputError(f"'{bundle}': its member {version.member} is {found.ref} with another key or name")
    found.attributes()
    with h5py.File(path) as file:
        for name in file:
            own_array(file, name)
        if is_sealed(file):
            for name, what in broken_seals(file):
                raise InputError(f"'{bundle}': its member {version.member} is damaged: {name}: {what}")


def _taken(version: Bundled, store: Store, folder: Path) -> Taken:
    present = store.find(version.kind, version.key, version.nmer)
    if present is not None:
        return Taken(version.ref, present, False)
    target = store.next_path(version.kind, version.nmer)
    make_folder(target.parent)
    clear_temporaries(target.parent)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.move(folder / version.member, temporary)
    try:
        _renumber(temporary, int(target.stem), store)
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.chmod(0o444)
        temporary.replace(target)
        sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return Taken(version.ref, read_version(target), True)


def _renumber(path: Path, number: int, store: Store) -> None:
    """Give a version its number in the store, and its inputs the names that they have there."""
    with h5py.File(path, "r+") as file:
        inputs = json.loads(file.attrs["inputs"])
        for made_from in inputs:
            here = store.find(made_from["kind"], made_from["key"])
            made_from["ref"] = here.ref if here else made_from["ref"]
        file.attrs["number"] = number
        file.attrs["inputs"] = json.dumps(inputs)


def _reports(bundle: Bundle, store: Store, taken: list[Taken], folder: Path) -> None:
    """Write the reports' files that are not there."""
    for one in taken:
        if one.now.kind == "potential":
            start = f"reports/{one.was}/"
            names = [name for name in bundle.files if name.startswith(start)]
            unpack(bundle, names, folder)
            for name in names:
                target = store.report(one.now) / name.removeprefix(start)
                if not target.exists():
                    write_bytes(target, (folder / name).read_bytes())
