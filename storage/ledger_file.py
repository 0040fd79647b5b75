"""The ledger's SQLite file: its schema, how an older format is upgraded, and what a reader sees.

A label is a few sub-calculations ("parts"), each a row of ``labels``. ``protocols`` has the settings of each
protocol's id, ``ingested`` how far each spool file was read.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from potentials.errors import InputError, StoppedError
from storage.file_system import journal_for
from storage.gradients import bytes_of
from storage.keys import canonical_json

FORMAT = 3
"""Number of the file's format, kept in SQLite's ``user_version``."""

PATIENCE = 30.0
"""How long to wait for another process that uses the file, s."""

STATUSES = ("ok", "failed", "timeout", "out-of-memory")
"""The possible outcomes of a part."""

KEY = ("configuration", "protocol", "part")

COLUMNS: dict[str, str] = {
    "configuration": "TEXT NOT NULL",
    "protocol": "TEXT NOT NULL",
    "part": "TEXT NOT NULL",
    "status": "TEXT NOT NULL",
    "reason": "TEXT NOT NULL",
    "energy": "REAL",  # total energy, hartree
    "t1": "REAL",
    "t2": "REAL",
    "cpu_seconds": "REAL NOT NULL",
    "finished": "REAL NOT NULL",  # seconds since 1970
    "d1": "REAL",
    "triples_fraction": "REAL",
    "electrons": "INTEGER",
    "frozen_orbitals": "INTEGER",
    "basis_functions": "INTEGER",
    "scf_converged": "INTEGER",
    "cc_converged": "INTEGER",
    "wall_seconds": "REAL",
    "memory": "REAL",  # peak of the process, GiB
    "system": "TEXT",  # formulas of the fragments
    "details": "TEXT NOT NULL",  # the rest of the entry, JSON
    "gradient": "BLOB",  # hartree/Angstrom, (atoms, 3) of the part, see `storage.gradients`
}
"""Name and type of every column of ``labels``."""

COUNTS = ("electrons", "frozen_orbitals", "basis_functions", "scf_converged", "cc_converged")
"""Columns that an entry has among its ``details``."""

_SINCE_3 = ("gradient",)
_SINCE_2 = ("d1", "triples_fraction", *COUNTS, "wall_seconds", "memory", "system")
_DEFAULTS: dict[str, Any] = {"reason": "", "cpu_seconds": 0.0}


def _table(name: str) -> str:
    columns = ", ".join(f"{column} {kind}" for column, kind in COLUMNS.items())
    return f"CREATE TABLE {name} ({columns}, PRIMARY KEY ({', '.join(KEY)})) WITHOUT ROWID;"


_SCHEMA = f"""
{_table("labels")}
CREATE TABLE protocols (protocol TEXT PRIMARY KEY, settings TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE ingested (file TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
"""

# Format 1 has the later columns, as far as it has them, in the JSON of its details.
_FROM_DETAILS = {
    name: f"json_extract(details, '$.{'details.' if name in COUNTS else ''}{name}')" for name in _SINCE_2
}


def _added(names: Iterable[str]) -> str:
    return " ".join(f"ALTER TABLE labels ADD COLUMN {name} {COLUMNS[name]};" for name in names)


_FROM_1 = f"""
{_added(_SINCE_2)}
UPDATE labels SET {", ".join(f"{name} = {value}" for name, value in _FROM_DETAILS.items())};
"""
_UPGRADE = {0: _SCHEMA, 1: _FROM_1 + _added(_SINCE_3), 2: _added(_SINCE_3)}
"""How a file of an older format becomes one of today's; 0 is an empty one."""

_IN_OLDER = {1: {**_FROM_DETAILS, **dict.fromkeys(_SINCE_3, "NULL")}, 2: dict.fromkeys(_SINCE_3, "NULL")}
"""What stands in an older format for the columns that it lacks."""


def insert_statement(table: str) -> str:
    """Return the SQL that writes one row, its values in the order of `COLUMNS`.

    An energy is never replaced. A failure is replaced by any later result, and by an energy at any time.
    """
    changes = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name not in KEY)
    return (
        f"INSERT INTO {table} ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) "
        f"ON CONFLICT DO UPDATE SET {changes} WHERE {table}.status != 'ok' "
        f"AND (excluded.status = 'ok' OR excluded.finished > {table}.finished)"
    )


def row_values(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the values of an entry in the order of `COLUMNS`.

    Raises
    ------
    ValueError
        If its status is unknown, or its gradient not one of finite numbers.
    """
    if entry["status"] not in STATUSES:
        raise ValueError(f"status '{entry['status']}' of a label is not one of {', '.join(STATUSES)}")
    nested = entry.get("details", {})
    rest = {name: value for name, value in entry.items() if name not in COLUMNS}
    more = {name: value for name, value in nested.items() if name not in COUNTS}
    if more:
        rest["details"] = more
    full = {**_DEFAULTS, **{name: nested[name] for name in COUNTS if name in nested}, **entry}
    full |= {"details": canonical_json(rest), "gradient": bytes_of(entry.get("gradient"))}
    return tuple(full.get(name) for name in COLUMNS)


def connect_to_write(path: Path) -> sqlite3.Connection:
    """Open the file for writing; create it, or upgrade an older format, in one transaction.

    Raises
    ------
    InputError
        If it is not a ledger that this version can read.
    """
    database = _connect(path, str(path))
    with _closed_if_refused(database, path), full_disk_in_words(path):
        number = _format(database, path)
        _keep_journal(database, path)
        if number == 0:
            _refuse_foreign(database, path)
        if number < FORMAT:
            database.executescript(f"BEGIN; {_UPGRADE[number]} PRAGMA user_version = {FORMAT}; COMMIT;")
    return database


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open the file for reading, whatever its format; an absent one reads as empty.

    Raises
    ------
    InputError
        If it is not a ledger that this version can read.
    StoppedError
        If its disk is full, and the last transactions of a killed writer are not in the file yet.
    """
    try:
        if not path.exists():
            return _empty()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    database = _connect_as(path, _way_of_reading(path))
    if not _can_be_shared(database) and not _journal_of(path):
        database.close()
        database = _connect_as(path, "immutable=1")
    with _closed_if_refused(database, path), full_disk_in_words(path):
        number = _format(database, path)
        if number == 0:
            _refuse_foreign(database, path)
            database.close()  # another process has only begun to create it
            return _empty()
        if number in _IN_OLDER:
            values = ", ".join(f"{_IN_OLDER[number].get(name, name)} AS {name}" for name in COLUMNS)
            database.execute(f"CREATE TEMP VIEW labels AS SELECT {values} FROM main.labels")
    return database


def _connect(path: Path, name: str, uri: bool = False) -> sqlite3.Connection:
    try:
        return sqlite3.connect(name, timeout=PATIENCE, uri=uri)
    except sqlite3.OperationalError as error:
        raise InputError(f"{path}: is not readable as a label ledger: {error}") from None


def _connect_as(path: Path, way: str) -> sqlite3.Connection:
    return _connect(path, f"{path.resolve().as_uri()}?{way}", uri=True)


def _can_be_shared(database: sqlite3.Connection) -> bool:
    """Return whether the index that readers and writers share is there or can be made: a full disk has no room."""
    try:
        database.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError as error:
        kind = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return kind not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
    except sqlite3.DatabaseError:  # damaged; the next statement says so
        return True
    return True


def _journal_of(path: Path) -> bool:
    """Return whether there are transactions that are not in the file itself."""
    beside = (path.with_name(path.name + ending) for ending in ("-wal", "-journal"))
    return any(file.exists() and file.stat().st_size > 0 for file in beside)


def _empty() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    database.executescript(_SCHEMA)
    return database


def show_also(database: sqlite3.Connection, entries: Iterable[Mapping[str, Any]]) -> None:
    """Let a reader see entries that are not in the file yet, as if they had been written."""
    rows = [row_values(entry) for entry in entries]
    if not rows:
        return
    names, same = ", ".join(COLUMNS), " AND ".join(f"known.{name} = fresh.{name}" for name in KEY)
    view = database.execute("SELECT sql FROM sqlite_temp_master WHERE name = 'labels'").fetchone()
    if view is None:
        database.execute("CREATE TEMP VIEW known AS SELECT * FROM main.labels")
    else:
        database.execute("DROP VIEW temp.labels")
        database.execute(view[0].replace("VIEW labels", "TEMP VIEW known", 1))
    database.execute(_table("temp.fresh"))
    at = " AND ".join(f"{name} = ?" for name in KEY)
    keys = {row[: len(KEY)] for row in rows}
    database.executemany(f"INSERT INTO fresh ({names}) SELECT {names} FROM known WHERE {at}", keys)
    database.executemany(insert_statement("fresh"), rows)
    database.execute(
        f"CREATE TEMP VIEW labels AS SELECT {names} FROM fresh UNION ALL SELECT {names} FROM known "
        f"WHERE NOT EXISTS (SELECT 1 FROM fresh WHERE {same})"
    )


@contextmanager
def full_disk_in_words(path: Path) -> Iterator[None]:
    """Turn SQLite's errors on a full or read-only disk into one sentence."""
    try:
        yield
    except sqlite3.OperationalError as error:
        kind = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if kind not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY):
            raise
        full = kind == sqlite3.SQLITE_FULL
        what = "its disk is full" if full else f"it cannot be written ({error})"
        cure = "make room on it" if full else "check its disk"
        raise StoppedError(f"{path}: {what}; {cure}") from error


@contextmanager
def _closed_if_refused(database: sqlite3.Connection, path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        database.close()
        if isinstance(error, sqlite3.DatabaseError):
            raise InputError(f"{path}: is not readable as a label ledger: {error}") from error
        raise


def _keep_journal(database: sqlite3.Connection, path: Path) -> None:
    """Choose the journal by the file system; what is committed then survives a power cut."""
    rollback = journal_for(path.parent) == "rollback"
    wanted = "delete" if rollback else "wal"
    try:
        found = database.execute(f"PRAGMA journal_mode = {wanted}").fetchone()[0]
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        found = ""
    if found != wanted:
        raise InputError(
            f"{path}: its journal cannot be changed while another process reads it; run again when it ends"
        )
    # EXTRA: the commit of a rollback journal is the removal of a file, and that too must be on the disk
    database.execute(f"PRAGMA synchronous = {'EXTRA' if rollback else 'FULL'}")


def _format(database: sqlite3.Connection, path: Path) -> int:
    with closing(database.execute("PRAGMA user_version")) as cursor:
        number = int(cursor.fetchone()[0])
    if number > FORMAT:
        raise InputError(
            f"{path}: its format {number} is newer than the {FORMAT} that this version reads; update nmer"
        )
    return number


def _refuse_foreign(database: sqlite3.Connection, path: Path) -> None:
    """Raise InputError if a file without a format holds anything."""
    if database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise InputError(f"{path}: is not a label ledger")


def _way_of_reading(path: Path) -> str:
    """Return how to open a ledger for reading: SQLite creates files beside it, which may not be allowed.

    A rollback journal may be left by a killed writer; the first reader then undoes the unfinished transaction.
    """
    wal, journal = (path.with_name(path.name + ending).exists() for ending in ("-wal", "-journal"))
    if not os.access(path.parent, os.W_OK):
        return "mode=ro" if wal or journal else "immutable=1"
    return "mode=rw" if journal else "mode=ro"
