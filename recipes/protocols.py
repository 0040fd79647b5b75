"""Named protocols: complete labelling sections that a command can use instead of a recipe's own."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from pathlib import Path

from potentials.errors import InputError
from recipes.physics.levels import beneath
from recipes.schema.labelling import Labelling
from recipes.schema.patterns import suggestion
from recipes.schema.recipe import Recipe

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
        raise InputError(f"protocol '{name}' is unknown{suggestion(name, known)}; allowed: {', '.join(known)}")
    return known[name][1]


def with_protocol(recipe: Recipe, name: str | None) -> Recipe:
    """Return a recipe with the energies of a named protocol; its own flags and thresholds stay.

    A baseline without a version becomes that of the protocol's level; see `recipes.physics.levels`.

    Raises
    ------
    InputError
        If there is no protocol of that name.
    """
    if name is None:
        return recipe
    kept = {field: getattr(recipe.labelling, field) for field in Labelling.FLAGS}
    labelling = find_protocol(name).model_copy(update=kept)
    baseline = beneath(recipe.fitting.baseline, labelling.engine)
    fitting = recipe.fitting.model_copy(update={"baseline": baseline})
    return recipe.model_copy(update={"labelling": labelling, "fitting": fitting})
