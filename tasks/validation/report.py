"""The page of a potential, as a self-contained HTML file: what it is good for first, then how it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from storage.quality import Purpose
from tasks.metrics import Errors, WindowErrors
from tasks.pages.plots import window_name
from tasks.pages.render import Made, Picture, Snippet, Table, Tile, figure, render

HEADS = ("number", "RMSD", "MAE", "largest")
"""Columns of errors: the number of configurations, root mean square, mean absolute, and largest error."""


@dataclass(frozen=True)
class Section:
    """A step of the way on which the potential was made.

    Attributes
    ----------
    title
        ``Sampling``.
    facts
        (what, value) in order.
    sentences
        What else is to be said.
    tables
        Tables.
    """

    title: str
    facts: Sequence[tuple[str, Any]] = ()
    sentences: Sequence[str] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True)
class Report:
    """What the page shows.

    Attributes
    ----------
    ref, title
        Name of the potential, and of the n-mer.
    purpose
        Status, and what it is good for.
    train, test
        Errors against the labels.
    level
        Level of theory of the labels.
    gates
        The gates' verdicts, as the store keeps them: ``name``, ``meaning``, ``value``, ``limit``, ``passed``,
        ``at_least``, ``advice``. One that was not measured has None as its value, and as `passed`.
    labels, terms
        Number of labels, and of terms.
    published
        (training, test) RMSD that the papers report, kcal/mol; None where there is none.
    by_energy
        Errors on the test set by energy.
    pictures
        Parity, errors by energy, learning curve.
    sections
        How it was made.
    trust, notes
        What is known about predictions away from the data, and warnings of the fit, one sentence each.
    usage, made, recipe
        How to use it, where it comes from, and the fully expanded recipe (TOML).
    gradients
        Errors of the components of gradients on the training and the test set, kcal/mol/Angstrom; None where the
        labels have none.
    levels
        The levels of the potential as its facts have them, the first one first; empty where it has none.
    """

    ref: str
    title: str
    purpose: Purpose
    train: Errors
    test: Errors
    level: str = ""
    gates: Sequence[Mapping[str, Any]] = ()
    labels: int | None = None
    terms: int | None = None
    published: tuple[float, float] | None = None
    by_energy: Sequence[WindowErrors] = ()
    pictures: Sequence[Picture] = ()
    sections: Sequence[Section] = ()
    trust: Sequence[str] = ()
    notes: Sequence[str] = ()
    usage: Sequence[Snippet] = ()
    made: Made = field(default_factory=Made)
    recipe: str = ""
    gradients: tuple[Errors, Errors] | None = None
    levels: Sequence[Mapping[str, Any]] = ()


def report_html(report: Report) -> str:
    """Return the page; every text is escaped."""
    made = report.made
    return render(
        "potential.html",
        heading=report.ref,
        badge=report.purpose.badge,
        tone=report.purpose.tone,
        subheading=f"{report.title}. Labels: {report.level or 'level not stated'}.",
        footer=f"{made.programs}. Figures of {made.created or 'an unknown date'}.",
        report=report,
        tiles=_tiles(report),
        failed=[gate for gate in report.gates if gate["passed"] is False],
        errors=_errors(report),
        windows=_windows(report),
        gradients=_gradients(report),
        levels=level_table(report.levels),
    )


def _tiles(report: Report) -> list[Tile]:
    judged = [gate for gate in report.gates if gate["passed"] is not None]
    passed, gates = sum(bool(gate["passed"]) for gate in judged), len(judged)
    paper = f"paper: {report.published[1]:.2g}" if report.published else ""
    first = report.levels[0] if report.levels else None
    below = "" if first is None else f"; {figure(first['train'] + first['test'])} of {first['title']}"
    return [
        Tile("test RMSD (kcal/mol)", figure(report.test.rmsd), paper),
        Tile("largest test error (kcal/mol)", figure(report.test.largest), f"mean {figure(report.test.mae)}"),
        Tile("gates", f"{passed} of {gates} passed", "", "good" if gates and passed == gates else "bad"),
        Tile("labels", figure(report.labels), f"{report.level}{below}"),
        Tile("terms", figure(report.terms), f"{figure(trained(report))} training configurations"),
    ]


def trained(report: Report) -> int:
    """Return the number of training configurations, with levels those of the first."""
    return int(report.levels[0]["train"]) if report.levels else report.train.count


def level_rows(levels: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what is shown of each of a potential's levels: its facts, its name as ``what``, and CPU-hours."""
    found = []
    for number, one in enumerate(levels):
        what = one["title"] if number == 0 else f"{one['title']} minus {levels[number - 1]['title']}"
        hours = None if one["cpu_seconds"] is None else one["cpu_seconds"] / 3600.0
        found.append({**one, "what": what, "cpu_hours": hours})
    return found


def level_table(levels: Sequence[Mapping[str, Any]]) -> Table | None:
    """Return the table of a potential's levels; None where it has none."""
    if not levels:
        return None
    head = ["level", "training", "test", "CPU-hours", "terms", "rms", "RMSD training", "held back", "RMSD test"]
    names = ("what", "train", "test", "cpu_hours", "terms", "rms", "train_rmsd", "validation", "test_rmsd")
    title = (
        "Levels: the potential is the sum of a fit to the first and of fits to the differences. Their labels "
        "with CPU-hours; of each fit the root mean square of what is fitted, and its errors (kcal/mol)"
    )
    return Table(head, [[row[name] for name in names] for row in level_rows(levels)], title, 4)


def _gradients(report: Report) -> Table | None:
    if report.gradients is None:
        return None
    rows = [_row(name, e) for name, e in zip(("training", "test"), report.gradients, strict=True)]
    title = "Errors of the components of gradients against the labels (kcal/mol/A)"
    return Table(["set", *HEADS], rows, title, 4, "gradient-parity.csv" if report.pictures else "")


def _errors(report: Report) -> Table:
    rows = [_row(name, e) for name, e in (("training", report.train), ("test", report.test))]
    title = "Errors against the labels (kcal/mol)"
    if report.published:
        train, test = report.published
        title += f"; RMSD of the papers' potential against its own labels: training {train:g}, test {test:g}"
    return Table(["set", *HEADS], rows, title, 4, "parity.csv" if report.pictures else "")


def _windows(report: Report) -> Table | None:
    rows = [_row(window_name(w.low, w.high), w.errors) for w in report.by_energy]
    title = "Test set by energy above the lowest label (kcal/mol)"
    return Table(["energy", *HEADS], rows, title, 4) if rows else None


def _row(name: str, e: Errors) -> list[Any]:
    return [name, e.count, e.rmsd, e.mae, e.largest]
