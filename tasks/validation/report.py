"""The one-page report of a potential, as a self-contained HTML file."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from tasks.metrics import Errors, WindowErrors
from tasks.validation.gates.interface import Verdict

STATUSES = {
    "flagged_labels": "flagged",
    "failed_labels": "failed",
    "timeout_labels": "ran into the time limit",
    "out_of_memory_labels": "ran into the memory limit",
}
"""Facts of a dataset, and their names in the report."""


@dataclass(frozen=True)
class Report:
    """What the page shows.

    Attributes
    ----------
    ref, title, protocol
        Name of the potential, of the n-mer, and of the labels' protocol.
    status
        ``released`` or ``candidate``.
    stages
        (stage, what came out of it, its version) in order.
    train, test
        Errors.
    gates
        The gates' verdicts.
    notes
        Warnings of the fit, one sentence each.
    parity
        The parity plot, PNG.
    recipe
        The fully expanded recipe, TOML.
    coverage
        (what, for the chosen frames, for as many drawn at random): distances of the pool from the selection.
    by_energy
        Errors on the test set by energy.
    trust
        What is known about predictions away from the data, one sentence each.
    baseline
        The V_phys that the potential was fitted over, one sentence; empty where there is none.
    labels
        How the labels ended, one sentence.
    costs, costs_from
        (what, expected, measured) of the labels' cost, and where the expected figures come from.
    """

    ref: str
    title: str
    protocol: str
    status: str
    stages: Sequence[tuple[str, str, str]]
    train: Errors
    test: Errors
    gates: Sequence[Verdict]
    notes: Sequence[str]
    parity: bytes
    recipe: str
    coverage: Sequence[tuple[str, float, float]] = ()
    baseline: str = ""
    labels: str = ""
    by_energy: Sequence[WindowErrors] = ()
    trust: Sequence[str] = ()
    costs: Sequence[tuple[str, str, str]] = ()
    costs_from: str = ""


def report_html(report: Report) -> str:
    """Return the page; every text is escaped."""
    text = (files("tasks.validation") / "templates" / "report.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    template = environment.from_string(text)
    sets = (("training", report.train), ("test", report.test))
    return template.render(
        vars(report)
        | {
            "image": base64.b64encode(report.parity).decode(),
            "errors": [_error_row(name, every) for name, every in sets],
            "windows": [_error_row(_window(w), w.errors) for w in report.by_energy],
            "coverage": [(name, f"{chosen:.3g}", f"{random:.3g}") for name, chosen, random in report.coverage],
        }
    )


def _error_row(name: str, e: Errors) -> tuple[str, ...]:
    return name, str(e.count), f"{e.rmsd:.4g}", f"{e.mae:.4g}", f"{e.largest:.4g}"


def _window(w: WindowErrors) -> str:
    return f"{w.low:g} and more" if w.high is None else f"{w.low:g} to {w.high:g}"


def label_sentence(facts: Mapping[str, Any]) -> str:
    """Return how many labels of a dataset were flagged or failed, in one sentence, from the dataset's facts."""
    counts = {name: int(facts[fact]) for fact, name in STATUSES.items() if facts.get(fact)}
    total = facts.get("cost", {}).get("labels")
    text = f"{facts['labels']} {f'of {total} ' if total else ''}labels are in the dataset"
    if not counts:
        return f"{text}; none was flagged or failed."
    kept = "kept" if facts.get("flagged_kept") else "left out"
    ends = [f"{n} {name}{f' ({kept})' if name == 'flagged' else ''}" for name, n in counts.items()]
    return f"{text}; {', '.join(ends)}."


def cost_rows(facts: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (what, expected, measured) of the labels' cost; nothing for datasets of the first release."""
    cost = facts.get("cost")
    if not cost:
        return []
    names = {
        "cpu_hours": "CPU-hours of all labels",
        "cpu_seconds": "CPU-seconds of a label (median)",
        "memory": "largest memory of a process (GiB)",
    }
    return [(what, _figure(cost[f"expected_{name}"]), _figure(cost[name])) for name, what in names.items()]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
