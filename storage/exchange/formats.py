"""The formats there are, by name."""

from __future__ import annotations

from typing import Any

from potentials.errors import InputError
from storage.exchange import (
    c_source,
    ipi_client,
    json_document,
    lammps_example,
    mbx_overlay,
    python_source,
    qcschema,
    xyz_files,
)
from storage.exchange.exporter import Exporter
from storage.exchange.subject import DatasetSubject, PotentialSubject

_ALL: tuple[Exporter[Any], ...] = (
    c_source.EXPORTER,
    python_source.EXPORTER,
    json_document.EXPORTER,
    lammps_example.EXPORTER,
    mbx_overlay.EXPORTER,
    ipi_client.EXPORTER,
    xyz_files.EXTXYZ,
    xyz_files.MBFIT,
    qcschema.EXPORTER,
)

EXPORTERS: dict[str, Exporter[Any]] = {exporter.name: exporter for exporter in _ALL}


def exporter_for(name: str, subject: PotentialSubject | DatasetSubject) -> Exporter[Any]:
    """Return the exporter of a format.

    Raises
    ------
    InputError
        If there is no such format, or it is not for such a subject.
    """
    kind = "potential" if isinstance(subject, PotentialSubject) else "dataset"
    fitting = ", ".join(e.name for e in EXPORTERS.values() if e.kind == kind)
    if name not in EXPORTERS:
        raise InputError(f"format '{name}' is unknown; allowed for a {kind}: {fitting}")
    found = EXPORTERS[name]
    if found.kind != kind:
        raise InputError(f"format '{name}' is for a {found.kind}, not a {kind}; allowed for a {kind}: {fitting}")
    return found
