"""The parity plots of energies and of gradients."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import numpy as np

from potentials.arrays import Floats, Ints
from storage.records import TRAIN
from tasks.metrics import Errors
from tasks.plot import Plot

WIDTH = 52
"""Characters of a line of a title."""


def energy_parity(
    title: str, reference: Floats, predicted: Floats, split: Ints, ids: Sequence[str], train: Errors, test: Errors
) -> Plot:
    """Return the parity plot of energies.

    Parameters
    ----------
    title
        The plot's title.
    reference, predicted
        (n,), kcal/mol.
    split, ids
        (n,), of each configuration.
    train, test
        The errors, for the legend.
    """
    figure = _figure(title, reference, predicted, split, train, test, ("energy", "configurations", "kcal/mol"))
    head = ["configuration", "split", "reference_kcal_per_mol", "predicted_kcal_per_mol"]
    values = zip(ids, split, reference.tolist(), predicted.tolist(), strict=True)
    rows = ((name, _set(part), f"{r:.10g}", f"{p:.10g}") for name, part, r, p in values)
    return Plot.of("parity", figure, head, rows)


def gradient_parity(
    title: str, reference: Floats, predicted: Floats, split: Ints, ids: Sequence[str], train: Errors, test: Errors
) -> Plot:
    """Return the parity plot of gradients, whose table has a row for each atom and axis.

    The parameters are those of `energy_parity`; reference and predicted are (n, atoms, 3), kcal/mol/Angstrom.
    """
    of = ("gradient", "components", "kcal/mol/A")
    each = np.repeat(split, reference[0].size)
    figure = _figure(title, reference.ravel(), predicted.ravel(), each, train, test, of)
    names = "reference_kcal_per_mol_per_A", "predicted_kcal_per_mol_per_A"
    rows = (
        (ids[n], _set(split[n]), atom, axis, f"{reference[n, atom, i]:.10g}", f"{predicted[n, atom, i]:.10g}")
        for n in range(len(ids))
        for atom in range(reference.shape[1])
        for i, axis in enumerate("xyz")
    )
    return Plot.of("gradient-parity", figure, ["configuration", "split", "atom", "axis", *names], rows)


def _set(split: Any) -> str:
    return "train" if split == TRAIN else "test"


def _figure(
    title: str,
    reference: Floats,
    predicted: Floats,
    split: Ints,
    train: Errors,
    test: Errors,
    of: tuple[str, str, str],
) -> Any:
    """Draw predicted against reference values (n,), and the error below; `of`: what, what is counted, the unit."""
    from matplotlib.figure import Figure

    what, counted, unit = of
    figure = Figure(figsize=(5.0, 5.8), layout="constrained")
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
        label = f"{name}: {errors.count:,} {counted},\nRMSD {errors.rmsd:.3g} {unit}"
        style = {"s": size, "color": colour, "alpha": 0.75, "linewidths": 0, "zorder": 2 + part}
        top.scatter(reference[chosen], predicted[chosen], label=label, **style)
        bottom.scatter(reference[chosen], (predicted - reference)[chosen], **style)
    lines = (wrapped for line in title.splitlines() for wrapped in wrap(line, WIDTH))
    top.set_title("\n".join(lines), parse_math=False, fontsize=11)  # plain text, without mathematics
    top.set(ylabel=f"fitted {what} ({unit})", xlim=ends, ylim=ends)
    top.legend(loc="upper left", frameon=False)
    bottom.set(xlabel=f"reference {what} ({unit})", ylabel=f"error ({unit})")
    return figure
