"""The compiled kernel of metadynamics: one bias of n collective variables, with or without a grid.

The state is one float64 buffer, as in `tasks.bias.kernel`: a header, a row for each variable, the grid if there is
one, work space, and every hill. A hill is PLUMED's stretched Gaussian: it is zero at its cutoff, without a step.
"""

from __future__ import annotations

import math

import numpy as np

from potentials.compiled import carray, cfunc, njit
from tasks.bias.kernel import CUT, TINY
from tasks.bias.kernel_variables import inlined, variable

HEADER, ROW = 32, 16
"""Numbers of the header, and of the row of a variable."""

LENGTH, VARIABLES, ATOMS, PACE, HEIGHT, TEMPERING, GRID, CAPACITY, OWNER = range(9)
"""Places in the header that the kernel reads: numbers in the buffer, of variables, of atoms, steps between hills,
first height (kcal/mol), kT (gamma - 1) or 0 without tempering, points of the grid or 0, hills that fit, and the
number of the walker."""

TIMESTEP, OFFSET, TAG_BYTES, BOX = 9, 10, 11, 12
"""Further ones: fs, what to add to LAMMPS' step, bytes of LAMMPS' tags, and the three edges of a box (0: none)."""

LAST, COUNT, BIAS, ERROR, CULPRIT, COUNTED = 20, 21, 22, 23, 24, 25
"""Places that the kernel writes: step of the last hill (-1: none), number of hills, bias (kcal/mol), error,
the variable that caused it, and the number of hills of which the bias was made."""

NOT_FINITE, OUTSIDE, FULL, LOST = 1, 2, 3, 4
"""Errors: a variable is not finite; it has left its grid; no hill fits; LAMMPS has a different number of atoms."""

KIND, SIGMA, PERIOD, LOWER, SPACING, POINTS, AGO, FIRST_ATOM = 0, 6, 7, 8, 9, 10, 11, 12
"""Places in the row of a variable: number of atoms (followed by what `variable` reads), width, period (0: none),
first grid point, spacing and number of points, their stride in the grid, and up to four atoms."""

STRETCH = 1.0 / (1.0 - math.exp(-CUT))
DROP = -math.exp(-CUT) * STRETCH
"""A hill of height 1 is STRETCH exp(-z^2/2) + DROP, which is 1 at its centre and 0 at the cutoff."""

MOST = 8
"""Most variables of one bias."""

compiled = njit(cache=True, error_model="numpy", fastmath=False)


@inlined
def places(buffer):  # type: ignore[no-untyped-def]
    """Return where the grid, the work space, the points of the variables, and the hills begin."""
    n, points = int(buffer[VARIABLES]), int(buffer[GRID])
    grid = HEADER + n * ROW
    work = grid + points * (1 + n)
    return grid, work, work + 2 * n, work + 2 * n + 36 * n


@inlined
def gaussian(buffer, table, at, s, slope):  # type: ignore[no-untyped-def]
    """Return the value of the hill that begins at a place in the buffer, and add its derivatives to `slope`."""
    n = len(table)
    half = 0.0
    for i in range(n):
        distance = s[i] - buffer[at + i]
        if table[i, PERIOD] > 0.0:
            distance -= table[i, PERIOD] * math.floor(distance / table[i, PERIOD] + 0.5)
        z = distance / table[i, SIGMA]
        half += 0.5 * z * z
        if half >= CUT:
            return 0.0
    height = buffer[at + n]
    bell = height * math.exp(-half)
    for i in range(n):
        distance = s[i] - buffer[at + i]
        if table[i, PERIOD] > 0.0:
            distance -= table[i, PERIOD] * math.floor(distance / table[i, PERIOD] + 0.5)
        slope[i] -= STRETCH * bell * distance / (table[i, SIGMA] * table[i, SIGMA])
    return STRETCH * bell + DROP * height


@compiled
def bias_at(buffer, s, slope):  # type: ignore[no-untyped-def]
    """Return the bias at s (variables,), kcal/mol, and write its derivatives into `slope` (variables,).

    Outside of a grid, and where s is not finite, the error in the header is set.
    """
    n = int(buffer[VARIABLES])
    table = buffer[HEADER : HEADER + n * ROW].reshape(n, ROW)
    grid, _work, _points, hills = places(buffer)
    for i in range(n):
        slope[i] = 0.0
        if not math.isfinite(s[i]):
            buffer[ERROR], buffer[CULPRIT] = NOT_FINITE, i
            return 0.0
    value = 0.0
    if buffer[GRID] == 0.0:
        for k in range(int(buffer[COUNT])):
            value += gaussian(buffer, table, hills + k * (n + 3) + 2, s, slope)
        return value
    for i in range(n):
        last = table[i, LOWER] + table[i, SPACING] * (table[i, POINTS] - 1.0)
        if table[i, PERIOD] == 0.0 and not table[i, LOWER] <= s[i] <= last:
            buffer[ERROR], buffer[CULPRIT] = OUTSIDE, i
            return 0.0
    return _interpolate(buffer, table, grid, s, slope)


