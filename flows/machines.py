"""The machine of a run: whether its work fits there, and its clusters, opened when they are needed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deploy.dashboard import Show
from deploy.machine import OVERHEAD, SPREAD, AnyMachine, BatchMachine, KubernetesMachine, LocalMachine, clock
from deploy.opening import open_fit, open_machine
from deploy.script import Work
from potentials.errors import InputError
from recipes.engines import LabelCost
from recipes.estimate import estimate
from recipes.schema.recipe import Recipe
from storage.keys import STAGES


def check_fits(recipe: Recipe, machine: AnyMachine, cost: LabelCost | None, until: str = "validation") -> None:
    """Raise InputError, with the numbers, if a machine's jobs are too short or too small for a recipe's work.

    Parameters
    ----------
    recipe
        The recipe.
    machine
        The machine; only one with jobs or pods has limits to look at.
    cost
        What a label is expected to cost, if that is known.
    until
        The last stage of the run.
    """
    last = STAGES.index(until)
    if isinstance(machine, LocalMachine) or last < STAGES.index("labelling"):
        return
    limit = recipe.resources.label_memory
    if cost is not None and cost.memory > limit:
        raise InputError(
            f"{recipe.name}: a label is expected to need {cost.memory:.2g} GiB ({cost.source}), and "
            f"resources.label_memory lets it have {limit:g} GiB; raise it"
        )
    if isinstance(machine, (BatchMachine, KubernetesMachine)) and machine.labels.memory:
        cores = machine.labels.cores if isinstance(machine, BatchMachine) else 1
        if (need := cores * (limit + OVERHEAD)) > machine.labels.memory:
            raise InputError(
                f"{recipe.name}: {cores} label{'s' if cores > 1 else ''} at once of {limit:g} GiB and "
                f"{OVERHEAD:g} GiB for each worker need {need:g} GiB, and labels.memory of the machine gives "
                f"a job {machine.labels.memory:g} GiB; raise it, or lower resources.label_memory"
            )
    if not isinstance(machine, BatchMachine):
        return
    if cost is not None and cost.cpu_seconds * SPREAD > machine.labels.seconds:
        raise InputError(
            f"{recipe.name}: a label is expected to take {cost.cpu_seconds:.2g} s ({cost.source}), at most "
            f"{clock(SPREAD * cost.cpu_seconds)} with a spread of {SPREAD:g}, and labels.walltime of the machine "
            f"is {machine.labels.walltime}; raise it"
        )
    if machine.fit is None or last < STAGES.index("fitting"):
        return
    fit = next(stage for stage in estimate(recipe, cost) if stage.stage == "fitting")
    if fit.memory is not None and fit.memory + OVERHEAD > machine.fit.memory:
        raise InputError(
            f"{recipe.name}: the fit is expected to need {fit.memory + OVERHEAD:.2g} GiB, and fit.memory of the "
            f"machine is {machine.fit.memory:g} GiB; raise it"
        )
    seconds = (fit.core_hours or 0.0) * 3600 / machine.fit.cores * SPREAD
    if seconds > machine.fit.seconds:
        raise InputError(
            f"{recipe.name}: the fit is expected to take at most {clock(seconds)} on {machine.fit.cores} cores, "
            f"with a spread of {SPREAD:g}, and fit.walltime of the machine is {machine.fit.walltime}; raise it"
        )


def for_machine(recipe: Recipe, machine: AnyMachine) -> Recipe:
    """Return a recipe with the machine's own folder for temporary files, where it has one and the recipe none."""
    if not isinstance(machine, BatchMachine) or not machine.scratch or recipe.resources.scratch:
        return recipe
    resources = recipe.resources.model_copy(update={"scratch": machine.scratch})
    return recipe.model_copy(update={"resources": resources})


def print_dashboard(link: str) -> None:
    """Say where Dask's dashboard is."""
    print(f"Dask's dashboard: {link}", file=sys.stderr)


class Clusters:
    """The clusters of a run on a machine; a context, at whose end they end.

    Parameters
    ----------
    machine
        The machine.
    recipe
        What is made there.
    store
        Folder of the store.
    cost
        What a label is expected to cost, if that is known.
    most
        The largest number of processes that has any use; 0 is any number.
    show
        Is told the address of Dask's dashboard, if there is one.
    """

    def __init__(
        self,
        machine: AnyMachine,
        recipe: Recipe,
        store: Path,
        cost: LabelCost | None,
        most: int = 0,
        show: Show = print_dashboard,
    ) -> None:
        self._machine, self._show = machine, show
        self._work = Work(
            name=recipe.name,
            folder=store.resolve() / "scratch" / "dask",
            workers=recipe.resources.workers,
            memory=recipe.resources.label_memory,
            seconds=None if cost is None else cost.cpu_seconds,
            timeout=recipe.resources.label_timeout,
            most=most,
        )
        self._open = ExitStack()
        self._address: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def scheduler(self) -> str:
        """Return the address of the scheduler that samples and labels; the first call opens the cluster.

        Raises
        ------
        StageError
            If the machine cannot be had.
        """
        if self._address is None:
            self._address = self._open.enter_context(open_machine(self._machine, self._work, self._show))
        return self._address

    def fit(self, function: Callable[..., Any], *arguments: Any, progress: Any) -> Any:
        """Call a function where the machine fits: in a job of its own, after those of the labels, or here.

        Parameters
        ----------
        function
            What to call.
        arguments
            Its arguments but the last.
        progress
            Its last argument.

        Raises
        ------
        StageError
            If the machine cannot be had, or the job died.
        """
        self.close()  # jobs that have nothing left to do should not hold their cores
        with ExitStack() as stack:
            compute = stack.enter_context(open_fit(self._machine, self._work))
            if compute is None:
                return function(*arguments, progress)
            return compute(function, *arguments, progress=progress)

    def close(self) -> None:
        """Close the cluster that is open; a later call may open another."""
        self._address = None
        self._open.close()
