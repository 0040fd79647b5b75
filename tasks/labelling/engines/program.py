"""Engines that are executables of their own: found on the path; they end with their parent and leave no files."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from tasks.labelling.engines.interface import Engine

_PR_SET_PDEATHSIG = 1


class ProgramEngine(Engine):
    """An engine whose program has the engine's name.

    Attributes
    ----------
    unknown
        What is missing where a program of that name does not report its version; ``{}``: its path.
    """

    unknown: ClassVar[str]

    @staticmethod
    @abstractmethod
    def version_of(program: Path) -> str | None:
        """Return the version that a program reports; None if it does not report one."""

    def available(self) -> str | None:
        """Return None if the program is on the path and reports its version, otherwise what is missing."""
        if lacking := super().available():
            return lacking
        path = program_path(self.name)
        return None if self.version_of(path) else self.unknown.format(path)

    def versions(self) -> dict[str, str]:
        """Return the program's version, as it reports it."""
        return {self.name: self.version_of(program_path(self.name)) or "unknown"}


def program_path(name: str) -> Path:
    """Return the path of the program that would run; raise FileNotFoundError if there is none."""
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"the program {name} is not on the path")
    return Path(found).absolute()  # ORCA looks for its other programs in its own folder


def ask_program(command: Sequence[str | Path], folder: Path | None = None, check: bool = False) -> str:
    """Return what a program prints within a minute; empty if it cannot be run, or where `check` is set, fails."""
    try:
        asked = subprocess.run(command, cwd=folder, check=check, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return ""
    return asked.stdout.decode("utf-8", "replace")


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
