"""How much processor time a turn has taken, also before it was killed: a file to which each part adds its own."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage.durable import make_folder

INTERVAL = 5.0
"""Seconds of wall time after which what was spent is written down; a process that is killed loses less."""


class Spent:
    """The processor time of the parts of one turn, s.

    Parameters
    ----------
    folder
        The folder of the turn; the file is ``spent.jsonl``.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "spent.jsonl"

    def add(self, part: str, seconds: float) -> None:
        """Add processor time to a part, s."""
        make_folder(self._path.parent)
        line = json.dumps({"part": part, "seconds": round(seconds, 3)}) + "\n"
        with self._path.open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    def seconds(self) -> dict[str, float]:
        """Return the processor time of each part, s; a line that was cut off when a process died is left out."""
        found: dict[str, float] = {}
        with suppress(FileNotFoundError):
            for line in self._path.read_text(encoding="utf-8").splitlines():
                with suppress(ValueError, KeyError, TypeError):
                    one = json.loads(line)
                    found[str(one["part"])] = found.get(str(one["part"]), 0.0) + float(one["seconds"])
        return found

    @contextmanager
    def measured(self, part: str) -> Iterator[Callable[[], None]]:
        """Measure this process' time within the block as a part; the function that is given writes it down.

        It may be called from any thread as often as one likes.
        """
        begun, told = time.process_time(), time.monotonic()

        def write(final: bool = False) -> None:
            nonlocal begun, told
            if final or time.monotonic() - told > INTERVAL:
                now = time.process_time()
                seconds, begun, told = now - begun, now, time.monotonic()
                self.add(part, seconds)

        try:
            yield write
        finally:
            write(final=True)
