"""Plots of the comparison of settings, each with its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.plot import Plot

Rows = Sequence[Mapping[str, Any]]


def settings_plot(title: str, trials: Rows) -> Plot:
    """Draw the validation error against Gamma, a line for each degree and dE."""
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
    return _plot("settings", figure, trials)


def curve_plot(name: str, title: str, rows: Rows, against: str, label: str) -> Plot:
    """Draw errors against the number of configurations or of terms."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    names = {
        "train_rmsd": ("training", "#4477aa"),
        "validation_rmsd": ("held back", "#ee6677"),
        "low_rmsd": ("held back, low energies", "#228833"),
    }
    for which, (meaning, colour) in names.items():
        if which in rows[0]:
            x, y = zip(*((row[against], row[which]) for row in rows), strict=True)
            axes.plot(x, y, marker="o", color=colour, label=meaning)
    axes.set_title(title, parse_math=False)
    axes.set(xscale="log", yscale="log", xlabel=label, ylabel="RMSD (kcal/mol)")
    axes.legend(frameon=False)
    return _plot(name, figure, rows)


def _plot(name: str, figure: Any, rows: Rows) -> Plot:
    return Plot.of(name, figure, list(rows[0]), (list(row.values()) for row in rows))
