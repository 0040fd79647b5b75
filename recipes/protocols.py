"""Named protocols that a command can use instead of a recipe's own labelling section."""

from __future__ import annotations

from recipes.physics.levels import beneath
from recipes.schema.labelling import Labelling
from recipes.schema.named import find_protocol as find_protocol
from recipes.schema.named import protocols as protocols
from recipes.schema.recipe import Recipe


def with_protocol(recipe: Recipe, name: str | None) -> Recipe:
    """Return a recipe with the energies of a named protocol; its own flags and thresholds stay.

    The protocol replaces all levels, if the recipe has any: `replaced_levels` says so. A baseline without a
    version becomes that of the protocol's level; see `recipes.physics.levels`.

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
    return recipe.model_copy(update={"labelling": labelling, "fitting": fitting, "levels": ()})


def replaced_levels(recipe: Recipe, name: str | None) -> str:
    """Return a sentence that says that a named protocol replaces a recipe's levels; empty if it does not."""
    if name is None or not recipe.levels:
        return ""
    titles = ", ".join(level.labelling.level for level in recipe.levels)
    return (
        f"{recipe.name}: --protocol {name} replaces the {len(recipe.levels)} levels ({titles}) by one: all "
        f"{recipe.selection.train + recipe.selection.test} configurations are labelled with it"
    )
