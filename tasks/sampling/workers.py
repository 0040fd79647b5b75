"""Let the workers of a Dask cluster, and its scheduler, find what files of ``NMER_PLUGINS`` define."""

from __future__ import annotations

from distributed import Client, SchedulerPlugin, WorkerPlugin

from recipes.registry import PLUGINS


class _OnWorkers(WorkerPlugin):  # type: ignore[misc]
    """Its import makes the files known by name, see `recipes.registry`; so on every worker, later ones too."""

    name = PLUGINS


class _OnScheduler(SchedulerPlugin):  # type: ignore[misc]
    """The same on the scheduler, which reads what is sent to workers."""

    name = PLUGINS


def share_plugins(client: Client) -> None:
    """Let a cluster unpickle functions and options of files in the folders that its own ``NMER_PLUGINS`` names."""
    client.register_plugin(_OnWorkers())
    client.register_plugin(_OnScheduler())
