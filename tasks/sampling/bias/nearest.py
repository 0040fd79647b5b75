"""Vectors to nearest images in a periodic box."""

from __future__ import annotations

from itertools import product

import numpy as np
from ase.geometry import minkowski_reduce

from potentials.arrays import Floats
from potentials.errors import InputError


class Box:
    """A box of which every side is periodic.

    In a Minkowski-reduced cell the nearest image is among the 27 about the one by rounded fractions.

    Parameters
    ----------
    cell
        (3, 3), one edge a row, Angstrom.

    Raises
    ------
    InputError
        If the edges are not finite, or span no volume.
    """

    def __init__(self, cell: Floats) -> None:
        size = np.prod(np.linalg.norm(cell, axis=1))
        if not np.isfinite(cell).all() or not abs(np.linalg.det(cell)) > 1e-6 * size:
            raise InputError(f"a box of the edges {cell.tolist()} spans no volume; a box of zeros is none")
        self._cell = np.asarray(minkowski_reduce(cell)[0], dtype=np.float64)
        self._inverse = np.linalg.inv(self._cell)
        self._images = np.array(list(product((0.0, -1.0, 1.0), repeat=3))) @ self._cell

    def nearest(self, vector: Floats) -> Floats:
        """Return the shortest image of a vector (3,), Angstrom."""
        inside = vector - np.rint(vector @ self._inverse) @ self._cell
        images = inside + self._images
        nearest: Floats = images[np.argmin(np.einsum("ix,ix->i", images, images))]
        return nearest

    def join(self, points: Floats) -> Floats:
        """Return points (n, 3), each moved to the image that is nearest to the point before."""
        joined = points.copy()
        for n in range(1, len(points)):
            joined[n] = joined[n - 1] + self.nearest(points[n] - joined[n - 1])
        return joined


def boxes(box: Floats, frames: int) -> list[Box | None]:
    """Return the box of each frame; None where it is all zeros.

    Parameters
    ----------
    box
        (3, 3) for all frames, or (frames, 3, 3), Angstrom.
    frames
        Number of frames.
    """
    cells = np.broadcast_to(box, (frames, 3, 3))
    made: list[Box | None] = []
    for n, cell in enumerate(cells):
        if n and np.array_equal(cell, cells[n - 1]):
            made.append(made[-1])
        else:
            made.append(Box(cell) if cell.any() else None)
    return made
