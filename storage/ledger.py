"""The label ledger: every energy ever computed, and every failure, in one SQLite file.

A label is a few sub-calculations ("parts"), and each is a row of its own, so that an interrupted label is
taken up where it stopped. One process writes at a time and holds a file lock; anyone may read. The folder
holds ``ledger.sqlite``, which needs a local disk, ``spool/`` with what workers have finished, and the lock.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from potentials.errors import InputError
from storage.keys import canonical_json
from storage.spool import read_spool, spool_files

FORMAT = 1
"""Number of the file's format, kept in SQLite's ``user_version``."""

STATUSES = ("ok", "failed", "timeout", "out-of-memory")
"""How a part can have ended."""

_COLUMNS = (
    *("configuration", "protocol", "part", "status", "reason", "energy"),
    *("t1", "t2", "cpu_seconds", "finished"),
)

_SCHEMA = """
CREATE TABLE labels (
    configuration TEXT NOT NULL,
    protocol TEXT NOT NULL,
    part TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    energy REAL,          -- total energy, hartree
    t1 REAL,
    t2 REAL,
    cpu_seconds REAL NOT NULL,
    finished REAL NOT NULL, -- seconds since 1970
    details TEXT NOT NULL,  -- the rest of the entry, JSON
    PRIMARY KEY (configuration, protocol, part)
) WITHOUT ROWID;
CREATE TABLE protocols (protocol TEXT PRIMARY KEY, settings TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE ingested (file TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
"""

# A good energy stays for ever. A failure gives way to whatever ended later, or to a good energy at any time.
_INSERT = f"""
INSERT INTO labels ({", ".join(_COLUMNS)}, details) VALUES ({", ".join("?" * (len(_COLUMNS) + 1))})
ON CONFLICT DO UPDATE SET {", ".join(f"{c} = excluded.{c}" for c in (*_COLUMNS[3:], "details"))}
WHERE labels.status != 'ok' AND (excluded.status = 'ok' OR excluded.finished > labels.finished)
"""

_CHUNK = 900
"""Ids in one query; SQLite allows at least 999 parameters."""


@dataclass(frozen=True)
class LabelRow:
    """How one part of a label ended.

    Attributes
    ----------
    configuration, part
        What it is.
    status, reason
        One of `STATUSES`; the reason is empty if ok.
    energy
        Total energy, hartree; None unless ok.
    t1, t2
        T1 diagnostic and largest amplitude; None where the method has none.
    cpu_seconds
        User and system time.
    finished
        Seconds since 1970.
    details
        The rest of the entry as JSON text.
    """

    configuration: str
    part: str
    status: str
    reason: str
    energy: float | None
    t1: float | None
    t2: float | None
    cpu_seconds: float
    finished: float
    details: str


@dataclass(frozen=True)
class Counts:
    """How many configurations are labelled (every part ok), failed (a part is not ok), and neither."""

    done: int
    failed: int
    missing: int


class Ledger:
    """The ledger of one folder; make it with `Ledger.open` to write or `Ledger.read` to look.

    It is a context manager and used from the thread that made it.
    """

    def __init__(self, folder: Path, database: sqlite3.Connection, lock: FileLock | None) -> None:
        self.folder = folder
        self.torn = 0
        self._database = database
        self._lock = lock

    @classmethod
    def open(cls, folder: Path, wait: float = 0.0) -> Self:
        """Open for writing, make what is not there, and take in what workers have left in the spool.

        Parameters
        ----------
        folder
            The labels' folder, on a local disk; it is made.
        wait
            How long to wait for another process to let go, s.

        Raises
        ------
        InputError
            If another process holds the ledger (the message names it), or the file is not a ledger that this
            version can read.
        """
        folder.mkdir(parents=True, exist_ok=True)
        lock = _take_lock(folder, wait)
        try:
            database = _connect(folder / "ledger.sqlite", writable=True)
            ledger = cls(folder, database, lock)
            ledger.ingest()
        except BaseException:
            lock.release()
            raise
        return ledger

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Open for reading, also while another process writes; an absent ledger reads as an empty one.

        What still lies in the spool alone is not seen.

        Raises
        ------
        InputError
            If the file is not a ledger that this version can read.
        """
        return cls(folder, _connect(folder / "ledger.sqlite", writable=False), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let go of the lock."""
        self._database.close()
        if self._lock is not None:
            (self.folder / "ledger.holder").unlink(missing_ok=True)
            self._lock.release()

    @property
    def spool(self) -> Path:
        """Folder of the workers' spool files."""
        return self.folder / "spool"

    def ingest(self) -> int:
        """Take in what is new in the spool; return how many entries were new in its files.

        `torn` is set to the number of lines found torn or damaged.
        """
        known = dict(self._database.execute("SELECT file, bytes FROM ingested"))
        found = self.torn = 0
        for path in spool_files(self.spool):
            start = known.get(path.name, 0)
            if path.stat().st_size == start:
                continue
            part = read_spool(path, start)
            self.torn += part.skipped
            found += len(part.entries)
            with self._database:  # one transaction: the rows and how far the file was read
                self._insert(part.entries)
                self._database.execute("INSERT OR REPLACE INTO ingested VALUES (?, ?)", (path.name, part.end))
        return found

    def add(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Write entries in one transaction; they are on disk when this returns.

        Parameters
        ----------
        entries
            Each with ``configuration``, ``protocol``, ``part``, ``status``, ``finished``, and what else there
            is. An entry for a row that is already ok is ignored.
        """
        with self._database:
            self._insert(entries)

    def record_protocol(self, protocol: str, settings: Mapping[str, Any]) -> None:
        """Keep what a protocol's id stands for."""
        with self._database:
            row = (protocol, canonical_json(dict(settings)))
            self._database.execute("INSERT OR IGNORE INTO protocols VALUES (?, ?)", row)

    def protocols(self) -> dict[str, dict[str, Any]]:
        """Return the settings of every protocol by its id."""
        rows = self._database.execute("SELECT protocol, settings FROM protocols")
        return {protocol: json.loads(settings) for protocol, settings in rows}

    def counts(self, ids: Sequence[str], protocol: str, parts: Sequence[str]) -> Counts:
        """Count configurations; one that occurs twice among the ids counts once.

        Parameters
        ----------
        ids
            Configuration ids.
        protocol
            Protocol id.
        parts
            Names of all parts of a label.
        """
        unique = list(dict.fromkeys(ids))
        done = failed = 0
        marks = ", ".join("?" * len(parts))
        for chunk in _chunks(unique):
            good_and_bad = self._database.execute(
                "SELECT sum(status = 'ok'), sum(status != 'ok') FROM labels "
                f"WHERE protocol = ? AND part IN ({marks}) "
                f"AND configuration IN ({', '.join('?' * len(chunk))}) GROUP BY configuration",
                (protocol, *parts, *chunk),
            )
            for good, bad in good_and_bad:
                done += good == len(parts)
                failed += bad > 0
        return Counts(done, failed, len(unique) - done - failed)

    def rows(self, ids: Sequence[str], protocol: str) -> dict[str, dict[str, LabelRow]]:
        """Return what is known of some configurations, by id and part; unknown ones are left out."""
        found: dict[str, dict[str, LabelRow]] = {}
        for chunk in _chunks(list(dict.fromkeys(ids))):
            cursor = self._database.execute(
                "SELECT configuration, part, status, reason, energy, t1, t2, cpu_seconds, finished, details "
                f"FROM labels WHERE protocol = ? AND configuration IN ({', '.join('?' * len(chunk))})",
                (protocol, *chunk),
            )
            for values in cursor:
                row = LabelRow(*values)
                found.setdefault(row.configuration, {})[row.part] = row
        return found

    def _insert(self, entries: Iterable[Mapping[str, Any]]) -> None:
        self._database.executemany(_INSERT, (_values(entry) for entry in entries))


def _values(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    if entry["status"] not in STATUSES:
        raise ValueError(f"status '{entry['status']}' of a label is not one of {', '.join(STATUSES)}")
    defaults = {"reason": "", "energy": None, "t1": None, "t2": None, "cpu_seconds": 0.0}
    full = defaults | dict(entry)
    details = {name: value for name, value in entry.items() if name not in _COLUMNS}
    return (*(full[name] for name in _COLUMNS), canonical_json(details))


def _chunks(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), _CHUNK):
        yield ids[start : start + _CHUNK]


def _take_lock(folder: Path, wait: float) -> FileLock:
    lock = FileLock(folder / "ledger.lock", timeout=wait)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{folder}: its label ledger is in use by {_holder(folder)}; wait for it to end, or end it"
        ) from None
    me = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
    (folder / "ledger.holder").write_text(json.dumps(me))
    return lock


def _holder(folder: Path) -> str:
    try:
        holder = json.loads((folder / "ledger.holder").read_text())
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError):
        return "another process"


def _connect(path: Path, writable: bool) -> sqlite3.Connection:
    if not writable and not path.exists():
        database = sqlite3.connect(":memory:")
        database.executescript(_SCHEMA)
        return database
    name = str(path) if writable else f"{path.resolve().as_uri()}?{_reading(path)}"
    database = sqlite3.connect(name, timeout=30.0, uri=not writable)
    try:
        _check_format(database, path, writable)
    except BaseException:
        database.close()
        raise
    return database


def _reading(path: Path) -> str:
    """Return how to open a ledger to read it: SQLite makes files beside it, which may be forbidden."""
    at_rest = not path.with_name(path.name + "-wal").exists()
    return "immutable=1" if at_rest and not os.access(path.parent, os.W_OK) else "mode=ro"


def _check_format(database: sqlite3.Connection, path: Path, writable: bool) -> None:
    try:
        with closing(database.execute("PRAGMA user_version")) as cursor:
            number = int(cursor.fetchone()[0])
        if number > FORMAT:
            raise InputError(
                f"{path}: its format {number} is newer than the {FORMAT} that this version reads; update nmer"
            )
        if writable:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
        if number == 0:
            if not writable or database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise InputError(f"{path}: is not a label ledger")
            database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")
    except sqlite3.DatabaseError as error:
        raise InputError(f"{path}: is not readable as a label ledger: {error}") from error
