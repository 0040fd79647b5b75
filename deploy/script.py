"""The script of a job: what is asked of the batch system, and how the workers in it start.

Whatever comes from a store or a recipe is quoted before a shell sees it. The lines of a profile's ``prologue`` and
``directives`` are the user's own shell and go in as they are.
"""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.cluster import DASK_SETTINGS, THREADS, WORKER_ENVIRONMENT
from deploy.dashboard import LOOPBACK
from deploy.machine import OVERHEAD, SPREAD, BatchMachine, FitJob, LabelJobs, Tls, clock
from deploy.tls import tls_settings

_GIB = 1024**3
_JOB_ID = {"slurm": "SLURM_JOB_ID", "pbs": "PBS_JOBID", "lsf": "LSB_JOBID", "sge": "JOB_ID"}
_MARK = {"slurm": "#SBATCH", "pbs": "#PBS", "lsf": "#BSUB", "sge": "#$"}
_NO_OUTPUT = {  # the script writes its own log, whatever the name of its folder
    "slurm": ("--output=/dev/null",),
    "pbs": ("-j oe", "-o /dev/null"),
    "lsf": ("-o /dev/null", "-e /dev/null"),
    "sge": ("-j y", "-o /dev/null", "-S /bin/bash"),
}


@dataclass(frozen=True)
class Work:
    """What a run asks of a machine.

    Attributes
    ----------
    name
        Of the n-mer.
    folder
        For logs, keys, and Dask's own files: ``scratch/dask`` in the store, which every job sees.
    workers
        Processes at once; 0 is as many as the machine's profile says.
    memory
        Of one label, GiB.
    seconds
        What a label is expected to take, s; None if that is not known.
    timeout
        The limit of a label, s.
    most
        The largest useful number of processes; 0: no limit.
    expected_memory, source
        Memory that a label is expected to need, GiB, None if that is not known; and how it is known.
    labels
        Whether labels are computed.
    fit_memory, fit_core_hours
        What the fit is expected to need, GiB and core-hours; None if it is not known or there is no fit.
    """

    name: str
    folder: Path
    workers: int
    memory: float
    seconds: float | None
    timeout: float
    most: int = 0
    expected_memory: float | None = None
    source: str = ""
    labels: bool = True
    fit_memory: float | None = None
    fit_core_hours: float | None = None


def job_count(jobs: LabelJobs | FitJob, work: Work) -> int:
    """Return how many jobs run at once: as many as hold the processes asked for."""
    if isinstance(jobs, FitJob):
        return 1
    wanted = math.ceil(work.workers / jobs.cores) if work.workers else jobs.jobs
    return min(wanted, math.ceil(work.most / jobs.cores)) if work.most else wanted


def job_memory(jobs: LabelJobs | FitJob, work: Work) -> float:
    """Return the memory of a job, GiB."""
    return jobs.memory or jobs.cores * (work.memory + OVERHEAD)


def lifetime(jobs: LabelJobs | FitJob, work: Work) -> tuple[int, int]:
    """Return after how many seconds a worker begins nothing new, and by how many that varies.

    What is left of the walltime then is enough for a label, as far as its time is known.
    """
    label = work.timeout if work.seconds is None else SPREAD * work.seconds
    margin = min(max(label, 60.0), jobs.seconds / 2)
    stagger = jobs.seconds / 20
    return round(max(jobs.seconds - margin - stagger, jobs.seconds / 4)), round(stagger)


def prologue(machine: BatchMachine, folder: Path, threads: int, tls: Tls | None) -> list[str]:
    """Return the lines of shell that come before the workers.

    Parameters
    ----------
    machine
        The machine.
    folder
        Where the log goes.
    threads
        Of the linear algebra in each process.
    tls
        Key files, or None.
    """
    log = f'{shlex.quote(str(folder))}/"job-${{{_JOB_ID[machine.system]}:-$$}}.log"'
    environment = WORKER_ENVIRONMENT | dict.fromkeys(THREADS, str(threads))
    settings = DASK_SETTINGS | {"distributed.nanny.pre-spawn-environ": environment}
    settings |= tls_settings(tls) if tls else {}
    lines = [f"mkdir -p {shlex.quote(str(folder))}", f"exec >>{log} 2>&1"]
    lines += [f"module load {shlex.quote(name)}" for name in machine.modules]
    if machine.conda:
        lines.append('source "$(conda info --base)/etc/profile.d/conda.sh"')
        lines.append(f"conda activate {shlex.quote(machine.conda)}")
    lines += machine.prologue
    lines += [
        f"export {name}={shlex.quote(value)}" for name, value in (environment | as_variables(settings)).items()
    ]
    return lines


