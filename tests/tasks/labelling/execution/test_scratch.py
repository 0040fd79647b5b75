"""Scratch folders: a lock says whether one is in use, wherever and under whatever number its maker runs."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tasks.labelling.execution.scratch import LOCK, label_folder, sweep_scratch
from tests.conftest import ROOT, sources, until

HOLDER = """
import subprocess, sys
from pathlib import Path
from tasks.labelling.execution.scratch import label_folder
with label_folder(Path(sys.argv[1])) as folder:
    print(folder, flush=True)
    nothing = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    program = subprocess.Popen(["sleep", "600"], cwd=folder, start_new_session=True, **nothing)
    print(program.pid, flush=True)
    sys.stdin.read()
"""


class Holder:
    """A worker of its own with a program that it has started, which outlives it."""

    def __init__(self, scratch: Path, *before: str) -> None:
        self.process = subprocess.Popen(
            [*before, sys.executable, "-c", HOLDER, str(scratch)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.folder = Path(self.process.stdout.readline().strip())
        self.program = int(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_for(pid: int) -> None:
    until(lambda: not alive(pid), 10.0)


def test_what_a_killed_worker_left_is_swept_and_its_program_ended(tmp_path: Path) -> None:
    living, dead = Holder(tmp_path), Holder(tmp_path)
    try:
        sweep_scratch(tmp_path)
        assert living.folder.is_dir() and dead.folder.is_dir() and alive(dead.program)
        dead.kill()
        sweep_scratch(tmp_path)
        wait_for(dead.program)
        assert not dead.folder.exists() and not alive(dead.program)
        assert living.folder.is_dir() and alive(living.program)
    finally:
        living.process.communicate("")
        os.kill(living.program, signal.SIGKILL)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_in_another_container_is_left_alone(tmp_path: Path) -> None:
    """Its process has a number that nobody has here, and its host the same name."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only the superuser can make a namespace of process numbers")
    living = Holder(tmp_path, "unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    try:
        assert living.program < 100, "a number of its own namespace"
        sweep_scratch(tmp_path)
        assert living.folder.is_dir() and living.process.poll() is None
        assert Path(living.folder / LOCK).exists()
    finally:
        living.kill()

    def swept() -> bool:
        sweep_scratch(tmp_path)
        return not living.folder.exists()

    assert until(swept, 20.0)


def test_a_program_in_a_folder_of_the_same_path_elsewhere_is_left_alone(tmp_path: Path) -> None:
    """In another mount namespace the path is another folder."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only the superuser can make a namespace of mounts")
    dead = Holder(tmp_path)
    there = dead.folder
    code = f"mount -t tmpfs none {tmp_path} && mkdir {there} && cd {there} && echo ready && exec sleep 99"
    words = ["unshare", "--mount", "sh", "-c", code]
    other = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        if other.stdout.readline() != "ready\n":
            pytest.skip("nothing can be mounted here")
        assert os.readlink(f"/proc/{other.pid}/cwd").endswith(dead.folder.name)
        dead.kill()
        sweep_scratch(tmp_path)
        assert not dead.folder.exists() and other.poll() is None
        wait_for(dead.program)
        assert not alive(dead.program)
    finally:
        other.kill()
        other.wait()


def test_names_of_hosts_and_numbers_of_processes_decide_nothing(tmp_path: Path) -> None:
    """A folder that looks like one of a dead process, as the first releases named them, is in use."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    old = tmp_path / f"nmer-label-{os.uname().nodename}-{ended.pid}-abcd"
    old.mkdir()
    (old / "stderr").write_text("")
    locked = tmp_path / "nmer-label-xyz"
    locked.mkdir()
    with (locked / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        sweep_scratch(tmp_path)
        assert old.is_dir() and locked.is_dir()
    sweep_scratch(tmp_path)
    assert old.is_dir() and not locked.exists()


def test_a_folder_without_a_lock_is_swept_when_it_is_empty_and_old(tmp_path: Path) -> None:
    new, old = tmp_path / "nmer-label-new", tmp_path / "nmer-label-old"
    for folder in (new, old):
        folder.mkdir()
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    sweep_scratch(tmp_path)
    assert new.is_dir() and not old.exists()


def test_many_make_and_sweep_at_once(tmp_path: Path) -> None:
    """Whoever has a folder has it until the end, and nothing is left."""
    wrong: list[str] = []
    over = threading.Event()

    def work() -> None:
        for number in range(60):
            with label_folder(tmp_path) as folder:
                (folder / "input").write_text(str(number))
                if not (folder / "input").exists() or not (folder / LOCK).exists():
                    wrong.append(str(folder))

    def sweep() -> None:
        while not over.is_set():
            sweep_scratch(tmp_path)

    workers = [threading.Thread(target=work) for _ in range(4)]
    sweeper = threading.Thread(target=sweep)
    for thread in (*workers, sweeper):
        thread.start()
    for thread in workers:
        thread.join()
    over.set()
    sweeper.join()
    sweep_scratch(tmp_path)
    assert not wrong
    assert [p for p in tmp_path.iterdir() if any(p.iterdir())] == []


HOME_MADE = re.compile(r"\.tmp\"|getpid\(\)\}|gethostname\(\)\}")
ALLOWED = {
    "storage/durable.py": "makes the names",
    "storage/removal.py": "finds what is left",
    "storage/file_system.py": "says who holds a lock",
    "storage/store.py": "finds what is left",
    "storage/spool.py": "a file for good, made exclusively",
}


def test_no_temporary_name_is_made_by_hand() -> None:
    """Names with a process number or a host are shared by containers and hosts; `temporary_for` makes them."""
    assert {path for path, text in sources().items() if HOME_MADE.search(text)} <= set(ALLOWED)
