"""The plots of the gate of own frames: parity of n-mers and of whole molecules, and error against uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from potentials.arrays import Floats
from tasks.checks.interface import Findings
from tasks.plot import Plot

INSIDE, OUTSIDE, LINE = "#0072B2", "#D55E00", "#555555"
SMALLEST = 1e-3
"""Errors and uncertainties are drawn from here, kcal/mol."""

NMERS = {
    "nmer": "nmer",
    "molecule": "molecule",
    "frame": "frame",
    "label": "label_kcal_per_mol",
    "predicted": "predicted_kcal_per_mol",
    "uncertainty": "uncertainty_kcal_per_mol",
    "outside": "outside_of_training_range",
}
WHOLE = {
    "molecule": "molecule",
    "level": "reference",
    "temperature": "temperature_K",
    "replica": "replica",
    "frame": "frame",
    "reference": "reference_kcal_per_mol",
    "predicted": "predicted_kcal_per_mol",
}


def draw(findings: Findings) -> Sequence[Plot]:
    """Return the plot of n-mers, and that of whole molecules if there are any."""
    plots = []
    if np.isfinite(np.asarray(findings.data["nmers.label"].values, dtype=np.float64)).any():
        plots.append(_nmers(findings))
    if len(findings.data["whole.molecule"].values):
        plots.append(_whole(findings))
    return plots


def _nmers(findings: Findings) -> Plot:
    from matplotlib.figure import Figure

    table = {name: np.asarray(findings.data[f"nmers.{name}"].values) for name in NMERS}
    label, predicted, spread = (table[name].astype(np.float64) for name in ("label", "predicted", "uncertainty"))
    known, outside = np.isfinite(label), table["outside"].astype(np.float64) == 1.0
    figure = Figure(figsize=(8.0, 4.0), layout="constrained")
    parity, trust = figure.subplots(1, 2)
    for chosen, colour, name in (
        (known & ~outside, INSIDE, "inside of the training range"),
        (known & outside, OUTSIDE, "outside"),
    ):
        error = np.abs(predicted - label)
        bars = np.nan_to_num(spread[chosen])
        parity.errorbar(label[chosen], predicted[chosen], bars, fmt="o", ms=3, lw=0.8, color=colour, label=name)
        trust.plot(
            np.maximum(spread[chosen], SMALLEST), np.maximum(error[chosen], SMALLEST), "o", ms=3, color=colour
        )
    _diagonal(parity, label[known], predicted[known])
    level = findings.facts.get("level", "")
    parity.set(xlabel=f"{level} n-body energy (kcal/mol)", ylabel="predicted (kcal/mol)")
    parity.legend(fontsize=8)
    ends = [
        SMALLEST,
        max(1.0, float(np.nanmax([np.abs(predicted - label)[known].max(), np.nanmax([0, *spread])]))),
    ]
    trust.plot(ends, ends, color=LINE, linewidth=1.0)
    trust.fill_between(ends, [0.5 * e for e in ends], [2.0 * e for e in ends], color=LINE, alpha=0.15, linewidth=0)
    trust.set(xscale="log", yscale="log", xlabel="uncertainty (kcal/mol)", ylabel="|error| (kcal/mol)")
    figure.suptitle("n-mers cut from the sum's own frames", fontsize=12)
    return _plot("own-frames-nmers", figure, NMERS, table)


def _whole(findings: Findings) -> Plot:
    from matplotlib.figure import Figure

    table = {name: np.asarray(findings.data[f"whole.{name}"].values) for name in WHOLE}
    molecules = list(dict.fromkeys(table["molecule"].tolist()))
    columns = min(3, len(molecules))
    rows = -(-len(molecules) // columns)
    figure = Figure(figsize=(max(4.0, 3.3 * columns), 3.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, name in zip(panels, molecules, strict=False):
        mine = table["molecule"] == name
        reference, predicted = (table[key][mine].astype(np.float64) for key in ("reference", "predicted"))
        known = np.isfinite(reference)
        axes.plot(reference[known], predicted[known], "o", ms=4, color=INSIDE)
        _diagonal(axes, reference[known], predicted[known])
        axes.set_title(f"{name}: energy above a minimum", fontsize=10)
        axes.set_xlabel(f"{table['level'][mine][0]} (kcal/mol)")
    for axes in panels[len(molecules) :]:
        axes.set_axis_off()
    panels[0].set_ylabel("sum (kcal/mol)")
    return _plot("own-frames-whole", figure, WHOLE, table)


def _diagonal(axes: Any, x: Floats, y: Floats) -> None:
    both = np.concatenate([x, y])
    ends = [float(both.min()), float(both.max())]
    axes.plot(ends, ends, color=LINE, linewidth=1.0)


def _plot(name: str, figure: Any, columns: Mapping[str, str], table: Mapping[str, Any]) -> Plot:
    lines = zip(*(table[key].tolist() for key in columns), strict=True)
    rows = ([f"{value:.6g}" if isinstance(value, float) else value for value in line] for line in lines)
    return Plot.of(name, figure, list(columns.values()), rows)
