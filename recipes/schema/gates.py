"""The ``[gates]`` section: a limit for every gate that is declared in ``tasks/validation/gates``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import Field, create_model

from recipes.registry import Need, Registry
from recipes.schema.section import Section


@dataclass(frozen=True)
class Gate:
    """A gate: a figure of a candidate, and its limit.

    Attributes
    ----------
    name
        The key of its limit in a recipe's ``[gates]``.
    title
        What is measured, with its unit.
    measure
        Returns the figure of a candidate, see `tasks.validation.gates.interface.Candidate`.
    limit
        Default of the limit, in the unit that `title` names.
    absent
        The limit of recipes that were written before the gate existed; it never changes, whatever `limit` becomes.
        None for gates of the first release.
    at_least
        Whether the figure must be at least the limit; otherwise at most.
    highest
        Largest limit that a recipe may have; None: any above 0.
    error_of
        ``train`` or ``test`` where it limits the RMSD of that set: a recipe that is written for a new molecule
        states this limit, which depends on how well such a potential can be fitted.
    smoke
        The limit in smoke presets, whose labels are too few for the other; None: the same.
    order
        Place in reports; those of the same place are in the order of their names.
    applies
        Returns why it cannot be measured for a candidate, as one clause; empty if it can.
    advise
        Returns what to do about a candidate that failed it, as one sentence: which n-mer to sample, and where.
    needs, papers
        Packages and programs without which it cannot measure; keys of ``storage/papers.toml``.
    """

    name: str
    title: str
    measure: Callable[[Any], float]
    limit: float
    absent: float | None
    at_least: bool = False
    highest: float | None = None
    error_of: str = ""
    smoke: float | None = None
    order: int = 100
    applies: Callable[[Any], str] = lambda candidate: ""
    advise: Callable[[Any], str] = lambda candidate: ""
    needs: tuple[Need, ...] = ()
    papers: tuple[str, ...] = ()


GATES: Registry[Gate] = Registry("gates", "tasks.validation.gates", "GATE")


def gates() -> tuple[Gate, ...]:
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
def _section(declared: tuple[Gate, ...]) -> type[Gates]:
    fields: dict[str, Any] = {
        gate.name: (float, Field(gate.limit, gt=0, le=gate.highest, description=f"limit: {gate.title}"))
        for gate in declared
    }
    made = create_model("Gates", __base__=Gates, __doc__=Gates.__doc__, **fields)
    made.LATER = {gate.name: gate.absent for gate in declared if gate.absent is not None}
    return made
