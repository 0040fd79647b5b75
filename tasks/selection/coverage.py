"""How well chosen frames cover the pool: distances of its frames from the nearest chosen one."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Ints
from tasks.selection.rules import nearest_distance
from tasks.selection.table import Table

MEASURED = 10_000
"""Largest number of frames on which coverage is measured."""

STREAM = (10_000, 5)
"""Seed of these frames, different from that of every recipe: clusters start from frames drawn with the latter."""


def coverage(table: Table, chosen: Ints) -> dict[str, float]:
    """Return how far the table's rows are from the chosen ones: rms, 99th percentile, largest distance.

    It is measured on `MEASURED` rows drawn at random if the table has more, the same rows at every call.

    Parameters
    ----------
    table
        (rows, width), features.
    chosen
        Rows.

    Returns
    -------
    ``rms``, ``p99``, and ``max``, in the features' unit (Angstrom for distances).
    """
    rows = np.arange(len(table))
    if len(table) > MEASURED:
        rows = np.sort(np.random.default_rng(STREAM).choice(len(table), MEASURED, replace=False))
    nearest = nearest_distance(table.take(rows), table.take(chosen))
    nearest[np.isin(rows, chosen)] = 0.0  # exactly zero, without rounding errors
    return {
        "rms": float(np.sqrt(np.mean(nearest**2))),
        "p99": float(np.percentile(nearest, 99)),
        "max": float(nearest.max()),
    }
