"""Representative frames by mini-batch K-means: the frame nearest to each centre.

The clusters are made in one level, as in the papers, or in two: coarse clusters, and clusters within each. A table
is read in batches and blocks, so that it may be larger than the memory; the result depends neither on the size of
the blocks nor on whether the table is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from threadpoolctl import threadpool_limits

from potentials.arrays import Floats, Ints
from tasks.selection.table import Scratch, Table, places

TWO_LEVELS_ABOVE = 2000
"""Number of clusters above which ``levels = "auto"`` uses two levels."""

COARSE = 200
"""Number of clusters of the first of two levels."""

SHARE = 2 / 3
"""Exponent d / (d + 2) of a coarse cluster's inertia in its share: k clusters in d dimensions reduce it to
k^(-2/d). Within a coarse cluster frames vary in about four dimensions."""

PASSES = 3
"""Largest number of times that each row is used."""

VISITS = 1500
"""Largest number of rows used for each centre."""

WORK = 5 * 10**10
"""Largest product of rows and centres after the first pass: thousands of clusters in one level cost minutes."""

BATCHES = (1024, 16_384)
"""Smallest and largest number of rows of a batch; in between four per centre, and at least one."""

LOADED = 128 * 2**20
"""Largest size in bytes of a table that is read into memory and whose batches are drawn row by row."""

RUN = 32
"""Number of adjacent rows that are drawn together from larger tables, because a file is read by pages."""

THREADED = 10**9
"""Product of rows and centres above which threads are used: they synchronize at every batch, which on a busy
machine makes small batches ten times slower."""

SEEDING = 15
"""Rows per centre from which the initial centres are chosen, each far from those before it (k-means++): centres
that start from random rows never reach the tails of a pool."""

TRIALS = 7
"""Rows drawn for each initial centre, of which the best is kept."""

SPREAD_OUT = 2000
"""Largest number of centres that are chosen so; for more it would dominate the cost."""


@dataclass(frozen=True)
class Far:
    """Rows far from their own centres, farthest first.

    Attributes
    ----------
    rows
        Numbers of the rows.
    distance
        Distance from their centre, in the features' unit.
    """

    rows: Ints
    distance: Floats

    def joined(self, rows: Ints, distance: Floats, most: int) -> Far:
        """Return the `most` farthest of these and the given rows."""
        rows, distance = np.concatenate([self.rows, rows]), np.concatenate([self.distance, distance])
        order = np.lexsort((rows, -distance))[:most]
        return Far(rows[order], distance[order])


NONE = Far(np.zeros(0, dtype=np.int64), np.zeros(0))


@dataclass(frozen=True)
class Representatives:
    """Rows that represent a table.

    Attributes
    ----------
    chosen
        (count,), the row nearest to each centre, all different, in ascending order.
    far
        Other rows, far from their own centres.
    """

    chosen: Ints
    far: Far


def wants_two_levels(levels: str, count: int) -> bool:
    """Return whether a recipe's ``selection.levels`` makes coarse clusters first for a number of clusters."""
    return levels == "two" or (levels == "auto" and count > TWO_LEVELS_ABOVE)


