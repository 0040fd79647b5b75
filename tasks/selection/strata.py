"""Which frames of a pool may be chosen, and the cells, windows or temperatures or both, they are chosen from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from potentials.arrays import Bools, Floats, Ints
from recipes.schema.recipe import SelectionSettings
from storage.records import Pool
from tasks.selection.table import spans

_ROW_BYTES = 32
"""Of a frame's energy, source, window, and temperature."""

OUT = -1
"""Cell of a frame that must not be chosen."""


class PoolRows(Protocol):
    """A pool that is read some frames at a time."""

    def __len__(self) -> int:
        """Return the number of frames."""
        ...

    def rows(self, name: str, start: int, stop: int, step: int = 1) -> NDArray[Any]:
        """Return every `step`-th frame's part of an array of `Pool`, from frame `start` to `stop`."""
        ...


@dataclass(frozen=True)
class PoolInMemory:
    """A pool in memory, read like one in a file."""

    pool: Pool

    def __len__(self) -> int:
        return len(self.pool)

    def rows(self, name: str, start: int, stop: int, step: int = 1) -> NDArray[Any]:
        """Return every `step`-th frame's part of an array of `Pool`, from frame `start` to `stop`."""
        return np.asarray(getattr(self.pool, name)[start:stop:step])


@dataclass(frozen=True)
class Strata:
    """The cells of a pool.

    Attributes
    ----------
    pool
        The pool.
    by
        The columns whose values make a cell; none is one cell.
    highest
        (sources,), energy above which a frame of each source must not be chosen, kcal/mol; none is no limit.
    values
        What the frames of each cell have in these columns, in rising order.
    sizes
        (cells,), frames that may be chosen.
    """

    pool: PoolRows
    by: tuple[str, ...]
    highest: Floats | None
    values: tuple[tuple[float, ...], ...]
    sizes: Ints

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
        unknown = cls(pool, tuple(dict.fromkeys(settings.stratify)), highest, (), np.zeros(0, dtype=np.int64))
        found: Counter[tuple[float, ...]] = Counter()
        for start, stop in spans(len(pool), _ROW_BYTES):
            marks, inverse = unknown._marks(start, stop)
            counts = np.bincount(inverse[unknown._allowed(start, stop)], minlength=len(marks))
            found.update(dict(zip(marks, counts.tolist(), strict=True)))
        values = tuple(sorted(mark for mark, count in found.items() if count))
        return replace(unknown, values=values, sizes=np.array([found[v] for v in values], dtype=np.int64))

    @property
    def starts(self) -> Ints:
        """Row of a table, sorted by cells, at which each of them begins, and the end of the last, (cells + 1,)."""
        return np.concatenate([[0], np.cumsum(self.sizes)])

    def cells(self, start: int, stop: int) -> Ints:
        """Return the cell of each frame from `start` to `stop`, `OUT` for those that must not be chosen."""
        marks, inverse = self._marks(start, stop)
        number = {value: n for n, value in enumerate(self.values)}
        cells = np.array([number.get(mark, OUT) for mark in marks], dtype=np.int64)[inverse]
        return np.asarray(np.where(self._allowed(start, stop), cells, OUT))

    def _marks(self, start: int, stop: int) -> tuple[list[tuple[float, ...]], Ints]:
        """Return what frames have in the columns, each once, and which of these each frame has."""
        code, columns = np.zeros(stop - start, dtype=np.int64), []
        for name in self.by:
            values, inverse = np.unique(self.pool.rows(name, start, stop), return_inverse=True)
            code = code * len(values) + inverse
            columns.append(values)
        codes, inverse = np.unique(code, return_inverse=True)
        marks: list[tuple[float, ...]] = [()] * len(codes)
        for values in reversed(columns):
            marks = [(float(values[c % len(values)]), *mark) for c, mark in zip(codes, marks, strict=True)]
            codes = codes // len(values)
        return marks, inverse

    def _allowed(self, start: int, stop: int) -> Bools:
        if self.highest is None:
            return np.ones(stop - start, dtype=bool)
        energy, source = (self.pool.rows(name, start, stop) for name in ("energy", "source"))
        return np.asarray(energy <= self.highest[source])


def _lowest(pool: PoolRows) -> Floats:
    """Return the lowest energy of each source, kcal/mol."""
    lowest = np.full(0, np.inf)
    for start, stop in spans(len(pool), _ROW_BYTES):
        energy, source = (pool.rows(name, start, stop) for name in ("energy", "source"))
        known = max(len(lowest), int(source.max()) + 1)
        lowest = np.concatenate([lowest, np.full(known - len(lowest), np.inf)])
        np.fmin.at(lowest, source, energy)
    return lowest
