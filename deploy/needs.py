"""What a machine needs to be used from here, and what of that is missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess

from deploy.machine import AnyMachine, BatchMachine, KubernetesMachine, SchedulerMachine
from potentials.errors import InputError

PROGRAMS = {
    "slurm": ("sbatch", "scancel"),
    "pbs": ("qsub", "qdel"),
    "lsf": ("bsub", "bkill"),
    "sge": ("qsub", "qdel"),
}
"""The programs that submit and cancel jobs, by batch system."""


def what_is_missing(machine: AnyMachine) -> str | None:
    """Return what a machine lacks to be used from here, in words that follow its name; None if nothing."""
    if isinstance(machine, BatchMachine):
        lacking = [name for name in PROGRAMS[machine.system] if shutil.which(name) is None]
        if lacking:
            return f"needs {' and '.join(lacking)} on the PATH; run nmer where jobs are submitted"
        if importlib.util.find_spec("dask_jobqueue") is None:
            return "needs dask-jobqueue: pip install 'nmer[hpc]'"
        if machine.system == "slurm" and not _slurm_nodes():
            return "needs a Slurm controller that answers; sinfo shows no node"
        names = {name for _, name in socket.if_nameindex()}
        wanted = machine.scheduler_interface or machine.interface
        if wanted and wanted not in names:
            return f"has interface '{wanted}', which is not on this machine; it has {', '.join(sorted(names))}"
    elif isinstance(machine, KubernetesMachine):
        if importlib.util.find_spec("dask_kubernetes") is None:
            return "needs dask-kubernetes: pip install 'nmer[kubernetes]'"
        if not machine.image:
            return "needs image in its profile: a container image that has nmer installed"
        if not machine.claim:
            return "needs claim in its profile: a volume claim that holds the store"
    elif isinstance(machine, SchedulerMachine) and not address_of(machine):
        return "needs an address: set DASK_SCHEDULER_ADDRESS, or address in a profile of your own"
    return None


def check_machine(name: str, machine: AnyMachine) -> None:
    """Raise InputError, one sentence, if a machine cannot be used from here."""
    if (missing := what_is_missing(machine)) is not None:
        raise InputError(f"machine '{name}' {missing}")
    if isinstance(machine, BatchMachine) and machine.system == "slurm" and not machine.interface:
        others = sorted(_slurm_nodes() - {socket.gethostname(), socket.gethostname().split(".")[0]})
        if others:
            names = ", ".join(sorted(name for _, name in socket.if_nameindex()))
            raise InputError(
                f"machine '{name}' runs jobs on other machines ({', '.join(others[:3])}"
                f"{', ...' if len(others) > 3 else ''}), which must reach this one: give interface in its profile,"
                f" here one of {names}"
            )


def address_of(machine: SchedulerMachine) -> str:
    """Return the scheduler's address: the profile's, else that of the environment."""
    return machine.address or os.environ.get("DASK_SCHEDULER_ADDRESS", "")


def _slurm_nodes() -> set[str]:
    """Return the host names of Slurm's nodes; none where it does not say."""
    try:
        words = ["sinfo", "--noheader", "--Node", "--format=%n"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return set()
    return set(done.stdout.split())
