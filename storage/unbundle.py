"""Add a bundle to a store: with the same keys, and numbers that are free there."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from potentials.errors import InputError
from storage.bundle import Bundle, Bundled, unpack
from storage.bundle_labels import SPOOL, read_labels
from storage.durable import clear_temporaries, make_folder, replacing, write_bytes
from storage.foreign import Entry, check_whole, copy_renumbered, look_at
from storage.ledger import Ledger
from storage.ledger_rows import LabelRow
from storage.spool import SUFFIX, encode
from storage.store import Store
from storage.version import Version


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
    """Add a checked bundle to a store; what is there already is not changed.

    Labels are added first, then each version after what it was made from, each whole or not at all. If this is
    interrupted, the store is consistent, and running it again completes it.

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
    shutil.rmtree(folder, ignore_errors=True)  # left by a killed process
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
    """Add labels as a worker does, by a file in the spool, which is kept."""
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
    """Return whether an entry would replace what the ledger has."""
    if row is None:
        return True
    return row.status != "ok" and (entry["status"] == "ok" or entry["finished"] > row.finished)


def _check(path: Path, version: Bundled, bundle: Path) -> None:
    """Compare a file with its checksums, and with what the manifest says it is, in a process of its own."""
    try:
        found = look_at(path).version
        if (found.kind, found.nmer, found.number, found.key) != tuple(vars(version).values()):
            raise InputError(f"'{path}' is {found.ref} with another key or name")
        check_whole(path)
    except InputError as error:
        said = str(error).replace(f"'{path}'", f"its member {version.member}")
        raise InputError(f"'{bundle}': {said}") from None


def _taken(version: Bundled, store: Store, folder: Path) -> Taken:
    present = store.find(version.kind, version.key, version.nmer)
    if present is not None:
        return Taken(version.ref, present, False)
    target = store.next_path(version.kind, version.nmer)
    make_folder(target.parent)
    clear_temporaries(target.parent)
    with replacing(target, mode=0o444) as temporary:
        entry = _renumbered(folder / version.member, temporary, int(target.stem), store)
    entry = replace(entry, version=replace(entry.version, path=target))
    store.take(entry)
    return Taken(version.ref, entry.version, True)


def _renumbered(path: Path, target: Path, number: int, store: Store) -> Entry:
    """Copy a version with its number in the store, and its inputs with the names that they have there."""
    inputs = []
    for made_from in look_at(path).inputs:
        here = store.find(made_from["kind"], made_from["key"])
        inputs.append({**made_from, "ref": here.ref if here else made_from["ref"]})
    return copy_renumbered(path, target, number, inputs)


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
