"""A task on a worker: run the process of some labels and write each finished part to the spool at once."""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage.spool import SpoolRange, SpoolWriter
from tasks.labelling.engines.interface import Job
from tasks.labelling.execution.runner import Limits, run_labels
from tasks.labelling.execution.scratch import sweep_scratch

open_spools: dict[tuple[int, int, Path], SpoolWriter] = {}
"""The spool file of this process and thread for each folder; a forked process gets one of its own."""


@dataclass(frozen=True)
class LabelWork:
    """One label to compute.

    Attributes
    ----------
    configuration
        Its id.
    jobs
        The parts that are missing.
    """

    configuration: str
    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class LabelTask:
    """Labels to compute in one process, as sent to a worker; for most engines one label.

    Attributes
    ----------
    labels
        The labels, in the order in which they are computed.
    protocol
        Id of the protocol.
    engine
        Name of the engine.
    system
        Formulas of the n-mer's fragments.
    limits
        Limits of each label.
    spool
        Folder of the spool files; on a cluster, on the shared file system.
    scratch
        Folder for temporary files; it may be local to the worker.
    """

    labels: tuple[LabelWork, ...]
    protocol: str
    engine: str
    system: str
    limits: Limits
    spool: Path
    scratch: Path


@dataclass
class Finished:
    """The result of a task.

    Attributes
    ----------
    entries
        One ledger entry for each part that ended.
    seen
        Their range in the spool.
    error
        Why the task ended early, if not because of a label. If the spool could not be written, some of `entries`
        are stored nowhere else.
    """

    entries: list[dict[str, Any]] = field(default_factory=list)
    seen: SpoolRange | None = None
    error: BaseException | None = None


def run_task(task: LabelTask) -> Finished:
    """Compute labels; each part that ended is in the spool before the process is checked again."""
    writer, finished = _spool_writer(task), Finished()
    start = writer.end
    ended = run_labels(task.engine, [label.jobs for label in task.labels], task.limits, task.scratch)
    try:
        for group in ended:
            entries = [make_entry(task, task.labels[place].configuration, values) for place, values in group]
            finished.entries += entries
            writer.extend(entries)
        finished.seen = SpoolRange(writer.path.name, start, writer.end)
    except OSError as error:  # no room in the spool, or for the temporary files
        finished.error = error
        ended.close()  # type: ignore[attr-defined]  # ends the process now
    return finished


def make_entry(task: LabelTask, configuration: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the ledger entry of one part: its result, when and where it ended, and under which limits."""
    return {
        **values,
        "configuration": configuration,
        "protocol": task.protocol,
        "system": task.system,
        "finished": time.time(),
        "host": socket.gethostname(),
        "limit_seconds": task.limits.timeout,
        "limit_memory": task.limits.memory,
    }


def _spool_writer(task: LabelTask) -> SpoolWriter:
    key = (os.getpid(), threading.get_ident(), task.spool)
    if key not in open_spools:  # the first task of this thread
        sweep_scratch(task.scratch)
        open_spools[key] = SpoolWriter(task.spool)
    return open_spools[key]
