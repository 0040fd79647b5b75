"""The clusters of one run on a machine, opened when they are needed and closed at its end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from deploy.dashboard import Show, print_dashboard
from deploy.machine import AnyMachine
from deploy.opening import open_fit, open_machine
from deploy.script import Work


class Clusters:
    """The clusters of a run on a machine; a context, which closes them at its end.

    Parameters
    ----------
    machine
        The machine.
    work
        What is to be done there.
    show
        Called with the address of Dask's dashboard, if there is one.
    """

    def __init__(self, machine: AnyMachine, work: Work, show: Show = print_dashboard) -> None:
        self._machine, self._work, self._show = machine, work, show
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
            If the machine is not available.
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
            If the machine is not available, or the job died.
        """
        self.close()  # idle jobs should not hold their cores
        with ExitStack() as stack:
            compute = stack.enter_context(open_fit(self._machine, self._work))
            if compute is None:
                return function(*arguments, progress)
            return compute(function, *arguments, progress=progress)

    def close(self) -> None:
        """Close the cluster that is open; a later call may open another."""
        self._address = None
        self._open.close()
