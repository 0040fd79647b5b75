"""Plots of a potential's page: errors by energy, and the learning curve."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import numpy as np

from tasks.metrics import LearningPoint, WindowErrors
from tasks.parity import WIDTH
from tasks.plot import Plot

TRAINING, TEST = "#4477aa", "#ee6677"
"""Colours of the two sets, which are told apart by people who see no red or no green."""

SIZE = (5.0, 3.6)
"""Inches of a plot that is readable at 400 pixels."""


def error_by_energy_plot(train: Sequence[WindowErrors], test: Sequence[WindowErrors], level: str) -> Plot:
    """Draw the RMSD of both sets in windows of energy above the lowest, with the numbers of configurations.

    Parameters
    ----------
    train, test
        Errors by window; empty windows are left out.
    level
        Level of theory of the labels.
    """
    from matplotlib.figure import Figure

    edges = sorted({(w.low, w.high) for w in (*train, *test)}, key=lambda edge: edge[0])
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    for windows, name, colour, shift in ((train, "training", TRAINING, -0.2), (test, "test", TEST, 0.2)):
        known = {(w.low, w.high): w.errors for w in windows}
        places = [n for n, edge in enumerate(edges) if edge in known]
        heights = [known[edges[n]].rmsd for n in places]
        bars = axes.bar(np.array(places, dtype=float) + shift, heights, 0.38, color=colour, label=name)
        axes.bar_label(bars, [f"{known[edges[n]].count:,}" for n in places], fontsize=7.5, padding=2)
    axes.set_xticks(range(len(edges)), [window_name(*edge) for edge in edges])
    axes.set_xlabel("energy above the lowest label (kcal/mol)")
    axes.set_ylabel("RMSD (kcal/mol)")
    axes.set_title(fill(f"Error by energy, against {level}", WIDTH), parse_math=False, fontsize=11)
    axes.margins(y=0.15)
    axes.legend(frameon=False, title="numbers: configurations", title_fontsize=8)
    rows = [
        (
            name,
            w.low,
            w.high,
            w.errors.count,
            *(f"{v:.6g}" for v in (w.errors.rmsd, w.errors.mae, w.errors.largest)),
        )
        for name, windows in (("train", train), ("test", test))
        for w in windows
    ]
    unit = "kcal_per_mol"
    head = ["split", f"low_{unit}", f"high_{unit}", "count", f"rmsd_{unit}", f"mae_{unit}", f"largest_{unit}"]
    return Plot.of("error-by-energy", figure, head, rows)


def learning_plot(curve: Sequence[LearningPoint], level: str, of_level: bool = False) -> Plot:
    """Draw the RMSD of both sets against the number of training configurations.

    Parameters
    ----------
    curve
        Its points.
    level
        Level of theory of the labels.
    of_level
        Whether these are the labels of the last level, above others that stay as they are.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    counts = [point.configurations for point in curve]
    axes.plot(counts, [p.train.rmsd for p in curve], "o--", color=TRAINING, label="training")
    axes.plot(counts, [p.test.rmsd for p in curve], "o-", color=TEST, label="test")
    what = "training labels of the last level" if of_level else "training configurations"
    axes.set(xscale="log", xlabel=what, ylabel="RMSD (kcal/mol)")
    axes.set_ylim(bottom=0.0)
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_title(fill(f"Learning curve, against {level}", WIDTH), parse_math=False, fontsize=11)
    axes.legend(frameon=False)
    head = ["configurations", "train_rmsd_kcal_per_mol", "test_rmsd_kcal_per_mol", "test_largest_kcal_per_mol"]
    rows = ((p.configurations, *(f"{v:.6g}" for v in (p.train.rmsd, p.test.rmsd, p.test.largest))) for p in curve)
    return Plot.of("level-learning-curve" if of_level else "learning-curve", figure, head, rows)


def window_name(low: float, high: float | None) -> str:
    """Return the name of a window of energy."""
    return f"{low:g} and more" if high is None else f"{low:g} to {high:g}"
