"""A live progress line per stage: done, failed, left, and the time to go."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Self, TextIO

PLAIN_INTERVAL = 10.0
"""Seconds between lines where the output is not a terminal."""

Watch = Callable[["ProgressLine"], AbstractContextManager[None]]
"""Gives the context in which a line lives; it may read the line's counts at any time, from any thread."""

_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watched_by(watch: Watch) -> Iterator[None]:
    """Have the progress lines that begin within this context watched, besides being printed."""
    before = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(before)


class ProgressLine:
    """Counts of one stage, redrawn in place on a terminal and printed now and then elsewhere.

    Parameters
    ----------
    stage
        Name shown at the start of the line.
    total
        How many there are to do.
    unit
        What is counted, for example ``labels``.
    stream
        Where to write; standard error by default.
    """

    def __init__(self, stage: str, total: int, unit: str, stream: TextIO | None = None) -> None:
        self.stage, self.total, self.unit = stage, total, unit
        self._stream = stream if stream is not None else sys.stderr
        self._live = self._stream.isatty()
        self._start = time.monotonic()
        self._first: int | None = None
        self._shown = -PLAIN_INTERVAL
        self.done = self.failed = 0
        self._said = ""
        self._watching = ExitStack()

    def __enter__(self) -> Self:
        self._show()
        if (watch := _watch.get()) is not None:
            self._watching.enter_context(watch(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._show(last=True)
        self._watching.close()

    def update(self, done: int, failed: int = 0) -> None:
        """Set how many are done and how many failed so far, and show it when it is time to."""
        if self._first is None:
            self._first = done + failed  # what a resumed stage already had tells nothing about its speed
            self._start = time.monotonic()
        self.done, self.failed = done, failed
        interval = 0.1 if self._live else PLAIN_INTERVAL
        if time.monotonic() - self._shown >= interval:
            self._show()

    def line(self) -> str:
        """Return the text of the line as it stands."""
        ended = self.done + self.failed
        left = max(self.total - ended, 0)
        text = f"{self.stage:<10} {self.done:>7} of {self.total} {self.unit}, {self.failed} failed, {left} left"
        fresh = ended - (self._first or 0)
        if left and fresh > 0:
            text += f", about {_duration((time.monotonic() - self._start) / fresh * left)} to go"
        return text

    def _show(self, last: bool = False) -> None:
        self._shown = time.monotonic()
        if self._live:
            self._stream.write(f"\r\x1b[2K{self.line()}" + ("\n" if last else ""))
        elif (line := self.line()) != self._said:  # the last one may have been said already
            self._said = line
            self._stream.write(line + "\n")
        self._stream.flush()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
