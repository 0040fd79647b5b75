"""Protocols by name: the complete labelling sections of ``recipes/protocols.toml``."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from pathlib import Path

from potentials.errors import InputError
from recipes.schema.labelling import Labelling
from recipes.schema.patterns import shown, suggestion

FILE = "protocols.toml"


@cache
def protocols() -> dict[str, tuple[str, Labelling]]:
    """Return every named protocol: its title and its labelling section."""
    text = (Path(str(resources.files("recipes"))) / FILE).read_text(encoding="utf-8")
    found = {}
    for name, values in tomllib.loads(text).items():
        title = values.pop("title")
        found[name] = (title, Labelling.model_validate(values))
    return found


def find_protocol(name: str) -> Labelling:
    """Return the labelling section of a named protocol.

    Raises
    ------
    InputError
        If there is no protocol of that name.
    """
    known = protocols()
    if name not in known:
        raise InputError(
            f"protocol {shown(name)} is unknown{suggestion(name, known)}; allowed: {', '.join(known)}"
        )
    return known[name][1]
