"""The plot of the gate of conservation: total energy against time, and its scatter against the step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.checks.interface import Findings
from tasks.checks.targets import word_of
from tasks.plot import Plot

COLOURS = ("#0072B2", "#E69F00", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")
"""Of temperatures (Okabe and Ito)."""

MOST = 400
"""Points of a line; each is the mean of neighbours."""

HEAD = ("temperature_K", "replica", "time_ps", "total_energy_kcal_per_mol_and_atom")


def draw(findings: Findings) -> Sequence[Plot]:
    """Return one plot for each molecule."""
    molecules = np.asarray(findings.data["energies.molecule"].values)
    return [_of(findings, name) for name in dict.fromkeys(molecules.tolist())]


def _of(findings: Findings, molecule: str) -> Plot:
    from matplotlib.figure import Figure

    rows = np.asarray(findings.data["energies.molecule"].values) == molecule
    names = ("temperature", "replica", "time", "total")
    table = {name: np.asarray(findings.data[f"energies.{name}"].values)[rows] for name in names}
    figure = Figure(figsize=(8.0, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for number, temperature in enumerate(sorted(set(table["temperature"].tolist()))):
        for replica in sorted(set(table["replica"].tolist())):
            chosen = (table["temperature"] == temperature) & (table["replica"] == replica)
            if not chosen.any():
                continue
            size = max(1, int(chosen.sum()) // MOST)
            kept = int(chosen.sum()) // size * size
            time, energy = (
                table[name][chosen][:kept].reshape(-1, size).mean(axis=1) for name in ("time", "total")
            )
            label = f"{temperature:g} K" if replica == 0 else None
            colour, about = COLOURS[number % len(COLOURS)], 1e3 * (energy - energy.mean())
            left.plot(time, about, color=colour, linewidth=0.8, label=label)
    left.set(xlabel="time (ps)", ylabel="total energy per atom,\nabout its mean (cal/mol)")
    left.set_title(f"{molecule}, steps of {findings.facts.get('timestep', 0.5):g} fs", fontsize=11)
    left.legend(fontsize=9)
    mine = np.asarray(findings.data["orders.molecule"].values) == molecule
    steps, scatter = (np.asarray(findings.data[f"orders.{name}"].values)[mine] for name in ("timestep", "scatter"))
    if len(steps):
        right.plot(steps, scatter, "o-", color=COLOURS[0], label="measured")
        right.plot(steps, scatter[0] * (steps / steps[0]) ** 2, "--", color="#555555", label="order 2")
        right.set(xscale="log", yscale="log", xlabel="step (fs)", ylabel="scatter of the total energy (kcal/mol)")
        right.set_xticks(steps, [f"{step:g}" for step in steps])
        right.set_xticks([], minor=True)
        right.legend(fontsize=9)
    else:
        right.set_axis_off()
    lines = zip(*(table[name].tolist() for name in names), strict=True)
    return Plot.of(
        f"conservation-{word_of(molecule)}", figure, HEAD, ([f"{value:.8g}" for value in line] for line in lines)
    )
