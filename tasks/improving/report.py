"""The table and the plots of turns: own-frame and held-out errors before and after each, with their CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from storage.store import Store
from tasks.checks.files import report_folder
from tasks.improving.record import Turn
from tasks.plot import Plot, write_plots

BEFORE, AFTER, HELD, FIXED, LINE = "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#555555"
SMALLEST = 1e-3
"""Errors are drawn from here, kcal/mol."""


def rows_of(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Return one row for each turn: its errors over all n-mers before and after, what it took, its decision."""
    return [
        {
            "turn": turn.number,
            "kept": turn.kept,
            "picked": turn.facts["picked"],
            "own_before": turn.facts["own"]["before"],
            "own_after": turn.facts["own"]["after"],
            "fixed_before": turn.facts["fixed"]["before"],
            "fixed_after": turn.facts["fixed"]["after"],
            "held_before": turn.facts["held"]["before"],
            "held_after": turn.facts["held"]["after"],
            "stopped": turn.facts["stopped"],
            "replicas": turn.facts["replicas"],
            "core_hours": turn.core_hours,
            "why": turn.facts["why"],
        }
        for turn in turns
    ]


def rows_of_nmers(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Return one row for each n-mer of each turn."""
    found = []
    for turn in turns:
        for row in turn.facts["nmers"]:
            errors = {
                f"{which}_{when}": row[which][when] for which in ("own", "held") for when in ("before", "after")
            }
            plain = {
                name: row[name] for name in ("nmer", "candidates", "inside", "kept_picks", "too_high", "failed")
            }
            found.append(
                {"turn": turn.number}
                | plain
                | {"judged": row["own"]["count"]}
                | errors
                | {"accepted": row["accepted"], "potential": row["trial"] if row["accepted"] else row["before"]}
                | {"why": row["why"]}
            )
    return found


def draw(name: str, turns: Sequence[Turn]) -> list[Plot]:
    """Return the plot of errors over the turns, and that of each n-mer in the last turn."""
    return [_over_turns(name, turns), _of_nmers(name, turns)]


def write_pages(store: Store, name: str, turns: Sequence[Turn]) -> list[Path]:
    """Write the plots of turns with their CSV into the reports of the store, and return the files."""
    return write_plots(draw(name, turns), report_folder(store, name))


def _over_turns(name: str, turns: Sequence[Turn]) -> Plot:
    from matplotlib.figure import Figure

    rows = rows_of(turns)
    figure = Figure(figsize=(6.0, 4.0), layout="constrained")
    axes = figure.subplots()
    x = [row["turn"] for row in rows]
    for key, colour, marker, label in (
        ("own", AFTER, "o", "own frames set apart"),
        ("fixed", FIXED, "s", "those of the first turn"),
        ("held", HELD, "^", "test sets"),
    ):
        before, after = ([_drawn(row[f"{key}_{when}"]) for row in rows] for when in ("before", "after"))
        axes.plot([n - 0.18 for n in x], before, marker, mfc="none", color=colour, ms=7)
        axes.plot([n + 0.18 for n in x], after, marker, color=colour, ms=7, label=label)
        for n, one, two in zip(x, before, after, strict=True):
            axes.plot([n - 0.18, n + 0.18], [one, two], "-", color=colour, linewidth=1.2)
    for row in rows:
        if not row["kept"]:
            axes.axvspan(row["turn"] - 0.4, row["turn"] + 0.4, color=LINE, alpha=0.12, linewidth=0)
    axes.set(yscale="log", xlabel="turn (open: before, filled: after; grey: not kept)")
    axes.set_ylabel(f"error against {_level(turns)} (kcal/mol)")
    axes.set_xticks(x)
    axes.legend(fontsize=9)
    axes.set_title(f"{name}: RMS error of the n-mers", fontsize=12)
    return Plot.of("improve-turns", figure, list(rows[0]), ([_cell(v) for v in row.values()] for row in rows))


def _of_nmers(name: str, turns: Sequence[Turn]) -> Plot:
    from matplotlib.figure import Figure

    rows = rows_of_nmers(turns)
    last = [row for row in rows if row["turn"] == turns[-1].number]
    figure = Figure(figsize=(7.0, max(3.0, 0.32 * len(last) + 1.4)), layout="constrained")
    own, held = figure.subplots(1, 2, sharey=True)
    places = list(range(len(last)))[::-1]
    for axes, key, title in ((own, "own", "own frames"), (held, "held", "test set")):
        for place, row in zip(places, last, strict=True):
            before, after = _drawn(row[f"{key}_before"]), _drawn(row[f"{key}_after"])
            axes.plot([before, after], [place, place], "-", color=LINE, linewidth=1.0)
            axes.plot([before], [place], "o", mfc="none", color=BEFORE, ms=6)
            axes.plot([after], [place], "o" if row["accepted"] else "x", color=AFTER, ms=6)
        axes.set(xscale="log", xlabel=f"RMS error (kcal/mol), {title}")
        axes.grid(axis="y", color=LINE, alpha=0.2, linewidth=0.5)
    own.set_yticks(places, [row["nmer"] for row in last], fontsize=9)
    kept = "kept" if turns[-1].kept else "not kept"
    figure.suptitle(
        f"{name}, turn {turns[-1].number} ({kept}) against {_level(turns)}\n"
        "open: before, filled: trial, cross: trial that is refused",
        fontsize=11,
    )
    return Plot.of("improve-n-mers", figure, list(rows[0]), ([_cell(v) for v in row.values()] for row in rows))


def _level(turns: Sequence[Turn]) -> str:
    return str(turns[-1].facts.get("level") or "the labels")


def _drawn(value: float | None) -> float:
    return float("nan") if value is None else max(float(value), SMALLEST)


def _cell(value: Any) -> Any:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value
