"""Choose training and test configurations from a pool."""

from __future__ import annotations

import numpy as np

from potentials.errors import StageError
from potentials.molecule import NMer
from recipes.schema import Selection as SelectionSettings
from storage.records import TEST, TRAIN, Floats, Pool, Selection
from tasks.selection.descriptor import sorted_distances
from tasks.selection.kmeans import farthest_frames, nearest_frames

TWO_LEVELS_ABOVE = 2000
"""Number of clusters above which ``levels = "auto"`` clusters in two levels."""


def select(nmer: NMer, pool: Pool, settings: SelectionSettings) -> Selection:
    """Pick training and test configurations from a pool.

    The descriptors are clustered into ``train + test`` clusters, and the real frame nearest to each centre is
    taken; a part of the training set, ``tails``, is instead what lies farthest from all others. Which clusters
    make the test set is drawn at random, so both sets cover the same space and share no frame. The same seed
    gives the same selection.

    Parameters
    ----------
    nmer
        The n-mer.
    pool
        The sampled frames.
    settings
        The recipe's selection section.

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
    descriptors = weighted_descriptors(nmer, pool.positions, settings)
    tails = round(settings.tails * settings.train)
    two = settings.levels == "two" or (settings.levels == "auto" and wanted > TWO_LEVELS_ABOVE)
    frames, bound = nearest_frames(descriptors, wanted - tails, settings.seed, two)
    split = np.full(wanted - tails, TRAIN, dtype=np.int64)
    rng = np.random.default_rng(settings.seed)
    split[rng.choice(wanted - tails, settings.test, replace=False)] = TEST
    if tails:
        frames = np.concatenate([frames, farthest_frames(descriptors, frames, bound, tails)])
        split = np.concatenate([split, np.full(tails, TRAIN, dtype=np.int64)])
    order = np.argsort(frames, kind="stable")
    return Selection(pool.positions[frames[order]], split[order], frames[order])


def weighted_descriptors(nmer: NMer, positions: Floats, settings: SelectionSettings) -> Floats:
    """Return the sorted distances with the recipe's weights for those within and between fragments.

    Parameters
    ----------
    nmer
        The n-mer.
    positions
        (frames, atoms, 3), Angstrom.
    settings
        The recipe's selection section.
    """
    descriptors, between = sorted_distances(nmer, positions)
    weights = np.where(between, settings.intermolecular_weight, settings.intramolecular_weight)
    return np.asarray(descriptors * weights)