def representatives(
    table: Table,
    count: int,
    seed: int,
    scratch: Scratch,
    *,
    two_levels: bool = False,
    spare: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> Representatives:
    """Return exactly `count` distinct rows: the nearest to each K-means centre.

    A row belongs to one cluster only, so that the nearest members of the clusters are distinct. Empty clusters are
    replaced by the rows farthest from their own centre.

    Parameters
    ----------
    table
        (rows, width), at least `count` rows.
    count
        Number of clusters.
    seed
        Seed of the clustering.
    scratch
        Holds a copy of the table sorted by coarse cluster, for two levels.
    two_levels
        Make coarse clusters first and then clusters within each, which is much faster for thousands of clusters.
        Each coarse cluster gets one, and a share of the rest in proportion to a power of its inertia (the sum of
        squared distances from its centre), because K-means also places centres where they reduce it most.
    spare
        Number of rows far from their centres to return, if there are so many.
    progress
        Called from time to time with the number of rows chosen so far.
    """
    two_levels = two_levels and count > COARSE
    small = len(table) * (COARSE if two_levels else count) < THREADED
    with threadpool_limits(1 if small else None, user_api="openmp"):
        if two_levels:
            return _two_levels(table, count, seed, scratch, spare, progress)
        return _flat(table, count, seed, spare)


def share_out(weights: Floats, sizes: Ints, count: int) -> Ints:
    """Distribute `count` among groups in proportion to their weights, to none more than its size.

    Parameters
    ----------
    weights
        (groups,), positive where the size is.
    sizes
        (groups,), their sum at least `count`.
    count
        Number to distribute.
    """
    shares = np.zeros(len(sizes), dtype=np.int64)
    while left := count - int(shares.sum()):
        open_weights = np.where(shares < sizes, weights, 0.0)
        exact = open_weights * (left / open_weights.sum())
        more = np.minimum(np.floor(exact).astype(np.int64), sizes - shares)
        if not more.any():  # less than one each: the largest remainders get one
            more[np.argsort(-exact, kind="stable")[:left]] = 1
            more = np.minimum(more, sizes - shares)
        shares += more
    return shares


def _two_levels(
    table: Table, count: int, seed: int, scratch: Scratch, spare: int, progress: Callable[[int], None]
) -> Representatives:
    """Return the rows nearest to the centres of clusters within coarse clusters."""
    model = _learn(table, COARSE, seed)
    labels = scratch.table(len(table), (), np.int16)
    sizes, inertia = np.zeros(COARSE, dtype=np.int64), np.full(COARSE, 1e-12)
    for start, block in table.blocks():
        label, distance = _assign(model, block)
        labels.put(np.arange(start, start + len(block)), label)
        sizes += np.bincount(label, minlength=COARSE)
        np.add.at(inertia, label, distance**2)  # row by row, independent of the size of the blocks
    one = (sizes > 0).astype(np.int64)
    shares = one + share_out(one * inertia**SHARE, sizes - one, count - int(one.sum()))
    by_cluster, rows = _sorted_by(table, labels, sizes, scratch)
    chosen, far, done = [], NONE, 0
    for share, last, size in zip(shares, np.cumsum(sizes), sizes, strict=True):
        if size:
            first = last - size
            found = _flat(by_cluster.span(first, last), int(share), seed, spare)
            chosen.append(rows.take(first + found.chosen))
            far = far.joined(rows.take(first + found.far.rows), found.far.distance, spare)
            done += int(share)
            progress(done)
    for table_now in (labels, by_cluster, rows):
        scratch.release(table_now)
    return Representatives(np.sort(np.concatenate(chosen)), far)


def _flat(table: Table, count: int, seed: int, spare: int) -> Representatives:
    """Return the rows nearest to the centres of one level of clusters."""
    if count == len(table):
        return Representatives(np.arange(count), NONE)
    if len(table) * table.row_bytes <= LOADED:
        table = table.loaded()
    model = _learn(table, count, seed)
    nearest, least, far = np.full(count, -1), np.full(count, np.inf), NONE
    for start, block in table.blocks():
        label, distance = _assign(model, block)
        order = np.lexsort((distance, label))  # by cluster, nearest member first
        present, first = np.unique(label[order], return_index=True)
        closer = distance[order[first]] < least[present]
        present, first = present[closer], order[first[closer]]
        nearest[present], least[present] = start + first, distance[first]
        far = far.joined(np.arange(start, start + len(block)), distance, spare + count)
    chosen = nearest[nearest >= 0]
    rest = ~np.isin(far.rows, chosen)
    missing = count - len(chosen)
    chosen = np.sort(np.concatenate([chosen, far.rows[rest][:missing]]))
    left = slice(missing, missing + spare)
    return Representatives(chosen, Far(far.rows[rest][left], far.distance[rest][left]))


def _learn(table: Table, count: int, seed: int) -> MiniBatchKMeans:
    """Return a model with `count` centres."""
    rng = np.random.default_rng(seed)
    if len(table) * table.row_bytes <= LOADED:
        table = table.loaded()
    drawn = count if count > SPREAD_OUT else min(len(table), SEEDING * count)
    first = table.take(np.sort(rng.choice(len(table), drawn, replace=False)))
    if drawn > count:
        first = first[_spread_out(first, count, rng)]
    model = MiniBatchKMeans(
        n_clusters=count, init=first, n_init=1, reassignment_ratio=0.0, compute_labels=False, random_state=seed
    )
    for batch in _batches(table, count, rng):
        model.partial_fit(batch)
    return model


def _spread_out(points: NDArray[np.float32], count: int, rng: np.random.Generator) -> Ints:
    """Return `count` points far from each other: the greedy k-means++ of Arthur and Vassilvitskii (2007).

    Each is the best of `TRIALS` points drawn in proportion to the squared distance from those chosen before.
    """
    exact = points.astype(np.float64)
    squares = np.einsum("ij,ij->i", exact, exact)
    chosen = np.empty(count, dtype=np.int64)
    chosen[0] = rng.integers(len(exact))
    left = np.maximum(squares + squares[chosen[0]] - 2.0 * (exact @ exact[chosen[0]]), 0.0)
    for number in range(1, count):
        reached = np.cumsum(left)
        drawn = np.searchsorted(reached, reached[-1] * rng.random(TRIALS), side="right")
        drawn = np.minimum(drawn, len(exact) - 1)
        after = (-2.0 * exact[drawn]) @ exact.T
        after += squares
        after += squares[drawn, None]
        np.clip(after, 0.0, left, out=after)
        best = int(np.argmin(after.sum(axis=1)))
        chosen[number], left = drawn[best], after[best]
    return chosen


def _batches(table: Table, count: int, rng: np.random.Generator) -> Iterator[NDArray[np.float32]]:
    """Yield batches of rows in random order, pass after pass, until enough rows have been used."""
    small = len(table) * table.row_bytes <= LOADED
    run = 1 if small else RUN
    size = max(min(max(4 * count, BATCHES[0]), BATCHES[1]) if small else BATCHES[1], count + RUN)
    left = min(PASSES * len(table), VISITS * count, max(WORK // count, len(table)))
    while left > 0:
        order = rng.permutation(-(-len(table) // run))
        for start in range(0, len(order), size // run):
            runs = np.sort(order[start : start + size // run])
            rows = (runs[:, None] * run + np.arange(run)).ravel()
            batch = table.take(rows[rows < len(table)])
            yield batch
            left -= len(batch)
            if left <= 0:
                return


def _assign(model: MiniBatchKMeans, block: NDArray[np.float32]) -> tuple[Ints, Floats]:
    """Return the cluster of each row and its distance from the centre."""
    label = model.predict(block)
    distance = np.linalg.norm(block - model.cluster_centers_[label], axis=1)
    return label.astype(np.int64), distance.astype(np.float64)


def _sorted_by(table: Table, labels: Table, sizes: Ints, scratch: Scratch) -> tuple[Table, Table]:
    """Return the table with the rows of each label together, and the number of each row before."""
    sorted_rows, rows = scratch.table(len(table), table.shape[1:]), scratch.table(len(table), (), np.int64)
    cursor = np.cumsum(sizes) - sizes
    for start, block in table.blocks():
        label = labels.read(start, start + len(block)).astype(np.int64)
        to = places(label, cursor)
        sorted_rows.put(to, block)
        rows.put(to, np.arange(start, start + len(block)))
    return sorted_rows, rows
