"""The HILLS files of several walkers in one folder (Raiteri et al. 2006), whatever is killed in between.

A walker writes a hill only after it has saved a checkpoint that contains it, so that no hill which another walker
has read is ever taken back. A line counts when its end is there: what a killed walker has left of a line is
ignored by the others, and completed by the walker itself when it goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from potentials.arrays import Ints
from potentials.errors import InputError
from storage.durable import disk_errors, make_folder, sync
from tasks.bias.hills_file import Heads, HillsReader, head_lines, hill_lines
from tasks.bias.metad import MetaDBias
from tasks.bias.metad_hills import from_table, to_table


class SharedHills:
    """The files ``HILLS.0``, ``HILLS.1``, ... of all walkers, in Angstrom, kcal/mol and fs, from the side of one.

    PLUMED's METAD reads and writes the same files with WALKERS_DIR.

    Parameters
    ----------
    folder
        The folder; it is made.
    heads
        Of each variable the label, and whether it is a torsion.
    walkers, own
        Number of walkers, and the number of this one, from 0.
    read
        Bytes of each walker's file that were read before the checkpoint from which this walker goes on, `read` of
        that time; None at the beginning.

    Raises
    ------
    InputError
        If the numbers do not fit each other, or the folder cannot be made.
    """

    def __init__(self, folder: Path, heads: Heads, walkers: int, own: int, read: Ints | None = None) -> None:
        if not 0 <= own < walkers or (read is not None and len(read) != walkers):
            raise InputError(f"walker {own} of {walkers}; allowed: 0 to {walkers - 1}, and one file of each")
        with disk_errors(f"'{folder}' cannot be written"):
            make_folder(folder)
        self._own, self._heads = own, heads
        start = np.zeros(walkers, dtype=np.int64) if read is None else read
        self._readers = [HillsReader(folder / f"HILLS.{n}", heads, int(start[n])) for n in range(walkers)]
        self._written = self._size = 0

    @property
    def path(self) -> Path:
        """The file of this walker."""
        return self._readers[self._own].path

    @property
    def read(self) -> Ints:
        """Bytes of each walker's file that were read: a part of the checkpoint."""
        return np.array([reader.read for reader in self._readers], dtype=np.int64)

    def exchange(self, bias: MetaDBias, save: Callable[[], None]) -> int:
        """Add the other walkers' new hills to the bias, save a checkpoint, and then write this walker's new hills.

        The checkpoint determines what this walker does until the next exchange.

        Parameters
        ----------
        bias
            The bias of this walker.
        save
            Saves a checkpoint with `MetaDBias.hills` and `read`; it returns when it is on the disk.

        Returns
        -------
        The number of hills that were read.

        Raises
        ------
        InputError
            As `collect` and `publish`.
        """
        count = self.collect(bias)
        save()
        self.publish(bias)
        return count

    def collect(self, bias: MetaDBias) -> int:
        """Add the hills that the other walkers have written since the last time, and return their number.

        Raises
        ------
        InputError
            If a file has hills of another bias.
        """
        count = 0
        for n, reader in enumerate(self._readers):
            if n != self._own:
                hills = from_table(bias.settings, reader.more(), n, path=reader.path)
                bias.add(hills)
                count += len(hills)
        return count

    def publish(self, bias: MetaDBias) -> None:
        """Write the hills of this walker that are not in its file yet; call it also when a walker goes on.

        Raises
        ------
        InputError
            If the file has other hills than this walker's, or cannot be written.
        """
        hills = bias.own
        with disk_errors(f"'{self.path}' cannot be written"):
            if not self._size or self.path.stat().st_size != self._size:
                self._continue(_lines(head_lines(self._heads) + hill_lines(to_table(bias.settings, hills))))
            else:
                self._append(_lines(hill_lines(to_table(bias.settings, hills[self._written :]))))
        self._written = len(hills)

    def _continue(self, content: bytes) -> None:
        """Complete a file that has the beginning of its content, or nothing."""
        there = self.path.read_bytes() if self.path.exists() else b""
        whole = there[: there.rfind(b"\n") + 1]
        if not content.startswith(whole):
            raise InputError(
                f"'{self.path}' has other hills than walker {self._own}, or is written by another process; "
                "allowed: a folder for one set of walkers, and one process for each"
            )
        if len(there) > len(whole):
            os.truncate(self.path, len(whole))
        self._size = len(whole)
        self._append(content[len(whole) :])

    def _append(self, content: bytes) -> None:
        new = not self._size
        with self.path.open("ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if new:
            sync(self.path.parent)
        self._size += len(content)


def _lines(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
