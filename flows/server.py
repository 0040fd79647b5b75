"""Prefect's server for one run, when the user has none: on loopback, and gone with the run.

Prefect would start one by itself, but that one dies of the user's Ctrl-C before the flow has ended, and outlives a
flow that is killed. This one is in a session of its own, and the kernel ends it with its parent.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings

from potentials.errors import StageError

STARTUP = 180.0
"""Seconds a server may take to answer; a loaded machine needs many."""

_PR_SET_PDEATHSIG = 1


@contextmanager
def prefect_server() -> Iterator[str]:
    """Provide a Prefect API and yield its address: the user's own if one is set, else a server for this run.

    Raises
    ------
    StageError
        If the server does not answer in time.
    """
    own = PREFECT_API_URL.value()
    if own:
        yield own
        return
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"),
            *("--host", "127.0.0.1", "--port", str(port), "--log-level", "critical"),
        ],
        env={**os.environ, **get_current_settings().to_environment_variables(exclude_unset=True)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,
    )
    try:
        _wait_until_it_answers(server, url)
        with temporary_settings({PREFECT_API_URL: url}):
            yield url
    finally:
        server.terminate()
        try:
            server.wait(timeout=15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(server: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + STARTUP
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise StageError(
        f"Prefect's server did not answer within {STARTUP:g} s; "
        "try again, or set PREFECT_API_URL to a server of yours"
    )
