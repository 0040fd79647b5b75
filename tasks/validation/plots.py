"""The parity plots of energies and of gradients, and the CSV behind each."""

from __future__ import annotations

import csv
import io

import numpy as np

from storage.records import TRAIN, Floats, Ints
from tasks.metrics import Errors


def parity_csv(reference: Floats, predicted: Floats, split: Ints, ids: tuple[str, ...]) -> str:
    """Return the numbers of the parity plot as CSV, energies in kcal/mol."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["configuration", "split", "reference_kcal_per_mol", "predicted_kcal_per_mol"])
    for name, part, r, p in zip(ids, split, reference, predicted, strict=True):
        writer.writerow([name, "train" if part == TRAIN else "test", f"{r:.10g}", f"{p:.10g}"])
    return text.getvalue()


def gradient_csv(reference: Floats, predicted: Floats, split: Ints, ids: tuple[str, ...]) -> str:
    """Return the same of gradients, a line for each atom and axis, kcal/mol/Angstrom.

    Parameters
    ----------
    reference, predicted
        (n, atoms, 3).
    split, ids
        (n,), of each configuration.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = "reference_kcal_per_mol_per_A", "predicted_kcal_per_mol_per_A"
    writer.writerow(["configuration", "split", "atom", "axis", *names])
    for name, part, r, p in zip(ids, split, reference.tolist(), predicted.tolist(), strict=True):
        which = "train" if part == TRAIN else "test"
        for atom, (rows, fitted) in enumerate(zip(r, p, strict=True)):
            for axis, one, other in zip("xyz", rows, fitted, strict=True):
                writer.writerow([name, which, atom, axis, f"{one:.10g}", f"{other:.10g}"])
    return text.getvalue()


def parity_png(
    title: str,
    reference: Floats,
    predicted: Floats,
    split: Ints,
    train: Errors,
    test: Errors,
    of: tuple[str, str, str] = ("energy", "configurations", "kcal/mol"),
) -> bytes:
    """Draw predicted against reference values, and the error below, as PNG.

    Parameters
    ----------
    title
        What stands above.
    reference, predicted, split
        (n,) each.
    train, test
        The errors, which the legend names.
    of
        What the values are, what is counted, and their unit.
    """
    from matplotlib.figure import Figure

    what, counted, unit = of
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
        label = f"{name}: {errors.count} {counted}, RMSD {errors.rmsd:.3g} {unit}"
        style = {"s": size, "color": colour, "alpha": 0.75, "linewidths": 0, "zorder": 2 + part}
        top.scatter(reference[chosen], predicted[chosen], label=label, **style)
        bottom.scatter(reference[chosen], (predicted - reference)[chosen], **style)
    top.set_title(title, parse_math=False)  # a title is text, whatever signs are in it
    top.set(ylabel=f"fitted {what} ({unit})", xlim=ends, ylim=ends)
    top.legend(loc="upper left", frameon=False)
    bottom.set(xlabel=f"reference {what} ({unit})", ylabel=f"error ({unit})")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    return buffer.getvalue()
