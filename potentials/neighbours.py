"""Pairs of points that are nearer than a cut-off, in vacuum or in a periodic cell, by a compiled cell list.

The list of pairs is sorted, so that the same positions always give the same order and sums over it the same last
digits. Time in ms on one core, the best of several calls, for one list (i < j) of points in a cubic cell:

| points | cut-off, A | pairs | here | vesin 0.6.2 | SciPy's tree | matscipy 1.3.1 |
|---|---|---|---|---|---|---|
| 512 | 10 | 35,698 | 1.0 | 2.7 | 1.7 | 13 |
| 4,096 | 10 | 287,782 | 15 | 22 | 28 | 115 |
| 1,500 | 9 | 229,078 | 8.5 | 21 | 10 | 105 |
| 12,288 | 9 | 1,875,072 | 100 | 105 | 96 | 545 |

The others return pairs in an order of their own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from potentials.arrays import Floats, Ints
from potentials.compiled import njit
from potentials.errors import InputError


def widths(vectors: ArrayLike) -> Floats:
    """Return the distances between opposite faces of a cell, (3,), Angstrom.

    Half the smallest is the largest distance up to which rounding fractional coordinates gives the nearest image.

    Parameters
    ----------
    vectors
        (3, 3), the cell's vectors, Angstrom, one a row.
    """
    return np.asarray(1.0 / np.linalg.norm(np.linalg.inv(np.asarray(vectors)), axis=0))


def nearest_images(differences: Floats, vectors: Floats | None) -> Floats:
    """Return difference vectors, (..., 3), Angstrom, after their fractional coordinates were rounded.

    The result is the shortest image wherever that is shorter than half the cell's smallest width; `Cell.nearest`
    is for every length.

    Parameters
    ----------
    differences
        Angstrom.
    vectors
        (3, 3), the cell's vectors, Angstrom, one a row; None without a cell.
    """
    if vectors is None:
        return differences
    return np.asarray(differences - np.rint(differences @ np.linalg.inv(vectors)) @ vectors)


def check_cutoff(vectors: ArrayLike, cutoff: float, what: str = "the cut-off") -> None:
    """Raise InputError unless a cell is at least twice a cut-off wide, measured between opposite faces.

    Parameters
    ----------
    vectors
        (3, 3), the cell's vectors, Angstrom, one a row.
    cutoff
        Angstrom.
    what
        What is cut off there, in the message.
    """
    width = float(widths(vectors).min())
    if width < 2 * cutoff * (1 - 1e-12):
        raise InputError(
            f"the cell is {width:.3f} A wide, and {what} ends at {cutoff:g} A; allowed: cells at least twice as "
            "wide between opposite faces"
        )


def pairs_within(points: Floats, vectors: Floats | None, cutoff: float) -> tuple[Ints, Ints]:
    """Return the pairs i < j of points whose nearest images are nearer than a cut-off, sorted by i and then j.

    Parameters
    ----------
    points
        (n, 3), Angstrom; in a cell they may be anywhere.
    vectors
        (3, 3), the vectors of a cell that repeats along all of them, Angstrom, one a row; None without a cell.
    cutoff
        Angstrom.

    Returns
    -------
    i, j
        (pairs,) each.

    Raises
    ------
    InputError
        If the cell is not at least twice the cut-off wide, or a position is not finite.
    """
    return _pairs(points, points, vectors, cutoff, True)


def pairs_between(one: Floats, other: Floats, vectors: Floats | None, cutoff: float) -> tuple[Ints, Ints]:
    """Return the pairs of a point of one set and a point of another that are nearer than a cut-off, sorted.

    Parameters
    ----------
    one, other
        (n, 3) and (m, 3), Angstrom.
    vectors, cutoff
        As `pairs_within` takes them.

    Returns
    -------
    i, j
        (pairs,) each, numbers of `one` and of `other`.

    Raises
    ------
    InputError
        As `pairs_within`.
    """
    return _pairs(one, other, vectors, cutoff, False)


def _pairs(one: Floats, other: Floats, vectors: Floats | None, cutoff: float, same: bool) -> tuple[Ints, Ints]:
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise InputError("positions hold a number that is not finite")
    none = np.empty(0, dtype=np.int64)
    if not (len(one) and len(other) and cutoff > 0):
        return none, none
    if vectors is None:
        low = np.minimum(one.min(axis=0), other.min(axis=0)) - cutoff
        high = np.maximum(one.max(axis=0), other.max(axis=0)) + cutoff
        rows, images = np.diag(high - low), 0
    else:
        rows, low, images = np.asarray(vectors, dtype=np.float64), np.zeros(3), 1
        check_cutoff(rows, cutoff)
    across = widths(rows)
    most = max(3, int(np.ceil((4 * len(other)) ** (1 / 3))))
    bins = np.clip(np.floor(across / cutoff), 1, most).astype(np.int64)
    one = np.ascontiguousarray(one - low, dtype=np.float64)
    other = one if same else np.ascontiguousarray(other - low, dtype=np.float64)
    expected = len(one) * min(1.0, 4.2 * cutoff**3 / float(np.prod(across))) * len(other) / (2 if same else 1)
    room = int(1.2 * expected) + 64
    while True:
        first, second = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
        count = _search(one, other, rows, np.linalg.inv(rows), bins, float(cutoff), images, same, first, second)
        if count <= room:
            break
        room = count
    first, second = first[:count], second[:count]
    if same:
        first, second = np.minimum(first, second), np.maximum(first, second)
    return _sorted(first, second, len(one), len(other))  # type: ignore[no-any-return]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _search(
    one: Floats,
    other: Floats,
    rows: Floats,
    inverse: Floats,
    bins: Ints,
    cutoff: float,
    images: int,
    same: bool,
    first: Ints,
    second: Ints,
) -> int:
    """Write the pairs in no particular order and return their number, of which only those that fit are written.

    A bin is at least as wide as the cut-off, so the 27 around a point are searched.
    """
    n, m, room = len(one), len(other), len(first)
    total = bins[0] * bins[1] * bins[2]
    place = np.empty((m, 3))
    bin_of = np.empty(m, np.int64)
    begins = np.zeros(total + 1, np.int64)
    for j in range(m):
        at = 0
        for k in range(3):
            f = other[j, 0] * inverse[0, k] + other[j, 1] * inverse[1, k] + other[j, 2] * inverse[2, k]
            if images:
                f -= np.floor(f)
            place[j, k] = f
            at = at * bins[k] + min(max(int(f * bins[k]), 0), bins[k] - 1)
        bin_of[j] = at
        begins[at + 1] += 1
    largest = 0
    for at in range(total):
        largest = max(largest, begins[at + 1])
        begins[at + 1] += begins[at]
    filled = begins[:-1].copy()
    members = np.empty(m, np.int64)
    x, y, z = np.empty(m), np.empty(m), np.empty(m)
    for j in range(m):
        at = filled[bin_of[j]]
        filled[bin_of[j]] += 1
        members[at] = j
        x[at] = place[j, 0] * rows[0, 0] + place[j, 1] * rows[1, 0] + place[j, 2] * rows[2, 0]
        y[at] = place[j, 0] * rows[0, 1] + place[j, 1] * rows[1, 1] + place[j, 2] * rows[2, 1]
        z[at] = place[j, 0] * rows[0, 2] + place[j, 1] * rows[1, 2] + place[j, 2] * rows[2, 2]
    limit, count = cutoff * cutoff, 0
    squares = np.empty(largest)
    f, c, q = np.empty(3), np.empty(3, np.int64), np.empty(3)
    for number in range(n):
        i = members[number] if same else number
        for k in range(3):
            f[k] = one[i, 0] * inverse[0, k] + one[i, 1] * inverse[1, k] + one[i, 2] * inverse[2, k]
            if images:
                f[k] -= np.floor(f[k])
            c[k] = min(max(int(f[k] * bins[k]), 0), bins[k] - 1)
        for neighbour in range(14 if same else 27):  # the other half of the bins finds a pair from its other end
            at, outside = 0, False
            for k in range(3):
                b = c[k] + ((neighbour // 9, neighbour // 3 % 3, neighbour % 3)[k] - 1)
                q[k] = f[k]
                if b < 0:
                    b, q[k], outside = b + bins[k], f[k] + 1.0, True
                elif b >= bins[k]:
                    b, q[k], outside = b - bins[k], f[k] - 1.0, True
                at = at * bins[k] + b
            if outside and not images:
                continue
            px = q[0] * rows[0, 0] + q[1] * rows[1, 0] + q[2] * rows[2, 0]
            py = q[0] * rows[0, 1] + q[1] * rows[1, 1] + q[2] * rows[2, 1]
            pz = q[0] * rows[0, 2] + q[1] * rows[1, 2] + q[2] * rows[2, 2]
            begin = begins[at]
            size = (
                number if same and neighbour == 13 else begins[at + 1]
            ) - begin  # of its own bin, those before it
            for o in range(size):
                dx, dy, dz = x[begin + o] - px, y[begin + o] - py, z[begin + o] - pz
                squares[o] = dx * dx + dy * dy + dz * dz
            for o in range(size):
                if squares[o] < limit:
                    if count < room:
                        first[count], second[count] = i, members[begin + o]
                    count += 1
    return count


@njit(cache=True)  # type: ignore[untyped-decorator]
def _sorted(first: Ints, second: Ints, n: int, m: int) -> tuple[Ints, Ints]:
    """Return pairs sorted by their first numbers and then by their second: two stable counting sorts."""
    i, j = first, second
    for turn in range(2):
        key = j if turn == 0 else i
        begins = np.zeros((m if turn == 0 else n) + 1, np.int64)
        for number in key:
            begins[number + 1] += 1
        for number in range(len(begins) - 1):
            begins[number + 1] += begins[number]
        new_i, new_j = np.empty_like(i), np.empty_like(j)
        for pair in range(len(key)):
            at = begins[key[pair]]
            begins[key[pair]] += 1
            new_i[at], new_j[at] = i[pair], j[pair]
        i, j = new_i, new_j
    return i, j
