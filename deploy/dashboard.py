"""Dask's dashboard: pages that show what the workers do. Only on the loopback interface, and only with bokeh."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Any

Show = Callable[[str], None]
"""Called with the address of a cluster's dashboard."""

LOOPBACK = "127.0.0.1:0"
"""Address of a scheduler's web server, with or without pages; Dask's default is one port for all runs."""


def has_pages(show: Show | None) -> bool:
    """Return whether a cluster serves its dashboard: its address is asked for, and bokeh is installed."""
    return show is not None and importlib.util.find_spec("bokeh") is not None


def show_pages(cluster: Any, show: Show | None) -> None:
    """Pass on the address of the dashboard of a cluster that was opened with one."""
    if show is not None and has_pages(show):
        show(f"http://127.0.0.1:{cluster.scheduler_info['services']['dashboard']}/status")


def print_dashboard(link: str) -> None:
    """Print the address of Dask's dashboard to standard error."""
    print(f"Dask's dashboard: {link}", file=sys.stderr)
