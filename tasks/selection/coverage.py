"""How well chosen frames cover the pool: distances of its frames from the nearest chosen one."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats, Ints
from tasks.selection.rules import nearest_distance
from tasks.selection.table import Table

MEASURED = 10_000
"""Largest number of frames on which coverage is measured."""

STREAM = (10_000, 5)
"""Seed of these frames, different from that of every recipe: clusters start from frames drawn with the latter."""


def coverage(table: Table, chosen: Ints, others: Floats | None = None) -> dict[str, float]:
    """Return how far the table's rows are from the chosen ones: rms, 99th percentile, largest distance.

    It is measured on `MEASURED` rows drawn at random if the table has more, the same rows at every call.

    Parameters
    ----------
    table
        (rows, width), features.
    chosen
        Rows.
    others
        (configurations, width), features of chosen configurations that are no rows of the table.

    Returns
    -------
    ``rms``, ``p99``, and ``max``, in the features' unit (Angstrom for distances).
    """
    rows = np.arange(len(table))
    if len(table) > MEASURED:
        rows = np.sort(np.random.default_rng(STREAM).choice(len(table), MEASURED, replace=False))
    points = table.take(chosen)
    if others is not None and len(others):
        points = np.concatenate([points, others.astype(points.dtype)])
    nearest = nearest_distance(table.take(rows), points)
    nearest[np.isin(rows, chosen)] = 0.0  # exactly zero, without rounding errors
    return {
        "rms": float(np.sqrt(np.mean(nearest**2))),
        "p99": float(np.percentile(nearest, 99)),
        "max": float(nearest.max()),
    }
