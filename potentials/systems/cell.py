"""Periodic cells: nearest images, and molecules made whole that cross the faces of a box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product

import numpy as np
from ase.geometry.cell import complete_cell
from ase.geometry.minkowski_reduction import minkowski_reduce

from potentials.arrays import Bools, Floats
from potentials.errors import InputError

AMBIGUOUS = 0.1
"""Two images whose distances differ by less than this are equally near, Angstrom."""

SAME = 1e-6
"""Round-off of a position, Angstrom."""

FLAT = 1e-3
"""Smallest volume that periodic vectors of length 1 may span."""

_BLOCK = 200_000
"""Images of pairs of atoms that are processed at once."""


@dataclass(frozen=True)
class Cell:
    """A periodic cell.

    Attributes
    ----------
    vectors
        The three cell vectors, Angstrom, one a row.
    periodic
        Along which of them the cell repeats.

    Raises
    ------
    InputError
        If a vector is not finite, or the periodic ones are zero or lie in one plane.
    """

    vectors: tuple[tuple[float, float, float], ...]
    periodic: tuple[bool, bool, bool]

    def __post_init__(self) -> None:
        rows = np.array(self.vectors, dtype=np.float64)
        if rows.shape != (3, 3) or not np.isfinite(rows).all():
            raise InputError("a cell needs three vectors of three finite numbers")
        unit = rows[list(self.periodic)]
        sizes = np.linalg.norm(unit, axis=1)
        if not (sizes > FLAT).all():
            raise InputError("a periodic cell vector is zero")
        if len(unit) and np.linalg.svd(unit / sizes[:, None], compute_uv=False).prod() < FLAT:
            raise InputError("the periodic cell vectors lie in one plane or on one line")

    @cached_property
    def repeats(self) -> Floats:
        """The shortest vectors of the same lattice, (3, 3), completed where it is not periodic."""
        rows = np.array(self.vectors, dtype=np.float64)
        rows[~np.array(self.periodic)] = 0.0
        return np.asarray(minkowski_reduce(complete_cell(rows), pbc=self.periodic)[0], dtype=np.float64)

    def nearest(self, vectors: Floats) -> tuple[Floats, Floats]:
        """Return the shortest image of every vector, and by how much the second shortest is longer.

        Exact for cells of every shape: in a Minkowski-reduced cell the shortest image is among the 27 around the
        wrapped vector. Without periodicity the vectors and infinity are returned.

        Parameters
        ----------
        vectors
            (..., 3), Angstrom.

        Returns
        -------
        (..., 3) and (...), Angstrom.
        """
        flat = np.asarray(vectors, dtype=np.float64).reshape(-1, 3)
        if not any(self.periodic):
            return flat.reshape(vectors.shape).copy(), np.full(vectors.shape[:-1], np.inf)
        reduced = self.repeats
        steps = np.array(list(product(*((-1, 0, 1) if p else (0,) for p in self.periodic)))) @ reduced
        found, gap = np.empty_like(flat), np.empty(len(flat))
        for start in range(0, len(flat), _BLOCK // 27):
            here = slice(start, start + _BLOCK // 27)
            whole = np.floor(flat[here] @ np.linalg.inv(reduced) + 0.5) * np.array(self.periodic)
            images = (flat[here] - whole @ reduced)[:, None] + steps
            lengths = np.linalg.norm(images, axis=2)
            rows, first = np.arange(len(images)), lengths.argmin(axis=1)
            found[here], shortest = images[rows, first], lengths[rows, first]
            lengths[rows, first] = np.inf
            gap[here] = lengths.min(axis=1) - shortest
        return found.reshape(vectors.shape), gap.reshape(vectors.shape[:-1])


class AmbiguousImagesError(InputError):
    """Molecules cannot be made whole unambiguously.

    Attributes
    ----------
    configuration
        The first such configuration, counted from 0.
    """

    def __init__(self, configuration: int, reason: str) -> None:
        super().__init__(reason)
        self.configuration = configuration


def make_whole(positions: Floats, radii: Floats, fragments: Sequence[int], cell: Cell) -> tuple[Floats, Bools]:
    """Return configurations with their molecules whole and next to each other.

    Within a fragment every atom is moved to the image nearest to the atom that it is bonded to, along the tree of
    the shortest distances in units of the sum of covalent radii, so that a stretched bond is kept. Then whole
    fragments are moved to the nearest images of each other's centres, along such a tree. The first atom of the
    first fragment is not moved.

    Parameters
    ----------
    positions
        (n, atoms, 3), Angstrom.
    radii
        (atoms,), covalent radii, Angstrom.
    fragments
        Number of atoms of each fragment, in the order of the atoms.
    cell
        The cell of all configurations.

    Returns
    -------
    (n, atoms, 3), Angstrom, and which configurations were changed, (n,).

    Raises
    ------
    AmbiguousImagesError
        If a molecule is longer than half the box, or two images are equally near.
    """
    placed = np.array(positions, dtype=np.float64)
    if not any(cell.periodic):
        return placed, np.zeros(len(placed), dtype=bool)
    ends = np.cumsum([0, *fragments])
    slices = [slice(int(a), int(b)) for a, b in pairwise(ends)]
    for atoms in slices:
        placed[:, atoms] += _joined(placed[:, atoms], radii[atoms], cell, "two atoms of one molecule", "molecule")
    centres = np.stack([placed[:, atoms].mean(axis=1) for atoms in slices], axis=1)
    moved = _joined(centres, np.full(len(slices), 0.5), cell, "the centres of two molecules", "group of molecules")
    for number, atoms in enumerate(slices):
        placed[:, atoms] += moved[:, number, None]
    return placed, np.abs(placed - positions).max(axis=(1, 2)) > SAME


def _joined(points: Floats, radii: Floats, cell: Cell, pair: str, whole: str) -> Floats:
    """Return the lattice vectors that bring points together, (n, points, 3)."""
    n, count, _ = points.shape
    placed, rows = points.copy(), np.arange(n)
    if count == 1:
        return placed - points
    nearest, gap = cell.nearest(points[:, None] - points[:, :, None])
    lengths = np.linalg.norm(nearest, axis=3)
    size = lengths / (radii[:, None] + radii[None])
    known = np.zeros((n, count), dtype=bool)
    known[:, 0] = True
    for _ in range(count - 1):
        open_pairs = np.where(known[:, :, None] & ~known[:, None], size, np.inf)
        parent, child = np.divmod(open_pairs.reshape(n, -1).argmin(axis=1), count)
        placed[rows, child] = placed[rows, parent] + nearest[rows, parent, child]
        known[rows, child] = True
        equal = gap[rows, parent, child] < AMBIGUOUS
        if equal.any():
            raise AmbiguousImagesError(
                int(equal.argmax()), f"{pair} are equally near to each other in two images of the box"
            )
    longer = np.linalg.norm(placed[:, None] - placed[:, :, None], axis=3) > lengths + SAME
    if longer.any():
        first = int(longer.any(axis=(1, 2)).argmax())
        raise AmbiguousImagesError(first, f"a {whole} is longer than half the box or goes through it")
    shift = placed - points
    shift[np.abs(shift).max(axis=2) < SAME] = 0.0
    return shift
