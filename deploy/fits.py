"""Whether a run's work fits the jobs of a machine."""

from __future__ import annotations

from deploy.machine import OVERHEAD, SPREAD, AnyMachine, BatchMachine, KubernetesMachine, LocalMachine, clock
from deploy.script import Work
from potentials.errors import InputError


def check_fits(machine: AnyMachine, work: Work) -> None:
    """Raise InputError, with the numbers, if a machine's jobs are too short or too small for a run's work.

    Parameters
    ----------
    machine
        The machine; only one with jobs or pods has limits.
    work
        What is to be done there.
    """
    if isinstance(machine, LocalMachine) or not work.labels:
        return
    source = f"({work.source})"
    if work.expected_memory is not None and work.expected_memory > work.memory:
        raise InputError(
            f"{work.name}: a label is expected to need {work.expected_memory:.2g} GiB {source}, and "
            f"resources.label_memory allows {work.memory:g} GiB; raise it"
        )
    if isinstance(machine, (BatchMachine, KubernetesMachine)) and machine.labels.memory:
        cores = machine.labels.cores if isinstance(machine, BatchMachine) else 1
        if (need := cores * (work.memory + OVERHEAD)) > machine.labels.memory:
            raise InputError(
                f"{work.name}: {cores} label{'s' if cores > 1 else ''} at once of {work.memory:g} GiB and "
                f"{OVERHEAD:g} GiB for each worker need {need:g} GiB, and labels.memory of the machine gives "
                f"a job {machine.labels.memory:g} GiB; raise it, or lower resources.label_memory"
            )
    if not isinstance(machine, BatchMachine):
        return
    if work.seconds is not None and work.seconds * SPREAD > machine.labels.seconds:
        raise InputError(
            f"{work.name}: a label is expected to take {work.seconds:.2g} s {source}, at most "
            f"{clock(SPREAD * work.seconds)} with a spread of {SPREAD:g}, and labels.walltime of the machine "
            f"is {machine.labels.walltime}; raise it"
        )
    if machine.fit is None or work.fit_core_hours is None:
        return
    if work.fit_memory is not None and work.fit_memory + OVERHEAD > machine.fit.memory:
        raise InputError(
            f"{work.name}: the fit is expected to need {work.fit_memory + OVERHEAD:.2g} GiB, and fit.memory of "
            f"the machine is {machine.fit.memory:g} GiB; raise it"
        )
    seconds = work.fit_core_hours * 3600 / machine.fit.cores * SPREAD
    if seconds > machine.fit.seconds:
        raise InputError(
            f"{work.name}: the fit is expected to take at most {clock(seconds)} on {machine.fit.cores} cores, "
            f"with a spread of {SPREAD:g}, and fit.walltime of the machine is {machine.fit.walltime}; raise it"
        )
