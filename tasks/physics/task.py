"""Parameters of V_phys as a Prefect task: molecules in, reference of the version out."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from storage.store import Store
from tasks.physics.make import make_physics


@task(name="physics", cache_policy=NO_CACHE)
def physics_task(name: str, molecules: list[str], level: str, dispersion: str | None, store_path: Path) -> str:
    """Derive parameters unless the store has them, and return their reference.

    Parameters
    ----------
    name, molecules, level, dispersion
        See `tasks.physics.make.make_physics`.
    store_path
        Folder of the store, whose writer lock the caller holds.
    """
    return make_physics(Store(store_path), name, molecules, level, dispersion)
