"""The parity plot, and the CSV behind it."""

from __future__ import annotations

import csv
import io

import numpy as np

from storage.records import TRAIN, Floats, Ints
from tasks.validation.metrics import Errors


def parity_csv(reference: Floats, predicted: Floats, split: Ints, ids: tuple[str, ...]) -> str:
    """Return the numbers of the parity plot as CSV, energies in kcal/mol."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["configuration", "split", "reference_kcal_per_mol", "predicted_kcal_per_mol"])
    for name, part, r, p in zip(ids, split, reference, predicted, strict=True):
        writer.writerow([name, "train" if part == TRAIN else "test", f"{r:.10g}", f"{p:.10g}"])
    return text.getvalue()


def parity_png(
    title: str, reference: Floats, predicted: Floats, split: Ints, train: Errors, test: Errors
) -> bytes:
    """Draw predicted against reference energies, and the error below, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 6.8), layout="constrained")
    top, bottom = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    low = float(min(reference.min(), predicted.min()))
    high = float(max(reference.max(), predicted.max()))
    margin = 0.04 * (high - low)
    ends = [low - margin, high + margin]
    top.plot(ends, ends, color="0.6", linewidth=1, zorder=1)
    bottom.axhline(0.0, color="0.6", linewidth=1, zorder=1)
    for part, errors, name, colour, size in (
        (TRAIN, train, "training", "#4477aa", 14),
        (1 - TRAIN, test, "test", "#ee6677", 22),
    ):
        chosen = np.flatnonzero(split == part)
        label = f"{name}: {errors.count} configurations, RMSD {errors.rmsd:.3g} kcal/mol"
        style = {"s": size, "color": colour, "alpha": 0.75, "linewidths": 0, "zorder": 2 + part}
        top.scatter(reference[chosen], predicted[chosen], label=label, **style)
        bottom.scatter(reference[chosen], (predicted - reference)[chosen], **style)
    top.set(title=title, ylabel="fitted energy (kcal/mol)", xlim=ends, ylim=ends)
    top.legend(loc="upper left", frameon=False)
    bottom.set(xlabel="reference energy (kcal/mol)", ylabel="error (kcal/mol)")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    return buffer.getvalue()
