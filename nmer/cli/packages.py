"""The packages that nmer needs, the extra that installs each, and the error if one is missing."""

from __future__ import annotations

import re
from importlib.metadata import requires
from importlib.util import find_spec

from potentials.errors import MissingProgramError

MODULES = {"sklearn": "scikit-learn", "ruamel": "ruamel-yaml"}
"""The package of each module that has another name."""


def required() -> dict[str, str]:
    """Return the extra that installs each package (`pyproject.toml`); empty for those always installed."""
    found: dict[str, str] = {}
    for line in requires("nmer") or ():
        package, marker = line.partition(";")[::2]
        extra = re.search(r"extra == ['\"](\w+)", marker)
        name = re.split(r"[^\w.-]", package)[0].lower().replace("_", "-").replace(".", "-")
        if name != "nmer" and not (extra and extra[1] == "dev"):
            found[name] = extra[1] if extra else ""
    return found


def is_missing(module: str) -> MissingProgramError | None:
    """Return the error that names a module's package and how to install it; None if nmer needs no such package."""
    top = module.partition(".")[0]
    package = MODULES.get(top, top.replace("_", "-"))
    if (extra := required().get(package)) is None:
        return None
    install = f"pip install 'nmer[{extra}]'" if extra else "pip install nmer"
    return MissingProgramError(f"this needs {package}, which is not installed: {install}")


def need(*modules: str) -> None:
    """Raise MissingProgramError if a module is not installed; call it before anything is written."""
    for module in modules:
        if find_spec(module) is None and (error := is_missing(module)) is not None:
            raise error
