"""The level of V_phys' parameters beneath labels: that of densities, or that of a rehearsal's own labels.

Parameters of a rehearsal are named after it: ``physics:polyalanine-gfn2-xtb`` beside ``physics:polyalanine``.
Those of another level would compare two different electrostatics.
"""

from __future__ import annotations

from potentials.errors import InputError
from recipes.engines import ENGINES

PREFIX = "physics:"


def beneath(baseline: str | None, engine: str) -> str | None:
    """Return the name of a baseline at the level of an engine's labels; one with a version stays what it is.

    Parameters
    ----------
    baseline
        For example ``physics:polyalanine``; None: there is none.
    engine
        Name of the labelling engine.
    """
    if baseline is None or "@" in baseline:
        return baseline
    level = ENGINES.get(engine).physics_level
    name = divided(baseline)[0]
    return f"{PREFIX}{name}-{level}" if level else f"{PREFIX}{name}"


def named_at(name: str, level: str) -> str:
    """Return the name of parameters that are derived at a level: that of a rehearsal ends with it.

    Raises
    ------
    InputError
        If the name ends with another level.
    """
    bare, own = divided(name)
    rehearsal = level if any(engine.physics_level == level for engine in ENGINES) else ""
    if own and own != rehearsal:
        raise InputError(f"the name '{name}' is for --level {own}, not {level}; allowed at this level: {bare}")
    return f"{bare}-{rehearsal}" if rehearsal else bare


def divided(baseline: str) -> tuple[str, str]:
    """Return the name of a baseline without its level, and the level; empty: that of densities."""
    name = baseline.removeprefix(PREFIX).partition("@")[0]
    for level in {engine.physics_level for engine in ENGINES if engine.physics_level}:
        if name.endswith(f"-{level}"):
            return name.removesuffix(f"-{level}"), level
    return name, ""
