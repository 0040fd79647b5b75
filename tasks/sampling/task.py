"""The sampling stage as a Prefect task: recipe in, key of the pool out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from distributed import Client
from prefect import task
from prefect.cache_policies import NO_CACHE

from recipes.load import expanded_toml
from recipes.schema.recipe import Sampling
from storage.contents import pool_columns
from storage.records import Pool
from storage.store import Store
from storage.version import package_versions
from tasks.plan import Plan
from tasks.progress import ProgressLine
from tasks.sampling.force_field import FORCE_FIELDS
from tasks.sampling.sampler import SAMPLERS
from tasks.sampling.workers import share_plugins


@task(name="sampling", cache_policy=NO_CACHE)
def sampling_task(plan: Plan, store_path: Path, scheduler: Callable[[], str]) -> str:
    """Sample a recipe's pool unless the store has it, and return its key.

    Parameters
    ----------
    plan
        The recipe's plan.
    store_path
        Folder of the store, whose writer lock the caller holds.
    scheduler
        Gives the address of the Dask scheduler that runs the walkers; called only when there is work.
    """
    recipe, store, key = plan.recipe, Store(store_path), plan.pool
    if store.find("pool", key, recipe.name):
        return key
    from tasks.sampling.pool import (
        sample_pool,  # imports LAMMPS and compiled kernels, which a finished pool does not need
    )

    scratch = store.scratch(key)
    with (
        Client(scheduler()) as client,
        ProgressLine("sampling", recipe.sampling.frames, "frames") as progress,
    ):
        share_plugins(client)
        pool = sample_pool(plan.nmer, recipe.sampling, scratch, client, progress)
    for sampler in map(SAMPLERS.get, recipe.sampling.samplers):
        if recipe.resources.keep_hills and sampler.write_files is not None:
            folder = store.path / "plumed" / f"{recipe.name}-{key[:12]}"
            sampler.write_files(plan.nmer, recipe.sampling, scratch, folder)
    store.add(
        "pool",
        recipe.name,
        key,
        columns=pool_columns(pool),
        recipe=expanded_toml(recipe),
        inputs=[],
        engines=package_versions(*programs(recipe.sampling)),
        facts={"frames": len(pool), "walkers": recipe.sampling.walkers} | frames_by_source(pool),
    )
    shutil.rmtree(scratch, ignore_errors=True)
    return key


def frames_by_source(pool: Pool) -> dict[str, int]:
    """Return how many frames each source made, where there are several; report and lineage show it."""
    counts = np.bincount(pool.source, minlength=len(pool.sources)).tolist()
    named = {f"frames of {source}": count for source, count in zip(pool.sources, counts, strict=True)}
    return named if len(named) > 1 else {}


def programs(settings: Sampling) -> list[str]:
    """Return the packages that determine a pool's frames."""
    declared = [
        *(SAMPLERS.get(name) for name in settings.samplers),
        *(FORCE_FIELDS.get(name) for name in settings.force_fields),
    ]
    names = ["nmer", *(package for one in declared for package in one.packages)]
    return list(dict.fromkeys([*names, "plumed"] if settings.engine == "plumed" else names))
