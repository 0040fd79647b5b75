"""Prefect's settings: quiet, patient, offline, and bound to the loopback interface."""

from __future__ import annotations

import os

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
