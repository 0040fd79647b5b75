"""What a machine is: the models behind the TOML profiles."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

OVERHEAD = 0.5
"""Memory of a worker process beside its label, GiB."""

SPREAD = 3.0
"""How much longer than expected a label may take: an estimate is right within a factor of two, nodes differ."""


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"'{text!r}' must be one line of printable text")
    return text


def _whole_path(text: str) -> str:
    if text and not Path(_one_line(text)).is_absolute():
        raise ValueError(f"'{text}' must be a whole path, from / on")
    return text


def _duration(text: str) -> str:
    if not re.fullmatch(r"(\d{1,3}-)?\d{1,4}:[0-5]\d:[0-5]\d", text) or seconds_of(text) < 60:
        raise ValueError(f"'{text}' must be a time of a minute or more as hours:minutes:seconds, such as 4:00:00")
    return text


Line = Annotated[str, AfterValidator(_one_line)]
FullPath = Annotated[str, AfterValidator(_whole_path)]
Duration = Annotated[str, AfterValidator(_duration)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@:,+/=-]*$")]
Option = Annotated[str, Field(pattern=r"^--?[A-Za-z][A-Za-z0-9_-]*( [a-z_]+)?$")]
Interface = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]*$")]


def seconds_of(duration: str) -> int:
    """Return the seconds of ``4:00:00`` or ``2-12:00:00``."""
    days, _, rest = duration.rpartition("-")
    hours, minutes, seconds = (int(part) for part in rest.split(":"))
    return int(days or 0) * 86400 + hours * 3600 + minutes * 60 + seconds


def clock(seconds: float) -> str:
    """Return seconds as ``hours:minutes:seconds``, which every batch system reads."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


