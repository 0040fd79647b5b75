"""A clock that stands still while its process does."""

from __future__ import annotations

import time


class Clock:
    """Seconds in which a process could do something, for limits on how long it waits.

    A laptop that sleeps, a run that is stopped with Ctrl-Z, and a job that its batch system suspends wake up with
    much time gone in which nothing could have happened.

    Parameters
    ----------
    longest
        The most that counts between two looks at the clock, s; what is beyond it the process was not awake.
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
        """Return the time at a moment since the last look, given as `time.monotonic` told it, s."""
        return monotonic - self._stood
