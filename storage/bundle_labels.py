"""The labels of a bundle: the ledger's rows of its datasets' configurations, and their reference minima."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from potentials.errors import InputError
from storage.attributes import content_of
from storage.configuration import configuration_ids
from storage.contents import nmer_model
from storage.gradients import bytes_of, text_of
from storage.ledger import Ledger
from storage.ledger_file import COLUMNS, COUNTS, connect_to_read, show_also
from storage.ledger_rows import LabelRow
from storage.spool import encode, read_spool
from storage.store import Store
from storage.version import Version

SPOOL = "labels/spool/bundle.spool"
"""Name of the member with the ledger's rows."""


def label_files(store: Store, versions: Sequence[Version]) -> tuple[dict[str, bytes], dict[str, dict[str, Any]]]:
    """Return the members that hold the labels of some versions, and the settings of their protocols.

    The rows are those of every configuration of the datasets and the selections among the versions, failed ones
    too, under the protocols of the datasets.
    """
    protocols = dict.fromkeys(
        found
        for v in versions
        if v.kind == "dataset" and (found := v.attributes()["facts"].get("protocol_id")) is not None
    )
    if not protocols:
        return {}, {}
    ids: dict[str, None] = {}
    for v in versions:
        if v.kind == "dataset":
            ids |= dict.fromkeys(v.column("ids").tolist())
        elif v.kind == "selection":
            with content_of(v.path):
                nmer = nmer_model(v.attributes()).build(v.nmer)
            ids |= dict.fromkeys(configuration_ids(nmer, v.column("positions")))
    with Ledger.read(store.labels) as ledger:
        lines = [
            encode(entry_of(row, protocol))
            for protocol in protocols
            for _, parts in sorted(ledger.rows(ids, protocol).items())
            for _, row in sorted(parts.items())
        ]
        settings = {p: s for p, s in ledger.protocols().items() if p in protocols}
    folder = store.labels / "references"
    files = {SPOOL: b"".join(lines)}
    for protocol in protocols:
        for path in sorted((folder / protocol[:16]).glob("[!.]*.json")):
            files[f"labels/references/{protocol[:16]}/{path.name}"] = path.read_bytes()
    return files, settings


def entry_of(row: LabelRow, protocol: str) -> dict[str, Any]:
    """Return the spool entry of a row of the ledger."""
    rest = json.loads(row.details)
    values = {name: value for name, value in asdict(row).items() if value is not None and name != "details"}
    nested = rest.pop("details", {}) | {name: values.pop(name) for name in COUNTS if name in values}
    if row.gradient is not None:
        values["gradient"] = text_of(row.gradient)
    return {**values, **rest, "protocol": protocol, **({"details": nested} if nested else {})}


def _check_entry(entry: dict[str, Any]) -> None:
    """Raise ValueError if a value is not of the kind of its column."""
    nested = entry.get("details", {})
    given = {**entry, **{name: nested[name] for name in COUNTS if name in nested}}
    for name, kind in COLUMNS.items():
        value = given.get(name)
        if value is None or name == "details":
            continue
        if name == "gradient":
            bytes_of(value)
            continue
        number = isinstance(value, int | float) and math.isfinite(value)
        if not (isinstance(value, str) if kind.startswith("TEXT") else number):
            raise ValueError(f"its {name} is {str(value)[:40]!r}")
    if entry["status"] == "ok" and entry.get("energy") is None:
        raise ValueError("it is ok and has no energy")


def read_labels(path: Path, protocols: Iterable[str]) -> list[dict[str, Any]]:
    """Return the entries of a bundle's unpacked spool file; none if there is no such file.

    Raises
    ------
    InputError
        If a line is not a row of the ledger under one of the protocols.
    """
    if not path.exists():
        return []
    part = read_spool(path)
    try:
        for entry in part.entries:
            if entry["protocol"] not in protocols:
                raise ValueError("its protocol is not in the bundle")
            _check_entry(entry)
        with closing(connect_to_read(path.with_name("no ledger"))) as nothing:
            show_also(nothing, part.entries)  # a trial write into a temporary ledger
    except (sqlite3.Error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the bundle has a line of labels that is not a row of the ledger: {error}") from None
    if part.skipped:
        raise InputError(f"the bundle has {part.skipped} damaged lines of labels; get it again")
    return list(part.entries)