@inlined
def _interpolate(buffer, table, grid, s, slope):  # type: ignore[no-untyped-def]
    """Return PLUMED's interpolation: at each corner the value times a cubic of each variable."""
    n, points = len(table), int(buffer[GRID])
    low, part = np.empty(MOST, np.int64), np.empty(MOST)
    cubic, steep = np.empty(MOST), np.empty(MOST)
    for i in range(n):
        place = (s[i] - table[i, LOWER]) / table[i, SPACING]
        low[i] = int(math.floor(place))
        if table[i, PERIOD] == 0.0:
            low[i] = min(low[i], int(table[i, POINTS]) - 2)
        part[i] = place - low[i]
    value = 0.0
    for corner in range(1 << n):
        at = 0
        for i in range(n):
            size = int(table[i, POINTS])
            at += (low[i] + ((corner >> i) & 1)) % size * int(table[i, AGO])
        here = buffer[grid + at]
        product = 1.0
        for i in range(n):
            upper = (corner >> i) & 1
            x = 1.0 - part[i] if upper else part[i]
            sign = -1.0 if upper else 1.0
            ratio = 0.0
            if abs(here) >= TINY:
                ratio = -buffer[grid + points + at * n + i] / here * table[i, SPACING] * sign
            cubic[i] = 1.0 - 3.0 * x * x + 2.0 * x * x * x - ratio * (x - 2.0 * x * x + x * x * x)
            steep[i] = -6.0 * x + 6.0 * x * x - ratio * (1.0 - 4.0 * x + 3.0 * x * x)
            steep[i] *= sign / table[i, SPACING]
            product *= cubic[i]
        value += here * product
        for i in range(n):
            rest = here * steep[i]
            for j in range(n):
                if j != i:
                    rest *= cubic[j]
            slope[i] += rest
    return value


@compiled
def add_hill(buffer, owner, time, centre, height):  # type: ignore[no-untyped-def]
    """Add a hill of a walker at a time (fs): centre (variables,) and height, kcal/mol."""
    n, count = int(buffer[VARIABLES]), int(buffer[COUNT])
    if count >= int(buffer[CAPACITY]):
        buffer[ERROR] = FULL
        return
    table = buffer[HEADER : HEADER + n * ROW].reshape(n, ROW)
    grid, _work, _points, hills = places(buffer)
    at = hills + count * (n + 3)
    buffer[at], buffer[at + 1], buffer[at + 2 + n] = owner, time, height
    for i in range(n):
        buffer[at + 2 + i] = centre[i]
    buffer[COUNT] += 1.0
    if buffer[GRID] > 0.0:
        _add_to_grid(buffer, table, grid, at + 2)


@inlined
def _add_to_grid(buffer, table, grid, hill):  # type: ignore[no-untyped-def]
    """Add a hill to every grid point that it reaches, each once."""
    n, points = len(table), int(buffer[GRID])
    first, size, step = np.empty(MOST, np.int64), np.empty(MOST, np.int64), np.zeros(MOST, np.int64)
    s, slope = np.empty(MOST), np.empty(MOST)
    total = 1
    for i in range(n):
        many = int(table[i, POINTS])
        reach = int(math.ceil(math.sqrt(2.0 * CUT) * table[i, SIGMA] / table[i, SPACING]))
        middle = int(math.floor((buffer[hill + i] - table[i, LOWER]) / table[i, SPACING]))
        first[i], last = middle - reach, middle + reach
        if table[i, PERIOD] == 0.0:
            first[i], last = max(first[i], 0), min(last, many - 1)
        elif last - first[i] + 1 > many:  # the whole period, each point once; PLUMED adds some twice
            first[i], last = 0, many - 1
        size[i] = max(last - first[i] + 1, 0)
        total *= size[i]
    for _ in range(total):
        at = 0
        for i in range(n):
            index = (first[i] + step[i]) % int(table[i, POINTS])
            s[i] = table[i, LOWER] + index * table[i, SPACING]
            at += index * int(table[i, AGO])
            slope[i] = 0.0
        value = gaussian(buffer, table, hill, s, slope)
        if value != 0.0:
            buffer[grid + at] += value
            for i in range(n):
                buffer[grid + points + at * n + i] += slope[i]
        for i in range(n):  # the next point
            step[i] += 1
            if step[i] < size[i]:
                break
            step[i] = 0


