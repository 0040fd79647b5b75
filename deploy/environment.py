"""Prefect's settings: few messages, long timeouts, no telemetry, and only the loopback interface."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

PREFECT_DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",  # a loaded machine needs more than the usual 20 s
    "PREFECT_LOGGING_LEVEL": "CRITICAL",  # errors reach the user as one sentence, not as a log
}

RUN_LOGS = {
    "PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "INFO",
    "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "INFO",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
}
"""With these the logs of runs go to Prefect's pages all the same, and not to the terminal."""


def set_prefect_defaults() -> None:
    """Set what the user has not set. Call it before the first import of Prefect."""
    ours = PREFECT_DEFAULTS if "PREFECT_LOGGING_LEVEL" in os.environ else PREFECT_DEFAULTS | RUN_LOGS
    for name, value in ours.items():
        os.environ.setdefault(name, value)
    if not os.environ.get("PREFECT_HOME") and (folder := prefect_home()) is not None:
        os.environ["PREFECT_HOME"] = str(folder)


def prefect_home() -> Path | None:
    """Return the folder of Prefect's database: ``PREFECT_HOME``, else the usual one, else one of the user's own.

    None where none of them can be written to.
    """
    if named := os.environ.get("PREFECT_HOME"):
        return Path(named) if _is_writable(Path(named)) else None
    try:
        usual = Path.home() / ".prefect"
    except RuntimeError:  # the user has no home at all
        return _own_folder()
    return usual if _is_writable(usual) else _own_folder()


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _own_folder() -> Path | None:
    """Return a folder of the temporary folder that is this user's alone; None where there can be none."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    try:
        folder = Path(tempfile.gettempdir()) / f"nmer-prefect-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    mine = stat.S_ISDIR(found.st_mode) and (not hasattr(os, "getuid") or found.st_uid == user)
    return folder if mine and not found.st_mode & 0o077 else None
