"""Smallest distances between chosen frames, and frames that replace those that are too near."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from sklearn.metrics import pairwise_distances_argmin_min

from potentials.arrays import Bools, Floats, Ints
from recipes.schema.recipe import SelectionSettings
from tasks.selection.kmeans import NONE
from tasks.selection.table import Table

CANDIDATES = 10
"""Number of candidates for each frame to be added."""

ROUNDING = 2.0**-22
"""Relative rounding error of a feature in single precision, by which the distances are increased."""


@dataclass(frozen=True)
class Rules:
    """The smallest distances, in the features' unit.

    Attributes
    ----------
    duplicate
        Between any two chosen frames.
    test
        Between a test frame and any training frame.
    """

    duplicate: float
    test: float

    @classmethod
    def of(cls, settings: SelectionSettings, table: Table) -> Rules:
        """Return the recipe's distances, increased by the rounding error of the table's single precision."""
        largest = max((float(np.abs(block).max()) for _, block in table.blocks()), default=0.0)
        slack = ROUNDING * largest * np.sqrt(table.shape[1])
        wanted = settings.duplicate_distance, max(settings.test_distance, settings.duplicate_distance)
        return cls(*(float(distance + slack) if distance else 0.0 for distance in wanted))


def distinct(points: Floats, least: float) -> Bools:
    """Return which points to keep so that no two are nearer than `least`; of two, the first is kept.

    Parameters
    ----------
    points
        (points, width).
    least
        Smallest distance.
    """
    kept = np.arange(len(points))
    while least > 0 and len(kept) > 1:
        distance, neighbour = _tree(points[kept]).query(points[kept], k=2, distance_upper_bound=least)
        own = neighbour == np.arange(len(kept))[:, None]  # with repeated points, the first found may be another
        other = np.where(own[:, 0], neighbour[:, 1], neighbour[:, 0])
        near = np.isfinite(np.where(own[:, 0], distance[:, 1], distance[:, 0]))
        dropped = near & (other < np.arange(len(kept)))
        if not near.any():
            break
        kept = kept[~dropped]
    mask = np.zeros(len(points), dtype=bool)
    mask[kept] = True
    return mask


def near(points: Floats, others: Floats, least: float) -> Bools:
    """Return which points are nearer than `least` to one of the others."""
    if least <= 0 or not len(others) or not len(points):
        return np.zeros(len(points), dtype=bool)
    return np.asarray(np.isfinite(_tree(others).query(points, distance_upper_bound=least)[0]))


def nearest_distance(points: Floats, others: Floats) -> Floats:
    """Return the distance of each point from the nearest of the others."""
    return np.asarray(pairwise_distances_argmin_min(points, others)[1], dtype=np.float64)


def farthest(points: Floats, left: Floats, count: int, least: float) -> Ints:
    """Return up to `count` points, each the farthest from all taken before.

    Parameters
    ----------
    points
        (points, width).
    left
        (points,), distance of each from the points taken before; negative if it must not be taken.
    count
        Number of points; fewer are returned if the farthest remaining one is nearer than `least`.
    least
        Smallest distance.
    """
    points = np.ascontiguousarray(points, dtype=np.float64)
    squares = np.einsum("ij,ij->i", points, points)
    remains = np.where(left < 0, -1.0, left**2)
    taken: list[int] = []
    while len(taken) < count and len(points):
        best = int(np.argmax(remains))
        if remains[best] < least**2:
            break
        taken.append(best)
        to_best = np.maximum(squares + squares[best] - 2.0 * (points @ points[best]), 0.0)
        np.minimum(remains, to_best, out=remains)
        remains[best] = -1.0
    return np.array(taken, dtype=np.int64)


def add_farthest(table: Table, rules: Rules, candidates: Ints, chosen: Ints, test: Ints, count: int) -> Ints:
    """Return up to `count` further training rows, each the farthest from all chosen before it.

    Farthest-point sampling over all rows would need rows times `count` distances; it is done among candidates,
    which include the tails except for near ties. The whole table is searched only when no candidates are left.

    Parameters
    ----------
    table
        (rows, width).
    rules
        The smallest distances.
    candidates
        Rows far from those chosen.
    chosen
        Rows chosen before, including the test set.
    test
        The rows of the test set.
    count
        Number of rows; fewer are returned only if all other rows are too near to the chosen ones.
    """
    taken, searched = np.zeros(0, dtype=np.int64), False
    tests = table.take(test)
    while len(taken) < count:
        present = np.concatenate([chosen, taken])
        points = table.take(candidates)
        left = nearest_distance(points, table.take(present)) if len(points) else np.zeros(0)
        left[np.isin(candidates, present) | near(points, tests, rules.test)] = -1.0
        new = candidates[farthest(points, left, count - len(taken), rules.duplicate)]
        taken = np.concatenate([taken, new])
        if len(taken) < count:
            if searched and not len(new):
                break
            candidates = _search(table, rules, np.concatenate([chosen, taken]), tests, count - len(taken))
            searched = True
    return taken


def _search(table: Table, rules: Rules, chosen: Ints, tests: Floats, count: int) -> Ints:
    """Return the rows of the whole table that may be chosen and are farthest from the chosen ones."""
    points, far = table.take(chosen), NONE
    for start, block in table.blocks():
        left = nearest_distance(block, points)
        rows = np.arange(start, start + len(block))
        allowed = (left >= rules.duplicate) & ~near(block, tests, rules.test) & ~np.isin(rows, chosen)
        far = far.joined(rows[allowed], left[allowed], CANDIDATES * count)
    return far.rows


def _tree(points: Floats) -> cKDTree:
    return cKDTree(points, balanced_tree=False, compact_nodes=False)
