"""Tables of numbers with one row per frame, in memory or in a scratch file, that are read in blocks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from potentials.arrays import Ints

BUDGET = 256 * 2**20
"""Bytes of tables kept in memory; those beyond it go to the scratch folder."""

BLOCK = 16 * 2**20
"""Bytes of a table or of a pool's positions in one block."""

CHUNK = 256
"""The rows of a block are a multiple of this number, which scikit-learn processes at once: results then do not
depend on the size of the blocks, not even in the last digit."""


@dataclass(frozen=True)
class Table:
    """Rows of one shape, in an array or in a file.

    Attributes
    ----------
    values
        The array (all rows, ...), or its file.
    shape
        (all rows, ...).
    dtype
        Type of the numbers.
    first, last
        The table consists of the rows from `first` up to, but without, `last`.
    """

    values: NDArray[Any] | Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    first: int
    last: int

    @classmethod
    def of(cls, values: NDArray[Any]) -> Table:
        """Return an array as a table."""
        return cls(values, values.shape, values.dtype, 0, len(values))

    def __len__(self) -> int:
        return self.last - self.first

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return prod(self.shape[1:]) * self.dtype.itemsize

    def span(self, start: int, stop: int) -> Table:
        """Return the rows from `start` to `stop` as a table, without copying them."""
        return replace(self, first=self.first + start, last=self.first + stop)

    def loaded(self) -> Table:
        """Return the table with its rows in memory."""
        return Table.of(np.ascontiguousarray(self.read(0, len(self))))

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return the rows from `start` to `stop`."""
        chosen = slice(self.first + start, self.first + stop)
        return self.values[chosen] if isinstance(self.values, np.ndarray) else np.array(self._map("r")[chosen])

    def take(self, rows: Ints) -> NDArray[Any]:
        """Return the given rows, in the order given."""
        places = self.first + rows
        if isinstance(self.values, np.ndarray):
            return self.values[places]
        found = np.empty((len(rows), *self.shape[1:]), dtype=self.dtype)
        order = np.argsort(places, kind="stable")
        for start in range(0, len(rows), 4096):  # limits the pages of the file in memory
            now = order[start : start + 4096]
            found[now] = self._map("r")[places[now]]
        return found

    def put(self, rows: Ints, values: NDArray[Any]) -> None:
        """Set the given rows."""
        target = self.values if isinstance(self.values, np.ndarray) else self._map("r+")
        target[self.first + rows] = values

    def blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield the number of the first row and the rows of each block."""
        for start, stop in spans(len(self), self.row_bytes):
            yield start, self.read(start, stop)

    def _map(self, mode: Any) -> NDArray[Any]:
        """Open the file for one access, since the pages of an open mapping count as used memory."""
        return np.memmap(self.values, dtype=self.dtype, mode=mode, shape=self.shape)  # type: ignore[arg-type]


class Scratch:
    """Makes tables in memory up to a budget, then in a folder that is removed at the end.

    Parameters
    ----------
    folder
        For files; what an earlier, killed call left there is removed. None for a temporary folder of the system.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._given, self._folder, self._left, self._made = folder, folder, BUDGET, 0

    def __enter__(self) -> Self:
        if self._given is not None:
            shutil.rmtree(self._given, ignore_errors=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def table(self, rows: int, shape: tuple[int, ...] = (), dtype: DTypeLike = np.float32) -> Table:
        """Return a new table with undefined numbers.

        Parameters
        ----------
        rows
            Number of rows.
        shape
            Shape of a row.
        dtype
            Type of the numbers.
        """
        kind, whole = np.dtype(dtype), (rows, *shape)
        size = prod(whole) * kind.itemsize
        if size <= self._left:
            self._left -= size
            return Table.of(np.empty(whole, dtype=kind))
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="nmer-selection-"))
        self._folder.mkdir(parents=True, exist_ok=True)
        self._made += 1
        path = self._folder / f"table-{self._made}.bin"
        with path.open("wb") as file:
            file.truncate(size)
        return Table(path, whole, kind, 0, rows)

    def release(self, table: Table) -> None:
        """Free the memory or file of a whole table, which must not be used afterwards."""
        if isinstance(table.values, Path):
            table.values.unlink()
        else:
            self._left += table.values.nbytes


def spans(rows: int, row_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield the first row and the end of each block of rows.

    Parameters
    ----------
    rows
        Number of rows.
    row_bytes
        Bytes of a row.
    """
    size = max(BLOCK // max(row_bytes, 1) // CHUNK, 1) * CHUNK
    for start in range(0, rows, size):
        yield start, min(start + size, rows)


def places(labels: Ints, cursor: Ints) -> Ints:
    """Return the place of each row if rows are sorted by label and otherwise keep their order.

    Parameters
    ----------
    labels
        (rows,), label of each row.
    cursor
        (labels,), place of the next row of each label; updated for the next call.
    """
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=len(cursor))
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    found = np.empty(len(labels), dtype=np.int64)
    found[order] = cursor[labels[order]] + rank
    cursor += counts
    return found