def as_variables(settings: dict[str, Any]) -> dict[str, str]:
    """Return Dask settings as environment variables."""
    return {
        f"DASK_{key.replace('.', '__').replace('-', '_').upper()}": value
        if isinstance(value, str)
        else repr(value)
        for key, value in settings.items()
    }


def python_command(machine: BatchMachine, store: Path, here: str) -> str:
    """Return the command that starts Python in a job, quoted.

    Parameters
    ----------
    machine
        The machine.
    store
        Folder of the store, which a container must see.
    here
        The Python that submits.
    """
    if not machine.container:
        return shlex.quote(machine.python or ("python" if machine.conda else here))
    words = ["apptainer", "exec"]
    for bind in (*machine.binds, str(store)):
        words += ["--bind", bind]
    return shlex.join([*words, machine.container, machine.python or "python"])


def left_out(system: str, jobs: LabelJobs | FitJob) -> list[str]:
    """Return the options to leave out of the head of a job script.

    They are those of ``skip``, and Slurm's ``--mem`` where a directive asks for memory in another unit: Slurm
    refuses a job that has both.
    """
    options = list(jobs.skip)
    if system == "slurm" and any(line.startswith(("--mem-per-cpu", "--mem-per-gpu")) for line in jobs.directives):
        options.append("--mem")
    return options


def job_options(
    machine: BatchMachine,
    jobs: LabelJobs | FitJob,
    work: Work,
    tls: Tls | None,
    here: str,
    dashboard: bool = False,
) -> dict[str, Any]:
    """Return the keyword arguments of dask-jobqueue's cluster for the jobs of one stage.

    Parameters
    ----------
    machine
        The machine.
    jobs
        The stage's jobs; that of a fit has one process with every core.
    work
        What is to be done.
    tls
        Key files, or None for plain TCP.
    here
        The Python that submits.
    dashboard
        Whether the scheduler serves Dask's dashboard, here, on the loopback interface.
    """
    one_process = isinstance(jobs, FitJob)
    memory = round(job_memory(jobs, work) * _GIB)
    life, stagger = lifetime(jobs, work)
    logs = work.folder / "logs"
    skip = left_out(machine.system, jobs)
    quiet = [line for line in _NO_OUTPUT[machine.system] if not line.startswith(tuple(skip))]
    options: dict[str, Any] = {
        "cores": jobs.cores,
        "processes": 1 if one_process else jobs.cores,
        "memory": f"{memory}B",
        "walltime": clock(jobs.seconds) if machine.system != "lsf" else clock(jobs.seconds).rsplit(":", 1)[0],
        "queue": jobs.queue or None,
        "account" if machine.system in ("slurm", "pbs") else "project": jobs.account or None,
        "job_name": f"nmer-{work.name}",
        "python": python_command(machine, work.folder.parents[1], here),
        "job_script_prologue": prologue(machine, logs, jobs.cores if one_process else 1, tls),
        "job_extra_directives": [*quiet, *jobs.directives],
        # dask-jobqueue leaves out every line that has such a text anywhere, in the name of the job too
        "job_directives_skip": [f"{_MARK[machine.system]} {option}{end}" for option in skip for end in "= "],
        "local_directory": shlex.quote(machine.scratch or str(work.folder)),
        "death_timeout": 60,
        "interface": machine.interface or None,
        "protocol": "tls://" if tls else "tcp://",
        "worker_extra_args": [
            *("--lifetime", f"{life}s", "--lifetime-stagger", f"{stagger}s"),
            *("--worker-class", "deploy.worker.DrainingWorker"),
            *("--no-dashboard", "--dashboard-address", LOOPBACK),
            *(() if machine.interface else ("--host", "127.0.0.1")),
        ],
        "scheduler_options": {
            "dashboard": dashboard,
            "dashboard_address": LOOPBACK,  # its web server needs an address
            **({"interface": machine.scheduler_interface or machine.interface} if machine.interface else {}),
            **({} if machine.interface else {"host": "127.0.0.1"}),
        },
        "shared_temp_directory": str(work.folder),
    }
    if machine.system == "sge" and jobs.cores > 1 and not any(line.startswith("-pe") for line in jobs.directives):
        options["job_extra_directives"].append(f"-pe smp {jobs.cores}")
    return options
