"""The plots of the gate of stability: energy and shortest contact of each replica against time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tasks.checks.interface import Findings
from tasks.checks.targets import word_of
from tasks.plot import Plot

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000")
"""Of replicas (Okabe and Ito)."""

LIMIT = "#555555"
CLEAREST = 1.6
"""Largest distance over its floor that is drawn."""

COLUMNS = {
    "temperature": "temperature_K",
    "replica": "replica",
    "time": "time_ps",
    "energy": "energy_kcal_per_mol",
    "contact": "distance_over_floor",
    "pair": "atoms",
    "stretch": "bond_over_longest",
    "outside": "outside_of_training_range",
}


def draw(findings: Findings) -> Sequence[Plot]:
    """Return one plot for each molecule."""
    molecules = np.asarray(findings.data["frames.molecule"].values)
    return [_of(findings, name, molecules == name) for name in dict.fromkeys(molecules.tolist())]


def _of(findings: Findings, molecule: str, rows: Any) -> Plot:
    from matplotlib.figure import Figure

    table = {name: np.asarray(findings.data[f"frames.{name}"].values)[rows] for name in COLUMNS}
    temperatures = sorted(set(table["temperature"].tolist()))
    figure = Figure(figsize=(7.5, 5.2), layout="constrained")
    panels = figure.subplots(2, len(temperatures), sharex=True, sharey="row", squeeze=False)
    for column, temperature in enumerate(temperatures):
        above, below = panels[:, column]
        for replica in sorted(set(table["replica"].tolist())):
            chosen = (table["temperature"] == temperature) & (table["replica"] == replica)
            colour = COLOURS[replica % len(COLOURS)]
            above.plot(table["time"][chosen], table["energy"][chosen], color=colour, linewidth=0.9)
            contact = np.minimum(table["contact"][chosen], CLEAREST)
            below.plot(table["time"][chosen], contact, color=colour, linewidth=0.9)
        above.axhline(0.0, color=LIMIT, linestyle="--", linewidth=1.0)
        below.axhline(1.0, color=LIMIT, linestyle="--", linewidth=1.0)
        outside = table["outside"][table["temperature"] == temperature]
        known = len(outside) and not np.isnan(outside).any()
        share = f"\n{100 * outside.mean():.3g} % of frames outside of the range" if known else ""
        above.set_title(f"{temperature:g} K{share}", fontsize=10)
        below.set(xlabel="time (ps)", ylim=(0.0, CLEAREST))
    energy = table["energy"]
    low = min(0.0, float(np.percentile(energy, 1)))
    high = float(np.percentile(energy, 99))
    panels[0, 0].set_ylim(low - 0.1 * (high - low) - 1.0, high + 0.25 * (high - low) + 1.0)
    panels[0, 0].set_ylabel("potential energy above\nthe minimum (kcal/mol)")
    panels[1, 0].set_ylabel("shortest distance\nover its floor")
    figure.suptitle(f"{molecule}: dynamics of the sum, one line a replica", fontsize=12)
    lines = zip(*(table[name].tolist() for name in COLUMNS), strict=True)
    rows_of = ([f"{v:.6g}" if isinstance(v, float) else v for v in line] for line in lines)
    return Plot.of(f"stability-{word_of(molecule)}", figure, list(COLUMNS.values()), rows_of)
