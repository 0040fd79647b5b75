"""The plot of secondary structure against time."""

from __future__ import annotations

import numpy as np

from tasks.checks.interface import Findings
from tasks.plot import Plot

STYLES = {
    "dssp-alpha": ("#0072B2", "-", 1.8, "alpha (DSSP)"),
    "dssp-3-10": ("#D55E00", "-", 1.8, "3-10 (DSSP)"),
    "dssp-pi": ("#009E73", "-", 1.8, "pi (DSSP)"),
    "region-right": ("0.5", "--", 1.0, "right-handed (phi, psi)"),
    "region-c7": ("#56B4E9", ":", 1.2, "C7 (phi, psi)"),
    "region-ppii": ("#A6761D", ":", 1.2, "PPII (phi, psi)"),
    "region-beta": ("#E69F00", ":", 1.2, "extended (phi, psi)"),
    "region-left": ("#CC79A7", "--", 1.0, "left-handed (phi, psi)"),
}
"""Colour, line, width and label of each share that is drawn."""


def draw(findings: Findings) -> list[Plot]:
    """Draw a panel for each model and start: shares of residues against time."""
    from matplotlib.figure import Figure

    data = {name.removeprefix("structure."): np.asarray(c.values) for name, c in findings.data.items()}
    facts = findings.facts
    models, starts = facts["models"], facts["starts"]
    figure = Figure(figsize=(6.5, 1.9 * len(models) + 0.9), layout="constrained")
    panels = figure.subplots(len(models), len(starts), sharex=True, sharey=True, squeeze=False)
    for row, model in zip(panels, models, strict=True):
        for axes, start in zip(row, starts, strict=True):
            mine = (data["model"] == model) & (data["start"] == start)
            for kind, (colour, line, width, label) in STYLES.items():
                axes.plot(data["time"][mine], data[kind][mine], line, color=colour, linewidth=width, label=label)
            if f"{model}, {start}" in facts["broken"]:
                end = data["time"][mine].max(initial=0.0)
                axes.axvline(end, color="black", linewidth=1.0)
                axes.annotate("broken", (end, 0.5), xytext=(4, 0), textcoords="offset points", fontsize=8)
            axes.set_title(f"{model}, from {start}" if "replica" not in start else start, fontsize=9)
            axes.set_ylim(-0.03, 1.03)
        row[0].set_ylabel("share of\nresidues")
    for axes in panels[-1]:
        axes.set_xlabel("time (ps)")
    figure.suptitle(f"{facts['chain']} at {facts['temperature']:g} K", fontsize=10)
    lines, names = panels[0, 0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside lower center", ncols=3, fontsize=8)
    shares = [name for name in data if name not in ("model", "start", "time")]
    rows = (
        [
            data["model"][n],
            data["start"][n],
            f"{data['time'][n]:.6g}",
            *(f"{data[kind][n]:.4f}" for kind in shares),
        ]
        for n in range(len(data["time"]))
    )
    return [Plot.of("secondary-structure", figure, ["model", "start", "time_ps", *shares], rows)]
