"""Select training and test configurations with mini-batch K-means."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.metrics import pairwise_distances_argmin_min

from potentials.errors import StageError
from potentials.molecule import NMer
from recipes.schema import Selection as SelectionSettings
from storage.records import TEST, TRAIN, Floats, Ints, Pool, Selection
from tasks.selection.descriptor import sorted_distances

BATCH = 16_384
"""Frames in one mini-batch."""


def select(nmer: NMer, pool: Pool, settings: SelectionSettings) -> Selection:
    """Pick training and test configurations from a pool.

    The descriptors are clustered into ``train + test`` clusters, and the real frame nearest to each centre is
    taken. Which clusters make the test set is drawn at random, so both sets cover the same space and share no
    frame. The same seed gives the same selection.

    Parameters
    ----------
    nmer
        The n-mer.
    pool
        The sampled frames.
    settings
        How many, and the seed.

    Raises
    ------
    StageError
        If the pool has fewer frames than configurations are asked for.
    """
    wanted = settings.train + settings.test
    if len(pool) < wanted:
        raise StageError(
            f"selection: {wanted} configurations are asked for but the pool has {len(pool)} frames; raise "
            "sampling.frames or lower selection.train"
        )
    frames = nearest_frames(sorted_distances(nmer, pool.positions), wanted, settings.seed)
    split = np.full(wanted, TRAIN, dtype=np.int64)
    split[np.random.default_rng(settings.seed).choice(wanted, settings.test, replace=False)] = TEST
    return Selection(pool.positions[frames], split, frames)


def nearest_frames(descriptors: Floats, count: int, seed: int) -> Ints:
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

    Returns
    -------
    (count,) indices in rising order.
    """
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
    distance = np.linalg.norm(descriptors - model.cluster_centers_[cluster], axis=1)
    order = np.lexsort((distance, cluster))  # by cluster, nearest member first
    first = np.unique(cluster[order], return_index=True)[1]
    chosen = order[first]
    missing = count - len(chosen)
    if missing:
        rest = np.setdiff1d(np.arange(len(descriptors)), chosen)
        farthest_first = rest[np.argsort(-distance[rest], kind="stable")]
        chosen = np.concatenate([chosen, farthest_first[:missing]])
    return np.sort(chosen).astype(np.int64)


def coverage(descriptors: Floats, chosen: Ints) -> dict[str, float]:
    """Return how far the pool is from the chosen frames: rms, 99th percentile, and largest distance (Angstrom)."""
    nearest = pairwise_distances_argmin_min(descriptors, descriptors[chosen])[1]
    return {
        "rms": float(np.sqrt(np.mean(nearest**2))),
        "p99": float(np.percentile(nearest, 99)),
        "max": float(nearest.max()),
    }
