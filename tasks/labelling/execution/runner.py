"""Run labels in a process of their own within limits of time and memory, and pass on each result at once."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tasks.clock import Clock
from tasks.labelling.engines.interface import FAILED, OK, OUT_OF_MEMORY, TIMEOUT, Job
from tasks.labelling.execution.process import EngineProcess
from tasks.labelling.execution.scratch import label_folder

POLL = 0.1
"""Seconds between two checks of a label's memory."""

LONGEST_PAUSE = 5.0
"""Seconds between two checks above which this process, and the label with it, is taken to have been suspended."""

MIN_FREE_BYTES = 1024**2
"""Free bytes on the disk of temporary files below which a failure is attributed to a full disk."""

Entry = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """What one label may use.

    Attributes
    ----------
    timeout
        Wall time of one label, s; the start of the process counts as the first label's.
    memory
        Resident memory of the process and of the programs it starts, GiB.
    """

    timeout: float
    memory: float


@dataclass
class _Work:
    """A label that has not ended: its place in the request, the jobs left, and whether it was killed."""

    place: int
    jobs: deque[Job]
    killed: bool = False


def run_label(engine: str, jobs: Sequence[Job], limits: Limits, scratch: Path) -> Iterator[Entry]:
    """Run the jobs of one label and yield one entry for each that ended, as `run_labels` does."""
    for group in run_labels(engine, [jobs], limits, scratch):
        yield from (entry for _, entry in group)


def run_labels(
    engine: str, labels: Sequence[Sequence[Job]], limits: Limits, scratch: Path
) -> Iterator[list[tuple[int, Entry]]]:
    """Run labels one after the other in one process, and yield each result at once.

    Parameters
    ----------
    engine
        Name of the engine.
    labels
        The sub-calculations of each label, in order.
    limits
        Limits of each label; the process that crosses one is killed with its whole process group.
    scratch
        Folder for the engine's temporary files; a folder for these labels is made in it, and removed.

    Yields
    ------
    list
        Pairs of a label's place in `labels` and an entry as `tasks.labelling.execution.child.run_jobs` writes
        it: all that have come since the last yield. If a label's process ended before its jobs, its last entry
        is the job it was at, with status ``timeout``, ``out-of-memory``, or ``failed``, and the reason.

    Notes
    -----
    When a process dies or runs out of memory, an earlier label in it may be the cause. The label is tried again as
    the first of a new process, and only that result is recorded. SIGKILL comes from outside: from the kernel when
    other processes have used up the memory, or from an administrator. After a first SIGKILL a label is tried once
    more.

    Raises
    ------
    OSError
        If the disk of temporary files is full; no label is recorded as failed then.
    """
    work = deque(_Work(place, deque(jobs)) for place, jobs in enumerate(labels) if jobs)
    while work:
        with label_folder(scratch) as folder:
            yield from _one_process(engine, work, limits, folder)


def _one_process(
    engine: str, work: deque[_Work], limits: Limits, folder: Path
) -> Iterator[list[tuple[int, Entry]]]:
    """Run labels until all have ended or the process has; remove those that ended from the work."""
    head, places = work[0], [label.place for label in work]
    jobs = [[asdict(job) for job in label.jobs] for label in work]
    request = {"engine": engine, "parent": os.getpid(), "labels": jobs}
    clock = Clock(LONGEST_PAUSE)
    begun = looked = clock.now()
    crossed: tuple[_Work, Entry] | None = None
    with EngineProcess(request, folder) as process:
        while work:
            lines = process.lines(POLL)
            if lines is None:
                break
            ended: list[tuple[int, Entry]] = []
            for came, line in lines:
                entry = json.loads(line)
                ended.append((places[entry.pop("label")], entry))
                work[0].jobs.popleft()
                if entry["status"] != OK or not work[0].jobs:
                    work.popleft()
                    begun = clock.at(came)  # of the next one
            now = clock.now()
            if work and crossed is None and now - looked >= POLL:
                looked = now
                if why := _crossed_limit(process, limits, now - begun):
                    crossed = work[0], why
                    process.kill()
            if any(_disk_is_full(entry, folder) for _, entry in ended):
                yield [(place, entry) for place, entry in ended if entry["status"] == OK]
                raise _full(folder)
            if ended:
                yield ended
        if not work:
            return
        label = work[0]
        wall = round(clock.now() - begun, 3)
        if crossed is not None and crossed[0] is label:
            entry = crossed[1]
            try_again = entry["status"] == OUT_OF_MEMORY and label is not head
        elif crossed is not None:  # it had just begun when the process was killed for the label before it
            try_again = True
        else:
            entry = {"status": FAILED, "reason": process.exit_reason()}
            if _disk_is_full(entry, folder):
                raise _full(folder)
            killed = process.ended_by(signal.SIGKILL)
            try_again = label is not head or process.ended_by(signal.SIGTERM) or (killed and not label.killed)
            label.killed |= killed and label is head
    if not try_again:
        work.popleft()
        yield [(label.place, {"part": label.jobs[0].part, "wall_seconds": wall, **entry})]


def _disk_is_full(entry: Entry, folder: Path) -> bool:
    """Return whether a job failed because the disk of temporary files is full, whatever reason its engine gave."""
    if entry["status"] != FAILED:
        return False
    said = any(os.strerror(code) in str(entry.get("reason")) for code in (errno.ENOSPC, errno.EDQUOT))
    return said or shutil.disk_usage(folder).free < MIN_FREE_BYTES


def _full(folder: Path) -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder.parent))


def _crossed_limit(process: EngineProcess, limits: Limits, seconds: float) -> Entry | None:
    used = process.memory()
    if seconds > limits.timeout:
        end = {"status": TIMEOUT, "reason": f"took longer than {limits.timeout:g} s"}
    elif used > limits.memory:
        end = {"status": OUT_OF_MEMORY, "reason": f"used more than {limits.memory:g} GiB"}
    else:
        return None
    return {**end, "cpu_seconds": round(process.cpu_seconds(), 2), "memory": round(used, 4)}
