"""The flow that derives the parameters of V_phys."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from storage.store import Store
from tasks.physics.levels import DENSITY
from tasks.physics.task import physics_task


@flow(name="derive-physics", flow_run_name="physics {name}")
def derive_physics(
    name: str, molecules: list[str], level: str = DENSITY, dispersion: str | None = None, store: Path | None = None
) -> str:
    """Derive parameters of V_phys and return the reference of their version; one that exists is not made again.

    Parameters
    ----------
    name, molecules, level, dispersion
        See `tasks.physics.make.make_physics`.
    store
        Folder of the store; by default ``NMER_STORE``, else ``nmer-store`` in the working directory.
    """
    opened = Store(store, create=True)
    with opened.writing():
        return physics_task(name, molecules, level, dispersion, opened.path)
