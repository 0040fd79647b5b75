"""Tables of numbers, a row a frame, that are in memory or in a scratch file and are used a part at a time."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from potentials.arrays import Ints

BUDGET = 256 * 2**20
"""Bytes of tables kept in memory; those beyond it go to the scratch folder."""

BLOCK = 16 * 2**20
"""Bytes of a table or of a pool's positions that are worked on at once."""

CHUNK = 256
"""Blocks hold a multiple of so many rows, which scikit-learn takes at once: the size of the blocks then changes
no result, not even in its last digit."""


@dataclass(frozen=True)
class Table:
    """Rows of one shape, in an array or in a file.

    Attributes
    ----------
    values
        The array (all rows, ...), or the file that holds one.
    shape
        (all rows, ...).
    dtype
        Kind of the numbers.
    first, last
        The rows from `first` up to `last`, which is not among them, are this table's.
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

    def part(self, start: int, stop: int) -> Table:
        """Return some of the rows as a table of their own; nothing is copied."""
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
        for start in range(0, len(rows), 4096):  # so that few of the file's pages are in memory at once
            now = order[start : start + 4096]
            found[now] = self._map("r")[places[now]]
        return found

    def put(self, rows: Ints, values: NDArray[Any]) -> None:
        """Set the given rows."""
        target = self.values if isinstance(self.values, np.ndarray) else self._map("r+")
        target[self.first + rows] = values

    def blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield the number of the first row and the rows of one block after the other."""
        for start, stop in spans(len(self), self.row_bytes):
            yield start, self.read(start, stop)

    def _map(self, mode: Any) -> NDArray[Any]:
        """Open the file for one access: the pages of a mapping that stays open count as memory in use."""
        return np.memmap(self.values, dtype=self.dtype, mode=mode, shape=self.shape)  # type: ignore[arg-type]


class Scratch:
    """Makes tables: in memory as long as the budget lasts, then in a folder that is removed at the end.

    Parameters
    ----------
    folder
        Where files may go; what an earlier, killed call left there is removed. Without one it is a folder of the
        system's for temporary files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._given, self._folder, self._left, self._made = folder, folder, BUDGET, 0

    def __enter__(self) -> Self:
        if self._given is not None:
            shutil.rmtree(self._given, ignore_errors=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def table(self, rows: int, shape: tuple[int, ...] = (), dtype: DTypeLike = np.float32) -> Table:
        """Return a new table, its numbers not set.

        Parameters
        ----------
        rows
            Number of rows.
        shape
            Of a row.
        dtype
            Kind of the numbers.
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
        """Give back what a whole table takes up; it must not be used any more."""
        if isinstance(table.values, Path):
            table.values.unlink()
        else:
            self._left += table.values.nbytes


def spans(rows: int, row_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield where each block of the rows begins and ends.

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
    """Return where each row goes so that rows of one label lie together, in their order.

    Parameters
    ----------
    labels
        (rows,), label of each.
    cursor
        (labels,), where the next row of each label goes; moved on for the next call.
    """
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=len(cursor))
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    found = np.empty(len(labels), dtype=np.int64)
    found[order] = cursor[labels[order]] + rank
    cursor += counts
    return found
