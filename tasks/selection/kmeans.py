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


def nearest_frames(descriptors: Floats, count: int, seed: int, two_levels: bool = False) -> Ints:
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
        clusters; each coarse cluster gets its share of `count` by its number of frames.

    Returns
    -------
    (count,) indices in rising order.
    """
    if not two_levels or count <= COARSE:
        return np.sort(_nearest(descriptors, count, seed))
    coarse = _clusters(descriptors, COARSE, seed)[0]
    members = [np.flatnonzero(coarse == c) for c in range(COARSE)]
    shares = share_out(np.array([len(m) for m in members]), count)
    chosen = [m[_nearest(descriptors[m], k, seed)] for m, k in zip(members, shares, strict=True) if k]
    return np.sort(np.concatenate(chosen))


def share_out(sizes: Ints, count: int) -> Ints:
    """Share `count` out among groups by their sizes, by largest remainder, none more than its size."""
    exact = sizes * (count / sizes.sum())
    shares = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - shares), kind="stable")
    shares[order[: count - shares.sum()]] += 1
    return np.asarray(shares)


def farthest_frames(descriptors: Floats, chosen: Ints, count: int) -> Ints:
    """Return `count` further frames, each the farthest from all taken before: the tails of the pool.

    Farthest-point sampling over all frames would cost frames times `count` distances; it is done among the ten
    times `count` frames that lie farthest from `chosen`, which are the only ones that can win but for near ties.

    Parameters
    ----------
    descriptors
        (frames, pairs), Angstrom.
    chosen
        Frames taken already.
    count
        Number of frames to add.

    Returns
    -------
    (count,) indices in the order they were taken; none of `chosen` unless nothing else is left.
    """
    distance = _nearest_distance(descriptors, descriptors[chosen])
    distance[chosen] = -1.0
    candidates = np.argsort(-distance, kind="stable")[: 10 * count]
    points, left = descriptors[candidates], distance[candidates]
    taken = np.empty(count, dtype=np.int64)
    for n in range(count):
        best = int(np.argmax(left))
        taken[n] = candidates[best]
        np.minimum(left, np.linalg.norm(points - points[best], axis=1), out=left)
        left[best] = -1.0
    return taken


def coverage(descriptors: Floats, chosen: Ints) -> dict[str, float]:
    """Return how far the pool is from the chosen frames: rms, 99th percentile, largest distance (Angstrom)."""
    nearest = _nearest_distance(descriptors, descriptors[chosen])
    return {
        "rms": float(np.sqrt(np.mean(nearest**2))),
        "p99": float(np.percentile(nearest, 99)),
        "max": float(nearest.max()),
    }


def _clusters(descriptors: Floats, count: int, seed: int) -> tuple[Ints, Floats]:
    """Return the cluster of each frame and its distance from the centre."""
    model = MiniBatchKMeans(
        n_clusters=count,
        init="random",
        n_init=1,
        batch_size=BATCH,
        max_iter=10,
        reassignment_ratio=0.0,
        random_state=seed,
    ).fit(descriptors)
    cluster = model.predict(descriptors)
    return cluster, np.linalg.norm(descriptors - model.cluster_centers_[cluster], axis=1)


def _nearest(descriptors: Floats, count: int, seed: int) -> Ints:
    cluster, distance = _clusters(descriptors, count, seed)
    order = np.lexsort((distance, cluster))  # by cluster, nearest member first
    chosen = order[np.unique(cluster[order], return_index=True)[1]]
    missing = count - len(chosen)
    if missing:
        rest = np.setdiff1d(np.arange(len(descriptors)), chosen)
        chosen = np.concatenate([chosen, rest[np.argsort(-distance[rest], kind="stable")][:missing]])
    return np.asarray(chosen, dtype=np.int64)


def _nearest_distance(points: Floats, chosen: Floats) -> Floats:
    """Return the distance of each point from the nearest chosen one."""
    return np.asarray(pairwise_distances_argmin_min(points, chosen)[1])
