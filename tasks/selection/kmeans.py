"""Representative frames by mini-batch K-means: one real frame nearest to each centre.

Flat, as in the papers, or in two levels: coarse clusters first, then clusters within each. A table is only ever
read in batches and blocks, so that it may be larger than the memory; what comes out depends neither on the size
of the blocks nor on where the table lies.
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

COARSE = 200
"""Clusters of the first level, where there are two."""

SHARE = 2 / 3
"""Exponent d / (d + 2) of a coarse cluster's inertia in its share: k clusters in d dimensions leave k^(-2/d) of
it. Frames spread in about four dimensions within a coarse cluster."""

PASSES = 3
"""Times that each row is seen, at most."""

VISITS = 1500
"""Rows seen for each centre, at most."""

WORK = 5 * 10**10
"""Rows seen times centres, at most, once every row was seen: thousands of clusters in one level cost minutes."""

BATCHES = (1024, 16_384)
"""Fewest and most rows of a batch, four for each centre in between; never less than there are centres."""

LOADED = 128 * 2**20
"""Bytes up to which a table is read into memory and its batches are drawn row by row."""

RUN = 32
"""Rows next to each other that are drawn together from larger tables, because a file is read by pages."""

THREADED = 10**9
"""Rows times centres from which on threads pay: they wait for each other at every batch, and on a busy machine
small ones cost ten times their work."""

SEEDING = 15
"""Rows for each centre among which the first centres are spread out, each far from those before it (k-means++):
centres that begin at random rows never reach the tails of a pool."""

TRIALS = 7
"""Rows drawn for each of them, of which the best is kept."""

SPREAD_OUT = 2000
"""Most centres that are spread out; for more of them it would cost more than all else."""


@dataclass(frozen=True)
class Far:
    """Rows far from their own centres, farthest first.

    Attributes
    ----------
    rows
        Which.
    distance
        From their centre, in the features' unit.
    """

    rows: Ints
    distance: Floats

    def joined(self, rows: Ints, distance: Floats, most: int) -> Far:
        """Return the farthest `most` of these and of further rows."""
        rows, distance = np.concatenate([self.rows, rows]), np.concatenate([self.distance, distance])
        order = np.lexsort((rows, -distance))[:most]
        return Far(rows[order], distance[order])


NONE = Far(np.zeros(0, dtype=np.int64), np.zeros(0))


@dataclass(frozen=True)
class Representatives:
    """Rows that stand for a table.

    Attributes
    ----------
    chosen
        (count,), one row nearest to each centre, all different, in rising order.
    far
        Others, far from their own centres.
    """

    chosen: Ints
    far: Far


def representatives(
    table: Table,
    count: int,
    seed: int,
    scratch: Scratch,
    *,
    two_levels: bool = False,
    spare: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Representatives:
    """Return exactly `count` distinct rows: one nearest to each K-means centre.

    A row belongs to one cluster only, so the nearest members of the clusters are distinct. Clusters that end
    up empty are made good by the rows farthest from their own centre.

    Parameters
    ----------
    table
        (rows, width), at least `count` rows.
    count
        Number of clusters.
    seed
        Seed of the clustering.
    scratch
        Where two levels put the table once more, sorted by coarse cluster.
    two_levels
        Cluster coarsely first and then within each coarse cluster, which costs a fraction for thousands of
        clusters. Each coarse cluster gets one and its share of the rest by a power of its inertia (the sum of
        squared distances from its centre), because K-means, too, puts centres where they take away most of it.
    spare
        Number of rows far from their centres to return, if there are as many.
    progress
        Called now and then with the number of rows chosen so far.
    """
    two_levels = two_levels and count > COARSE
    small = len(table) * (COARSE if two_levels else count) < THREADED
    with threadpool_limits(1 if small else None, user_api="openmp"):
        if two_levels:
            return _two_levels(table, count, seed, scratch, spare, progress)
        return _flat(table, count, seed, spare)


def share_out(weights: Floats, sizes: Ints, count: int) -> Ints:
    """Share `count` out among groups by their weights, none more than its size.

    Parameters
    ----------
    weights
        (groups,), positive where the size is.
    sizes
        (groups,), their sum at least `count`.
    count
        What there is to share.
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
    table: Table, count: int, seed: int, scratch: Scratch, spare: int, progress: Callable[[int], None] | None
) -> Representatives:
    """Return the rows nearest to the centres of clusters within coarse clusters."""
    model = _learn(table, COARSE, seed)
    labels = scratch.table(len(table), (), np.int16)
    sizes, inertia = np.zeros(COARSE, dtype=np.int64), np.full(COARSE, 1e-12)
    for start, block in table.blocks():
        label, distance = _assign(model, block)
        labels.put(np.arange(start, start + len(block)), label)
        sizes += np.bincount(label, minlength=COARSE)
        np.add.at(inertia, label, distance**2)  # row after row, so that the size of the blocks changes nothing
    there = (sizes > 0).astype(np.int64)
    shares = there + share_out(there * inertia**SHARE, sizes - there, count - int(there.sum()))
    by_cluster, rows = _sorted_by(table, labels, sizes, scratch)
    chosen, far, done = [], NONE, 0
    for share, last, size in zip(shares, np.cumsum(sizes), sizes, strict=True):
        if size:
            first = last - size
            found = _flat(by_cluster.part(first, last), int(share), seed, spare)
            chosen.append(rows.take(first + found.chosen))
            far = far.joined(rows.take(first + found.far.rows), found.far.distance, spare)
            done += int(share)
            if progress is not None:
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

    Each is the best of some drawn with a probability that rises with the square of the distance from those before.
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
    """Yield batches of rows in random order, pass after pass, until enough rows have been seen."""
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
    """Return the table with the rows of each label together, and the row each of them was."""
    sorted_rows, rows = scratch.table(len(table), table.shape[1:]), scratch.table(len(table), (), np.int64)
    cursor = np.cumsum(sizes) - sizes
    for start, block in table.blocks():
        label = labels.read(start, start + len(block)).astype(np.int64)
        to = places(label, cursor)
        sorted_rows.put(to, block)
        rows.put(to, np.arange(start, start + len(block)))
    return sorted_rows, rows
