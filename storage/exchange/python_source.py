"""Format ``python``: a potential as one file that needs only NumPy, with an ASE calculator where ASE is there."""

from __future__ import annotations

import json
from typing import Any

from potentials.pip.held import CAP_SPRING
from storage.exchange.exporter import Files, Format, template
from storage.exchange.physics_tables import PhysicsTables
from storage.exchange.subject import PotentialSubject
from storage.exchange.tables import Tables

CAPS = """Of a cap
    only the direction from its anchor counts: it is put at its fixed length first. The gradient is exact, and has
    no part along that bond."""


def python_files(subject: PotentialSubject) -> Files:
    """Return the module."""
    physics = subject.potential.physics
    values = {
        "TITLE": subject.title,
        "CAPS": CAPS if subject.potential.nmer.caps else "",
        "CAP_SPRING": repr(CAP_SPRING),
        "SYMBOLS_TUPLE": repr(subject.potential.nmer.symbols),
        "TABLES": json_lines(Tables.of(subject.potential).plain()),
        "PHYSICS": json_lines({} if physics is None else PhysicsTables.of(physics).plain()),
        "REFERENCES": json_lines(subject.references.plain()),
    }
    return {f"{subject.identifier}.py": template("potential.py.in", values)}


def json_lines(value: dict[str, Any]) -> str:
    """Return an object as JSON, each of its names on a line, and each row of a long array."""
    lines = []
    for name, item in value.items():
        if isinstance(item, list) and item and isinstance(item[0], list):
            text = "[\n  " + ",\n  ".join(json.dumps(row) for row in item) + "]"
        else:
            text = json.dumps(item)
        lines.append(f"{json.dumps(name)}: {text}")
    return "{" + ",\n ".join(lines) + "}"


FORMAT = Format(
    name="python",
    title="one file that needs only NumPy, with an ASE calculator",
    takes=PotentialSubject,
    files=python_files,
    suffix=".py",
    check="python {file}",
    carries_physics=True,
)
