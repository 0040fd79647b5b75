"""Checks of the labels: every line of the spool, and the ledger against them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from potentials.errors import InputError
from storage.gradients import text_of
from storage.keys import canonical_json, digest
from storage.ledger_file import COLUMNS, KEY, connect_to_read, row_values
from storage.spool import decode, spool_files
from storage.verify.versions import Damage, in_words

Key = tuple[str, str, str]


def check_labels(folder: Path, store: Path) -> tuple[list[Damage], list[str]]:
    """Check the spool and the ledger of a folder of labels.

    The ledger has no checksums of its own. It is made from the spool, whose lines have: a row that is in no line,
    or a line that is in no row, shows damage to the ledger.

    Parameters
    ----------
    folder
        The folder.
    store
        Folder of the store; files are named relative to it.

    Returns
    -------
    What is damaged, and what could not be checked.
    """
    name = str(folder.relative_to(store))
    path = folder / "ledger.sqlite"
    damages: list[Damage] = []
    rows: dict[Key, tuple[Any, ...]] = {}
    taken: dict[str, int] = {}
    readable = True
    try:
        if path.exists():
            with closing(connect_to_read(path)) as database:
                problems = list(_structure(database))
                rows, taken = _read(database)
            damages += [Damage(f"{name}/{path.name}", what, problem) for what, problem in problems]
    except (InputError, sqlite3.Error, ValueError, UnicodeError) as error:
        damages.append(Damage(f"{name}/{path.name}", "", f"cannot be read: {in_words(error)}"))
        readable = False
    compared, torn = _Compared(rows), 0
    for file in spool_files(folder / "spool"):
        end = taken.get(file.name, 0)
        where, data = f"{name}/spool/{file.name}", file.read_bytes()
        if len(data) < end:
            damages.append(
                Damage(where, "", f"has {len(data)} bytes; the ledger has read {end}: its end is missing")
            )
        for number, start, line, whole in _lines(data):
            entry = decode(line)
            if entry is not None:
                compared.see(entry, f"line {number} of {where}", start + len(line) < end)
            elif whole:
                damages.append(Damage(where, f"line {number}", "its crc32 does not match"))
            else:
                torn += 1
    if readable:
        damages += [Damage(f"{name}/{path.name}", what, problem) for what, problem in compared.result()]
    notes = []
    if torn:
        notes.append(f"{torn} spool files end in a line that a killed process did not finish; that is no damage")
    if compared.alone and readable:
        notes.append(f"{compared.alone} rows of the ledger are in no line of the spool, so they cannot be checked")
    damages += _references(folder, store, rows if readable else None)
    return damages, notes


def _lines(data: bytes) -> Iterator[tuple[int, int, bytes, bool]]:
    """Yield number, start, and text of each line, and whether it was finished.

    A last line without its newline is one that a killed process has not finished, unless it would be a good line
    if its last byte were the newline: then that byte was changed.
    """
    start = 0
    for number, line in enumerate(data.split(b"\n"), 1):
        last = start + len(line) == len(data)
        if not last:
            yield number, start, line, True
        elif line:
            yield number, start, line, decode(line[:-1]) is not None
        start += len(line) + 1


def _structure(database: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Yield what SQLite finds wrong with its file, and protocols whose id is not that of their settings."""
    for (message,) in database.execute("PRAGMA main.integrity_check"):
        if message != "ok":
            yield "", f"SQLite says: {' '.join(str(message).split())}"
    for protocol, settings in database.execute("SELECT protocol, settings FROM protocols"):
        if digest(json.loads(settings)) != protocol:
            yield f"protocol {protocol}", "its id is not that of its settings"
    lacking = database.execute(
        "SELECT protocol, count(*) FROM labels WHERE status = 'ok' AND gradient IS NULL AND protocol IN (SELECT "
        "protocol FROM protocols WHERE json_extract(settings, '$.labelling.gradients')) GROUP BY protocol"
    )
    for protocol, count in lacking:
        yield f"protocol {protocol}", f"{count} rows that are ok have no gradient, which it has"


