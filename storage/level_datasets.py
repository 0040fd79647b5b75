"""The datasets of a recipe with levels: one version for each, which names those of the levels below it."""

from __future__ import annotations

from potentials.errors import InputError
from storage.level_facts import lower_keys
from storage.store import Store
from storage.version import Version


def datasets_of_levels(store: Store, dataset: Version) -> list[Version]:
    """Return the datasets of a dataset's level and of all levels below it, the first level's first, itself last.

    Parameters
    ----------
    store
        The store that has them.
    dataset
        The dataset; one of a recipe without levels is returned alone.

    Raises
    ------
    InputError
        If the store lacks one of them.
    """
    found = []
    for number, key in enumerate(lower_keys(dataset.attributes()["facts"])):
        below = store.find("dataset", key, dataset.nmer)
        if below is None:
            raise InputError(
                f"the dataset of level {number} with key {key[:12]}, which {dataset.ref} rests on, is not in the "
                f"store '{store.path}'; nmer run makes it again from the labels"
            )
        found.append(below)
    return [*found, dataset]
