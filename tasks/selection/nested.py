"""Nested subsets of a selection, one for each level above the first.

Each subset is chosen from the one before it as a selection is chosen from a pool: the configurations nearest to
the centres of K-means in the same descriptor, and, in training, the fraction ``tails`` of it farthest from all
others. The few configurations of the best level therefore span the same space as the many of the first.

Where a selection extends an earlier one, its configurations may have levels already. They stay, so that their
labels are used, and each subset is filled up with those of the subset before it that are farthest from them.
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
            rows = np.flatnonzero(selection.split == split)
            for number, count in enumerate((one[split] for one in counts[1:]), start=1):
                if count > len(rows):
                    raise StageError(
                        f"selection: level {number} asks for {count} configurations, and the level before it has "
                        f"{len(rows)}; lower the level's train or test"
                    )
                table, kept = Table.of(features[rows]), np.flatnonzero(selection.level[rows] >= number)
                if 0 < len(kept) <= count:
                    rows = rows[filled_up(table, kept, count)]
                else:
                    rows = rows[subset(table, count, tails, settings.seed, scratch)]
                level[rows] = number
        facts = tuple(_facts(features, selection.split, level, n, settings.seed) for n in range(len(counts)))
    return Nested(replace(selection, level=level), facts)


def subset(table: Table, count: int, tails: float, seed: int, scratch: Scratch) -> Ints:
    """Return rows that span a table, in ascending order.

    Parameters
    ----------
    table
        (rows, width).
    count
        Number of rows.
    tails
        Fraction of them that are the farthest from all others, instead of the nearest to a centre.
    seed
        Seed of the clustering.
    scratch
        Holds tables while clustering.
    """
    if count == len(table):
        return np.arange(count)
    far = min(round(tails * count), count - 1)
    core = representatives(table, count - far, seed, scratch, two_levels=count > TWO_STEPS_ABOVE).chosen
    return np.sort(np.concatenate([core, add_farthest(table, ANY_DISTANCE, _NO_ROWS, core, _NO_ROWS, far)]))


def filled_up(table: Table, kept: Ints, count: int) -> Ints:
    """Return some rows of a table and those farthest from them, in ascending order.

    Parameters
    ----------
    table
        (rows, width).
    kept
        Rows that are there already.
    count
        Number of rows in all.
    """
    more = add_farthest(table, ANY_DISTANCE, _NO_ROWS, kept, _NO_ROWS, count - len(kept))
    return np.sort(np.concatenate([kept, more]))


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
