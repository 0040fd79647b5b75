"""The formats that the files of this folder declare, by name."""

from __future__ import annotations

from typing import Any

from potentials.errors import InputError
from recipes.registry import Registry
from recipes.schema.patterns import shown
from storage.exchange.exporter import Format
from storage.exchange.subject import DatasetSubject, PotentialSubject

FORMATS: Registry[Format[Any]] = Registry("format", "storage.exchange", "FORMAT")


def format_for(name: str, subject: PotentialSubject | DatasetSubject) -> Format[Any]:
    """Return the format of a name.

    Raises
    ------
    InputError
        If there is no such format, or it is not for such a subject.
    """
    kind = "potential" if isinstance(subject, PotentialSubject) else "dataset"
    allowed = f"allowed for a {kind}: {', '.join(f.name for f in FORMATS if f.kind == kind)}"
    if name not in FORMATS:
        raise InputError(f"format {shown(name)} is unknown; {allowed}")
    found = FORMATS.get(name)
    if found.kind != kind:
        raise InputError(f"format '{name}' is for a {found.kind}, not a {kind}; {allowed}")
    return found
