"""Run an engine's own executable: it ends with its parent and leaves no files."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_PR_SET_PDEATHSIG = 1


@contextmanager
def own_folder(name: str) -> Iterator[Path]:
    """Give a calculation a folder of its own where temporary files belong, and remove it with all in it."""
    with tempfile.TemporaryDirectory(prefix=f"{name}-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def run_program(
    command: Sequence[str | Path], folder: Path, output: Path, environment: Mapping[str, str] | None = None
) -> int:
    """Run a program to its end and return its exit code; minus the signal's number if one ended it.

    Parameters
    ----------
    command
        The executable and its arguments; no shell reads them.
    folder
        Working directory.
    output
        File for what it prints, standard error included.
    environment
        What to change in this process' environment; variables of this Python are removed.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with output.open("wb") as log:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**kept, **(environment or {})},
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        return process.wait()


def read_text(path: Path) -> str:
    """Return the text of a program's file, whatever bytes are in it; empty if there is none."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def last_words(text: str) -> str:
    """Return the last line with a letter or digit, at most 200 characters."""
    lines = [line.strip() for line in text.splitlines() if any(c.isalnum() for c in line)]
    return lines[-1][:200] if lines else ""


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
