"""The frames of a pool that may be chosen, and the cells (windows, temperatures, samplers) that they belong to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from potentials.arrays import Bools, Floats, Ints
from potentials.errors import StageError
from recipes.schema.recipe import SelectionSettings
from tasks.selection.table import spans

_ROW_BYTES = 32
"""Bytes of a frame's energy, source, window, and temperature."""

OUT = -1
"""Cell of frames that must not be chosen."""


class PoolRows(Protocol):
    """A pool, in memory or read from its file in blocks."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the sampler and force field of each source."""
        ...

    def __len__(self) -> int:
        """Return the number of frames."""
        ...

    def rows(self, name: str, start: int, stop: int, step: int = 1) -> NDArray[Any]:
        """Return every `step`-th row of an array of `Pool`, from frame `start` to `stop`."""
        ...


@dataclass(frozen=True)
class Strata:
    """The cells of a pool.

    Attributes
    ----------
    pool
        The pool.
    by
        The columns whose values define a cell; none for one cell.
    highest
        (sources,), energy above which frames of each source must not be chosen, kcal/mol; None for no limit.
    values
        The values of each cell in these columns, in ascending order.
    sizes
        (cells,), frames that may be chosen.
    weights
        (cells,), in what proportion the configurations are taken from the cells.
    """

    pool: PoolRows
    by: tuple[str, ...]
    highest: Floats | None
    values: tuple[tuple[float, ...], ...]
    sizes: Ints
    weights: Floats

    @classmethod
    def of(cls, pool: PoolRows, settings: SelectionSettings) -> Strata:
        """Find the cells of a pool, reading it in blocks.

        Parameters
        ----------
        pool
            The sampled frames.
        settings
            The recipe's selection section.
        """
        highest = None if settings.max_energy is None else _lowest(pool) + settings.max_energy
        by = tuple(dict.fromkeys([*(("source",) if settings.shares else ()), *settings.stratify]))
        unknown = cls(pool, by, highest, (), np.zeros(0, dtype=np.int64), np.zeros(0))
        found: Counter[tuple[float, ...]] = Counter()
        for start, stop in spans(len(pool), _ROW_BYTES):
            values, inverse = unknown._values(start, stop)
            counts = np.bincount(inverse[unknown._allowed(start, stop)], minlength=len(values))
            found.update(dict(zip(values, counts.tolist(), strict=True)))
        cells = tuple(sorted(value for value, count in found.items() if count))
        sizes = np.array([found[cell] for cell in cells], dtype=np.int64)
        return replace(unknown, values=cells, sizes=sizes, weights=_weights(pool, settings, cells))

    @property
    def starts(self) -> Ints:
        """First row of each cell in a table sorted by cells, and the end of the last one, (cells + 1,)."""
        return np.concatenate([[0], np.cumsum(self.sizes)])

    def cells(self, start: int, stop: int) -> Ints:
        """Return the cell of each frame from `start` to `stop`, `OUT` for frames that must not be chosen."""
        values, inverse = self._values(start, stop)
        number = {value: n for n, value in enumerate(self.values)}
        cells = np.array([number.get(value, OUT) for value in values], dtype=np.int64)[inverse]
        return np.asarray(np.where(self._allowed(start, stop), cells, OUT))

    def _values(self, start: int, stop: int) -> tuple[list[tuple[float, ...]], Ints]:
        """Return the distinct values of frames in the columns, and the index of each frame's values in them."""
        columns = [np.unique(self.pool.rows(name, start, stop), return_inverse=True) for name in self.by]
        code = np.zeros(stop - start, dtype=np.int64)
        for values, inverse in columns:
            code = code * len(values) + inverse
        _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
        rows = np.array([values[index[first]] for values, index in columns]).reshape(-1, len(first)).T
        return [tuple(row) for row in rows.astype(np.float64).tolist()], inverse

    def _allowed(self, start: int, stop: int) -> Bools:
        if self.highest is None:
            return np.ones(stop - start, dtype=bool)
        energy, source = (self.pool.rows(name, start, stop) for name in ("energy", "source"))
        return np.asarray(energy <= self.highest[source])


def _weights(pool: PoolRows, settings: SelectionSettings, cells: Sequence[tuple[float, ...]]) -> Floats:
    """Return the weight of each cell: ones, or its sampler's share in equal parts for the sampler's cells."""
    if not settings.shares:
        return np.ones(len(cells))
    made_by = [source.split()[0] for source in pool.sources]  # in the order of the recipe's samplers
    samplers = list(dict.fromkeys(made_by))
    if len(samplers) != len(settings.shares):
        raise StageError(
            f"selection: the pool has frames of {', '.join(samplers)}, and selection.shares is "
            f"{list(settings.shares)}; give one fraction for each"
        )
    share = dict(zip(samplers, settings.shares, strict=True))
    of = [made_by[int(cell[0])] for cell in cells]
    return np.array([share[sampler] / of.count(sampler) for sampler in of])


def _lowest(pool: PoolRows) -> Floats:
    """Return the lowest energy of each source, kcal/mol."""
    lowest = np.full(0, np.inf)
    for start, stop in spans(len(pool), _ROW_BYTES):
        energy, source = (pool.rows(name, start, stop) for name in ("energy", "source"))
        known = max(len(lowest), int(source.max()) + 1)
        lowest = np.concatenate([lowest, np.full(known - len(lowest), np.inf)])
        np.fmin.at(lowest, source, energy)
    return lowest
