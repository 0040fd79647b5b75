"""What a worker does for one label: run its process, and put each finished part into the spool at once."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.spool import SpoolWriter
from tasks.labelling.engine import Job
from tasks.labelling.runner import Limits, run_label, sweep_scratch

_spools: dict[tuple[int, Path], SpoolWriter] = {}
"""The spool file of this process for each folder; the process id guards against a forked copy."""


@dataclass(frozen=True)
class LabelTask:
    """One label to compute, as it travels to a worker.

    Attributes
    ----------
    configuration, protocol
        Ids.
    engine
        Name of the engine.
    jobs
        The parts that are missing.
    limits
        Limits of the process.
    spool
        Folder of the spool files; on a cluster, on the shared file system.
    scratch
        Folder for temporary files; it may be local to the worker.
    """

    configuration: str
    protocol: str
    engine: str
    jobs: tuple[Job, ...]
    limits: Limits
    spool: Path
    scratch: Path


def run_task(task: LabelTask) -> list[dict[str, Any]]:
    """Compute a label and return one ledger entry for each part that ended; each is in the spool already."""
    writer = _spool_writer(task)
    entries = []
    for values in run_label(task.engine, task.jobs, task.limits, task.scratch):
        entry = make_entry(task, values)
        writer.append(entry)
        entries.append(entry)
    return entries


def make_entry(task: LabelTask, values: dict[str, Any]) -> dict[str, Any]:
    """Return the ledger entry of one part: what ended, how, when, where, and under which limits."""
    return {
        **values,
        "configuration": task.configuration,
        "protocol": task.protocol,
        "finished": time.time(),
        "host": socket.gethostname(),
        "limit_seconds": task.limits.timeout,
        "limit_memory": task.limits.memory,
    }


def worker_died(task: LabelTask, part: str, reason: str) -> dict[str, Any]:
    """Return the entry of a part whose worker died over it."""
    return make_entry(task, {"part": part, "status": "failed", "reason": reason})


def _spool_writer(task: LabelTask) -> SpoolWriter:
    key = (os.getpid(), task.spool)
    if key not in _spools:  # the first label of this process
        sweep_scratch(task.scratch)
        _spools[key] = SpoolWriter(task.spool)
    return _spools[key]
