"""The process that computes labels, one after the other: ``python -P -m tasks.labelling.execution.child``.

It reads one JSON object from standard input, ``{"engine": name, "parent": pid, "labels": [[job, ...], ...]}``,
and writes one JSON line to standard output for each finished job, in order. It stops a label at its first job
that is not ok, because the n-body energy needs all of them, and continues with the next label. Its parent
enforces the limits on time and memory. It ends when the parent ends, and ignores SIGTERM.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import time
from dataclasses import asdict, replace
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.labelling.engines.interface import Result

_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Run the jobs that standard input holds; return the exit code."""
    # A batch system that ends a job sends SIGTERM to all its processes while the worker still reports results: a
    # label that ended then would be recorded as failed. This process ends with its parent.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    request = json.load(sys.stdin)
    die_with_parent(int(request["parent"]))
    output = own_output()
    run_jobs(request, output)
    return 0


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process when its parent ends; on systems other than Linux, poll for it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        threading.Thread(target=_watch_parent, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it ended before the call above
        os._exit(1)


def own_output() -> IO[str]:
    """Return standard output for results alone; all other output goes to standard error."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return output


def run_jobs(request: dict[str, Any], output: IO[str]) -> None:
    """Run the labels' jobs in order and write one line each, as soon as it has ended.

    A line holds the fields of `Result` and ``label`` (its place in the request), ``part``, ``cpu_seconds``
    and ``wall_seconds`` (the first job's include the start of the process), and ``memory`` (peak of the
    process so far, GiB). CPU time and memory include programs that the engine starts.
    """
    from tasks.labelling.engines.interface import FAILED, OK, Job, Result
    from tasks.labelling.engines.registry import new_engine

    engine = new_engine(request["engine"])
    cpu_before, wall_before = 0.0, time.monotonic()
    for number, jobs in enumerate(request["labels"]):
        for values in jobs:
            job = Job.from_json(values)
            result = engine.run(job)
            cpu, wall = cpu_time(), time.monotonic()
            more = {
                "label": number,
                "part": job.part,
                "cpu_seconds": round(cpu - cpu_before, 4),
                "wall_seconds": round(wall - wall_before, 4),
                "memory": round(peak_memory(), 4),
            }
            try:
                line = json.dumps(_stored(result) | more, allow_nan=False)
            except (TypeError, ValueError) as error:
                result = Result(FAILED, f"the engine's result cannot be stored: {error}")
                line = json.dumps(_stored(result) | more)
            output.write(line + "\n")
            output.flush()
            cpu_before, wall_before = cpu, wall
            if result.status != OK:
                break


def _stored(result: Result) -> dict[str, Any]:
    """Return a result as the spool keeps it: its gradient, if there is one, as text of the same bits."""
    from storage.gradients import encode_gradient

    found = asdict(replace(result, gradient=None))
    del found["gradient"]
    return found if result.gradient is None else found | {"gradient": encode_gradient(result.gradient)}


def cpu_time() -> float:
    """Return the CPU time of this process and of the programs it ran, s."""
    import resource

    programs = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + programs.ru_utime + programs.ru_stime


def peak_memory() -> float:
    """Return the largest resident memory so far of this process or of a program it ran, GiB."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    own, programs = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    if sys.platform == "linux":  # there ru_maxrss counts what the parent had when it started this process
        with open("/proc/self/status", encoding="ascii") as status:
            own = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    return max(own, programs) * unit / 1024**3


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
