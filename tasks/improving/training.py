"""What a potential was fitted to, and the same with the picks of a turn: a selection with lineage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from recipes.load import expanded_toml, recipe_of_text
from recipes.schema.recipe import Recipe
from storage.configuration import configuration_ids
from storage.contents import dataset_from_version, selection_columns, selection_from_version
from storage.records import TEST, TRAIN, Dataset, Selection
from storage.store import Store
from storage.turns import picks_key, temperatures_of, turn_of
from storage.version import Column, Version, package_versions
from tasks.improving.material import Geometries

_OWN = "simulation with the potentials of the turn before"


@dataclass(frozen=True, eq=False)
class Training:
    """What a potential was fitted to.

    Attributes
    ----------
    potential, dataset, selection, pool
        The versions.
    recipe
        The potential's recipe.
    data
        The labels.
    top
        Highest label of the recipe's own training set, kcal/mol: the picks of earlier turns do not raise it.
    """

    potential: Version
    dataset: Version
    selection: Version
    pool: Version
    recipe: Recipe
    data: Dataset
    top: float

    @property
    def taken(self) -> Floats:
        """(configurations, atoms, 3), the training set, Angstrom."""
        return self.data.part(TRAIN).positions

    @property
    def tests(self) -> Floats:
        """(configurations, atoms, 3), the test set, Angstrom."""
        return self.data.part(TEST).positions


def training_of(store: Store, potential: Version) -> Training | str:
    """Return what a potential was fitted to, or why it cannot be improved, as one clause."""
    dataset = store.input(potential, "dataset")
    selection = None if dataset is None else store.input(dataset, "selection")
    pool = None if selection is None else store.input(selection, "pool")
    if dataset is None or selection is None or pool is None:
        if dataset is not None and "imported" in dataset.attributes()["facts"]:
            return "its training data were imported, so that it has no recipe to go on with"
        return "the dataset, the selection or the pool it was made from is no longer in the store"
    try:
        recipe = recipe_of_text(potential.attributes()["recipe"])
    except ValueError:
        return "its recipe cannot be read"
    if getattr(recipe, "levels", ()):
        return "its recipe has levels, which a turn does not label yet; allowed: recipes without [[levels]]"
    data = dataset_from_version(dataset)
    places = {place.tobytes(): n for n, place in enumerate(selection.column("positions"))}
    turn = turn_of(selection)[[places[place.tobytes()] for place in data.positions]]
    own = (turn == 0) & (data.split == TRAIN)
    return Training(potential, dataset, selection, pool, recipe, data, float(data.energy[own].max()))


def add_picks(
    store: Store, training: Training, picks: Geometries, sources: Sequence[Version], number: int
) -> Version:
    """Return the selection of a potential's configurations and the picks of a turn; the picks are for training.

    The caller holds the store's writer lock.

    Parameters
    ----------
    store
        The store.
    training
        What the potential was fitted to.
    picks
        What is added; `source` counts among the sources.
    sources
        The trajectories, or the pool itself.
    number
        Of the turn.
    """
    before = selection_from_version(training.selection)
    nmer, count, old = training.recipe.build_nmer(), len(picks), len(before)
    ids = configuration_ids(nmer, picks.positions)
    of_pool = picks.replica < 0
    whole = Selection(
        positions=np.concatenate([before.positions, picks.positions]),
        split=np.concatenate([before.split, np.full(count, TRAIN)]),
        frame=np.concatenate([before.frame, np.where(of_pool, picks.frame, -1)]),
    )
    earlier = temperatures_of(training.selection)
    temperature = np.zeros(old) if earlier is None else earlier

    def of_picks(values: np.ndarray) -> np.ndarray:
        return np.concatenate([np.full(old, -1, dtype=np.int64), values.astype(np.int64)])

    here = np.where(of_pool, -1, picks.source)
    columns = selection_columns(whole) | {
        "turn": Column(
            np.concatenate([turn_of(training.selection), np.full(count, number)]),
            "1",
            "number of the turn of improvement that it came with; 0: chosen as the recipe says",
            "turns",
        ),
        "temperature": Column(
            np.concatenate([temperature, np.where(of_pool, 0.0, picks.temperature)]),
            "K",
            "of the thermostat, where `frame` is -1; elsewhere 0, and the pool has it",
            _OWN,
        ),
        "trajectory": Column(
            of_picks(here), "1", "which of the trajectories in `inputs`, from 0; -1: none of this turn's", _OWN
        ),
        "replica": Column(of_picks(np.where(of_pool, -1, picks.replica)), "1", "of this trajectory", _OWN),
        "trajectory_frame": Column(of_picks(np.where(of_pool, -1, picks.frame)), "1", "of this replica", _OWN),
    }
    trajectories = [one for one in sources if one.kind == "trajectory"]
    molecules = list(dict.fromkeys(one.nmer for one in trajectories))
    return store.add(
        "selection",
        training.recipe.name,
        picks_key(training.selection.key, ids),
        columns=columns,
        recipe=expanded_toml(training.recipe),
        inputs=[training.selection, training.pool, *trajectories],
        engines=package_versions("nmer", "scikit-learn", "numpy"),
        facts={"turn": number, "picked": count, "molecules": molecules},
    )


def check_range(potentials: Sequence[Version], trained: Sequence[Training | str]) -> None:
    """Raise InputError if none of some potentials can be improved; the sentence says why the first cannot."""
    if all(isinstance(one, str) for one in trained):
        why = next((one for one in trained if isinstance(one, str)), "there are none")
        first = potentials[0].ref if potentials else "potentials"
        raise InputError(f"{first} cannot be improved: {why}")
