"""The labelling stage as a Prefect task: key of the selection in, key of the dataset out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from distributed import Client
from prefect import task
from prefect.cache_policies import NO_CACHE

from recipes.load import expanded_toml
from recipes.schema import Recipe
from storage.contents import dataset_columns, selection_from_version
from storage.keys import selection_key
from storage.ledger import Ledger
from storage.store import Store
from tasks.labelling.dataset import freeze
from tasks.labelling.dispatch import label_configurations
from tasks.labelling.engines import get_engine
from tasks.progress import ProgressLine


@task(name="labelling", cache_policy=NO_CACHE)
def labelling_task(recipe: Recipe, store_path: Path, scheduler: Callable[[], str]) -> str:
    """Label the recipe's configurations, freeze those with a usable label into a dataset, return its key.

    Parameters
    ----------
    recipe
        The recipe.
    store_path
        Folder of the store, whose writer lock the caller holds.
    scheduler
        Gives the address of the Dask scheduler that runs the labels; called only when there is work.
    """
    raise NotImplementedError
