"""Tables of the frames that may be chosen: their features, and their numbers in the pool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from potentials.arrays import Floats, Ints
from tasks.selection.strata import PoolRows, Strata
from tasks.selection.table import Scratch, Table, places, spans

SAMPLE = 500
"""Number of frames, evenly spaced in the pool, from which a descriptor is made before the pool is read."""


def sample_positions(pool: PoolRows) -> Floats:
    """Return the positions of evenly spaced frames of the pool, (frames, atoms, 3), Angstrom."""
    step = max(-(-len(pool) // SAMPLE), 1)
    return np.asarray(pool.rows("positions", 0, len(pool), step), dtype=np.float64)


@dataclass(frozen=True)
class Features:
    """The frames that may be chosen, cell by cell and in the pool's order within each.

    Attributes
    ----------
    table
        (rows, width), features minus their mean over a sample of the pool, which keeps precision in float32.
    frames
        (rows,), the frame of each row.
    starts
        (cells + 1,), first row of each cell, and the end of the last one.
    """

    table: Table
    frames: Table
    starts: Ints


def describe_pool(
    strata: Strata, describe: Callable[[Floats], Floats], sample: Floats, scratch: Scratch
) -> Features:
    """Describe the frames that may be chosen, a block of the pool at a time.

    Parameters
    ----------
    strata
        The pool and its cells.
    describe
        From positions (frames, atoms, 3), Angstrom, to features (frames, width).
    sample
        (frames, atoms, 3), Angstrom, evenly spaced frames of the pool.
    scratch
        Holds the tables.
    """
    centre = describe(sample).mean(axis=0)
    frames = scratch.table(int(strata.sizes.sum()), (), np.int64)
    table = tabulate(strata, lambda positions: describe(positions) - centre, len(centre), scratch, frames)
    return Features(table, frames, strata.starts)


def tabulate(
    strata: Strata,
    function: Callable[[Floats], Floats],
    width: int,
    scratch: Scratch,
    frames: Table | None = None,
) -> Table:
    """Return a table of a function of the positions, cell by cell.

    Parameters
    ----------
    strata
        The pool and its cells.
    function
        From positions (frames, atoms, 3), Angstrom, to (frames, width).
    width
        Numbers per frame.
    scratch
        Holds the table.
    frames
        If given, the frame of each row is written to it.
    """
    table = scratch.table(int(strata.sizes.sum()), (width,))
    cursor = strata.starts[:-1].copy()
    for start, stop in spans(len(strata.pool), 8 * max(width, 24)):
        cells = strata.cells(start, stop)
        kept = np.flatnonzero(cells >= 0)
        rows = places(cells[kept], cursor)
        table.put(rows, function(strata.pool.rows("positions", start, stop)[kept]))
        if frames is not None:
            frames.put(rows, start + kept)
    return table


def positions_of(pool: PoolRows, frames: Ints) -> Floats:
    """Return the positions of frames given in ascending order, reading the pool in blocks."""
    found = []
    for start, stop in spans(len(pool), 8 * 24):
        wanted = frames[np.searchsorted(frames, start) : np.searchsorted(frames, stop)] - start
        if len(wanted):
            found.append(pool.rows("positions", start, stop)[wanted])
    return np.concatenate(found)
