"""The type of file system of a folder, the journal that the label ledger needs there, and locks.

SQLite's write-ahead log shares memory between processes, which no network file system offers between hosts. There
the ledger keeps a rollback journal instead: slower, and just as safe.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
from contextlib import suppress
from pathlib import Path
from typing import Literal

import psutil
from filelock import FileLock, Timeout

from potentials.errors import InputError

Journal = Literal["wal", "rollback"]

VARIABLE = "NMER_LEDGER_JOURNAL"
"""Environment variable that decides the journal in the place of the file system: ``wal`` or ``rollback``."""

NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "gpfs", "beegfs", "panfs", "wekafs"),
        *("orangefs", "pvfs2", "glusterfs", "gfs2", "ocfs2"),  # shared between hosts
        *("9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "drvfs"),  # shared with a virtual machine
    }
)
"""Types of file system that several hosts may write to, or that a host shares with a virtual machine."""

_MOUNTS = Path("/proc/self/mountinfo")


def file_system(folder: Path, mountinfo: str) -> str:
    """Return the type of file system that a folder lies on; empty where it is not known.

    Parameters
    ----------
    folder
        An absolute path without links; it need not exist.
    mountinfo
        Text of ``/proc/self/mountinfo`` (proc(5)). Of several mounts on one place the last is on top.
    """
    found, depth = "", -1
    for line in mountinfo.splitlines():
        mount, _, rest = line.partition(" - ")
        words, kind = mount.split(), rest.split()
        if len(words) < 5 or not kind:
            continue
        place = Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), words[4]))
        if len(place.parts) >= depth and folder.is_relative_to(place):
            found, depth = kind[0], len(place.parts)
    return found


def is_network(kind: str) -> bool:
    """Return whether a type of file system is shared by hosts; every FUSE type counts as shared."""
    return kind in NETWORK or kind.startswith("fuse.")


def kind_of(folder: Path) -> str:
    """Return the type of file system of a folder on this machine; empty where it cannot be found out."""
    try:
        return file_system(folder.resolve(), _MOUNTS.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""


def journal_for(folder: Path) -> Journal:
    """Return the journal that a ledger in this folder needs.

    Raises
    ------
    InputError
        If the environment variable has another value than those allowed.
    """
    match os.environ.get(VARIABLE, ""):
        case "":
            return "rollback" if is_network(kind_of(folder)) else "wal"
        case "wal":
            return "wal"
        case "rollback":
            return "rollback"
        case other:
            raise InputError(f"{VARIABLE} is '{other}'; allowed: wal, rollback, or not set")


def network_note(folder: Path) -> str:
    """Return a note if a folder lies on a network file system, else an empty string."""
    kind = kind_of(folder)
    if not is_network(kind):
        return ""
    return (
        f"the store's labels lie on a network file system ({kind}): the ledger is kept with a rollback journal "
        "there; let one host write to the store at a time (docs/safety.md)"
    )


def take_lock(path: Path, busy: str, wait: float = 0.0) -> FileLock:
    """Return a lock on a file; the kernel releases it when this process ends, for whatever reason.

    Parameters
    ----------
    path
        The file; it is made, and a file beside it that names this process.
    busy
        Beginning of the message if another process holds the lock, which that process ends: ``FILE is in use by``.
    wait
        How long to wait for another process, s.

    Raises
    ------
    InputError
        If another process holds it (the message names that process), or the file system has no locks.
    OSError
        If the folder cannot be written.
    """
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_UN)  # filelock would leave a file that outlives a killed process
        except OSError as error:
            kind = kind_of(path.parent) or "unknown"
            raise InputError(
                f"'{path}' cannot be locked ({error.strerror}): its file system ({kind}) has no flock; mount it "
                "with locks (Lustre: option flock), or keep the store on another disk"
            ) from None
    lock = FileLock(path)
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        raise InputError(f"{busy} {_read_holder(path)}; wait for it to end") from None
    try:
        _holder(path).unlink(missing_ok=True)  # that of a killed process may be another user's
        _holder(path).write_text(f"process {os.getpid()} on {socket.gethostname()}\n")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):  # the lock holds without the name
            lock.release()
            raise
    return lock


def release_lock(lock: FileLock) -> None:
    """Release a lock that `take_lock` returned."""
    with suppress(OSError):
        _holder(Path(lock.lock_file)).unlink(missing_ok=True)
    lock.release()


def _holder(path: Path) -> Path:
    return path.with_name(f"{path.name}-holder")


def _read_holder(path: Path) -> str:
    """Return who holds a lock, for messages; the entry of a process that was killed is ignored."""
    try:
        who = _holder(path).read_text().strip()
    except OSError:
        return "another process"
    match = re.fullmatch(r"process (\d+) on (.+)", who)
    if not match or (match[2] == socket.gethostname() and not psutil.pid_exists(int(match[1]))):
        return "another process"
    return who
