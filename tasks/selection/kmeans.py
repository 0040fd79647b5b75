"""Representative frames by mini-batch K-means: one real frame nearest to each centre."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.metrics import pairwise_distances_argmin_min

from storage.records import Floats, Ints

BATCH = 16_384
"""Frames in one mini-batch."""

COARSE = 200
"""Clusters of the first level, where there are two."""

SHARE = 2 / 3
"""Exponent d / (d + 2) of a coarse cluster's inertia in its share: k clusters in d dimensions leave k^(-2/d) of
it. Frames spread in about four dimensions within a coarse cluster."""

CANDIDATES = 10
"""Frames looked at for each frame of the tails."""

MEASURED = 20_000
"""Frames on which coverage is measured."""


def nearest_frames(descriptors: Floats, count: int, seed: int, two_levels: bool = False) -> tuple[Ints, Floats]:
    """Return exactly `count` distinct frames: one nearest to each K-means centre.

    A frame belongs to one cluster only, so the nearest members of the clusters are distinct. Clusters that end
    up empty are made good by the frames farthest from their own centre.

    Parameters
    ----------
    descriptors
        (frames, pairs), Angstrom.
    count
        Number of clusters.
    seed
        Seed of the clustering.
    two_levels
        Cluster coarsely first and then within each coarse cluster, which costs a fraction for thousands of
        clusters. Each coarse cluster gets its share of `count` by a power of its inertia (the sum of squared
        distances from its centre), because K-means, too, puts centres where they take away most of it.

    Returns
    -------
    chosen, distance
        (count,) indices in rising order; (frames,) distance of each frame from the one chosen of its cluster,
        which is no less than its distance from the nearest chosen one (Angstrom).
    """
    if not two_levels or count <= COARSE:
        chosen, owner = _nearest(descriptors, count, seed)
    else:
        coarse, distance = _clusters(descriptors, COARSE, seed, init="k-means++")
        members = [np.flatnonzero(coarse == c) for c in range(COARSE)]
        inertia = np.bincount(coarse, distance**2 + 1e-12, minlength=COARSE).astype(np.float64)
        shares = share_out(inertia**SHARE, np.array([len(m) for m in members]), count)
        parts, owner = [], np.zeros(len(descriptors), dtype=np.int64)
        for group, share in zip(members, shares, strict=True):
            if share:
                part, owners = _nearest(descriptors[group], int(share), seed)
                parts.append(group[part])
                owner[group] = group[owners]
            else:  # too small for a frame of its own: any chosen frame bounds its distance
                owner[group] = -1
        chosen = np.concatenate(parts)
        owner[owner < 0] = chosen[0]
    return np.sort(chosen), np.linalg.norm(descriptors - descriptors[owner], axis=1)


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


def farthest_frames(descriptors: Floats, chosen: Ints, bound: Floats, count: int) -> Ints:
    """Return `count` further frames, each the farthest from all taken before: the tails of the pool.

    Farthest-point sampling over all frames would cost frames times `count` distances; it is done among the
    `CANDIDATES` times `count` frames with the largest bounds, which hold the tails but for near ties.

    Parameters
    ----------
    descriptors
        (frames, pairs), Angstrom.
    chosen
        Frames taken already.
    bound
        (frames,), no less than each frame's distance from the nearest chosen one, Angstrom.
    count
        Number of frames to add.

    Returns
    -------
    (count,) indices in the order they were taken, none of them in `chosen`.
    """
    free = np.setdiff1d(np.arange(len(descriptors)), chosen)
    candidates = free[np.argsort(-bound[free], kind="stable")[: CANDIDATES * count]]
    points = descriptors[candidates]
    left = _nearest_distance(points, descriptors[chosen])
    taken = np.empty(count, dtype=np.int64)
    for n in range(count):
        best = int(np.argmax(left))
        taken[n] = candidates[best]
        np.minimum(left, np.linalg.norm(points - points[best], axis=1), out=left)
        left[best] = -1.0
    return taken


def coverage(descriptors: Floats, chosen: Ints) -> dict[str, float]:
    """Return how far the pool is from the chosen frames: rms, 99th percentile, largest distance (Angstrom).

    Measured on `MEASURED` frames drawn at random where the pool has more.
    """
    measured = descriptors
    if len(descriptors) > MEASURED:
        measured = descriptors[np.random.default_rng(0).choice(len(descriptors), MEASURED, replace=False)]
    nearest = _nearest_distance(measured, descriptors[chosen])
    return {
        "rms": float(np.sqrt(np.mean(nearest**2))),
        "p99": float(np.percentile(nearest, 99)),
        "max": float(nearest.max()),
    }


def _clusters(descriptors: Floats, count: int, seed: int, init: str = "random") -> tuple[Ints, Floats]:
    """Return the cluster of each frame and its distance from the centre."""
    model = MiniBatchKMeans(
        n_clusters=count,
        init=init,
        n_init=1,
        batch_size=BATCH,
        max_iter=10,
        reassignment_ratio=0.0,
        random_state=seed,
    ).fit(descriptors)
    cluster = model.predict(descriptors)
    return cluster, np.linalg.norm(descriptors - model.cluster_centers_[cluster], axis=1)


def _nearest(descriptors: Floats, count: int, seed: int) -> tuple[Ints, Ints]:
    """Return the frames nearest to the centres, and for each frame the one chosen of its cluster."""
    cluster, distance = _clusters(descriptors, count, seed)
    order = np.lexsort((distance, cluster))  # by cluster, nearest member first
    present, first = np.unique(cluster[order], return_index=True)
    chosen = order[first]
    owner = chosen[np.searchsorted(present, cluster)]
    missing = count - len(chosen)
    if missing:
        rest = np.setdiff1d(np.arange(len(descriptors)), chosen)
        chosen = np.concatenate([chosen, rest[np.argsort(-distance[rest], kind="stable")][:missing]])
    return np.asarray(chosen, dtype=np.int64), np.asarray(owner, dtype=np.int64)


def _nearest_distance(points: Floats, chosen: Floats) -> Floats:
    """Return the distance of each point from the nearest chosen one."""
    return np.asarray(pairwise_distances_argmin_min(points, chosen)[1])
