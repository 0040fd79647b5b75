"""The exit code of the command line after an error, and the sentence that it prints."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cyclopts import Argument, CycloptsError, MissingArgumentError

from potentials.errors import AGAIN, NmerError

FULL = (errno.ENOSPC, errno.EDQUOT)
GIVEN = (
    *(errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY),
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP),
)
"""Errors that usually come from a path given by the user."""


def ending(error: BaseException, words: Sequence[str]) -> tuple[int, str]:
    """Return the exit code and the sentence for an error.

    Parameters
    ----------
    error
        The error. An unexpected one is written to a log, which the sentence names.
    words
        The words of the command line.
    """
    if isinstance(error, NmerError):
        return error.exit_code, str(error)
    if isinstance(error, ModuleNotFoundError):
        from nmer.cli.packages import is_missing

        if (missing := is_missing(error.name or "")) is not None:
            return missing.exit_code, str(missing)
    if isinstance(error, CycloptsError):
        return 2, _of_command_line(error)
    if isinstance(error, KeyboardInterrupt):
        return 130, f"interrupted; {AGAIN}"
    if isinstance(error, MemoryError):
        return 1, f"there is not enough memory; {AGAIN}"
    return _os_failure(error) if isinstance(error, OSError) else (1, _bug_report(error, words))


def _of_command_line(error: CycloptsError) -> str:
    """Return what is wrong with the words of a command line, and whose help says what is allowed."""
    text = str(error).rstrip(".")
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        name = error.keyword
        text = (
            f"{_shown(error.argument)} is missing"
            if name is None
            else f"{name} needs a value; one that begins with a dash is given as {name}=VALUE"
        )
    return f"{text}; see '{' '.join(['nmer', *(error.command_chain or ())])} --help'"


def _shown(argument: Argument) -> str:
    """Return the name of an argument as the help page writes it: SYSTEM by its place, or --from-smiles."""
    return argument.name if argument.index is None else argument.name.lstrip("-").upper()


def _os_failure(error: OSError) -> tuple[int, str]:
    if error.errno in FULL:
        return 1, f"the disk is full; free some space; {AGAIN}"
    what = error.strerror or " ".join(str(error).split()) or type(error).__name__
    where = f"'{os.fsdecode(error.filename)}': " if isinstance(error.filename, str | bytes) else ""
    if error.errno in GIVEN and where:
        return 2, f"{where}{what}"
    return 1, f"{where}{what}; check the file system; {AGAIN}"


def _bug_report(error: BaseException, words: Sequence[str]) -> str:
    """Write a log of an error, and return the sentence that names it."""
    import platform
    import traceback
    from importlib.metadata import version

    message = " ".join(str(error).split())[:300]
    what = f"{type(error).__name__}: {message}" if message else type(error).__name__
    lines = [
        f"nmer {version('nmer')}, Python {sys.version}, {platform.platform()}\n",
        f"nmer {' '.join(map(ascii, words))}\n\n",
        *traceback.format_exception(error),
    ]
    try:
        path = _write_log("".join(lines))
    except OSError as failure:
        return f"unexpected error ({what}), and its log could not be written ({failure.strerror})"
    return f"unexpected error ({what}); please report it with the log {path}"


def _write_log(text: str) -> Path:
    import tempfile

    handle, name = tempfile.mkstemp(prefix="nmer-error-", suffix=".log")  # readable by the user alone
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return Path(name)
