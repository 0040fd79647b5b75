"""The plot of free-energy surfaces with their errors."""

from __future__ import annotations

import numpy as np

from tasks.checks.basins import BASINS
from tasks.checks.columns import key_of
from tasks.checks.interface import Findings
from tasks.plot import Plot

HIGHEST = 12.0
"""Free energies above this have one colour, kcal/mol."""

LARGEST = 1.0
"""Errors above this have one colour, kcal/mol."""


def draw(findings: Findings, name: str = "free-energy") -> list[Plot]:
    """Draw the surface and the error of each model; a model that did not hold has its length instead.

    Parameters
    ----------
    findings
        With a surface of each model.
    name
        Of the plot.
    """
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke

    about = {"path_effects": [withStroke(linewidth=1.5, foreground="black")]}  # to be read on white too
    table = {key.removeprefix("surface."): column for key, column in findings.data.items() if "surface." in key}
    data = {key: np.asarray(column.values) for key, column in table.items()}
    models, facts = findings.facts["models"], findings.facts
    figure = Figure(figsize=(6.5, 2.9 * len(models)), layout="constrained")
    panels = figure.subplots(len(models), 2, sharex=True, sharey=True, squeeze=False)
    for row, model in zip(panels, models, strict=True):
        key, length = key_of(model), facts["lengths"][model]
        title = facts.get("titles", {}).get(model, model)
        full, seen = (facts.get(kind, {}).get(model, "") for kind in ("full", "seen"))
        row[0].set_ylabel("psi (degrees)")
        for axes in row:
            axes.set(xlim=(-180, 180), ylim=(-180, 180), xticks=range(-180, 181, 90), yticks=range(-180, 181, 90))
            axes.tick_params(labelsize=8)
        if not np.isfinite(data[key]).any():
            row[0].text(0, 0, f"{title}:\nno surface, held for\n{1000 * length:.3g} ps", ha="center", va="center")
            row[1].text(0, 0, "no error", ha="center", va="center")
            continue
        side = round(len(data["phi"]) ** 0.5)
        x, y = (data[angle].reshape(side, side) for angle in ("phi", "psi"))
        for axes, column, top, label, colours in (
            (row[0], key, HIGHEST, "free energy (kcal/mol)", "viridis"),
            (row[1], f"{key}-error", LARGEST, "standard error (kcal/mol)", "cividis"),
        ):
            values = data[column].reshape(side, side)
            values = np.where(np.isfinite(values), values, np.nan)  # white
            drawn = axes.pcolormesh(
                x, y, values, vmin=0.0, vmax=top, cmap=colours, shading="nearest", rasterized=True
            )
            figure.colorbar(drawn, ax=axes, label=label, extend="max")
        row[0].set_title(f"{title}\n{length:.3g} ns at {facts['temperature']:g} K{full}", fontsize=9)
        row[1].set_title(f"{title}\nerrors from blocks{seen}", fontsize=9)
        for basin, (phi, psi) in BASINS.items():
            row[0].annotate(basin, (phi, psi), color="white", fontsize=7, ha="center", va="center", **about)
    for axes in panels[-1]:
        axes.set_xlabel("phi (degrees)")
    head = [f"{key}_degrees" if key in ("phi", "psi") else f"{key}_kcal_per_mol" for key in data]
    columns = list(data.values())
    rows = ([f"{column[n]:.6g}" for column in columns] for n in range(len(columns[0]) if columns else 0))
    return [Plot.of(name, figure, head, rows)]
