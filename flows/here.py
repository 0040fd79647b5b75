"""Run a flow in this process, which is what the commands do."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flows.names import tagged
from flows.server import prefect_server


def run_here(entrypoint: str, name: str, preset: str | None, *arguments: Any) -> Any:
    """Run a flow in this process, with the user's own Prefect server or one for this run.

    Parameters
    ----------
    entrypoint
        Dotted name of the flow. Its module is imported while the server starts.
    name, preset
        Of the recipe or the family, for the tags of the run.
    arguments
        The flow's arguments.
    """
    module, _, function = entrypoint.rpartition(".")
    with prefect_server(lambda: import_module(module)), tagged(name, preset):
        return getattr(import_module(module), function)(*arguments)
