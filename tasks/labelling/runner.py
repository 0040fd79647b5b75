"""Run the process of one label within limits of wall time and memory, and pass on each result at once."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import psutil

import tasks
from tasks.labelling.engine import FAILED, OK, OUT_OF_MEMORY, TIMEOUT, Job

POLL = 0.1
"""Seconds between two looks at a label's memory."""

_GIB = 1024**3
_FOLDER = "label-"


@dataclass(frozen=True)
class Limits:
    """What one label may use.

    Attributes
    ----------
    timeout
        Wall time of the process, s.
    memory
        Resident memory of the process, GiB.
    """

    timeout: float
    memory: float


def run_label(engine: str, jobs: Sequence[Job], limits: Limits, scratch: Path) -> Iterator[dict[str, Any]]:
    """Run jobs in a process of their own and yield one entry for each that ended.

    Parameters
    ----------
    engine
        Name of the engine.
    jobs
        The sub-calculations, in order.
    limits
        Limits of the process; whoever crosses one is killed with its whole process group.
    scratch
        Folder for the engine's temporary files; a folder for this label is made in it, and removed.

    Yields
    ------
    dict
        What `tasks.labelling.child.run_jobs` writes. If the process ended before its jobs, the last entry is
        the job it was at, with status ``timeout``, ``out-of-memory`` or ``failed``, and the reason.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{socket.gethostname()}-{os.getpid()}-", dir=scratch))
    try:
        with (folder / "stderr").open("w+b") as stderr:
            yield from _run(engine, jobs, limits, folder, stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep_scratch(scratch: Path) -> None:
    """Remove the folders that processes of this host left in the scratch folder when they were killed."""
    for folder in scratch.glob(f"{_FOLDER}{socket.gethostname()}-*-*"):
        pid = folder.name.rsplit("-", 2)[1]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def child_environment(scratch: Path) -> dict[str, str]:
    """Return the environment of a label's process: one thread, the house on the path, scratch for files."""
    house = str(Path(tasks.__file__).resolve().parents[1])
    environment = dict(os.environ)
    others = [p for p in environment.get("PYTHONPATH", "").split(os.pathsep) if p and p != house]
    environment |= {
        "PYTHONPATH": os.pathsep.join([house, *others]),
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


def _run(
    engine: str, jobs: Sequence[Job], limits: Limits, folder: Path, stderr: IO[bytes]
) -> Iterator[dict[str, Any]]:
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tasks.labelling.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        cwd=folder,
        env=child_environment(folder),
        start_new_session=True,  # a process group of its own, to be killed as one
    )
    assert process.stdin is not None and process.stdout is not None
    lines: queue.Queue[bytes | None] = queue.Queue()
    reader = threading.Thread(target=_read_lines, args=(process.stdout, lines), daemon=True)
    reader.start()
    request = {"engine": engine, "parent": os.getpid(), "jobs": [asdict(job) for job in jobs]}
    waiting = [job.part for job in jobs]
    killed: tuple[str, str] | None = None
    try:
        _send(process.stdin, request)
        while True:
            try:
                line = lines.get(timeout=POLL)
            except queue.Empty:
                killed = killed or _crossed_limit(process, limits, start)
                if killed:
                    _kill_group(process)
                continue
            if line is None:
                break
            entry = json.loads(line)
            waiting.remove(entry["part"])
            yield entry
            if entry["status"] != OK:
                return
        code = _exit_code(process)
    finally:
        _kill_group(process)
        process.wait(timeout=60)
        reader.join(timeout=60)
        process.stdout.close()
    if waiting:
        status, reason = killed or (FAILED, _death(code, stderr))
        wall = round(time.monotonic() - start, 3)
        yield {"part": waiting[0], "status": status, "reason": reason, "wall_seconds": wall}


def _send(stdin: IO[bytes], request: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):  # it died at once; its exit code and last words tell the reason
        stdin.write(json.dumps(request).encode())
        stdin.close()


def _read_lines(stdout: IO[bytes], lines: queue.Queue[bytes | None]) -> None:
    for line in stdout:
        if line.endswith(b"\n"):
            lines.put(line)
    lines.put(None)


def _crossed_limit(process: subprocess.Popen[bytes], limits: Limits, start: float) -> tuple[str, str] | None:
    if time.monotonic() - start > limits.timeout:
        return TIMEOUT, f"took longer than {limits.timeout:g} s"
    try:
        used = psutil.Process(process.pid).memory_info().rss / _GIB
    except psutil.Error:
        return None
    if used > limits.memory:
        return OUT_OF_MEMORY, f"used more than {limits.memory:g} GiB"
    return None


def _exit_code(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(timeout=60)
    except subprocess.TimeoutExpired:  # it has said its last word and yet does not end
        _kill_group(process)
        return process.wait(timeout=60)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is not None:
        return  # its number may belong to somebody else by now
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _death(code: int, stderr: IO[bytes]) -> str:
    stderr.seek(0)
    words = stderr.read()[-4000:].decode(errors="replace").strip().splitlines()
    last = f": {words[-1].strip()[:300]}" if words else ""
    if code < 0:
        name = signal.Signals(-code).name
        hint = " (the system may have run out of memory)" if -code == signal.SIGKILL else ""
        return f"its process was ended by {name}{hint}{last}"
    return f"its process ended with exit code {code}{last}"


def _has_haswell_kernels() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text().split("flags", 1)[1].split("\n", 1)[0].split()
    except (OSError, IndexError):
        return False
    return "avx2" in flags and "fma" in flags
