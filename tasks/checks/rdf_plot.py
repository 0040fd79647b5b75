"""The plot of radial distribution functions of the sum and of force fields."""

from __future__ import annotations

import numpy as np

from tasks.checks.columns import COLOURS, LINES, SUM, beginning
from tasks.checks.interface import Findings
from tasks.plot import Plot


def draw(findings: Findings) -> list[Plot]:
    """Return a panel for each function; a model that broke before the part that counts is said to have."""
    from matplotlib.figure import Figure

    data = {name.removeprefix("rdf."): np.asarray(c.values) for name, c in findings.data.items()}
    facts, names = findings.facts, findings.facts["names"]
    models, spans = facts.get("models", {SUM: SUM}), facts.get("spans", {SUM: facts["ps"]})
    rows = -(-len(names) // 2)
    figure = Figure(figsize=(6.5, 1.9 * rows + 1.0), layout="constrained")
    panels = figure.subplots(rows, 2, sharex=True, squeeze=False).ravel()
    labels = {model: f"{title}, {spans[model]:.2f} ps" for model, title in models.items()}
    labels[SUM] = f"sum with {facts['water']}, {spans[SUM]:.2f} ps"
    for axes, name in zip(panels, names, strict=False):
        axes.axhline(1.0, color="0.8", linewidth=0.8)
        broken = []
        for model in models:
            g = data[f"{beginning(model)}{name.lower()}"]
            if np.isfinite(g).any():
                look = {"color": COLOURS[model], "linestyle": LINES[model], "linewidth": 1.2}
                axes.plot(data["distance"], g, label=labels[model], **look)
            else:
                broken.append(model)
        if broken:
            said = f"{' and '.join(broken)}: broke before"
            axes.text(0.5, 0.85, said, ha="center", fontsize=8, transform=axes.transAxes)
        axes.set_title(name, fontsize=9)
        axes.set_ylabel("g(r)")
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    for axes in panels[max(0, len(names) - 2) : len(names)]:
        axes.set_xlabel("r (Angstrom)")
        axes.tick_params(labelbottom=True)
    shown = {label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    if shown:
        figure.legend(shown.values(), shown, loc="outside lower center", fontsize=8, ncols=1)
    figure.suptitle(f"{facts['waters']} waters at {facts['temperature']:g} K; no reference", fontsize=10)
    columns = [data[name] for name in data]
    head = ["distance_angstrom", *(name for name in data if name != "distance")]
    table = ([f"{column[n]:.6g}" for column in columns] for n in range(len(columns[0]) if columns else 0))
    return [Plot.of("rdf", figure, head, table)]
