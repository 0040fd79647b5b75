"""Folders for the temporary files of labels: one for each process, which a lock protects while it is in use.

Whether somebody still uses a folder, the kernel knows: its maker holds a lock on a file in it, which ends with the
maker, however it ends. The number of the maker's process says nothing in another container or on another host.
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
"""The file with the lock, in the folder; it holds the name of the kernel that knows of the lock."""

STARTING = 3600.0
"""Seconds after which an empty folder without a lock is one whose maker died before it had it."""

_PREFIX = "nmer-label-"


@contextmanager
def label_folder(scratch: Path) -> Iterator[Path]:
    """Make a folder of one's own for the files of labels, and remove it at the end.

    Parameters
    ----------
    scratch
        Where it is made; it is made too.

    Raises
    ------
    OSError
        If there is no room for it.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    folder, lock = _locked_folder(scratch)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep_scratch(scratch: Path) -> None:
    """Clean up after workers that were killed: end what still runs in their folders, and remove those.

    An engine's program dies with its parent; the programs that it has started itself may not. Folders whose lock
    is held stay, and so do those of which this kernel cannot know whether it is.
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
    """Return a new folder and the descriptor that holds its lock; without locks nobody sweeps either."""
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
        except BlockingIOError:  # somebody sweeps, and has seen the file before it was locked
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
    """Return a descriptor with the lock on a folder that nobody uses; None if somebody may."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        with suppress(OSError):  # a folder that is not empty stays
            if folder.stat().st_mtime < time.time() - STARTING:
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
    """Return whether a name still leads to an open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except OSError:
        return False


def _kernel() -> str:
    """Return what names the running kernel: its containers share it and its locks, and no other host has it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _works_in(pid: int, place: str | None, folder: Path) -> bool:
    """Return whether a process works in a folder or below; in its container the path may be another one."""
    if not place or not Path(place).is_relative_to(folder):
        return False
    if not Path("/proc/self/cwd").exists():
        return True
    up = ["/.."] * len(Path(place).relative_to(folder).parts)
    try:
        return os.path.samestat(os.stat(f"/proc/{pid}/cwd{''.join(up)}"), os.stat(folder))
    except OSError:
        return False
