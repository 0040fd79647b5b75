"""Compiled loops of the search for n-mers of near bodies: key points, how far they moved, and triples."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.compiled import njit


@njit(cache=True)  # type: ignore[untyped-decorator]
def means(whole: Floats, atoms: Ints, begins: Ints, points: Floats) -> None:
    """Write the mean positions of groups of atoms."""
    for n in range(len(points)):
        for axis in range(3):
            total = 0.0
            for place in range(begins[n], begins[n + 1]):
                total += whole[atoms[place], axis]
            points[n, axis] = total / (begins[n + 1] - begins[n])


@njit(cache=True)  # type: ignore[untyped-decorator]
def farthest(points: Floats, before: Floats, rows: Floats, inverse: Floats) -> float:
    """Return the largest distance of two sets of points to their nearest images; infinity if one is not finite."""
    most = 0.0
    for n in range(len(points)):
        x, y, z = points[n, 0] - before[n, 0], points[n, 1] - before[n, 1], points[n, 2] - before[n, 2]
        if len(rows):
            i = np.rint(x * inverse[0, 0] + y * inverse[1, 0] + z * inverse[2, 0])
            j = np.rint(x * inverse[0, 1] + y * inverse[1, 1] + z * inverse[2, 1])
            k = np.rint(x * inverse[0, 2] + y * inverse[1, 2] + z * inverse[2, 2])
            x -= i * rows[0, 0] + j * rows[1, 0] + k * rows[2, 0]
            y -= i * rows[0, 1] + j * rows[1, 1] + k * rows[2, 1]
            z -= i * rows[0, 2] + j * rows[1, 2] + k * rows[2, 2]
        square = x * x + y * y + z * z
        if not square < np.inf:
            return float(np.inf)
        most = max(most, square)
    return float(np.sqrt(most))


@njit(cache=True)  # type: ignore[untyped-decorator]
def triples(
    a01: Ints, b01: Ints, a02: Ints, c02: Ints, b12: Ints, c12: Ints, n: int, m: int
) -> tuple[Ints, Ints, Ints]:
    """Return the triples whose three pairs are in the lists of pairs, each of which is sorted."""
    rows02, rows12 = np.zeros(n + 1, np.int64), np.zeros(m + 1, np.int64)
    for a in a02:
        rows02[a + 1] += 1
    for b in b12:
        rows12[b + 1] += 1
    for a in range(n):
        rows02[a + 1] += rows02[a]
    for b in range(m):
        rows12[b + 1] += rows12[b]
    first, second, third = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64)
    for turn in range(2):
        count = 0
        for pair in range(len(a01)):
            a, b = a01[pair], b01[pair]
            p, q = rows02[a], rows12[b]
            while p < rows02[a + 1] and q < rows12[b + 1]:
                if c02[p] < c12[q]:
                    p += 1
                elif c02[p] > c12[q]:
                    q += 1
                else:
                    if turn == 1:
                        first[count], second[count], third[count] = a, b, c02[p]
                    count += 1
                    p += 1
                    q += 1
        if turn == 0:
            first, second, third = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.int64)
    return first, second, third
