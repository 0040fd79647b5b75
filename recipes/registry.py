"""Registries: every engine, sampler, gate, export format and descriptor declares itself in one file.

A registry imports those modules of its folder that bind one name (``ENGINE = ...``) and keeps what they declare; a
module that does not bind it is not imported. Files in the folders that the environment variable ``NMER_PLUGINS``
names (separated as in ``PATH``) are searched in the same way, so that a file outside the project adds an engine or
a gate. The folder's package is given by its name because recipes must not import the folders above them.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Generic, Protocol, TypeVar

from potentials.errors import InputError
from recipes.schema.patterns import shown

PLUGINS = "NMER_PLUGINS"
"""Environment variable with folders whose Python files declare further engines, samplers, gates and formats."""

PREFIX = "nmer_plugin_"
"""What the names of their modules begin with."""


@dataclass(frozen=True)
class Need:
    """A package or program that something needs.

    Attributes
    ----------
    name
        Module that is imported, or program that is looked for on ``PATH``.
    install
        How to get it, as one clause: ``pip install 'nmer[xtb]'``.
    program
        Whether it is a program.
    """

    name: str
    install: str
    program: bool = False

    def found(self) -> bool:
        """Return whether it is installed; nothing is imported."""
        if self.program:
            return shutil.which(self.name) is not None
        try:
            return importlib.util.find_spec(self.name) is not None
        except ModuleNotFoundError:  # of 'a.b' where there is no 'a'
            return False

    def lack(self) -> str | None:
        """Return None if it is installed, otherwise what is missing and how to get it."""
        if self.found():
            return None
        what, where = ("program", "on the path") if self.program else ("package", "installed")
        return f"needs the {what} {self.name}, which is not {where}: {self.install}"


class Declared(Protocol):
    """A declaration: its name, one line that says what it is, what it needs, and its papers."""

    @property
    def name(self) -> str:
        """Return its name in recipes and on the command line."""

    @property
    def title(self) -> str:
        """Return one line that says what it is."""

    @property
    def needs(self) -> tuple[Need, ...]:
        """Return the packages and programs without which it does not run."""

    @property
    def papers(self) -> tuple[str, ...]:
        """Return the papers it rests on, by their keys in ``storage/papers.toml``."""


D = TypeVar("D", bound=Declared)


class Registry(Generic[D]):
    """All declarations of one kind.

    Parameters
    ----------
    what
        Name of the kind in messages: ``labelling.engine``.
    package
        Dotted name of the folder whose modules are searched.
    attribute
        Name of the declaration in a module: ``ENGINE``.
    """

    def __init__(self, what: str, package: str, attribute: str) -> None:
        self.what, self._package, self._attribute = what, package, attribute

    @cached_property
    def _found(self) -> dict[str, D]:
        found: dict[str, D] = {}
        for module in (*_modules(self._package, self._attribute), *_plugins()):
            declared = getattr(module, self._attribute, None)
            if declared is None:
                continue
            if declared.name in found:
                raise InputError(
                    f"{self.what} '{declared.name}' is declared twice; the second is in {module.__file__}"
                )
            found[declared.name] = declared
        return found

    def __iter__(self) -> Iterator[D]:
        return iter(self._found.values())

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def names(self) -> tuple[str, ...]:
        """Return every name that is allowed."""
        return tuple(self._found)

    def get(self, name: str) -> D:
        """Return a declaration by its name.

        Raises
        ------
        InputError
            If nothing has that name.
        """
        if name not in self._found:
            raise InputError(f"{self.what} {shown(name)} is unknown; allowed: {', '.join(self._found)}")
        return self._found[name]

    def forget(self) -> None:
        """Search again at the next use; for tests that add a file."""
        self.__dict__.pop("_found", None)


def missing(declared: Declared) -> str | None:
    """Return None if everything that it needs is installed, otherwise what is missing and how to install it."""
    return "; ".join(lack for need in declared.needs if (lack := need.lack())) or None


def _modules(package: str, attribute: str) -> Iterator[ModuleType]:
    """Import the modules of a folder, and the folders in it, whose text binds a name."""
    binds = re.compile(rf"^{attribute}\b.*=", re.MULTILINE)
    for info in pkgutil.iter_modules(importlib.import_module(package).__path__):
        spec = importlib.util.find_spec(f"{package}.{info.name}")
        if spec and spec.origin and binds.search(Path(spec.origin).read_text(encoding="utf-8")):
            yield importlib.import_module(spec.name)


def _plugins() -> Iterator[ModuleType]:
    """Import the files of the plugins' folders; a file is imported once, whatever it declares."""
    for folder in _folders():
        if not folder.is_dir():
            raise InputError(f"{PLUGINS} names '{folder}', which is not a folder")
        for path in sorted(folder.glob("*.py")):
            name = f"{PREFIX}{path.stem}"
            if name in sys.modules and sys.modules[name].__file__ != str(path):
                del sys.modules[name]  # of another folder, named before
            try:
                yield importlib.import_module(name)
            except Exception as error:
                raise InputError(
                    f"{PLUGINS}: {path} cannot be imported: {type(error).__name__}: {error}"
                ) from error


def _folders() -> list[Path]:
    return [Path(folder).resolve() for folder in os.environ.get(PLUGINS, "").split(os.pathsep) if folder]


class _PluginFinder(MetaPathFinder):
    """Finds the files of the plugins' folders by name, so that a worker can unpickle what they define."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return where a plugin's module is."""
        if not name.startswith(PREFIX):
            return None
        files = (folder / f"{name.removeprefix(PREFIX)}.py" for folder in _folders())
        found = next((file for file in files if file.is_file()), None)
        return None if found is None else importlib.util.spec_from_file_location(name, found)


sys.meta_path.append(_PluginFinder())
