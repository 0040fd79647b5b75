"""Plots as they are saved: a picture, and beside it the numbers that it shows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.durable import write_bytes, write_text

DPI = 150


@dataclass(frozen=True)
class Plot:
    """A drawn plot.

    Attributes
    ----------
    name
        For the names of its files.
    png
        The picture.
    csv
        The numbers behind it, units in the header.
    """

    name: str
    png: bytes
    csv: str

    @classmethod
    def of(
        cls, name: str, figure: Any, head: Sequence[str], rows: Iterable[Sequence[Any]], dpi: int = DPI
    ) -> Plot:
        """Return a plot of one of matplotlib's figures, and of the rows of its table."""
        picture, table = io.BytesIO(), io.StringIO()
        figure.savefig(picture, format="png", dpi=dpi)
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)
        return cls(name, picture.getvalue(), table.getvalue())


def write_plots(plots: Iterable[Plot], folder: Path, prefix: str = "") -> list[Path]:
    """Write each plot as ``<prefix><name>.png`` and ``.csv``, over older ones of that name; return the files."""
    paths = []
    for plot in plots:
        picture, table = (folder / f"{prefix}{plot.name}.{kind}" for kind in ("png", "csv"))
        write_bytes(picture, plot.png)
        write_text(table, plot.csv)
        paths += [picture, table]
    return paths
