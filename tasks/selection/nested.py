"""Nested subsets of a selection, one for each level above the first.

The smallest subset is chosen first, from all configurations, as a selection is chosen from a pool: those nearest
to the centres of K-means in the same descriptor, and, in training, the fraction ``tails`` of it farthest from all
others. Each larger subset is filled up with configurations chosen in the same way from those that are left.
Choosing each subset from the next larger one instead would raise the share of rare configurations at every step:
of a third of all configurations, nearly every rare one is the only one of its cluster.

Where a selection extends an earlier one, its configurations may have levels already. They stay, so that their
labels are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from potentials.arrays import Floats, Ints
from potentials.errors import StageError
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import SelectionSettings
from storage.records import TEST, TRAIN, Selection
from tasks.selection.coverage import coverage
from tasks.selection.descriptor import checked_descriptor
from tasks.selection.features import sample_positions
from tasks.selection.kmeans import representatives
from tasks.selection.rules import Rules, add_farthest
from tasks.selection.strata import PoolRows
from tasks.selection.table import Scratch, Table

TWO_STEPS_ABOVE = 2000
"""Number of configurations above which they are clustered coarsely first."""

ANY_DISTANCE = Rules(0.0, 0.0)
"""The configurations of a selection are apart already."""

AT_RANDOM = 3
"""Random stream, with the recipe's seed, of the subsets that coverage is compared with."""

_NO_ROWS: Ints = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Nested:
    """A selection with the level of each configuration.

    Attributes
    ----------
    selection
        The selection.
    facts
        For each level its numbers of training and test configurations, and how well its training set covers that
        of the first: ``rms`` and ``max`` distance of these from the nearest of its own, in the descriptor, and the
        same for as many drawn at random.
    """

    selection: Selection
    facts: tuple[dict[str, Any], ...]


def with_levels(
    nmer: NMer,
    pool: PoolRows,
    selection: Selection,
    settings: SelectionSettings,
    counts: Sequence[tuple[int, int]],
) -> Nested:
    """Return a selection with nested subsets for the levels after the first.

    The same seed gives the same subsets.

    Parameters
    ----------
    nmer
        The n-mer.
    pool
        The pool that the configurations were chosen from; some descriptors are made from a sample of it.
    selection
        The configurations, which the first level labels; those that have a level keep it.
    settings
        The recipe's selection section.
    counts
        Training and test configurations of each level, none more than those of the level before.

    Raises
    ------
    InputError
        If a descriptor's library is not installed.
    StageError
        If a level asks for more configurations than the level before it has.
    """
    describe = checked_descriptor(settings).make(nmer, settings, sample_positions(pool))
    with threadpool_limits(1, user_api="blas"), Scratch() as scratch:  # last digits depend on the threads
        features = np.asarray(describe(selection.positions), dtype=np.float64)
        features = (features - features.mean(axis=0)).astype(np.float32)
        level = np.zeros(len(selection), dtype=np.int64)
        for split, tails in ((TRAIN, settings.tails), (TEST, 0.0)):
            rows, sizes = np.flatnonzero(selection.split == split), [one[split] for one in counts[1:]]
            for number, (size, most) in enumerate(zip(sizes, (len(rows), *sizes), strict=False), start=1):
                if size > most:
                    raise StageError(
                        f"selection: level {number} asks for {size} configurations, and the level before it has "
                        f"{most}; lower the level's train or test"
                    )
            level[rows] = levels_of(features[rows], sizes, tails, settings.seed, scratch, selection.level[rows])
    facts = tuple(_facts(features, selection.split, level, n, settings.seed) for n in range(len(counts)))
    return Nested(replace(selection, level=level), facts)


def levels_of(
    features: Floats, sizes: Sequence[int], tails: float, seed: int, scratch: Scratch, earlier: Ints
) -> Ints:
    """Return the number of the highest level whose subset has a configuration, from 0; (rows,).

    Parameters
    ----------
    features
        (rows, width), of the first level's configurations.
    sizes
        Rows of each level after the first, none more than those of the level before.
    tails
        Fraction of those chosen that are the farthest from all others, instead of the nearest to a centre.
    seed
        Seed of the clustering.
    scratch
        Holds tables while clustering.
    earlier
        (rows,), levels that configurations have already, which they keep as far as a level's size allows.
    """
    level = np.zeros(len(features), dtype=np.int64)
    for number in range(len(sizes), 0, -1):
        above, before, size = level > 0, earlier >= number, sizes[number - 1]
        if (above | before).sum() <= size:
            kept, others = above | before, np.flatnonzero(~(above | before))
        else:
            kept, others = above, np.flatnonzero(before & ~above)
        level[kept & ~above] = number
        if (left := size - int(kept.sum())) > 0:
            level[others[_spanning(Table.of(features[others]), left, tails, seed, scratch)]] = number
    return level


def _spanning(table: Table, count: int, tails: float, seed: int, scratch: Scratch) -> Ints:
    """Return rows that span a table, in ascending order."""
    if count == len(table):
        return np.arange(count)
    far = min(round(tails * count), count - 1)
    core = representatives(table, count - far, seed, scratch, two_levels=count > TWO_STEPS_ABOVE).chosen
    return np.sort(np.concatenate([core, add_farthest(table, ANY_DISTANCE, _NO_ROWS, core, _NO_ROWS, far)]))


def _facts(features: Floats, split: Ints, level: Ints, number: int, seed: int) -> dict[str, Any]:
    """Return the numbers of a level that are stored with the selection."""
    train = split == TRAIN
    mine = level[train] >= number
    found: dict[str, Any] = {"train": int(mine.sum()), "test": int((level[~train] >= number).sum())}
    if number:
        table = Table.of(features[train])
        random = np.random.default_rng([seed, AT_RANDOM, number]).choice(len(table), found["train"], replace=False)
        for name, rows in (("coverage", np.flatnonzero(mine)), ("random", random)):
            far = coverage(table, rows)
            found |= {f"{name}_rms": far["rms"], f"{name}_max": far["max"]}
    return found
