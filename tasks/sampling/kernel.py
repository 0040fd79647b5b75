"""The compiled kernel: well-tempered PBMetaD with partitioned families, and walls.

It follows PLUMED's PBMETAD (with PF) to the last digit: values and derivatives on a grid, cubic interpolation,
Gaussians cut at (s-c)^2/(2 sigma^2) = 6.25, one hill per variable at each deposition with a weight from the
softmax over all variables, none at the first step, values computed before the hills of the same step are added.

The buffer: header, masses, table of variables, table of families, grid values, grid derivatives, and work space of
1 + 1 + 12 + 1 numbers a variable (value, derivative of the bias, derivatives by the atoms, bias).
"""

from __future__ import annotations

import math

import numpy as np
from numba import carray, cfunc, njit, types

HEADER, CV_ROW, FAMILY_ROW = 32, 6, 6
ERROR, BIAS, WALL, COM, HILLS = 14, 15, 16, 17, 18
"""Places in the header that the kernel writes: error flag, bias, wall energy (kcal/mol), centre-of-mass distance
(Angstrom), number of hills."""

CUT = 6.25
TINY = 1e-7
"""PLUMED drops the derivative's share of the interpolation where the value on the grid is smaller."""

_compiled = njit(cache=True, error_model="numpy", fastmath=False)


@_compiled
def interpolate(grid, slope, row, s):  # type: ignore[no-untyped-def]
    """Return the value and the derivative of a family's bias at s; beyond a grid's end the force is zero."""
    lower, spacing, points, periodic = row[0], row[1], int(row[2]), row[3] != 0.0
    start = int(row[5])
    if not periodic:
        if s <= lower:
            return grid[start], 0.0
        if s >= lower + spacing * (points - 1):
            return grid[start + points - 1], 0.0
    place = (s - lower) / spacing
    low = int(math.floor(place))
    if not periodic and low > points - 2:
        low = points - 2
    t = place - low
    value, derivative = 0.0, 0.0
    for side in range(2):
        index = start + (low + side) % points
        x = t if side == 0 else 1.0 - t
        sign = 1.0 if side == 0 else -1.0
        height = grid[index]
        share = 0.0 if abs(height) < TINY else slope[index] * spacing * sign
        value += height * (1.0 - 3.0 * x * x + 2.0 * x**3) + share * (x - 2.0 * x * x + x**3)
        derivative += (height * (6.0 * x * x - 6.0 * x) + share * (1.0 - 4.0 * x + 3.0 * x * x)) * sign / spacing
    return value, derivative


@_compiled
def add_hill(grid, slope, row, centre, height):  # type: ignore[no-untyped-def]
    """Add one Gaussian to a family's grid."""
    lower, spacing, points, periodic, sigma = row[0], row[1], int(row[2]), row[3] != 0.0, row[4]
    start = int(row[5])
    reach = int(math.ceil(math.sqrt(2.0 * CUT) * sigma / spacing))
    middle = int(math.floor((centre - lower) / spacing))
    if periodic and 2 * reach + 1 > points:
        middle, reach = points // 2, points // 2
    for place in range(middle - reach, middle + reach + 1):
        index = place
        if periodic:
            index = place % points
        elif place < 0 or place >= points:
            continue
        distance = lower + index * spacing - centre
        if periodic:
            period = spacing * points
            distance -= period * math.floor(distance / period + 0.5)
        z = distance / sigma
        if 0.5 * z * z < CUT:
            value = height * math.exp(-0.5 * z * z)
            grid[start + index] += value
            slope[start + index] -= value * z / sigma


@_compiled
def variable(x, row, d):  # type: ignore[no-untyped-def]
    """Return a collective variable and write its derivatives by its atoms into d, (4, 3)."""
    a, b = int(row[2]), int(row[3])
    d[:] = 0.0
    if row[0] == 2.0:
        u = x[b] - x[a]
        r = math.sqrt(u[0] ** 2 + u[1] ** 2 + u[2] ** 2)
        d[0] = -u / r
        d[1] = u / r
        return r
    c = int(row[4])
    if row[0] == 3.0:
        u = x[a] - x[b]
        v = x[c] - x[b]
        ru = math.sqrt(u[0] ** 2 + u[1] ** 2 + u[2] ** 2)
        rv = math.sqrt(v[0] ** 2 + v[1] ** 2 + v[2] ** 2)
        n = np.cross(u, v)
        sine = math.sqrt(n[0] ** 2 + n[1] ** 2 + n[2] ** 2)
        cosine = u[0] * v[0] + u[1] * v[1] + u[2] * v[2]
        if sine > 1e-12 * ru * rv:  # a straight angle has no direction to push in
            n = n / sine
            d[0] = np.cross(u, n) / ru**2
            d[2] = np.cross(n, v) / rv**2
            d[1] = -d[0] - d[2]
        return math.atan2(sine, cosine)
    e = int(row[5])
    u, v, w = x[b] - x[a], x[c] - x[b], x[e] - x[c]
    left, right = np.cross(u, v), np.cross(v, w)
    rv = math.sqrt(v[0] ** 2 + v[1] ** 2 + v[2] ** 2)
    l2 = left[0] ** 2 + left[1] ** 2 + left[2] ** 2
    r2 = right[0] ** 2 + right[1] ** 2 + right[2] ** 2
    if l2 > 0.0 and r2 > 0.0:
        uv = (u[0] * v[0] + u[1] * v[1] + u[2] * v[2]) / rv
        wv = (w[0] * v[0] + w[1] * v[1] + w[2] * v[2]) / rv
        d[0] = -left * rv / l2
        d[3] = right * rv / r2
        d[1] = left * (rv + uv) / l2 + right * wv / r2
        d[2] = -right * (rv + wv) / r2 - left * uv / l2
    sine = (u[0] * right[0] + u[1] * right[1] + u[2] * right[2]) * rv
    return math.atan2(sine, left[0] * right[0] + left[1] * right[1] + left[2] * right[2])


