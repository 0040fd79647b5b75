"""The labels in the report: how many were ok, flagged or failed, and their measured and expected cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STATUSES = {
    "flagged_labels": "flagged",
    "failed_labels": "failed",
    "timeout_labels": "ran into the time limit",
    "out_of_memory_labels": "ran into the memory limit",
}
"""Facts of a dataset, and their names in the report."""


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


def expected_from(facts: Mapping[str, Any]) -> str:
    """Return where the expected figures come from; empty where there are none."""
    return str(facts.get("cost", {}).get("expected_from", ""))


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
