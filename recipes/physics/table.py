"""A set of parameters of V_phys with what it was derived from, and its readable TOML."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from potentials.errors import InputError
from potentials.physics.parameters import COLUMNS, PhysicsParameters
from recipes.load import toml_text
from recipes.schema.patterns import shown

TABLE_FORMAT = 1
"""Number of the layout of the TOML; a newer number than this is refused."""

LARGEST_FILE = 1_000_000
"""Largest size of a file of parameters, bytes."""

UNITS = {
    "charge": "e",
    "polarizability": "Angstrom^3",
    "c6": "kcal/mol Angstrom^6",
    "dispersion_polarizability": "Angstrom^3",
    "vdw_radius": "Angstrom",
    "epsilon": "kcal/mol",
    "rmin_half": "Angstrom",
}
"""Unit of each number of a type."""

SCALARS = tuple(f.name for f in fields(PhysicsParameters) if f.name not in (*COLUMNS, "types", "name"))
"""The numbers of a set that are the same for all types."""

_TYPE = re.compile(r"[\x21-\x7e]{1,200}")
_KEYS = ("format", "name", "level", "digest", *SCALARS, "units", "facts", "types")


@dataclass(frozen=True)
class DerivedPhysics:
    """Parameters of V_phys, and what they were derived from.

    Attributes
    ----------
    parameters
        The parameters.
    level
        The level of the densities and moments, such as ``pbe0/aug-cc-pvdz``; one line.
    facts
        What belongs to the values, as plain texts, numbers, lists and tables: ``method``, ``basis``,
        ``geometries``, ``sources``, ``residuals``, ``warnings``. They are part of the key of a version, so that
        they hold no time and no name of a machine.

    Raises
    ------
    InputError
        If a fact is none of these, or a text holds a character that is not printable.
    """

    parameters: PhysicsParameters
    level: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        bad = next((t for t in self.parameters.types if not _TYPE.fullmatch(t)), None)
        if bad is not None:
            raise InputError(
                f"physics parameters: the type {shown(bad)} must have 1 to 200 visible ASCII characters"
            )
        _check_fact(self.level, "level")
        for name, value in self.facts.items():
            _check_fact(name, "facts")
            _check_fact(value, f"facts.{name}")


def physics_toml(derived: DerivedPhysics, name: str) -> str:
    """Return a set of parameters as TOML; `read_physics_toml` gives the same numbers, to the last bit."""
    parameters = derived.parameters
    rows = {
        kind: {column: float(getattr(parameters, column)[n]) for column in COLUMNS}
        for n, kind in enumerate(parameters.types)
    }
    head: dict[str, Any] = {"format": TABLE_FORMAT, "name": name, "level": derived.level}
    head |= {"digest": parameters.digest} | {one: getattr(parameters, one) for one in SCALARS}
    return toml_text(head | {"units": UNITS, "facts": plain_facts(derived.facts), "types": rows})


def plain_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts as JSON would give them back: tuples are lists."""
    found: dict[str, Any] = json.loads(json.dumps(dict(facts), allow_nan=False))
    return found


def read_physics_toml(path: Path) -> DerivedPhysics:
    """Read a set of parameters from a TOML file; its name is ``physics:`` and the file's.

    Raises
    ------
    InputError
        If the file is not readable, a key is unknown, missing or of the wrong kind, or the numbers are not those
        of the digest in it.
    """
    values = _read(path)
    try:
        return _derived(values, path)
    except InputError as error:
        raise InputError(f"'{path}': {error}") from None


def shipped_physics() -> dict[str, Path]:
    """Return the name and file of every set of parameters that is shipped."""
    folder = Path(str(resources.files("recipes"))) / "physics"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def _derived(values: dict[str, Any], path: Path) -> DerivedPhysics:
    unknown = next((key for key in values if key not in _KEYS), None)
    if unknown is not None:
        raise InputError(f"key {shown(unknown)} is unknown; allowed: {', '.join(_KEYS)}")
    if type(values.get("format")) is not int or not 1 <= values["format"] <= TABLE_FORMAT:
        raise InputError(f"key 'format' is {shown(values.get('format'))}; allowed: 1 to {TABLE_FORMAT}")
    rows, level, facts = values.get("types"), values.get("level", ""), values.get("facts", {})
    if not isinstance(rows, dict) or not rows:
        raise InputError("key 'types' must be tables of numbers, such as [types.\"conh:O\"]")
    if not isinstance(level, str) or not isinstance(facts, dict):
        raise InputError("key 'level' must be a text, and key 'facts' a table")
    if values.get("units", UNITS) != UNITS:
        raise InputError(f"key 'units' must be {', '.join(f'{k} {unit}' for k, unit in UNITS.items())}")
    for kind, row in rows.items():
        if not isinstance(row, dict) or set(row) != set(COLUMNS):
            raise InputError(f"the type {shown(kind)} must have the numbers {', '.join(COLUMNS)}, and no others")
        for column, number in row.items():
            _check_number(number, f"{column} of {shown(kind)}")
    for name in SCALARS:
        _check_number(values.get(name), f"key '{name}'")
    columns: dict[str, Any] = {
        column: np.array([float(row[column]) for row in rows.values()]) for column in COLUMNS
    }
    damping = {name: float(values[name]) for name in SCALARS}
    parameters = PhysicsParameters(tuple(rows), **columns | damping)
    if values.get("digest", parameters.digest) != parameters.digest:
        raise InputError(
            f"the numbers are not those of its digest {shown(values['digest'], 12)}; where they were changed on "
            "purpose, remove the key 'digest' and give the file another name"
        )
    return DerivedPhysics(replace(parameters, name=f"physics:{path.stem}"), level, facts)


def _check_number(value: Any, what: str) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e300:
        raise InputError(f"{what} is {shown(value)}; allowed: a finite number")


def _check_fact(value: Any, where: str) -> None:
    """Raise InputError unless a value is made of printable texts, finite numbers, lists and tables."""
    if isinstance(value, str):
        if not value.isprintable():
            raise InputError(f"physics parameters: {where} holds a character that is not printable")
    elif isinstance(value, Mapping):
        for name, each in value.items():
            if not isinstance(name, str):
                raise InputError(f"physics parameters: {where} has the key {shown(name)}, which is not a text")
            _check_fact(name, where)
            _check_fact(each, f"{where}.{name}")
    elif isinstance(value, list | tuple):
        for each in value:
            _check_fact(each, where)
    elif not isinstance(value, bool | int | float) or abs(value) > 1e300 or value != value:
        raise InputError(
            f"physics parameters: {where} is {shown(value)}; allowed: texts, finite numbers, lists and tables"
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise InputError(
                f"'{path}' is larger than parameters can be; allowed: up to {LARGEST_FILE // 1000} kB"
            )
        return tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"'{path}' is not valid TOML: {' '.join(str(error).split())[:200]}") from None
