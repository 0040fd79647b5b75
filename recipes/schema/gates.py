"""The ``[gates]`` section: a limit for every gate that is declared in ``tasks/validation/gates``."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

from pydantic import Field, create_model

from recipes.registry import Declared, Registry
from recipes.schema.section import Section


class GateDeclared(Declared, Protocol):
    """What the section requires of a gate; see ``tasks/validation/gates/interface.py``."""

    @property
    def measure(self) -> Callable[[Any], float]:
        """Return the function that measures a candidate."""

    @property
    def limit(self) -> float:
        """Return the default of the limit."""

    @property
    def absent(self) -> float | None:
        """Return the limit in a text that is older than the gate."""

    @property
    def at_least(self) -> bool:
        """Return whether the figure must be at least the limit."""

    @property
    def highest(self) -> float | None:
        """Return the largest limit that is allowed."""

    @property
    def error_of(self) -> str:
        """Return the set whose RMSD it limits, ``train`` or ``test``; empty if it limits something else."""

    @property
    def order(self) -> int:
        """Return its place in reports."""


GATES: Registry[GateDeclared] = Registry("gates", "tasks.validation.gates", "GATE")


def gates() -> tuple[GateDeclared, ...]:
    """Return the gates in the order of the report."""
    return tuple(sorted(GATES, key=lambda gate: (gate.order, gate.name)))


class Gates(Section):
    """Conditions for the release of a candidate; the fields are made when the first recipe is read."""

    @classmethod
    def declared(cls) -> type[Gates]:
        """Return the section with the fields of all gates."""
        return _section(gates())

    @classmethod
    def read(cls, values: Any) -> Gates:
        """Return the section of a recipe's table; raises pydantic's error if it is not valid."""
        return values if isinstance(values, Gates) else cls.declared().model_validate(values)

    @classmethod
    def of(cls, **limits: float) -> Gates:
        """Return the section with the given limits and the defaults of all others."""
        return cls.declared().model_validate(limits)


@cache
def _section(declared: tuple[GateDeclared, ...]) -> type[Gates]:
    fields: dict[str, Any] = {
        gate.name: (float, Field(gate.limit, gt=0, le=gate.highest, description=f"limit: {gate.title}"))
        for gate in declared
    }
    made = create_model("Gates", __base__=Gates, __doc__=Gates.__doc__, **fields)
    made.LATER = {gate.name: gate.absent for gate in declared if gate.absent is not None}
    return made