class Part(BaseModel):
    """Base of everything in a profile: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Job(Part):
    """What is asked of the batch system for one job."""

    cores: int = Field(1, ge=1, le=1024, description="cores of a job")
    walltime: Duration = Field("4:00:00", description="hours:minutes:seconds")
    queue: Word = Field("", description="queue or partition; empty is the system's default")
    account: Word = Field("", description="account or project; empty is the system's default")
    directives: tuple[Line, ...] = Field((), description="more lines for the head of the job script")
    skip: tuple[Option, ...] = Field(
        (), description="options to leave out of the head of the job script, for example --mem"
    )

    @property
    def seconds(self) -> int:
        """The walltime in seconds."""
        return seconds_of(self.walltime)


class LabelJobs(Job):
    """The jobs that sample and label: one process a core, each computing one label at a time."""

    jobs: int = Field(4, ge=1, le=10_000, description="jobs at once")
    memory: float = Field(0.0, ge=0, le=100_000, description="memory of a job (GiB); 0 is what its labels need")


class FitJob(Job):
    """The one job that fits: one process with every core."""

    cores: int = Field(8, ge=1, le=1024, description="cores of the job")
    memory: float = Field(16.0, gt=0, le=100_000, description="memory of the job (GiB)")


class Tls(Part):
    """Files by which a shared scheduler authenticates its users; Dask has no credential but the key."""

    ca: FullPath = Field(description="certificate of the authority")
    cert: FullPath = Field(description="certificate of the user")
    key: FullPath = Field(description="key of the user; nobody else may read it")


class Profile(Part):
    """What every profile has."""

    format: Literal[1] = 1
    title: Line = Field("", description="one line for nmer machines")
    max_core_hours: float | None = Field(
        None,
        ge=0,
        le=1e9,
        description="core-hours that start here without --yes; none: NMER_MAX_CORE_HOURS",
    )


class LocalMachine(Profile):
    """Worker processes on this machine, as many as fit its cores and its memory."""

    system: Literal["local"] = "local"


class SchedulerMachine(Profile):
    """Workers of a Dask scheduler that runs already."""

    system: Literal["scheduler"] = "scheduler"
    address: Line = Field("", description="tcp:// or tls://host:port; empty is DASK_SCHEDULER_ADDRESS")
    tls: Tls | None = None

    @model_validator(mode="after")
    def _address_is_readable(self) -> Self:
        if self.address and not re.fullmatch(r"(tcp|tls|ws|wss)://[^\s/]+:\d+", self.address):
            raise ValueError(f"address = '{self.address}' must be tcp://host:port or tls://host:port")
        if self.address.startswith("tls:") and self.tls is None:
            raise ValueError("an address with tls:// needs a table [tls] with ca, cert, and key")
        return self


class BatchMachine(Profile):
    """Jobs of a batch system, submitted from here; each runs Dask workers."""

    system: Literal["slurm", "pbs", "lsf", "sge"]
    labels: LabelJobs = LabelJobs()
    fit: FitJob | None = Field(None, description="without it the fit runs where nmer does")
    interface: Interface = Field(
        "", description="network interface of the jobs' machines; empty: all of them are this machine"
    )
    scheduler_interface: Interface = Field("", description="that of this machine, where it has another name")
    encrypt: bool = Field(True, description="TLS between this machine and the jobs, with keys made for the run")
    modules: tuple[Word, ...] = Field((), description="environment modules to load")
    conda: Line = Field("", description="name or path of a conda environment to activate")
    container: FullPath = Field("", description="Apptainer image to run workers in; it has nmer installed")
    binds: tuple[FullPath, ...] = Field((), description="folders that the container sees")
    prologue: tuple[Line, ...] = Field((), description="lines of shell before the workers start, run as they are")
    python: Line = Field("", description="Python that has nmer; empty is the one that submits")
    scratch: FullPath = Field("", description="folder on the jobs' machines for engines' temporary files")
    patience: Duration = Field("1-00:00:00", description="how long to wait in the queue for a first worker")

    @model_validator(mode="after")
    def _one_environment(self) -> Self:
        if self.conda and self.container:
            raise ValueError("give conda or container, not both")
        if self.binds and not self.container:
            raise ValueError("binds are for a container; give container as well")
        if self.scheduler_interface and not self.interface:
            raise ValueError("scheduler_interface needs interface, that of the jobs' machines")
        return self


class Pods(Part):
    """The pods that sample and label."""

    jobs: int = Field(4, ge=1, le=10_000, description="pods at once, one core each")
    memory: float = Field(0.0, ge=0, le=100_000, description="memory of a pod (GiB); 0 is what its label needs")


class KubernetesMachine(Profile):
    """Pods that the Dask operator of a Kubernetes cluster starts."""

    system: Literal["kubernetes"] = "kubernetes"
    image: Word = Field("", description="container image that has nmer installed")
    namespace: str = Field("default", pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    claim: str = Field(
        "", pattern=r"^[a-z0-9.-]*$", description="volume claim that holds the store, mounted where the store is"
    )
    labels: Pods = Pods()
    encrypt: bool = Field(True, description="TLS between this machine and the pods, with keys made for the run")
    patience: Duration = Field("1:00:00", description="how long to wait for a first worker")


AnyMachine = LocalMachine | SchedulerMachine | BatchMachine | KubernetesMachine

Machine = Annotated[AnyMachine, Field(discriminator="system")]
"""Any machine as a flow's parameter; the key ``system`` says which."""

MACHINE: TypeAdapter[AnyMachine] = TypeAdapter(Machine)


def scratch_of(machine: AnyMachine) -> str:
    """Return a machine's own folder for temporary files; empty if it has none."""
    return machine.scratch if isinstance(machine, BatchMachine) else ""


def describe(machine: AnyMachine) -> str:
    """Return how large a machine's work may be, in a few words."""
    if isinstance(machine, BatchMachine):
        one = machine.labels
        return f"{one.jobs} jobs of {one.cores} core{'s' if one.cores > 1 else ''}, {one.walltime}"
    if isinstance(machine, KubernetesMachine):
        return f"{machine.labels.jobs} pods"
    return machine.address if isinstance(machine, SchedulerMachine) else "this machine's cores"
