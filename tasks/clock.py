"""A clock that stops while its process is suspended."""

from __future__ import annotations

import time


class Clock:
    """Seconds in which a process was running, for limits on how long it waits.

    A laptop that sleeps, a run that is stopped with Ctrl-Z, and a job that its batch system suspends resume after
    a time in which nothing could happen.

    Parameters
    ----------
    longest
        The most that counts between two readings, s; for the rest the process was suspended.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._seen = time.monotonic()
        self._stood = 0.0

    def now(self) -> float:
        """Return the time, s."""
        real = time.monotonic()
        self._stood += max(0.0, real - self._seen - self._longest)
        self._seen = real
        return real - self._stood

    def at(self, monotonic: float) -> float:
        """Return the time at a moment since the last reading, given as a value of `time.monotonic`, s."""
        return monotonic - self._stood
