"""The periodic boxes of a trajectory's frames, and points joined over them."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.systems.cell import Cell


def joined(box: Cell, points: Floats) -> Floats:
    """Return points (n, 3), each moved to the image that is nearest to the point before."""
    moved = points.copy()
    for n in range(1, len(points)):
        moved[n] = moved[n - 1] + box.nearest(points[n] - moved[n - 1])[0]
    return moved


def boxes(box: Floats, frames: int) -> list[Cell | None]:
    """Return the box of each frame, periodic along every edge; None where it is all zeros.

    Parameters
    ----------
    box
        (3, 3) for all frames, or (frames, 3, 3), Angstrom.
    frames
        Number of frames.

    Raises
    ------
    InputError
        If the edges are not finite, or span no volume.
    """
    cells = np.broadcast_to(box, (frames, 3, 3))
    made: list[Cell | None] = []
    for n, cell in enumerate(cells):
        if n and np.array_equal(cell, cells[n - 1]):
            made.append(made[-1])
        elif not cell.any():
            made.append(None)
        else:
            made.append(_box(cell))
    return made


def _box(edges: Floats) -> Cell:
    try:
        first, second, third = ((float(x), float(y), float(z)) for x, y, z in edges)
        return Cell((first, second, third), (True, True, True))
    except InputError as error:
        raise InputError(
            f"a box of the edges {edges.tolist()} spans no volume ({error}); a box of zeros is none"
        ) from None
