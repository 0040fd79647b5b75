"""The label ledger: every energy ever computed, and every failure, in one SQLite file.

A label is a few sub-calculations ("parts"), and each is a row of its own, so that an interrupted label is resumed
where it stopped. One process writes at a time and holds a file lock; anyone may read. The folder holds
``ledger.sqlite``, which needs a local disk, ``spool/`` with what workers have finished, and the lock.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from filelock import FileLock

from potentials.arrays import Floats
from potentials.errors import InputError
from storage.attributes import content_of
from storage.durable import disk_errors, make_folder
from storage.file_system import release_lock, take_lock
from storage.gradients import array_of
from storage.keys import canonical_json
from storage.ledger_file import (
    connect_to_read,
    connect_to_write,
    full_disk_in_words,
    insert_statement,
    row_values,
    show_also,
)
from storage.ledger_rows import DERIVED, Counts, LabelArrays, LabelRow
from storage.spool import SpoolRange, read_spool, spool_files

__all__ = ["DERIVED", "Counts", "LabelArrays", "LabelRow", "Ledger"]

_WANTED = "configuration IN (SELECT value FROM json_each(?))"
_INSTABILITY = (  # JSON has no infinity; SQLite reads 9e999 as one
    "CASE WHEN json_extract(details, '$.details.scf_saddle') OR json_extract(details, '$.details.scf_unchecked') "
    "THEN 9e999 ELSE json_extract(details, '$.details.instability') END"
)
_ROW = ", ".join(field.name for field in fields(LabelRow))


class Ledger(AbstractContextManager["Ledger"]):
    """The ledger of one folder; make it with `Ledger.open` to write or `Ledger.read` to look.

    It is a context manager, for the thread that made it only.
    """

    def __init__(self, folder: Path, database: sqlite3.Connection, lock: FileLock | None) -> None:
        self.folder = folder
        self.torn = 0
        self._database = database
        self._lock = lock

    @classmethod
    def open(cls, folder: Path, wait: float = 0.0) -> Self:
        """Open for writing, create what is missing, and read new entries from the spool.

        Parameters
        ----------
        folder
            The labels' folder, on a local disk; it is made.
        wait
            How long to wait for another process to release the lock, s.

        Raises
        ------
        InputError
            If another process holds the ledger (the message names it), or the file is not a ledger that this
            version can read.
        StageError
            If the disk is full.
        """
        with disk_errors(f"{folder}: its label ledger cannot be written"):
            make_folder(folder)
            lock = take_lock(folder / "ledger.lock", f"{folder}: its label ledger is in use by", wait)
        with ExitStack() as undo:
            undo.callback(release_lock, lock)
            ledger = cls(folder, connect_to_write(folder / "ledger.sqlite"), lock)
            undo.callback(ledger._database.close)
            ledger.ingest()
            undo.pop_all()
        return ledger

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Open for reading, also while another process writes; an absent ledger reads as an empty one.

        Entries that are so far only in the spool are seen as well.

        Raises
        ------
        InputError
            If the file is not a ledger that this version can read.
        """
        ledger = cls(folder, connect_to_read(folder / "ledger.sqlite"), None)
        with ExitStack() as undo, disk_errors(f"'{ledger.spool}' cannot be read"):
            undo.callback(ledger._database.close)
            show_also(ledger._database, (entry for _, entries in ledger._new_in_spool() for entry in entries))
            undo.pop_all()
        return ledger

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and release the lock."""
        self._database.close()
        if self._lock is not None:
            release_lock(self._lock)

    @property
    def spool(self) -> Path:
        """Folder of the workers' spool files."""
        return self.folder / "spool"

    def ingest(self) -> int:
        """Read new entries from the spool; return their number.

        `torn` is set to the number of lines found torn or damaged.

        Raises
        ------
        StageError
            If the disk is full.
        """
        found = 0
        for seen, entries in self._new_in_spool():
            found += len(entries)
            with self._transaction():  # the rows and how far the file was read
                self._insert(entries)
                self._database.execute("INSERT OR REPLACE INTO ingested VALUES (?, ?)", (seen.file, seen.end))
        return found

    def add(self, entries: Iterable[Mapping[str, Any]], seen: Iterable[SpoolRange] = ()) -> None:
        """Write entries in one transaction; they are on disk when this returns.

        Parameters
        ----------
        entries
            Each with ``configuration``, ``protocol``, ``part``, ``status``, ``finished``, and any other fields. An
            entry for a row that is already ok is ignored.
        seen
            Where the spool has the same entries, so that they are not read again. A range holds no others, and the
            ranges of one file are in order.

        Raises
        ------
        StageError
            If the disk is full; nothing of the batch is kept then.
        """
        with self._transaction():
            self._insert(entries)
            known = "SELECT coalesce(max(bytes), 0) FROM ingested WHERE file = ?"
            self._database.executemany(
                f"INSERT OR REPLACE INTO ingested SELECT ?, ? WHERE ({known}) = ?",
                [(part.file, part.end, part.file, part.start) for part in seen],
            )

    def record_protocol(self, protocol: str, settings: Mapping[str, Any]) -> None:
        """Store the settings of a protocol under its id."""
        with self._transaction():
            row = (protocol, canonical_json(dict(settings)))
            self._database.execute("INSERT OR IGNORE INTO protocols VALUES (?, ?)", row)

    def protocols(self) -> dict[str, dict[str, Any]]:
        """Return the settings of every protocol by its id."""
        rows = self._database.execute("SELECT protocol, settings FROM protocols")
        with content_of(self.folder / "ledger.sqlite"):
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
        found = self.arrays(unique, protocol, parts)
        done = int(np.isfinite(found.energies).all(axis=1).sum())
        failed = int(found.failed.sum())
        return Counts(done, failed, len(unique) - done - failed)

    def rows(self, ids: Iterable[str], protocol: str) -> dict[str, dict[str, LabelRow]]:
        """Return the rows of some configurations, by id and part; unknown ones are left out."""
        cursor = self._database.execute(
            f"SELECT {_ROW} FROM labels WHERE protocol = ? AND {_WANTED}", (protocol, json.dumps(list(ids)))
        )
        found: dict[str, dict[str, LabelRow]] = {}
        for values in cursor:
            row = LabelRow(*values)
            found.setdefault(row.configuration, {})[row.part] = row
        return found

    def arrays(self, ids: Sequence[str], protocol: str, parts: Sequence[str]) -> LabelArrays:
        """Return what is known of many configurations, in their order.

        Parameters
        ----------
        ids
            Configuration ids; one may occur more than once.
        protocol
            Protocol id.
        parts
            Names of all parts of a label; other rows are ignored.
        """
        marks = ", ".join("?" * len(parts))
        cursor = self._database.execute(
            "SELECT configuration, sum(cpu_seconds), sum(status != 'ok'), max(t1), max(t2), max(d1), max(memory), "
            f"max({_INSTABILITY})"
            f"{', max(CASE part WHEN ? THEN energy END)' * len(parts)} FROM labels "
            f"WHERE protocol = ? AND part IN ({marks}) AND {_WANTED} GROUP BY configuration",
            (*parts, protocol, *parts, json.dumps(list(ids))),
        )
        known = {row[0]: row[1:] for row in cursor}
        nothing = (0.0, 0, *(None,) * (5 + len(parts)))
        table = np.array([known.get(i, nothing) for i in ids], dtype=np.float64).reshape(len(ids), len(nothing))
        cpu_seconds, bad, t1, t2, d1, memory, instability = table[:, :7].T
        return LabelArrays(table[:, 7:], t1, t2, d1, instability, cpu_seconds, memory, bad > 0)

    def gradients(self, ids: Sequence[str], protocol: str, parts: Mapping[str, int]) -> dict[str, Floats]:
        """Return the gradients of the parts of many configurations, in their order.

        Parameters
        ----------
        ids
            Configuration ids; one may occur more than once.
        protocol
            Protocol id.
        parts
            Number of atoms of each part by its name, ghost atoms and caps included.

        Returns
        -------
        dict
            (configurations, atoms, 3) of each part, hartree/Angstrom; nan where the ledger has none.

        Raises
        ------
        InputError
            If a gradient has another number of atoms.
        """
        found = {part: np.full((len(ids), atoms, 3), np.nan) for part, atoms in parts.items()}
        places: dict[str, list[int]] = {}
        for n, one in enumerate(ids):
            places.setdefault(one, []).append(n)
        marks = ", ".join("?" * len(parts))
        cursor = self._database.execute(
            f"SELECT configuration, part, gradient FROM labels WHERE protocol = ? AND part IN ({marks}) "
            f"AND gradient IS NOT NULL AND status = 'ok' AND {_WANTED}",
            (protocol, *parts, json.dumps(list(places))),
        )
        for configuration, part, stored in cursor:
            gradient = array_of(stored)
            if len(gradient) != parts[part]:
                raise InputError(
                    f"{self.folder / 'ledger.sqlite'}: the gradient of {part} of {configuration[:16]} has "
                    f"{len(gradient)} atoms; allowed: {parts[part]}"
                )
            found[part][places[configuration]] = gradient
        return found

    def hosts(self, ids: Sequence[str], protocol: str) -> dict[str, int]:
        """Return how many parts of some labels each machine computed; '' where that is not known."""
        cursor = self._database.execute(
            "SELECT coalesce(json_extract(details, '$.host'), '') AS host, count(*) FROM labels "
            f"WHERE protocol = ? AND status = 'ok' AND {_WANTED} GROUP BY host ORDER BY host",
            (protocol, json.dumps(list(ids))),
        )
        return {str(host): int(count) for host, count in cursor}

    def derived(self, ids: Sequence[str], protocol: str) -> dict[str, int]:
        """Return how many labels were taken, in all parts, from those of other protocols: by the latter's ids.

        A label whose parts come from several is counted under the first of them.
        """
        source = f"json_extract(details, '$.{DERIVED}')"
        cursor = self._database.execute(
            f"SELECT source, count(*) FROM (SELECT min({source}) AS source FROM labels "
            f"WHERE protocol = ? AND status = 'ok' AND {_WANTED} GROUP BY configuration "
            f"HAVING count({source}) = count(*)) GROUP BY source ORDER BY source",
            (protocol, json.dumps(list(ids))),
        )
        return {str(name): int(count) for name, count in cursor}

    def sample(
        self, protocols: Sequence[str], limit: int, system: str | None = None
    ) -> dict[tuple[str, str], list[LabelRow]]:
        """Return the rows of some labels that were computed, by protocol and configuration.

        They are in the order of the configurations' ids, which is effectively random.

        Parameters
        ----------
        protocols
            Protocol ids.
        limit
            Number of rows after which to stop; the last label may lack parts.
        system
            Only rows of this system, or of which the system is not known.
        """
        marks = ", ".join("?" * len(protocols))
        cursor = self._database.execute(
            f"SELECT protocol, {_ROW} FROM labels WHERE protocol IN ({marks}) AND (? IS NULL OR system IS NULL "
            f"OR system = ?) AND json_extract(details, '$.{DERIVED}') IS NULL ORDER BY configuration LIMIT ?",
            (*protocols, system, system, limit),
        )
        found: dict[tuple[str, str], list[LabelRow]] = {}
        for protocol, *values in cursor:
            row = LabelRow(*values)
            found.setdefault((protocol, row.configuration), []).append(row)
        return found

    def _new_in_spool(self) -> Iterator[tuple[SpoolRange, tuple[dict[str, Any], ...]]]:
        """Yield the unread entries of each spool file; count torn lines."""
        known = dict(self._database.execute("SELECT file, bytes FROM ingested"))
        self.torn = 0
        for path in spool_files(self.spool):
            start = known.get(path.name, 0)
            if path.stat().st_size == start:
                continue
            part = read_spool(path, start)
            self.torn += part.skipped
            yield SpoolRange(path.name, start, part.end), part.entries

    def _insert(self, entries: Iterable[Mapping[str, Any]]) -> None:
        self._database.executemany(_INSERT, (row_values(entry) for entry in entries))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with full_disk_in_words(self.folder / "ledger.sqlite"), self._database:
            yield


_INSERT = insert_statement("labels")