@_compiled
def add_walls(buffer, masses, x, force):  # type: ignore[no-untyped-def]
    """Add the walls' forces and return their energy; the centre-of-mass distance goes into the header."""
    lower, upper, kappa, first = buffer[8], buffer[9], buffer[10], int(buffer[11])
    total = np.zeros(2)
    arrow = np.zeros(3)
    for a in range(len(masses)):
        total[0 if a < first else 1] += masses[a]
    for a in range(len(masses)):
        if a < first:
            arrow -= masses[a] / total[0] * x[a]
        else:
            arrow += masses[a] / total[1] * x[a]
    distance = math.sqrt(arrow[0] ** 2 + arrow[1] ** 2 + arrow[2] ** 2)
    buffer[COM] = distance
    beyond = 0.0
    if distance > upper:
        beyond = distance - upper
    elif lower > 0.0 and distance < lower:
        beyond = distance - lower
    if beyond != 0.0:
        pull = -2.0 * kappa * beyond / distance
        for a in range(len(masses)):
            if a < first:
                force[a] -= pull * masses[a] / total[0] * arrow
            else:
                force[a] += pull * masses[a] / total[1] * arrow
    return kappa * beyond**2


@_compiled
def apply_bias(buffer, step, x, force):  # type: ignore[no-untyped-def]
    """Compute the bias and its forces at one step, and deposit hills when it is their turn.

    Parameters
    ----------
    buffer
        The state.
    step
        Number of the step.
    x
        (atoms, 3), Angstrom.
    force
        (atoms, 3), overwritten, kcal/mol/Angstrom.

    Returns
    -------
    The total bias, kcal/mol.
    """
    n_cv, n_family, atoms = int(buffer[0]), int(buffer[1]), int(buffer[2])
    pace, height, kt, gamma, points = int(buffer[3]), buffer[4], buffer[5], buffer[6], int(buffer[7])
    at = HEADER
    masses = buffer[at : at + atoms]
    at += atoms
    table = buffer[at : at + n_cv * CV_ROW].reshape(n_cv, CV_ROW)
    at += n_cv * CV_ROW
    families = buffer[at : at + n_family * FAMILY_ROW].reshape(n_family, FAMILY_ROW)
    at += n_family * FAMILY_ROW
    grid, slope = buffer[at : at + points], buffer[at + points : at + 2 * points]
    at += 2 * points
    s, ds, v = (
        buffer[at : at + n_cv],
        buffer[at + n_cv : at + 2 * n_cv],
        buffer[at + 2 * n_cv : at + 3 * n_cv],
    )
    d = buffer[at + 3 * n_cv : at + 15 * n_cv].reshape(n_cv, 4, 3)

    force[:] = 0.0
    lowest = math.inf
    for i in range(n_cv):
        s[i] = variable(x, table[i], d[i])
        v[i], ds[i] = interpolate(grid, slope, families[int(table[i, 1])], s[i])
        lowest = min(lowest, v[i])
    if not math.isfinite(lowest):
        buffer[ERROR] = 1.0
        return 0.0
    norm = 0.0
    for i in range(n_cv):
        norm += math.exp(-(v[i] - lowest) / kt)
    bias = lowest - kt * (math.log(norm) - math.log(n_cv))
    for i in range(n_cv):
        push = -math.exp(-(v[i] - lowest) / kt) / norm * ds[i]
        for k in range(int(table[i, 0])):
            force[int(table[i, 2 + k])] += push * d[i, k]
    wall = add_walls(buffer, masses, x, force) if buffer[10] > 0.0 else 0.0

    if step > 0 and step % pace == 0 and step != int(buffer[12]):
        for i in range(n_cv):
            share = math.exp(-(v[i] - lowest) / kt) / norm
            tempered = math.exp(-v[i] / (kt * (gamma - 1.0)))
            add_hill(grid, slope, families[int(table[i, 1])], s[i], height * share * tempered)
        buffer[12] = step
        buffer[HILLS] += n_cv
    buffer[BIAS], buffer[WALL] = bias, wall
    return bias + wall


@cfunc(
    types.void(
        types.voidptr,
        types.int64,
        types.int32,
        types.voidptr,
        types.CPointer(types.CPointer(types.float64)),
        types.CPointer(types.CPointer(types.float64)),
    ),
    cache=True,
)
def lammps_callback(pointer, step, nlocal, tags, x, f):  # type: ignore[no-untyped-def]
    """Be LAMMPS' ``fix external`` callback; the pointer leads to the buffer, the atoms are in tag order."""
    length = int(carray(pointer, (HEADER,), np.float64)[13])
    buffer = carray(pointer, (length,), np.float64)
    apply_bias(buffer, step, carray(x[0], (nlocal, 3)), carray(f[0], (nlocal, 3)))
