"""A check: what is measured of the sum of a family or a system, with the data and the plots behind it.

A check whose figures have limits is a gate: a sum that fails one is not released. Each check is one file of
`tasks.checks` that binds ``CHECK``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from recipes.registry import Need, Registry
from recipes.schema.section import Section
from storage.version import Column
from tasks.plot import Plot

if TYPE_CHECKING:
    from tasks.checks.subject import Subject


@dataclass(frozen=True)
class Result:
    """One figure.

    Attributes
    ----------
    name
        Unique within its check, in lower case with dashes: ``rmsd``, ``contact``.
    meaning
        What was measured, with its unit.
    value
        The figure; None where it could not be measured, which a note explains.
    limit
        Its limit; None for a figure without one.
    at_least
        Whether it must be at least the limit; otherwise at most.
    advice
        What to do if it fails: which n-mer to sample, and where.
    """

    name: str
    meaning: str
    value: float | None
    limit: float | None = None
    at_least: bool = False
    advice: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the figure is on the right side of its limit; None without a limit.

        A figure that could not be measured, or is not a number, has not passed.
        """
        if self.limit is None:
            return None
        if self.value is None or np.isnan(self.value):
            return False
        return bool(self.value >= self.limit if self.at_least else self.value <= self.limit)


@dataclass(frozen=True, eq=False)
class Findings:
    """What a check found.

    Attributes
    ----------
    results
        Its figures.
    data
        Arrays by name, as they are stored and written to CSV; those of one table have the same length and names
        that begin alike, ``surface.phi`` and ``surface.psi``. Plots are drawn from them alone.
    facts
        Plain values for JSON that the plots need: the name of the reference, lengths of simulations.
    notes
        Sentences: what was run shorter than wanted and how long all of it would take; what was left out, and why.
    seconds
        How long it took (wall time).
    """

    results: tuple[Result, ...]
    data: Mapping[str, Column] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


Told = Callable[[int, int], None]
"""Is called with the number of parts done, and of all."""


def nobody(done: int, total: int) -> None:
    """Ignore progress."""


class Options(Section):
    """Options of a check that has none; those of the others derive from it, with units in their descriptions."""


@dataclass(frozen=True)
class Check:
    """A check of the sum of a family or a system.

    Attributes
    ----------
    name
        In lower case with dashes.
    title
        One line that says what is measured.
    meaning
        Two or three sentences for the report: what the figure tells, and what it cannot tell.
    measure
        Returns the findings for a subject, with options of the type `options`.
    draw
        Returns the plots of findings, which may have been read from the store.
    applies
        Returns why it cannot be measured for a subject, as one clause; empty if it can.
    options
        Its options.
    format
        Increased when the same options give other findings.
    gate
        Whether its figures have limits on which the release of a sum depends.
    seconds
        Expected time for a subject on two cores with given options.
    order
        Place in reports; those of the same place are in the order of their names.
    needs, papers
        Packages and programs without which it cannot measure; keys of ``storage/papers.toml``.
    """

    name: str
    title: str
    meaning: str
    measure: Callable[[Subject, Any, Told], Findings]
    draw: Callable[[Findings], Sequence[Plot]] = lambda findings: ()
    applies: Callable[[Subject], str] = lambda subject: ""
    options: type[Options] = Options
    format: int = 1
    gate: bool = False
    seconds: Callable[[Subject, Any], float] = lambda subject, options: 1.0
    order: int = 100
    needs: tuple[Need, ...] = ()
    papers: tuple[str, ...] = ()


CHECKS: Registry[Check] = Registry("check", "tasks.checks", "CHECK")


def checks() -> tuple[Check, ...]:
    """Return all checks in the order of the report, gates first."""
    return tuple(sorted(CHECKS, key=lambda check: (not check.gate, check.order, check.name)))
