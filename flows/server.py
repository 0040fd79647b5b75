"""Prefect's server for one run, when the user has none: on the loopback interface, and ended with the run.

The server that Prefect itself would start is ended by the user's Ctrl-C before the flow has ended, and continues
after a flow that is killed. This one runs in a session of its own, is ended by the kernel with its parent, and is
restarted if it dies: its state is in its database. It requires a password that is made for the run, because every
user of the machine can reach the loopback interface.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import multiprocessing
import os
import secrets
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context
from multiprocessing.process import BaseProcess
from typing import Self

import uvicorn
from httpx import TransportError
from prefect.context import refresh_global_settings_context
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    get_current_settings,
    temporary_settings,
)

from potentials.errors import StoppedError

STARTUP = 180.0
"""Seconds a server may take to answer; a loaded machine needs many."""

RESTARTS = 10
"""How often a server that dies is restarted in one run."""

LIGHT = {
    "PREFECT_UI_ENABLED": "false",
    **{
        f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false"
        for service in ("FOREMAN", "LATE_RUNS", "PAUSE_EXPIRATIONS", "SCHEDULER", "TRIGGERS")
    },
}
"""Settings of a server that serves one run: no pages, which nobody could open, and no services for deployments."""

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@contextmanager
def prefect_server(meanwhile: Callable[[], object] = lambda: None) -> Iterator[str]:
    """Provide a Prefect API and yield its address: the user's own if one is set, else a server for this run.

    Parameters
    ----------
    meanwhile
        Called while the server starts.

    Raises
    ------
    StoppedError
        If the server does not answer in time, or no longer answers.
    """
    own = PREFECT_API_URL.value()
    if own:
        with _lost_server_explained(own), _logs_sent():
            yield own
        return
    password = f"nmer:{secrets.token_urlsafe(32)}"
    starting = PrivateServer(password)
    try:
        meanwhile()
    except BaseException:
        starting.close()
        raise
    with (
        starting as server,
        temporary_settings({PREFECT_API_URL: server.url, PREFECT_API_AUTH_STRING: password}),
        _lost_server_explained(server.url),
        _logs_sent(),
    ):
        yield server.url


class PrivateServer:
    """A server that runs for as long as its context lasts; if its process dies, it is restarted.

    Parameters
    ----------
    password
        ``user:password`` that it requires; None: it answers every user of this machine.
    settings
        What differs from Prefect's own settings, by environment variable.

    Attributes
    ----------
    url
        Address of its API.
    """

    def __init__(self, password: str | None, settings: Mapping[str, str] = LIGHT) -> None:
        self._password, self._settings = password, settings
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}/api"
        self._lock, self._closed = threading.Lock(), False
        self._process = self._start()

    def __enter__(self) -> Self:
        try:
            _wait_until_it_answers(self._process, self.url)
        except BaseException:
            self.close()
            raise
        # the kernel ends a server with the thread that started it: this thread runs for as long as its servers
        threading.Thread(target=self._watch, name="prefect-server", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server."""
        with self._lock:
            self._closed = True
        self._process.terminate()
        self._process.join(timeout=15)
        self._process.kill()
        self._process.join()

    def _watch(self) -> None:
        for _ in range(RESTARTS):
            self._process.join()
            with self._lock:
                if self._closed:
                    return
                self._process = self._start()
        self._process.join()

    def _start(self) -> BaseProcess:
        """Start a process; as a copy of this one, which has imported Prefect already, where that is safe."""
        safe = _LIBC is not None and threading.active_count() == 1
        context = multiprocessing.get_context("fork") if safe else multiprocessing.get_context("spawn")
        environment = dict(self._settings) | get_current_settings().to_environment_variables(exclude_unset=True)
        if self._password is not None:
            environment["PREFECT_SERVER_API_AUTH_STRING"] = self._password
        process = context.Process(
            target=_serve, args=(self._port, environment, os.getpid()), name="prefect-server", daemon=True
        )
        process.start()
        return process


def _serve(port: int, environment: Mapping[str, str], parent: int) -> None:
    """Run the server in a session of its own, until it is signalled to end or its parent has ended."""
    os.setsid()
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the call above
        os._exit(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    os.environ.update(environment)
    Context().run(_serve_until_ended, port)  # without the settings that hold where the run is


def _serve_until_ended(port: int) -> None:
    gc.disable()  # imported modules are never garbage
    refresh_global_settings_context()
    from prefect.server.api.server import create_app

    app = create_app()
    gc.freeze()
    gc.enable()
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="critical")


@contextmanager
def _lost_server_explained(url: str) -> Iterator[None]:
    """Raise StoppedError if the server no longer answers; Prefect has retried for a minute or more by then."""
    try:
        yield
    except TransportError as error:
        raise StoppedError(f"Prefect's server at {url} no longer answers ({error}); check that it runs") from None


@contextmanager
def few_retries() -> Iterator[None]:
    """Make Prefect's client try twice, not for a minute, for requests that are not essential."""
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 1}):
        yield


@contextmanager
def _logs_sent() -> Iterator[None]:
    """At the end send the logs of runs that are still unsent: the server may end before Prefect sends them."""
    try:
        yield
    finally:
        for name in ("prefect.flow_runs", "prefect.task_runs"):
            for handler in logging.getLogger(name).handlers:
                handler.flush()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(server: BaseProcess, url: str) -> None:
    deadline = time.monotonic() + STARTUP
    while time.monotonic() < deadline and server.is_alive():
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise StoppedError(
        f"Prefect's server did not answer within {STARTUP:g} s; PREFECT_API_URL can name a server of yours"
    )
