"""A live progress line per stage: done, failed, left, and the time to go."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Self, TextIO

from tasks.console import console_of

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PLAIN_INTERVAL = 10.0
"""Seconds between lines where the output is not a terminal."""

Watch = Callable[["ProgressLine"], AbstractContextManager[None]]
"""Returns a context that is open while a line is; it may read the line's counts from any thread."""

_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)
_displays: dict[TextIO, Progress] = {}


@contextmanager
def watched_by(watch: Watch) -> Iterator[None]:
    """Have the progress lines that begin within this context watched, besides being printed."""
    before = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(before)


class ProgressLine:
    """Counts of one stage, with a bar redrawn in place on a terminal, and printed now and then elsewhere.

    A context. One that begins while another is open on the same terminal is shown below it.

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

    Attributes
    ----------
    note
        What the line says besides, such as a speed.
    """

    def __init__(self, stage: str, total: int, unit: str, stream: TextIO | None = None) -> None:
        self.stage, self.total, self.unit = stage, total, unit
        self._stream = stream if stream is not None else sys.stderr
        self._live = self._stream.isatty()
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._start = time.monotonic()
        self._first: int | None = None
        self._shown = -PLAIN_INTERVAL
        self.done = self.failed = 0
        self._said = self.note = ""
        self._watching = ExitStack()

    def __enter__(self) -> Self:
        if self._live:
            self._bars = self._watching.enter_context(_bars_on(self._stream))
            self._task = self._bars.add_task(self.line(), total=self.total)
        self._show()
        if (watch := _watch.get()) is not None:
            self._watching.enter_context(watch(self))
        return self

    def __exit__(self, *error: object) -> None:
        self._show()
        self._watching.close()

    def update(self, done: int, failed: int = 0) -> None:
        """Set how many are done and how many failed so far, and show it if it is due."""
        if self._first is None:
            self._first = done + failed  # what a resumed stage already had does not count towards its speed
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
            text += f", about {duration((time.monotonic() - self._start) / fresh * left)} to go"
        return f"{text}, {self.note}" if self.note else text

    def _show(self) -> None:
        self._shown = time.monotonic()
        line = self.line()
        if self._bars is not None and self._task is not None:
            ended = self.done + self.failed
            self._bars.update(self._task, description=line, completed=ended, total=self.total, refresh=True)
        elif not self._live and line != self._said:  # the last one may have been printed already
            self._said = line
            self._stream.write(line + "\n")
            self._stream.flush()


@contextmanager
def _bars_on(stream: TextIO) -> Iterator[Progress]:
    """Give the display of a terminal, in which each progress line has a row; the outermost line opens it."""
    if (there := _displays.get(stream)) is not None:
        yield there
        return
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    row = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
    bars = Progress(
        row,
        BarColumn(bar_width=20),
        console=console_of(stream),
        auto_refresh=False,  # no thread
        redirect_stdout=False,
        redirect_stderr=False,
    )
    _displays[stream] = bars
    try:
        with bars:
            yield bars
    finally:
        del _displays[stream]


def duration(seconds: float) -> str:
    """Return a time in words: ``2 h 05 min``, ``3 min 20 s``, ``12 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
