"""The most uncertain of many configurations, inside the range that a potential was trained on, spread out.

The uncertainty is the spread of the ensemble of fits. It is meaningful where the potential interpolates:
configurations outside of its range are left out, because labels of them do not improve it where it is used.
Neighbouring configurations are uncertain together, so that the most uncertain ones by themselves are alike: of
`SPREAD` times as many as are wanted, those nearest to K-means centres in the descriptor are taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from potentials.arrays import Floats, Ints
from potentials.errors import InputError
from potentials.pip.potential import Potential
from recipes.schema.recipe import SelectionSettings
from tasks.selection.descriptor import checked_descriptor
from tasks.selection.features import SAMPLE
from tasks.selection.kmeans import representatives, wants_two_levels
from tasks.selection.rules import Rules, distinct, near
from tasks.selection.table import Scratch, Table, spans

SPREAD = 4
"""Configurations among which K-means chooses, for each one that is wanted."""

OUT = -1.0
"""What stands for the uncertainty of a configuration that must not be picked, kcal/mol."""

AT_ONCE = 4096
"""Least number of configurations whose distances are compared together."""


@dataclass(frozen=True)
class Present:
    """The features of configurations that are there already.

    Attributes
    ----------
    points
        (configurations, width), all of them: no pick is nearer to one than the smallest distance of duplicates.
    tests
        (configurations, width), those of the test set among them: no pick is nearer than its smallest distance.
    """

    points: Floats
    tests: Floats


def pick_uncertain(
    potential: Potential,
    positions: Floats,
    count: int,
    settings: SelectionSettings,
    seed: int,
    taken: Floats | None = None,
    tests: Floats | None = None,
) -> Ints:
    """Return the rows of the most uncertain configurations, spread out.

    Parameters
    ----------
    potential
        The potential, with an ensemble and the range of its training data.
    positions
        (n, atoms, 3), Angstrom, in the potential's atom order.
    count
        How many are wanted; fewer are returned where fewer are inside the range and apart from each other.
    settings
        The recipe's selection section: descriptor and smallest distances.
    seed
        Seed of the clusters. The same arguments give the same rows.
    taken
        (m, atoms, 3), Angstrom, configurations that are there already: ``duplicate_distance`` holds for them.
    tests
        (t, atoms, 3), Angstrom, those of a test set: ``test_distance`` holds for them.

    Returns
    -------
    (up to count,), rows of `positions` in ascending order.

    Raises
    ------
    InputError
        If the potential has no ensemble or no ranges, the positions are not valid for it, or a descriptor's
        library is not installed.
    """
    check_trust(potential)
    batch, _ = potential.as_batch(positions)
    if count < 1 or not len(batch):
        return np.zeros(0, dtype=np.int64)
    with Scratch() as scratch, threadpool_limits(1, user_api="blas"):
        sample = batch[:: -(-len(batch) // SAMPLE)]
        describe = checked_descriptor(settings).make(potential.nmer, settings, sample)
        centre = describe(sample).mean(axis=0)
        table = scratch.table(len(batch), (len(centre),))
        uncertain = scratch.table(len(batch), (1,))
        for start, stop in spans(len(batch), row_bytes(potential, len(centre))):
            rows = np.arange(start, stop)
            table.put(rows, describe(batch[start:stop]) - centre)
            uncertain.put(rows, uncertainty_inside(potential, batch[start:stop])[:, None])

        def described(each: Floats | None) -> Floats:
            if each is None or not len(each):
                return np.zeros((0, len(centre)))
            return np.asarray((describe(potential.as_batch(each)[0]) - centre).astype(np.float32))

        held = described(tests)
        present = Present(np.concatenate([described(taken), held]), held)
        return spread_out(table, uncertain, count, present, Rules.of(settings, table), settings, seed, scratch)


def check_trust(potential: Potential) -> None:
    """Raise InputError unless a potential has an ensemble and the range of its training data."""
    if potential.ensemble is None:
        raise InputError(
            f"potential '{potential.name}' has no ensemble of fits, so its uncertainty is not known; set "
            "fitting.ensemble and fit it again"
        )
    if potential.ranges is None:
        raise InputError(
            f"potential '{potential.name}' does not have the range of its training data; fit it again"
        )


def uncertainty_inside(potential: Potential, positions: Floats) -> Floats:
    """Return the uncertainty of each configuration, kcal/mol, and `OUT` where the potential extrapolates.

    Where its switching is zero the uncertainty is zero as well: a label there determines no coefficient.

    Parameters
    ----------
    potential
        The potential.
    positions
        (n, atoms, 3), Angstrom.
    """
    found = np.full(len(positions), OUT)
    inside = np.flatnonzero(~np.asarray(potential.extrapolates(positions)))
    if len(inside):
        found[inside] = potential.uncertainty(positions[inside])
    return found


def row_bytes(potential: Potential, width: int) -> int:
    """Return the bytes that a configuration's features and terms take while they are computed."""
    return 8 * max(width, 24, potential.basis.n_terms)


def spread_out(
    table: Table,
    uncertain: Table,
    count: int,
    present: Present,
    rules: Rules,
    settings: SelectionSettings,
    seed: int,
    scratch: Scratch,
) -> Ints:
    """Return the rows of a table that are the most uncertain, spread by K-means; in ascending order.

    Parameters
    ----------
    table
        (rows, width), features.
    uncertain
        (rows, 1), uncertainty, kcal/mol; rows where it is not above zero are never taken.
    count
        How many are wanted.
    present
        What is there already.
    rules
        The smallest distances.
    settings
        The recipe's selection section.
    seed
        Seed of the clusters.
    scratch
        Holds tables.
    """
    wanted, rows, points = SPREAD * count, np.zeros(0, dtype=np.int64), np.zeros((0, table.shape[1]))
    for new in _descending(uncertain, max(wanted, AT_ONCE)):
        at = table.take(new)
        bad = near(at, present.points, rules.duplicate) | near(at, present.tests, rules.test)
        bad |= near(at, points, rules.duplicate)
        new, at = new[~bad], at[~bad]
        apart = distinct(at, rules.duplicate)
        rows, points = np.concatenate([rows, new[apart]]), np.concatenate([points, at[apart]])
        if len(rows) >= wanted:
            break
    rows, points = rows[:wanted], points[:wanted]
    if len(rows) <= count:
        return np.sort(rows)
    two_levels = wants_two_levels(settings.levels, count)
    found = representatives(Table.of(points.astype(np.float32)), count, seed, scratch, two_levels=two_levels)
    return np.sort(rows[found.chosen])


def _descending(uncertain: Table, most: int) -> Iterator[Ints]:
    """Yield the rows with an uncertainty above zero, highest first, in parts; each part is found in one pass."""
    last = (np.inf, -1)
    while True:
        rows, values = np.zeros(0, dtype=np.int64), np.zeros(0)
        for start, block in uncertain.blocks():
            value = block[:, 0].astype(np.float64)
            row = np.arange(start, start + len(value))
            left = (value > 0) & ((value < last[0]) | ((value == last[0]) & (row > last[1])))
            rows, values = np.concatenate([rows, row[left]]), np.concatenate([values, value[left]])
            order = np.lexsort((rows, -values))[:most]
            rows, values = rows[order], values[order]
        if not len(rows):
            return
        yield rows
        last = (float(values[-1]), int(rows[-1]))
