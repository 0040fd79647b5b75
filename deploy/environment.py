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


def set_prefect_defaults() -> None:
    """Set what the user has not set. Call it before the first import of Prefect."""
    for name, value in PREFECT_DEFAULTS.items():
        os.environ.setdefault(name, value)
