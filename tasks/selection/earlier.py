"""The potential that further configurations are chosen with, and the configurations that it was fitted to."""

from __future__ import annotations

from dataclasses import dataclass

from potentials.errors import InputError
from recipes.schema.recipe import Recipe
from storage.contents import nmer_model
from storage.records import TEST, TRAIN
from storage.store import Store
from storage.version import Version


@dataclass(frozen=True)
class Earlier:
    """What an earlier run of an n-mer has made, to which configurations are added.

    Attributes
    ----------
    potential
        The version of the potential.
    selection
        The version of the selection whose labels it was fitted to.
    train, test
        Its training and test configurations, those without a usable label too.
    """

    potential: Version
    selection: Version
    train: int
    test: int


def earlier(recipe: Recipe, pool: str, store: Store | None) -> Earlier:
    """Return the potential and the selection that a recipe's ``selection.potential`` names.

    Parameters
    ----------
    recipe
        The recipe; its ``selection.potential`` is a reference or a key.
    pool
        Key of the recipe's pool.
    store
        The store, or None if there is none.

    Raises
    ------
    InputError
        If it is not in the store; is of another n-mer or pool; has no ensemble or ranges; was fitted to imported
        data; or has another test set, or as many training configurations as the recipe asks for.
    """
    given, settings = recipe.selection.potential, recipe.selection
    if store is None:
        raise InputError(
            f"selection.potential '{given}' is not there: there is no store yet; name it with --store"
        )
    version = _version(given, store)
    said = f"selection.potential '{version.ref}'"
    model, dataset = nmer_model(version.attributes()), store.input(version, "dataset")
    if model.content() != recipe.nmer.content():
        raise InputError(f"{said} is of another n-mer than {recipe.name}; give a potential of the same [nmer]")
    for column, lacking, then in (
        (
            "ensemble",
            "has no ensemble of fits, so its uncertainty is not known",
            "set fitting.ensemble and fit it again",
        ),
        ("ranges", "does not have the range of its training data", "fit it again"),
    ):
        if not version.has_column(column):
            raise InputError(f"{said} {lacking}; {then}")
    selection = None if dataset is None else store.input(dataset, "selection")
    if selection is None:
        raise InputError(
            f"{said} was not fitted to configurations of a pool in the store at '{store.path}'; give one that was"
        )
    if pool not in _pools(selection, store):
        raise InputError(
            f"{said} was fitted to frames of another pool than that of {recipe.name} with these settings of "
            "[sampling]; give a potential of the same pool"
        )
    split = selection.column("split")
    train, test = int((split == TRAIN).sum()), int((split == TEST).sum())
    if train >= settings.train:
        raise InputError(
            f"{said} has {train} training configurations already, and selection.train is {settings.train}; give a "
            "larger selection.train"
        )
    if test != settings.test:
        raise InputError(
            f"{said} has {test} test configurations, which are kept, and selection.test is {settings.test}; set "
            f"selection.test = {test}"
        )
    return Earlier(version, selection, train, test)


def with_key(recipe: Recipe, found: Earlier) -> Recipe:
    """Return a recipe whose ``selection.potential`` is the key of the potential, which goes into content keys."""
    selection = recipe.selection.model_copy(update={"potential": found.potential.key})
    return recipe.model_copy(update={"selection": selection})


def _version(given: str, store: Store) -> Version:
    """Return the version of a potential that a reference or a key names."""
    if "@" in given:
        return store.resolve(given)
    found = store.find("potential", given)
    if found is None:
        raise InputError(
            f"selection.potential: the store at '{store.path}' has no potential with key {given[:12]}"
        )
    return found


def _pools(selection: Version, store: Store) -> set[str]:
    """Return the keys of the pools of a selection and of those before it."""
    found: set[str] = set()
    for named, below in store.inputs(selection):
        if named["kind"] == "pool":
            found.add(named["key"])
        elif named["kind"] == "selection" and below is not None:
            found |= _pools(below, store)
    return found
