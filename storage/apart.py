"""A separate process that reads HDF5 files: a damaged file can crash HDF5, hang it, or exhaust the memory.

It is a new Python interpreter, so that a script that reads a potential needs no guard of its main module.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, TypeVar

from potentials.errors import StageError, StoppedError

Result = TypeVar("Result")

START = 120.0
"""Time that the process may take to start, and beyond the time given to read a file, s."""

GIB = 2**30

_CODE = "import sys; from storage.apart import serve; serve(int(sys.argv[1]))"


class CrashedError(StageError):
    """The call crashed, did not end in time, or needed too much memory; the message says which."""


class HelperError(StoppedError):
    """The process does not work, for a reason unrelated to the file."""


class KilledError(HelperError):
    """The process was killed from outside, also in a second attempt."""


class Apart(AbstractContextManager["Apart"]):
    """Calls functions in a separate process, which is restarted after a crash. A context manager."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._ours: Connection[Any, Any] | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._turn = threading.Lock()
        self._owner = os.getpid()

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        self._end()
        self._errors.close()

    def call(
        self,
        function: Callable[..., Result],
        *values: Any,
        seconds: float = 0.0,
        memory: float | None = None,
    ) -> Result:
        """Call a function in the process and return its result.

        Parameters
        ----------
        function
            A function of a module.
        values
            Its arguments; these and the result are sent from process to process.
        seconds
            Time limit beyond `START`.
        memory
            Limit on the memory beyond that of the process, bytes; None: no limit. Enforced on Linux only.

        Raises
        ------
        CrashedError
            If the process crashed, did not end in time, or needed more memory.
        HelperError
            If the process cannot be started, or cannot import the function.
        Exception
            What the function raises.
        """
        with self._turn:
            request = (function, values, START + seconds, memory)
            try:
                how, result = self._answer(request)
            except KilledError:  # usually by the system or an administrator, not because of the file
                how, result = self._answer(request)
            if how == "memory":
                self._end()
                raise CrashedError(f"HDF5 needs more than {(memory or 0.0) / GIB:.1f} GiB of memory to read it")
            if how == "helper":
                raise HelperError(f"the process that reads HDF5 files does not work: {result}")
            if how == "error":
                raise result
            found: Result = result
            return found

    def _answer(self, request: tuple[Any, ...]) -> tuple[str, Any]:
        ours = self._running()
        try:
            ours.send(request)
            if not ours.poll(request[2]):
                self._end()
                raise CrashedError(f"HDF5 had not read it after {request[2]:.0f} s")
            answer: tuple[str, Any] = ours.recv()
            return answer
        except (EOFError, OSError):
            assert self._process is not None
            with suppress(subprocess.TimeoutExpired):  # it is about to end
                self._process.wait(timeout=10.0)
            code, said = self._process.poll(), self._last_line()
            self._end()
            if code == -signal.SIGKILL:
                raise KilledError(
                    "the process that reads HDF5 files was killed; the system may have run out of memory"
                ) from None
            if code is not None and code >= 0:
                raise HelperError(f"the process that reads HDF5 files has ended{said}") from None
            raise CrashedError("HDF5 crashes when it reads it") from None

    def _running(self) -> Connection[Any, Any]:
        if self._owner != os.getpid():  # after a fork, the process belongs to the parent
            self._process, self._ours, self._owner = None, None, os.getpid()
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        if self._process is not None and self._process.poll() is not None:
            self._end()  # it ended while idle
        return self._start() if self._ours is None else self._ours

    def _start(self) -> Connection[Any, Any]:
        house = str(Path(__file__).resolve().parents[1])
        others = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and p != house]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([house, *others]),
            "PYTHONSAFEPATH": "1",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "HDF5_PLUGIN_PRELOAD": "::",  # no filter is loaded from a library that a file names
        }
        ours, theirs = Pipe()
        self._errors.seek(0)
        self._errors.truncate()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _CODE, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
                env=environment,
                start_new_session=True,  # Ctrl-C is handled by the parent
            )
        except OSError as error:
            raise HelperError(f"no process can be started to read HDF5 files: {error.strerror}") from None
        finally:
            theirs.close()
        self._ours = ours
        try:
            ready = ours.poll(START) and ours.recv() == "ready"
        except (EOFError, OSError):
            ready = False
        if not ready:
            said = self._last_line()
            self._end()
            raise HelperError(f"the process that reads HDF5 files does not start{said}")
        return ours

    def _last_line(self) -> str:
        with suppress(OSError):
            self._errors.seek(0)
            words = self._errors.read()[-4000:].decode(errors="replace").strip().splitlines()
            return f": {words[-1].strip()[:300]}" if words else ""
        return ""

    def _end(self) -> None:
        if self._ours is not None:
            self._ours.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._ours = self._process = None


_shared: Apart | None = None
_making = threading.Lock()


def reader() -> Apart:
    """Return the process that reads files for this one; it starts at its first call and ends with this process."""
    global _shared
    with _making:
        if _shared is None:
            _shared = Apart()
        return _shared


def serve(number: int) -> None:
    """Answer calls received through a file descriptor until the other side closes it."""
    with suppress(ImportError, ValueError, OSError):  # missing on Windows, or not allowed
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import h5py  # noqa: F401 - before the memory limit is set

    connection: Connection[Any, Any] = Connection(number)
    connection.send("ready")
    while True:
        try:
            function, values, seconds, memory = connection.recv()
        except EOFError:
            return
        except Exception as error:  # what the call needs cannot be imported here
            connection.send(("helper", f"{type(error).__name__}: {' '.join(str(error).split())}"))
            continue
        signal.alarm(int(seconds) + 60)  # the caller has stopped waiting by then
        try:
            with _limited(memory):
                answer = ("good", function(*values))
        except MemoryError:
            answer = ("memory", None)
        except Exception as error:  # it is raised on the other side
            answer = ("error", error)
        signal.alarm(0)
        try:
            connection.send(answer)
        except (BrokenPipeError, ConnectionResetError):
            return


@contextmanager
def _limited(memory: float | None) -> Iterator[None]:
    """Limit the memory of this process beyond what it uses now, where the system supports that."""
    if memory is None or sys.platform != "linux":
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    wanted, hard = pages * os.sysconf("SC_PAGESIZE") + int(memory), before[1]
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
