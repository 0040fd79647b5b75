"""Plots of what settings are worth, each with the numbers behind it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

Rows = Sequence[Mapping[str, Any]]


def rows_csv(rows: Rows) -> str:
    """Return rows as CSV with their names in the first line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def settings_png(title: str, trials: Rows) -> bytes:
    """Draw the validation error against Gamma, a line for each degree and dE, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    lines = sorted({(t["degree"], t["delta_e"]) for t in trials})
    styles = dict(zip(sorted({d for _, d in lines}), ("-", "--", ":", "-."), strict=False))
    colours = dict(zip(sorted({d for d, _ in lines}), ("#4477aa", "#ee6677", "#228833", "#ccbb44"), strict=False))
    for degree, delta_e in lines:
        points = sorted(
            (t["gamma"], t["score"]) for t in trials if (t["degree"], t["delta_e"]) == (degree, delta_e)
        )
        axes.plot(
            *zip(*points, strict=True),
            marker="o",
            color=colours.get(degree, "0.5"),
            linestyle=styles.get(delta_e, "-"),
            label=f"degree {degree}, dE {delta_e:g} kcal/mol",
        )
    with_gradients = any(t["gradient_rmsd"] is not None for t in trials)
    what = "validation error of energies and gradients" if with_gradients else "validation RMSD"
    axes.set_title(title, parse_math=False)
    axes.set(xscale="log", yscale="log", xlabel="Gamma", ylabel=f"{what} (kcal/mol)")
    axes.legend(frameon=False, fontsize="small")
    return _png(figure)


def curve_png(title: str, rows: Rows, against: str, label: str) -> bytes:
    """Draw errors against the number of configurations or of terms, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    names = {
        "train_rmsd": ("training", "#4477aa"),
        "validation_rmsd": ("held back", "#ee6677"),
        "low_rmsd": ("held back, low energies", "#228833"),
    }
    for name, (meaning, colour) in names.items():
        if name in rows[0]:
            x, y = zip(*((row[against], row[name]) for row in rows), strict=True)
            axes.plot(x, y, marker="o", color=colour, label=meaning)
    axes.set_title(title, parse_math=False)
    axes.set(xscale="log", yscale="log", xlabel=label, ylabel="RMSD (kcal/mol)")
    axes.legend(frameon=False)
    return _png(figure)


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    return buffer.getvalue()
