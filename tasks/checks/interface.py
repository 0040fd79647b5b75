"""A check: what is measured of the sum of a family or a system, with the data and the plots behind it.

A check whose figures have limits is a gate: a sum that fails one is not released. Each check is one file of
`tasks.checks` that binds ``CHECK``.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from potentials.errors import InputError
from recipes.registry import Need, Registry
from recipes.schema.section import Section
from storage.version import Column
from tasks.plot import Plot

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""Names of checks and of figures."""

COLUMN = re.compile(
    r"(?=.{1,60}$)[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*(\.[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*)?"
)
"""Names of columns, with their table in front."""

MOST_COLUMNS = 64
"""Largest number of columns; more belong into a table with a column that says what each row is of."""


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

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"result '{self.name}' is not in lower case with dashes")

    @property
    def passed(self) -> bool | None:
        """Whether the figure is on the right side of its limit; None without a limit.

        A figure that could not be measured, or is not finite, has not passed.
        """
        if self.limit is None:
            return None
        if self.value is None or not math.isfinite(self.value):
            return False
        return bool(self.value >= self.limit if self.at_least else self.value <= self.limit)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, as the store keeps them; a figure that is not finite is None."""
        known = self.value is not None and math.isfinite(self.value)
        return {
            "name": self.name,
            "meaning": self.meaning,
            "value": float(self.value) if known and self.value is not None else None,
            "limit": None if self.limit is None else float(self.limit),
            "at_least": bool(self.at_least),
            "passed": self.passed,
            "advice": self.advice,
        }

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the figure of what `as_dict` returned."""
        return cls(**{name: value for name, value in values.items() if name != "passed"})


@dataclass(frozen=True, eq=False)
class Findings:
    """What a check found.

    Attributes
    ----------
    results
        Its figures.
    data
        Arrays by name, as they are stored and written to CSV; those of one table have the same length and names
        that begin alike, ``surface.phi`` and ``surface.psi``: letters, digits, single dashes and
        underscores, and the dot. At most `MOST_COLUMNS`. Plots are drawn from them alone.
    facts
        Plain values for JSON that the plots need: the name of the reference, lengths of simulations. NumPy's
        numbers and arrays become numbers and lists, tuples become lists, and what is not finite None.
    notes
        Sentences: what was run shorter than wanted and how long all of it would take; what was left out, and why.
    seconds
        How long it took (wall time); `tasks.checks.run` measures it.

    Raises
    ------
    ValueError
        If two figures have one name, columns have names that are not allowed, are too many, or of one table have
        different numbers of rows.
    """

    results: tuple[Result, ...]
    data: Mapping[str, Column] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def __post_init__(self) -> None:
        twice = [name for name, count in Counter(one.name for one in self.results).items() if count > 1]
        if twice:
            raise ValueError(f"several results are called {', '.join(twice)}")
        if wrong := [name for name in self.data if not COLUMN.fullmatch(name)]:
            raise ValueError(f"the column '{wrong[0]}' is not called as columns are")
        if len({name.replace("-", "_") for name in self.data}) < len(self.data):
            raise ValueError("columns have names that differ in dashes and underscores alone")
        if len(self.data) > MOST_COLUMNS:
            raise ValueError(f"there are {len(self.data)} columns; allowed: up to {MOST_COLUMNS}")
        for name, value in (
            ("results", tuple(self.results)),
            ("facts", plain(self.facts)),
            ("notes", tuple(self.notes)),
        ):
            object.__setattr__(self, name, value)
        for table, columns in self.tables().items():
            if len({len(column.values) for column in columns.values()}) > 1:
                raise ValueError(f"columns of the table '{table}' have different numbers of rows")

    @property
    def passed(self) -> bool | None:
        """Whether every figure with a limit is on the right side of it; None if none has a limit."""
        verdicts = [one.passed for one in self.results if one.passed is not None]
        return all(verdicts) if verdicts else None

    def tables(self) -> dict[str, dict[str, Column]]:
        """Return the columns of each table by their own names: those of ``surface.phi`` are surface, phi."""
        found: dict[str, dict[str, Column]] = {}
        for name, column in self.data.items():
            table, dot, own = name.partition(".")
            found.setdefault(table, {})[own if dot else table] = column
        return found


def plain(value: Any) -> Any:
    """Return a value as JSON gives it back; a number that is not finite is None."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    raise ValueError(f"{value!r} is not a plain value")


Told = Callable[[int, int], None]
"""Is called with the number of parts done, and of all."""


def nobody(done: int, total: int) -> None:
    """Ignore progress."""


class Options(Section):
    """Options of a check that has none; those of the others derive from it, with units in their descriptions."""

    @classmethod
    def quick(cls) -> dict[str, Any]:
        """Return the options with which ``nmer check --quick`` replaces the defaults; the others stay.

        They make a check short enough to see that it runs, and its figures rough.
        """
        return {}


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
        Returns the findings for a `tasks.checks.subject.Subject`, with options of the type `options`. Raises
        InputError or StageError if it cannot measure for a reason that the user can change.
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
    measure: Callable[[Any, Any, Told], Findings]
    draw: Callable[[Findings], Sequence[Plot]] = lambda findings: ()
    applies: Callable[[Any], str] = lambda subject: ""
    options: type[Options] = Options
    format: int = 1
    gate: bool = False
    seconds: Callable[[Any, Any], float] = lambda subject, options: 1.0
    order: int = 100
    needs: tuple[Need, ...] = ()
    papers: tuple[str, ...] = ()


CHECKS: Registry[Check] = Registry("check", "tasks.checks", "CHECK")


def checks() -> tuple[Check, ...]:
    """Return all checks in the order of the report, gates first."""
    return tuple(sorted(CHECKS, key=lambda check: (not check.gate, check.order, check.name)))


def chosen_checks(only: Sequence[str] = (), skip: Sequence[str] = ()) -> tuple[Check, ...]:
    """Return the checks of the given names, or all but some, in the order of the report.

    Raises
    ------
    InputError
        If there is none of a name.
    """
    for name in (*only, *skip):
        CHECKS.get(name)
    found = tuple(one for one in checks() if (not only or one.name in only) and one.name not in skip)
    if not found:
        raise InputError(f"no check is left to measure; there are {', '.join(CHECKS.names()) or 'none'}")
    return found
