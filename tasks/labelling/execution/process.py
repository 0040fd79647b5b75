"""The process of an engine, seen from its parent: output, memory, CPU time, and exit."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

import psutil

import tasks

_GIB = 1024**3

KILL_DELAY = 1.0
"""Seconds to wait after a kill from outside: a batch system that ends a job kills the worker as well."""


class EngineProcess:
    """A process of `tasks.labelling.execution.child`, in a process group of its own, which ends with the context.

    Parameters
    ----------
    request
        What it reads from standard input.
    folder
        Its working directory, where it may write; its standard error goes into a file there.
    """

    def __init__(self, request: dict[str, Any], folder: Path) -> None:
        self._stderr = (folder / "stderr").open("w+b")
        self._lines: queue.SimpleQueue[tuple[float, bytes] | None] = queue.SimpleQueue()
        self._ended = False
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tasks.labelling.execution.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            cwd=folder,
            env=child_environment(folder),
            start_new_session=True,  # a process group of its own, to be killed as one
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        pipes = self._process.stdin, self._process.stdout
        self._reader = threading.Thread(target=self._exchange, args=(request, *pipes), daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
        self._process.wait(timeout=60)
        self._reader.join(timeout=60)
        self._stderr.close()

    def lines(self, timeout: float) -> list[tuple[float, bytes]] | None:
        """Return the lines that have come, each with the time (s, monotonic) when it did.

        Waits up to `timeout` seconds for the first; none came if the list is empty. None means that the
        process has closed its output.
        """
        found: list[tuple[float, bytes]] = []
        while not self._ended:
            try:
                line = self._lines.get(timeout=0.0 if found else timeout, block=not found)
            except queue.Empty:
                return found
            if line is None:
                self._ended = True
            else:
                found.append(line)
        return found or None

    def memory(self) -> float:
        """Return the resident memory of the process and of the programs it has started, GiB."""
        return sum(_resident(pid) for pid in self._process_tree()) / _GIB

    def cpu_seconds(self) -> float:
        """Return the CPU time of the process so far, with that of programs it ran and runs, s."""
        total = 0.0
        for pid in self._process_tree():
            with suppress(psutil.Error):
                total += sum(psutil.Process(pid).cpu_times()[:4])
        return total

    def kill(self) -> None:
        """End the process with everything that it has started."""
        if self._process.returncode is not None:
            return  # its process id may have been reused
        pids = list(self._process_tree())
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for pid in pids[1:]:  # a program may have left the group
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def ended_by(self, number: signal.Signals) -> bool:
        """Return whether a signal ended it; it ignores SIGTERM once its labels have begun."""
        return self._process.poll() == -number

    def exit_reason(self) -> str:
        """Return how the process ended, with the last line it wrote; after a minute of waiting it is killed."""
        try:
            code = self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:  # it has closed its output and does not end
            self.kill()
            code = self._process.wait(timeout=60)
        if code == -signal.SIGKILL:
            time.sleep(KILL_DELAY)  # a batch system that kills the whole job ends this process here
        self._stderr.seek(0)
        words = self._stderr.read()[-4000:].decode(errors="replace").strip().splitlines()
        last = f": {words[-1].strip()[:300]}" if words else ""
        if code < 0:
            name = signal.Signals(-code).name
            hint = " (the system may have run out of memory)" if -code == signal.SIGKILL else ""
            return f"its process was ended by {name}{hint}{last}"
        return f"its process ended with exit code {code}{last}"

    def _exchange(self, request: dict[str, Any], stdin: IO[bytes], stdout: IO[bytes]) -> None:
        with suppress(BrokenPipeError), stdin:  # it ended at once; exit code and standard error give the reason
            stdin.write(json.dumps(request).encode())
        with stdout:
            for line in stdout:
                if line.endswith(b"\n"):
                    self._lines.put((time.monotonic(), line))
        self._lines.put(None)

    def _process_tree(self) -> Iterator[int]:
        """Yield the process id and those of all its descendants."""
        left = [self._process.pid]
        while left:
            pid = left.pop(0)
            yield pid
            left += _children(pid)


def child_environment(scratch: Path) -> dict[str, str]:
    """Return the environment of a label's process: one thread, these packages on the path, scratch for files."""
    root = str(Path(tasks.__file__).resolve().parents[1])
    environment = dict(os.environ)
    others = [p for p in environment.get("PYTHONPATH", "").split(os.pathsep) if p and p != root]
    environment |= {
        "PYTHONPATH": os.pathsep.join([root, *others]),
        "PYTHONSAFEPATH": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "TMPDIR": str(scratch),
        "PYSCF_TMPDIR": str(scratch),
    }
    if _has_haswell_kernels():
        environment.setdefault("OPENBLAS_CORETYPE", "Haswell")  # the OpenBLAS of PySCF's wheel is of 2018
    return environment


def _children(pid: int) -> list[int]:
    """Return a process' children; Linux lists them without a scan of all processes."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        return [int(n) for t in threads for n in Path(f"/proc/{pid}/task/{t}/children").read_text().split()]
    except OSError:
        try:
            return [child.pid for child in psutil.Process(pid).children()]
        except psutil.Error:
            return []


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _has_haswell_kernels() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text().split("flags", 1)[1].split("\n", 1)[0].split()
    except (OSError, IndexError):
        return False
    return "avx2" in flags and "fma" in flags
