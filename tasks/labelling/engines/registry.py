"""The engines that can compute here; `recipes.engines.ENGINES` finds them all."""

from __future__ import annotations

from typing import cast

from potentials.errors import MissingProgramError
from recipes.engines import ENGINES
from tasks.labelling.engines.interface import Engine


def new_engine(name: str) -> Engine:
    """Return an engine, with or without its program; raise InputError if there is none of that name."""
    return cast(Engine, ENGINES.get(name)())


def get_engine(name: str) -> Engine:
    """Return an engine that can run here.

    Raises
    ------
    InputError
        If there is no such engine; `MissingProgramError` if its program is not installed.
    """
    engine = new_engine(name)
    missing = engine.available()
    if missing is not None:
        raise MissingProgramError(f"labelling.engine '{name}' {missing}")
    return engine