def _read(database: sqlite3.Connection) -> tuple[dict[Key, tuple[Any, ...]], dict[str, int]]:
    """Return the rows by their key, and how far each spool file was read, both in one transaction."""
    database.execute("BEGIN")
    taken = {str(file): int(size) for file, size in database.execute("SELECT file, bytes FROM ingested")}
    rows = {
        (str(row[0]), str(row[1]), str(row[2])): row
        for row in database.execute(f"SELECT {', '.join(COLUMNS)} FROM labels")
    }
    return rows, taken


class _Compared:
    """The comparison of the ledger's rows with the spool's entries."""

    def __init__(self, rows: dict[Key, tuple[Any, ...]]) -> None:
        self._rows = rows
        self._good: set[Key] = set()
        self._unlike: dict[Key, str] = {}
        self._missing: dict[Key, str] = {}

    def see(self, entry: dict[str, Any], where: str, taken: bool) -> None:
        """Compare an entry with its row; one that the ledger has not taken in yet need not have one."""
        values = row_values(entry)
        key = (str(values[0]), str(values[1]), str(values[2]))
        row = self._rows.get(key)
        if row is None:
            if taken:
                self._missing[key] = where
        elif row == values or _content(row) == _content(values):
            self._good.add(key)
        else:
            self._unlike[key] = where

    def result(self) -> Iterator[tuple[str, str]]:
        """Yield the rows that differ from their entries, and those that are missing."""
        for key, where in self._unlike.items():
            if key not in self._good:
                yield _row(key), f"is not what {where} says"
        for key, where in self._missing.items():
            yield _row(key), f"is missing; {where} has it"

    @property
    def alone(self) -> int:
        """Number of rows that no entry is about."""
        return len(set(self._rows) - self._good - set(self._unlike))


def _row(key: Key) -> str:
    return f"row {key[0][:16]} {key[2]} of protocol {key[1][:12]}"


def _content(values: tuple[Any, ...]) -> str:
    """Return a row's content whatever format it was first written in: details may have moved into columns."""
    columns = dict(zip(COLUMNS, values, strict=True))
    try:
        columns["gradient"] = text_of(columns["gradient"])
        rest = json.loads(columns.pop("details"))
        nested = rest.pop("details", {})
        found = {**nested, **rest, **{k: v for k, v in columns.items() if v is not None}}
        plain = {k: int(v) if isinstance(v, bool) else v for k, v in found.items() if v is not None}
        return canonical_json(plain)
    except (ValueError, TypeError, AttributeError) as error:
        return f"unreadable: {error} {[values[n] for n in range(len(KEY))]} {values!r}"


def _references(folder: Path, store: Path, rows: dict[Key, tuple[Any, ...]] | None) -> Iterator[Damage]:
    """Yield the minima that cannot be right: their protocol's id, or an energy that no label has."""
    energies: dict[str, np.ndarray[Any, Any]] = {}
    column = list(COLUMNS).index("energy")
    for path in sorted((folder / "references").glob("*/*.json")):
        name = str(path.relative_to(store))
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            protocol, energy = str(values["protocol"]), float(values["energy"])
            positions = np.asarray(values["positions"], dtype=np.float64)
            right = digest(values["settings"]) == protocol and protocol.startswith(path.parent.name)
        except (OSError, ValueError, KeyError, TypeError) as error:
            yield Damage(name, "", f"cannot be read: {in_words(error)}")
            continue
        if not right:
            yield Damage(name, "protocol", "its id is not that of its settings")
        elif positions.shape != (len(values["symbols"]), 3) or not np.isfinite(positions).all():
            yield Damage(name, "positions", "are not a finite position for each symbol")
        elif rows is not None:
            if protocol not in energies:
                of_protocol = (row[column] for key, row in rows.items() if key[1] == protocol)
                known = [energy for energy in of_protocol if energy is not None]
                energies[protocol] = np.array(known, dtype=np.float64)
            if len(energies[protocol]) and np.abs(energies[protocol] - energy).min() > 1e-9:
                yield Damage(name, "energy", "no label of its protocol has this energy")
