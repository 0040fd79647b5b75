"""Compiled functions that release Python's lock, run for several parts of a system at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any


class Runner:
    """Runs a function for several lists of arguments.

    Parameters
    ----------
    threads
        Number of threads, the caller's included. With 1 nothing is started.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None

    def __call__(self, function: Callable[..., Any], parts: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return the results of the function in the order of the lists."""
        if self._pool is None or len(parts) == 1:
            return [function(*part) for part in parts]
        others = [self._pool.submit(function, *part) for part in parts[1:]]
        return [function(*parts[0]), *(other.result() for other in others)]
