"""A comparison of potentials, sums, or checks: figures and plots beside each other, and settings that differ."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.pages.render import Picture, Table, figure, render
from tasks.plot import Plot

MARKS = ";:,"
"""Between phrases."""


@dataclass(frozen=True)
class Side:
    """One of the things that are compared.

    Attributes
    ----------
    label
        Its name in the comparison, unlike all others.
    status, tone, answer
        Its status in a few words, ``good``, ``warn`` or ``bad``, and what it is good for.
    figures
        Its figures.
    settings
        Its settings by dotted key.
    plots
        (name of the plot, what it shows): the plot.
    """

    label: str
    status: str
    tone: str
    answer: str
    figures: Sequence[Figure] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    plots: Mapping[tuple[str, str], Plot] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """One figure of one side.

    Attributes
    ----------
    group
        Title of the table that it belongs to.
    name
        Unique within the side.
    meaning
        What it is, with its unit.
    value, limit, passed
        The figure, its limit, and whether it passed; None where there is none.
    others
        Figures of force fields beside it, by their names.
    """

    group: str
    name: str
    meaning: str
    value: Any
    limit: float | None = None
    passed: bool | None = None
    others: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A figure of all sides.

    Attributes
    ----------
    group, name, meaning
        As those of `Figure`.
    values, passed, limits
        One for each side; None where a side does not have it.
    others
        Figures of force fields by name, of the first side that has them.
    """

    group: str
    name: str
    meaning: str
    values: tuple[Any, ...]
    limits: tuple[float | None, ...]
    passed: tuple[bool | None, ...]
    others: Mapping[str, float | None]

    def as_dict(self, labels: Sequence[str]) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "group": self.group,
            "name": self.name,
            "meaning": self.meaning,
            "values": dict(zip(labels, self.values, strict=True)),
            "limits": dict(zip(labels, self.limits, strict=True)),
            "passed": dict(zip(labels, self.passed, strict=True)),
            "force_fields": dict(self.others),
        }


def rows_of(sides: Sequence[Side]) -> list[Row]:
    """Return every figure of some side, in the order of the first side that has it."""
    known = [{one.name: one for one in side.figures} for side in sides]
    found = []
    for name in dict.fromkeys(one.name for side in sides for one in side.figures):
        every = [figures.get(name) for figures in known]
        first = next(one for one in every if one is not None)
        found.append(
            Row(
                first.group,
                name,
                _common([one.meaning for one in every if one is not None]),
                tuple(None if one is None else one.value for one in every),
                tuple(None if one is None else one.limit for one in every),
                tuple(None if one is None else one.passed for one in every),
                next((one.others for one in every if one is not None and one.others), {}),
            )
        )
    order = {group: n for n, group in enumerate(dict.fromkeys(row.group for row in found))}
    return sorted(found, key=lambda row: order[row.group])


def _common(meanings: Sequence[str]) -> str:
    """Return what meanings have in common, up to a mark between two phrases: the rest is about one side."""
    first = meanings[0]
    found = first
    for end in (n for n, letter in enumerate(f"{first};") if letter in MARKS):
        if all(one[:end] == first[:end] and f"{one};"[end] in MARKS for one in meanings):
            found = first[:end]
    return found


def settings_that_differ(sides: Sequence[Side]) -> list[tuple[str, tuple[Any, ...]]]:
    """Return (key, the value of each side) of every setting that is not the same for all; None: it is absent."""
    keys = dict.fromkeys(key for side in sides for key in side.settings)
    rows = [(key, tuple(side.settings.get(key) for side in sides)) for key in keys]
    return [(key, values) for key, values in rows if any(value != values[0] for value in values)]


def tables_of(sides: Sequence[Side]) -> list[Table]:
    """Return the figures as tables with a column for each side and force field, a table for each group."""
    rows, labels = rows_of(sides), [side.label for side in sides]
    found = []
    for group in dict.fromkeys(row.group for row in rows):
        mine = [row for row in rows if row.group == group]
        fields = list(dict.fromkeys(name for row in mine for name in row.others))
        values = [
            [row.meaning, *(_said(row, n) for n in range(len(labels))), *(row.others.get(name) for name in fields)]
            for row in mine
        ]
        found.append(Table(["figure", *labels, *fields], values, group, len(labels) + len(fields)))
    return found


def comparison_csv(sides: Sequence[Side]) -> str:
    """Return all figures as CSV, a row each."""
    rows, stream = rows_of(sides), io.StringIO()
    fields = list(dict.fromkeys(name for row in rows for name in row.others))
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["group", "name", "meaning", *(side.label for side in sides), *fields])
    for row in rows:
        writer.writerow(
            [row.group, row.name, row.meaning, *row.values, *(row.others.get(name) for name in fields)]
        )
    return stream.getvalue()


def comparison_page(sides: Sequence[Side], heading: str, csv_name: str) -> str:
    """Return the page of a comparison; every text is escaped.

    Parameters
    ----------
    sides
        What is compared.
    heading
        Title of the page.
    csv_name
        The file beside it that has the figures.
    """
    labels = [side.label for side in sides]
    names = list(dict.fromkeys(name for side in sides for name in side.plots))
    rows = [(caption, [_picture(side, (name, caption)) for side in sides]) for name, caption in names]
    settings = [[key, *(_short(value) for value in values)] for key, values in settings_that_differ(sides)]
    return render(
        "comparison.html",
        heading=heading,
        badge="",
        tone="",
        subheading="Figures, plots, and the settings that differ. What was not measured has a dash.",
        footer="Written by nmer compare.",
        sides=sides,
        tables=tables_of(sides),
        settings=Table(["setting", *labels], settings) if settings else None,
        plots=rows,
        csv_name=csv_name,
    )


def _picture(side: Side, key: tuple[str, str]) -> Picture | None:
    plot = side.plots.get(key)
    return None if plot is None else Picture(plot, f"{side.label}: {key[1]}", None)


def _said(row: Row, side: int) -> Any:
    """Return a figure, with a mark if it failed."""
    value = row.values[side]
    return f"{figure(value)} (failed)" if row.passed[side] is False else value


def _short(value: Any) -> str:
    text = figure(value, 6)
    return text if len(text) <= 80 else f"{' '.join(text.split())[:77]}..."
