"""What a potential was fitted to, and the same with the picks of a turn: a selection with lineage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import InputError
from recipes.load import expanded_toml, recipe_of_text
from recipes.schema.labelling import Labelling
from recipes.schema.recipe import Recipe
from storage.configuration import configuration_ids
from storage.contents import dataset_from_version, selection_columns, selection_from_version
from storage.level_datasets import datasets_of_levels
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
    potential, selection, pool
        The versions.
    datasets
        Those of the levels, the first level's first; one for a recipe without levels. The last has the labels of
        which the potential's energies are.
    recipe
        The potential's recipe.
    data, first
        The labels of the last and of the first level.
    top
        Highest label of the recipe's own training set in the first level, kcal/mol: the picks of earlier turns do
        not raise it.
    """

    potential: Version
    datasets: tuple[Version, ...]
    selection: Version
    pool: Version
    recipe: Recipe
    data: Dataset
    first: Dataset
    top: float

    @property
    def dataset(self) -> Version:
        """The dataset of the last level."""
        return self.datasets[-1]

    def labelling(self, level: int) -> Labelling:
        """Return the labelling section of a level, counted from 0."""
        return self.recipe.levels[level].labelling if self.recipe.levels else self.recipe.labelling

    def share(self, level: int) -> float:
        """Return the training configurations of a level per one of the first level, at most 1."""
        levels = self.recipe.levels
        return levels[level].train / levels[0].train if levels else 1.0

    @property
    def taken(self) -> Floats:
        """(configurations, atoms, 3), the training set, Angstrom."""
        return self.first.part(TRAIN).positions

    @property
    def tests(self) -> Floats:
        """(configurations, atoms, 3), the test set, Angstrom."""
        return self.first.part(TEST).positions


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
    try:
        datasets = tuple(datasets_of_levels(store, dataset))
    except InputError:
        return "the dataset of a lower level is no longer in the store"
    first = dataset_from_version(datasets[0])
    places = {place.tobytes(): n for n, place in enumerate(selection.column("positions"))}
    turn = turn_of(selection)[[places[place.tobytes()] for place in first.positions]]
    own = (turn == 0) & (first.split == TRAIN)
    data = dataset_from_version(dataset)
    return Training(potential, datasets, selection, pool, recipe, data, first, float(first.energy[own].max()))


def add_picks(
    store: Store,
    training: Training,
    picks: Geometries,
    levels: Ints,
    sources: Sequence[Version],
    number: int,
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
    levels
        (picks,), the highest level that labels each; 0 without levels.
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
        level=np.concatenate([before.level, levels]),
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
