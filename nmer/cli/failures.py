"""What the command line says of failures that no part of nmer has put into a sentence."""

from __future__ import annotations

import errno
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
GIVEN = (
    *(errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY),
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP),
)
"""Errors of a path that a user gave, as a rule."""


def os_failure(error: OSError) -> tuple[int, str]:
    """Return the exit code and the sentence for an error of the operating system."""
    if error.errno in FULL:
        return 1, "the disk is full; what is finished is kept: make room and run the same command again"
    what = error.strerror or " ".join(str(error).split()) or type(error).__name__
    where = f"'{os.fsdecode(error.filename)}': " if isinstance(error.filename, str | bytes) else ""
    if error.errno in GIVEN and where:
        return 2, f"{where}{what}"
    return 1, f"{where}{what}; what is finished is kept: see that the file system works, and run the command again"


def bug_report(error: Exception, words: Sequence[str]) -> str:
    """Write a log of an error that nobody expected, and return the sentence that names it.

    Parameters
    ----------
    error
        The error.
    words
        The words of the command line.
    """
    said = " ".join(str(error).split())[:300]
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    lines = [
        f"nmer {version('nmer')}, Python {sys.version}, {platform.platform()}\n",
        f"nmer {' '.join(map(ascii, words))}\n\n",
        *traceback.format_exception(error),
    ]
    try:
        path = _write_log("".join(lines))
    except OSError as failure:
        return f"an error that nmer does not know ({what}), and its log could not be written ({failure.strerror})"
    return f"an error that nmer does not know ({what}); please report it with the log {path}"


def _write_log(text: str) -> Path:
    handle, name = tempfile.mkstemp(prefix="nmer-error-", suffix=".log")  # readable by the user alone
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return Path(name)
