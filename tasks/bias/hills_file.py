"""HILLS files in PLUMED's format: their head, their lines, and the hills of a file that may be still growing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from storage.durable import write_text

CLOCK = "clock"
"""A last column that PLUMED adds if there are several walkers: when it wrote the hill; it is not used."""

Heads = tuple[tuple[str, bool], ...]
"""Of each variable the label, and whether it is a torsion."""


def head_lines(heads: Heads) -> list[str]:
    """Return the lines before the hills, as PLUMED writes them."""
    names = [name for name, _ in heads]
    lines = [
        f"#! FIELDS time {' '.join(names)} {' '.join(f'sigma_{name}' for name in names)} height biasf",
        "#! SET multivariate false",
        "#! SET kerneltype stretched-gaussian",
    ]
    for name, periodic in heads:
        lines += [f"#! SET min_{name} -pi", f"#! SET max_{name} pi"] if periodic else []
    return lines


def hill_lines(table: Floats) -> list[str]:
    """Return a line for each hill, with all digits of a float64."""
    return [" " + " ".join(f"{v:24.16e}" for v in row) for row in table]


def write_hills(path: Path, table: Floats, heads: Heads) -> None:
    """Write hills in PLUMED's format.

    Parameters
    ----------
    path
        The file.
    table
        (hills, 3 + 2 variables), in the file's units: time, centre and sigma of each variable, height times
        gamma / (gamma - 1), and gamma (-1 for metadynamics without tempering).
    heads
        The variables.
    """
    write_text(path, "\n".join([*head_lines(heads), *hill_lines(table)]) + "\n")


@dataclass
class HillsReader:
    """The hills of a file that another process may be writing; a line counts when its end is there.

    Parameters
    ----------
    path
        The file; as long as it is missing it has no hills.
    heads
        The variables that it must have.
    read
        Bytes that were read before.
    """

    path: Path
    heads: Heads
    read: int = 0

    def more(self) -> Floats:
        """Return the hills since the last call, (hills, 3 + 2 variables), as `write_hills` takes them.

        Raises
        ------
        InputError
            If the file has other variables, or a line that is none of PLUMED's.
        """
        width = 3 + 2 * len(self.heads)
        try:
            with self.path.open("rb") as file:
                file.seek(self.read)
                text = file.read()
        except FileNotFoundError:
            text = b""
        except OSError as error:
            raise InputError(f"'{self.path}' cannot be read: {error.strerror}") from None
        whole = text[: text.rfind(b"\n") + 1]
        rows = [row for line in whole.splitlines() if (row := self._row(line, width)) is not None]
        self.read += len(whole)
        return np.array(rows, dtype=np.float64).reshape(-1, width)

    def _row(self, line: bytes, width: int) -> list[float] | None:
        """Return the numbers of a line; None for a line without."""
        words = line.decode("utf-8", errors="replace").split()
        if not words or words[0] == "#" or words[0].startswith("#!"):
            fields = head_lines(self.heads)[0].split()
            if words[:2] == fields[:2] and words not in (fields, [*fields, CLOCK]):
                raise InputError(
                    f"'{self.path}' has hills of the fields '{' '.join(words[2:])[:200]}'; "
                    f"allowed: '{' '.join(fields[2:])}'"
                )
            return None
        try:
            row = [float(word) for word in words]
        except ValueError:
            row = []
        if len(row) == width + 1:
            row.pop()
        if len(row) != width or not all(math.isfinite(value) for value in row):
            raise InputError(f"'{self.path}' has a line that is no hill of {width} numbers: {str(words)[:200]}")
        return row


def hill_table(time: Floats, centre: Floats, sigma: float, height: Floats, biasfactor: float) -> Floats:
    """Return the columns of a HILLS file of one variable, (hills, 5); heights as `write_hills` takes them.

    Parameters
    ----------
    time, centre, height
        (hills,) each; heights with tempering.
    sigma, biasfactor
        Width of the hills, and gamma; 1 for no tempering.
    """
    factor = biasfactor / (biasfactor - 1.0) if biasfactor > 1.0 else 1.0
    fixed = np.full((2, len(time)), [[sigma], [biasfactor]])
    return np.stack([time, centre, fixed[0], height * factor, fixed[1]], axis=1)
