"""Options of checks from a user's texts, ``stability.steps=1000``, each checked by the check's own model."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from potentials.errors import InputError
from recipes.schema.patterns import allowed, shown, suggestion
from recipes.schema.section import Section
from tasks.checks.interface import CHECKS, Check, Options

EXAMPLE = "CHECK.OPTION=VALUE, for example ramachandran.step=30"


def read_settings(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the options that texts set, by check; a value is read as TOML, and as a text if it is none.

    Raises
    ------
    InputError
        If a text is not of the form ``CHECK.OPTION=VALUE``, names no check, or sets an option twice.
    """
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        name, *path = key.strip().split(".")
        if not equals or not path or not all(path):
            raise InputError(f"--set is {shown(text)}; allowed: {EXAMPLE}")
        CHECKS.get(name)
        place: Any = found.setdefault(name, {})
        for part in path[:-1]:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise InputError(
                    f"--set sets {shown(key)} and {shown('.'.join([name, part]))}; allowed: one of them"
                )
        if path[-1] in place:
            raise InputError(f"--set sets {shown(key)} twice; allowed: once")
        place[path[-1]] = _value(value.strip())
    return found


def options_of(check: Check, values: Mapping[str, Any] | None = None, quick: bool = False) -> Options:
    """Return the options of a check.

    Parameters
    ----------
    check
        The check.
    values
        Options in place of the defaults.
    quick
        Whether the check's shorter options are its defaults.

    Raises
    ------
    InputError
        One sentence that names the option and what is allowed.
    """
    given = check.options.quick() if quick else {}
    try:
        return check.options.model_validate({**given, **(values or {})})
    except ValidationError as error:
        raise InputError(_sentence(check, error)) from None


def all_options(
    chosen: Sequence[Check], values: Mapping[str, Mapping[str, Any]] | None = None, quick: bool = False
) -> dict[str, Options]:
    """Return the options of each chosen check by its name.

    Raises
    ------
    InputError
        As `options_of`; or if options of a check are given that is not chosen.
    """
    names = [check.name for check in chosen]
    if strange := [name for name in values or {} if name not in names]:
        raise InputError(
            f"options are set of {', '.join(strange)}, which is not measured; chosen: {', '.join(names)}"
        )
    return {check.name: options_of(check, (values or {}).get(check.name), quick) for check in chosen}


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        return text


def _sentence(check: Check, error: ValidationError) -> str:
    """Return pydantic's first error as one sentence."""
    first, more = error.errors()[0], len(error.errors()) - 1
    tail = f" (and {more} more)" if more else ""
    where = [str(part) for part in first["loc"]]
    key = ".".join([check.name, *where])
    section: type[Section] = check.options
    for part in where[:-1]:
        section = section.sections().get(part, section)
    if first["type"] == "extra_forbidden":
        known = list(section.model_fields)
        hint = suggestion(where[-1], known)
        return f"option {shown(key)} is unknown{hint}; allowed: {', '.join(known) or 'none'}{tail}"
    message = allowed(first["msg"])
    if first["type"] == "missing":
        return f"option {shown(key)} is missing{tail}"
    if first["type"] == "value_error":
        return f"options of {key}: {message}{tail}"
    field = section.model_fields.get(where[-1]) if where else None
    about = f" ({field.description})" if field is not None and field.description else ""
    return f"option {shown(key)}{about} is {shown(first['input'])}; {message}{tail}"
