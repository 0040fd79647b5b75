"""A process that reads files for another one: damage can crash HDF5, or keep it busy for ever."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Self, TypeVar

Result = TypeVar("Result")

START = 120.0
"""Seconds that the process may take to start and to read the smallest file."""


class CrashedError(RuntimeError):
    """What was called has crashed or did not end; the message says which."""


class Apart:
    """Calls functions in a process of its own, which is started again after a crash. A context manager."""

    def __init__(self) -> None:
        self._process: BaseProcess | None = None
        self._ours: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def call(self, function: Callable[..., Result], *values: Any, seconds: float = 0.0) -> Result:
        """Return what a function gives.

        Parameters
        ----------
        function
            A function of a module.
        values
            Its arguments; these and the result are sent from process to process.
        seconds
            How long it may take beyond `START`.

        Raises
        ------
        CrashedError
            If the process crashed or did not end in time.
        Exception
            What the function raises.
        """
        ours = self._start() if self._ours is None else self._ours
        try:
            ours.send((function, values))
            if not ours.poll(START + seconds):
                self._end()
                raise CrashedError(f"HDF5 had not read it after {START + seconds:.0f} s")
            good, result = ours.recv()
        except (EOFError, OSError):
            self._end()
            raise CrashedError("HDF5 crashes when it reads it") from None
        if not good:
            raise result
        found: Result = result
        return found

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._ours = ours
        return ours

    def _end(self) -> None:
        if self._ours is not None:
            self._ours.close()
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self._ours = self._process = None


def _serve(connection: Connection) -> None:
    """Answer calls until the other side is gone."""
    while True:
        try:
            function, values = connection.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            answer = (True, function(*values))
        except Exception as error:  # it is raised on the other side
            answer = (False, error)
        connection.send(answer)
