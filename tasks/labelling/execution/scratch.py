"""Folders for the temporary files of labels: one for each process, which a lock protects while it is in use.

The process that makes a folder holds a lock on a file in it, and the kernel releases the lock when the process
ends in any way. A process id would not do: it has no meaning in another container or on another host.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from storage.file_system import is_network, kind_of

LOCK = "in-use"
"""The file with the lock, in the folder; it holds the boot id of the kernel that has the lock."""

UNLOCKED_AGE = 3600.0
"""Age from which an empty folder without a lock is removed: its maker ended before it locked the folder, s."""

_PREFIX = "nmer-label-"


@contextmanager
def label_folder(scratch: Path) -> Iterator[Path]:
    """Make a new folder for the temporary files of labels, and remove it at the end.

    Parameters
    ----------
    scratch
        The folder in which it is made; made as well if missing.

    Raises
    ------
    OSError
        If the disk is full.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    folder, lock = _locked_folder(scratch)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep_scratch(scratch: Path) -> None:
    """Clean up after workers that were killed: kill what still runs in their folders, and remove the folders.

    An engine's program ends with its parent; the programs that it has started itself may not. Folders whose lock
    is held are kept, and so are those whose lock this kernel does not know.
    """
    left: list[tuple[Path, int]] = []
    try:
        for folder in scratch.glob(f"{_PREFIX}*"):
            lock = _abandoned(folder)
            if lock is not None:
                left.append((folder.resolve(), lock))
        folders = [folder for folder, _ in left]
        for process in psutil.process_iter(["pid", "cwd"]) if left else ():
            if any(_works_in(process.info["pid"], process.info["cwd"], folder) for folder in folders):
                with suppress(psutil.Error):
                    process.kill()
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        for _, lock in left:
            os.close(lock)


def _locked_folder(scratch: Path) -> tuple[Path, int]:
    """Return a new folder and the descriptor that holds its lock; a file system without locks is never swept."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=scratch))
        try:
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileNotFoundError:  # swept already
            continue
        except OSError:
            folder.rmdir()
            raise
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another worker, cleaning up, locked the file first
            os.close(lock)
            continue
        except OSError:
            return folder, lock
        if _is_still(folder / LOCK, lock):
            with suppress(OSError):
                os.write(lock, _kernel().encode())
            return folder, lock
        os.close(lock)


def _abandoned(folder: Path) -> int | None:
    """Return a descriptor with the lock on a folder that is not in use; None if it may be."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        with suppress(OSError):  # a folder that is not empty stays
            if folder.stat().st_mtime < time.time() - UNLOCKED_AGE:
                folder.rmdir()
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        known = os.read(lock, 100).decode("ascii", "replace") == _kernel() or not is_network(kind_of(folder))
        if known and _is_still(folder / LOCK, lock):
            return lock
    except OSError:  # it is held, or there are no locks here
        pass
    os.close(lock)
    return None


def _is_still(path: Path, descriptor: int) -> bool:
    """Return whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except OSError:
        return False


def _kernel() -> str:
    """Return the boot id of the running kernel, which its containers share with its locks, and no other host."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _works_in(pid: int, place: str | None, folder: Path) -> bool:
    """Return whether a process works in a folder or below; in its container the path may mean another folder."""
    if not place or not Path(place).is_relative_to(folder):
        return False
    if not Path("/proc/self/cwd").exists():
        return True
    up = ["/.."] * len(Path(place).relative_to(folder).parts)
    try:
        return os.path.samestat(os.stat(f"/proc/{pid}/cwd{''.join(up)}"), os.stat(folder))
    except OSError:
        return False
