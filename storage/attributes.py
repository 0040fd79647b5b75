"""The root attributes of a version's file, each checked before it is used."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import h5py

from potentials.errors import InputError
from storage.arrays import attributes_of

FILE_FORMAT = 1
"""Number of the layout of a version's file; a newer number than this is refused."""

KINDS = ("pool", "selection", "dataset", "physics", "potential", "validation", "trajectory", "check", "turn")
"""The kinds of versions, in the order in which one is made from another."""

FOLDERS = {kind: kind if kind.endswith("s") else f"{kind}s" for kind in KINDS} | {"trajectory": "trajectories"}
"""The folder of each kind."""

OF_SYSTEMS = ("trajectory", "check", "turn")
"""Kinds of versions that are named after a system, a family or what is improved; the others after an n-mer."""

KIND_OF = {folder: kind for kind, folder in FOLDERS.items()}
"""The kind of the versions in each folder."""

NMER = r"[a-z0-9][a-z0-9-]{0,99}"
"""Allowed names of an n-mer, a system or a family in a store, as a regular expression; folders have them too."""

_REF = re.compile(rf"(?:(?:{'|'.join(KINDS)}):)?{NMER}@[1-9][0-9]{{0,17}}")
_JSON = {"inputs": (list, "list"), "engines": (dict, "object"), "facts": (dict, "object")}
_NAMES = ("kind", "nmer", "number", "key", "created")


Function = TypeVar("Function", bound=Callable[..., Any])


def ref_of(kind: str, nmer: str, name: object) -> str:
    """Return a reference: ``ch3-water@1`` to a potential, ``dataset:ch3-water@1`` to the others."""
    return f"{nmer}@{name}" if kind == "potential" else f"{kind}:{nmer}@{name}"


class NewerError(InputError):
    """A file whose format is newer than this nmer."""


def root_attributes(file: h5py.File, path: Path) -> dict[str, Any]:
    """Return the root attributes of an open HDF5 file, if it is a version of ours in a format known here.

    Parameters
    ----------
    file
        The file.
    path
        Its name in messages.

    Raises
    ------
    NewerError
        If a newer nmer has written it.
    InputError
        If it is anything else.
    """
    if "nmer_format" not in file.attrs:
        raise InputError(f"'{path}' is not a version of ours; allowed: nmer_format up to {FILE_FORMAT}")
    found: dict[str, Any] = dict(attributes_of(file, f"'{path}'"))
    check_format(found["nmer_format"], FILE_FORMAT, f"'{path}'", "nmer_format")
    return found


def check_format(number: Any, newest: int, where: str, name: str) -> None:
    """Check the number of a file's format.

    Parameters
    ----------
    number
        What the file says.
    newest
        The newest number that is known here.
    where, name
        How messages name the file and the number.

    Raises
    ------
    NewerError
        If a newer nmer has written it.
    InputError
        If it is not the number of a format.
    """
    if type(number) is not int or number < 1:
        raise InputError(
            f"{where} is damaged: its {name} is {_short(number)}; allowed: whole numbers, 1 to {newest}"
        )
    if number > newest:
        raise NewerError(
            f"{where} has the newer format {number}; allowed: {name} up to {newest}; use a newer nmer"
        )


def names_in(found: Mapping[str, Any], path: Path) -> tuple[str, str, int, str, str]:
    """Return kind, n-mer, number, key, and time from what `root_attributes` gave.

    Raises
    ------
    InputError
        If one is missing, or is not what it should be.
    """
    for name in _NAMES:
        if name not in found:
            raise InputError(f"'{path}' is damaged: it has no attribute '{name}'")
        wanted = allowed_name(name, found[name])
        if wanted:
            raise InputError(
                f"'{path}' is damaged: its attribute '{name}' is {_short(found[name])}; allowed: {wanted}"
            )
    return found["kind"], found["nmer"], found["number"], found["key"], found["created"]


def allowed_name(name: str, value: Any) -> str:
    """Return what is allowed for one of the attributes that name a version; empty if the value is allowed."""
    if name == "kind":
        return "" if value in KINDS else ", ".join(KINDS)
    if name == "nmer":
        good = isinstance(value, str) and re.fullmatch(NMER, value)
        return "" if good else "up to 100 lowercase letters, digits, and dashes"
    if name == "number":
        return "" if type(value) is int and 0 < value < 10**18 else "1, 2, 3, ..."
    return "" if isinstance(value, str) and value.isprintable() and len(value) <= 200 else "one line of text"


def content_in(attributes: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return what `root_attributes` gave, with JSON attributes parsed.

    Raises
    ------
    InputError
        If one is not what it should be.
    """
    found = dict(attributes)
    damaged = f"'{path}' is damaged: its attribute"
    for name in ("recipe", *_JSON):
        if not isinstance(found.get(name), str):
            raise InputError(f"{damaged} '{name}' is missing, or not a text")
    for name, (kind, said) in _JSON.items():
        found[name] = _json(found[name], f"{damaged} '{name}'")
        if not isinstance(found[name], kind):
            raise InputError(f"{damaged} '{name}' is not a JSON {said}")
    for made_from in found["inputs"]:
        if not is_input(made_from):
            raise InputError(
                f"{damaged} 'inputs' has an entry that is not the kind, the reference, and the key of a version"
            )
    for name in ("citation", "licence"):
        if not isinstance(found.get(name, ""), str):
            raise InputError(f"{damaged} '{name}' is not a text")
    if not all(isinstance(number, str) for number in found["engines"].values()):
        raise InputError(f"{damaged} 'engines' has a version that is not a text")
    return found


def is_input(value: Any) -> bool:
    """Return whether a value is a valid entry of ``inputs``."""
    return (
        isinstance(value, dict)
        and all(isinstance(value.get(name), str) for name in ("kind", "ref", "key"))
        and value["kind"] in KINDS
        and _REF.fullmatch(value["ref"]) is not None
    )


def _json(text: str, where: str) -> Any:
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(found, ensure_ascii=False).encode()  # JSON can hold half of a surrogate pair
    except RecursionError:
        raise InputError(f"{where} is nested too deeply") from None
    except ValueError as error:
        raise InputError(f"{where} is not readable as JSON: {error}") from None
    return found


def _refuse_constant(word: str) -> None:
    raise ValueError(f"it holds {word}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def of_version(function: Function) -> Function:
    """Decorate a function that uses the content of its first argument, a version; see `content_of`."""

    @wraps(function)
    def checked(version: Any, /, *values: Any, **more: Any) -> Any:
        try:
            with content_of(version.path):
                return function(version, *values, **more)
        except InputError as error:
            if str(version.path) in str(error):
                raise
            raise InputError(f"'{version.path}': {error}") from None

    return cast(Function, checked)


@contextmanager
def content_of(*paths: Path) -> Iterator[None]:
    """Turn errors caused by the content of versions into one sentence that names their files.

    Raises
    ------
    InputError
        In place of the errors that values cause which are missing, misspelt, or of the wrong shape.
    """
    try:
        yield
    except InputError:
        raise
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, RecursionError) as error:
        said = f"it has no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:200]
        named = " or ".join(f"'{path}'" for path in paths)
        raise InputError(f"the content of {named} is not what nmer writes: {said}") from error
