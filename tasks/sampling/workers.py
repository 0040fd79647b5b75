"""Make the files of ``NMER_PLUGINS`` known to the workers and the scheduler of a Dask cluster."""

from __future__ import annotations

from distributed import Client, SchedulerPlugin, WorkerPlugin

from recipes.registry import PLUGINS


class _OnWorkers(WorkerPlugin):  # type: ignore[misc]
    """Its import makes the files importable by name (`recipes.registry`) on all present and later workers."""

    name = PLUGINS


class _OnScheduler(SchedulerPlugin):  # type: ignore[misc]
    """The same for the scheduler, which unpickles what is sent to workers."""

    name = PLUGINS


def share_plugins(client: Client) -> None:
    """Make a cluster able to unpickle functions and options of files in the folders of its ``NMER_PLUGINS``."""
    client.register_plugin(_OnWorkers())
    client.register_plugin(_OnScheduler())