@compiled
def advance(buffer, step):  # type: ignore[no-untyped-def]
    """Compute the bias and its forces for the points in the buffer, and add a hill at every `pace`-th step.

    The points of each variable, (variables, 4, 3) in Angstrom, are read from the buffer; the forces on them follow
    there, kcal/mol/Angstrom. The energy in the header does not contain the hill of this step.
    """
    n = int(buffer[VARIABLES])
    table = buffer[HEADER : HEADER + n * ROW].reshape(n, ROW)
    _grid, work, start, _hills = places(buffer)
    s, slope = buffer[work : work + n], buffer[work + n : work + 2 * n]
    x = buffer[start : start + 12 * n].reshape(n * 4, 3)
    push = buffer[start + 12 * n : start + 24 * n].reshape(n, 4, 3)
    d = buffer[start + 24 * n : start + 36 * n].reshape(n, 4, 3)
    push[:] = 0.0
    for i in range(n):
        for k in range(1, int(table[i, KIND])):
            for axis in range(3):
                edge = buffer[BOX + axis]
                if edge > 0.0:
                    apart = x[4 * i + k, axis] - x[4 * i + k - 1, axis]
                    x[4 * i + k, axis] -= edge * math.floor(apart / edge + 0.5)
        s[i] = variable(x, table, i, d)
    value = bias_at(buffer, s, slope)
    buffer[BIAS], buffer[COUNTED] = value, buffer[COUNT]
    if buffer[ERROR] != 0.0:
        return
    for i in range(n):
        for k in range(int(table[i, KIND])):
            for axis in range(3):
                push[i, k, axis] = -slope[i] * d[i, k, axis]
    if step > 0 and step % int(buffer[PACE]) == 0 and step > int(buffer[LAST]):
        height = buffer[HEIGHT]
        if buffer[TEMPERING] > 0.0:
            height *= math.exp(-value / buffer[TEMPERING])
        add_hill(buffer, buffer[OWNER], step * buffer[TIMESTEP], s, height)
        buffer[LAST] = step


@cfunc(
    "void(voidptr, int64, int32, voidptr, CPointer(CPointer(float64)), CPointer(CPointer(float64)))", cache=True
)
def lammps_callback(pointer, step, nlocal, tags, x, f):  # type: ignore[no-untyped-def]
    """LAMMPS' ``fix external`` callback; `pointer` is the buffer's address; the atoms may be in any order."""
    buffer = carray(pointer, (int(carray(pointer, (HEADER,), np.float64)[LENGTH]),), np.float64)
    n = int(buffer[VARIABLES])
    forces = carray(f[0], (nlocal, 3))
    forces[:] = 0.0
    if nlocal != int(buffer[ATOMS]):
        buffer[ERROR] = LOST
        return
    table = buffer[HEADER : HEADER + n * ROW].reshape(n, ROW)
    _grid, _work, start, _hills = places(buffer)
    points = buffer[start : start + 12 * n].reshape(n, 4, 3)
    push = buffer[start + 12 * n : start + 24 * n].reshape(n, 4, 3)
    positions = carray(x[0], (nlocal, 3))
    small, large = carray(tags, (nlocal,), np.int32), carray(tags, (nlocal,), np.int64)
    for a in range(nlocal):
        atom = (np.int64(small[a]) if buffer[TAG_BYTES] == 4.0 else large[a]) - 1
        for i in range(n):
            for k in range(int(table[i, KIND])):
                if int(table[i, FIRST_ATOM + k]) == atom:
                    for axis in range(3):
                        points[i, k, axis] = positions[a, axis]
    advance(buffer, step + int(buffer[OFFSET]))
    for a in range(nlocal):
        atom = (np.int64(small[a]) if buffer[TAG_BYTES] == 4.0 else large[a]) - 1
        for i in range(n):
            for k in range(int(table[i, KIND])):
                if int(table[i, FIRST_ATOM + k]) == atom:
                    for axis in range(3):
                        forces[a, axis] += push[i, k, axis]
