"""Find machines by name or file: those that come with nmer, and the user's own."""

from __future__ import annotations

import difflib
import os
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deploy.machine import MACHINE, AnyMachine
from potentials.errors import InputError


def machine_files() -> dict[str, Path]:
    """Return the profile of every machine by name; the user's own take precedence over those of nmer."""
    shipped = Path(str(resources.files("deploy"))) / "machines"
    found = {path.stem: path for path in sorted(shipped.glob("*.toml"))}
    return found | {path.stem: path for path in sorted(user_folder().glob("*.toml"))}


def user_folder() -> Path:
    """Return the folder of the user's own profiles: ``NMER_MACHINES``, else ``nmer/machines`` in the settings."""
    if own := os.environ.get("NMER_MACHINES"):
        return Path(own).expanduser()
    settings = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(settings).expanduser() / "nmer" / "machines"


def load_machine(name: str) -> AnyMachine:
    """Return a machine given by the name of its profile, or by the path of a TOML file.

    Raises
    ------
    InputError
        If there is none, or its profile is wrong: one sentence with the file, the key, and what is allowed.
    """
    path = Path(name).expanduser()
    if path.suffix != ".toml" and path.parent == Path():
        known = machine_files()
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" (did you mean '{close[0]}'?)" if close else ""
            raise InputError(
                f"machine '{name}' is unknown{hint}; allowed: {', '.join(known)}, or the path of a .toml file"
            )
        path = known[name]
    elif not path.is_file():
        raise InputError(f"machine file '{name}' does not exist; give a .toml file or a name of nmer machines")
    return read_machine(path)


def read_machine(path: Path) -> AnyMachine:
    """Return the machine of a profile; raises InputError as `load_machine` does."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"machine file '{path}' cannot be read: {error}") from None
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits, tables nested too deeply
        raise InputError(f"{path.name}: not valid TOML: {error}") from None
    try:
        return MACHINE.validate_python(values)
    except ValidationError as error:
        raise InputError(f"{path.name}: {_sentence(error, values)}") from None


def _sentence(error: ValidationError, values: dict[str, Any]) -> str:
    """Turn the first error into one sentence with the key and what is allowed."""
    first = error.errors()[0]
    systems = "local, scheduler, slurm, pbs, lsf, sge, kubernetes"
    if first["type"] == "union_tag_not_found":
        return f"key 'system' is missing; allowed: {systems}"
    if first["type"] == "union_tag_invalid":
        return f"key 'system' is {values.get('system')!r}; allowed: {systems}"
    where = [str(part) for part in first["loc"][1:]]  # the first names the system
    key, more = ".".join(where), len(error.errors()) - 1
    tail = f" (and {more} more)" if more else ""
    if first["type"] == "extra_forbidden":
        allowed = _keys(values["system"], where[:-1])
        close = difflib.get_close_matches(where[-1], allowed, n=1)
        hint = f" (did you mean '{close[0]}'?)" if close else ""
        return f"key '{key}' is unknown{hint}; allowed: {', '.join(allowed)}{tail}"
    if first["type"] == "missing":
        return f"key '{key}' is missing{tail}"
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if first["type"] == "value_error":
        return f"{f'key {key!r}: ' if key else ''}{message}{tail}"
    return f"key '{key}' is {first['input']!r}; {message}{tail}"


def _keys(system: str, where: list[str]) -> list[str]:
    """Return the keys of a profile, or of one of its tables."""
    schema = MACHINE.json_schema()
    node = schema["$defs"][schema["discriminator"]["mapping"][system].rsplit("/", 1)[-1]]
    for part in where:
        node = node["properties"][part]
        ref = node.get("$ref") or next((o["$ref"] for o in node.get("anyOf", ()) if "$ref" in o), "")
        node = schema["$defs"][ref.rsplit("/", 1)[-1]] if ref else node
    return sorted(node["properties"])
