"""A real Slurm of one node on this machine's loopback interface, for the tests that submit jobs."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import free_port, until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")

CONFIGURATION = """
ClusterName=nmer
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000 State=UNKNOWN
PartitionName=short Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@pytest.fixture(scope="session")
def slurm() -> Iterator[Callable[..., str]]:
    """Start munge and Slurm in a folder of their own; return a function that runs their commands.

    ``SLURM_CONF`` is set while they run. Everything that they started is ended by its process number.
    """
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if lacking or os.geteuid() != 0:
        pytest.skip(f"a Slurm of its own needs root and {', '.join(lacking) or 'nothing more'}")
    folder = Path(tempfile.mkdtemp(prefix="nmer-slurm-", dir="/tmp"))  # the socket's path must be short
    with pytest.MonkeyPatch.context() as patch:
        started: list[subprocess.Popen[bytes]] = []
        try:
            _write(folder)
            patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
            socket_file = folder / "munge.socket"
            files = [f"--{name}-file={folder}/munged.{name}" for name in ("log", "pid", "seed")]
            started.append(
                _start("munged", "-F", f"--key-file={folder}/munge.key", f"--socket={socket_file}", *files)
            )
            _wait(socket_file.exists, "munged")
            started.append(_start("slurmctld", "-D", "-f", str(folder / "slurm.conf")))
            started.append(_start("slurmd", "-D", "-f", str(folder / "slurm.conf")))
            _wait(lambda: "idle" in _command("sinfo", "--noheader", "--format=%T"), "slurmd")
            yield _command
        finally:
            _stop(started)
            shutil.rmtree(folder, ignore_errors=True)


def _write(folder: Path) -> None:
    folder.chmod(0o755)  # munge wants everybody to reach its socket
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    host = socket.gethostname().split(".")[0]
    text = CONFIGURATION.format(host=host, folder=folder, ports=[free_port(), free_port()])
    (folder / "slurm.conf").write_text(text)


def _start(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _command(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout if done.returncode == 0 else done.stderr


def _wait(ready: Callable[[], bool], what: str) -> None:
    if not until(ready):
        pytest.fail(f"{what} did not start")


def _stop(started: list[subprocess.Popen[bytes]]) -> None:
    if len(started) == 3:
        _command("scancel", "--user=root")
        until(lambda: not _command("squeue", "--noheader").strip(), 20)
    every = [p for one in started if psutil.pid_exists(one.pid) for p in _family(one.pid)]
    for daemon in reversed(started):
        daemon.terminate()
        try:
            daemon.wait(timeout=10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
    for process in psutil.wait_procs(every, timeout=5)[1]:  # what slurmd had started and left
        process.kill()


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
