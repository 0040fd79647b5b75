"""The compiled kernel: well-tempered PBMetaD with partitioned families, and walls.

It follows PLUMED's PBMETAD (with PF) to the last digit: values and derivatives on a grid, cubic interpolation,
Gaussians cut at (s-c)^2/(2 sigma^2) = 6.25, one hill per variable at each deposition with a weight from the
softmax over all variables, none at the first step, values computed before the hills of the same step are added.

The buffer: header, masses, table of variables, table of families, grid values, grid derivatives, and work space of
16 numbers a variable (value, derivative of the bias, bias, derivatives by the atoms, weight).
"""

from __future__ import annotations

import math

import numpy as np
from numba import carray, cfunc, njit, types

HEADER, CV_ROW, FAMILY_ROW = 32, 6, 6
LENGTH = 13
"""Place in the header that holds the length of the buffer."""

ERROR, BIAS, WALL, COM, HILLS = 14, 15, 16, 17, 18
"""Places in the header that the kernel writes: error flag, bias, wall energy (kcal/mol), centre-of-mass distance
(Angstrom), number of hills."""

NOT_FINITE, ATOMS_LOST = 1.0, 2.0
"""Values of the error flag: a variable's bias is not a finite number; LAMMPS came with another number of atoms."""

OFFSET, STRIDE, RING, CAPACITY = 19, 20, 21, 22
"""Places in the header that LAMMPS' callback reads: what to add to LAMMPS' step, and where to keep every STRIDE-th
frame (0: none): place of the first number in the buffer, and number of frames."""

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
    """Return a collective variable and write its derivatives by its atoms into d, (4, 3).

    Written out in components: small arrays in compiled code cost more than the arithmetic.
    """
    if row[0] == 2.0:
        return _distance(x[int(row[2])], x[int(row[3])], d)
    if row[0] == 3.0:
        return _angle(x[int(row[2])], x[int(row[3])], x[int(row[4])], d)
    return _torsion(x[int(row[2])], x[int(row[3])], x[int(row[4])], x[int(row[5])], d)


@_compiled
def _distance(a, b, d):  # type: ignore[no-untyped-def]
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    r = math.sqrt(ux * ux + uy * uy + uz * uz)
    d[1, 0], d[1, 1], d[1, 2] = ux / r, uy / r, uz / r
    d[0, 0], d[0, 1], d[0, 2] = -d[1, 0], -d[1, 1], -d[1, 2]
    return r


@_compiled
def _angle(a, b, c, d):  # type: ignore[no-untyped-def]
    ux, uy, uz = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    vx, vy, vz = c[0] - b[0], c[1] - b[1], c[2] - b[2]
    u2, v2 = ux * ux + uy * uy + uz * uz, vx * vx + vy * vy + vz * vz
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    sine = math.sqrt(nx * nx + ny * ny + nz * nz)
    d[:3] = 0.0
    if sine > 1e-12 * math.sqrt(u2 * v2):  # a straight angle has no direction to push in
        nx, ny, nz = nx / sine, ny / sine, nz / sine
        d[0, 0], d[0, 1], d[0, 2] = (uy * nz - uz * ny) / u2, (uz * nx - ux * nz) / u2, (ux * ny - uy * nx) / u2
        d[2, 0], d[2, 1], d[2, 2] = (ny * vz - nz * vy) / v2, (nz * vx - nx * vz) / v2, (nx * vy - ny * vx) / v2
        for axis in range(3):
            d[1, axis] = -d[0, axis] - d[2, axis]
    return math.atan2(sine, ux * vx + uy * vy + uz * vz)


@_compiled
def _torsion(a, b, c, e, d):  # type: ignore[no-untyped-def]
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    vx, vy, vz = c[0] - b[0], c[1] - b[1], c[2] - b[2]
    wx, wy, wz = e[0] - c[0], e[1] - c[1], e[2] - c[2]
    lx, ly, lz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    rx, ry, rz = vy * wz - vz * wy, vz * wx - vx * wz, vx * wy - vy * wx
    v = math.sqrt(vx * vx + vy * vy + vz * vz)
    l2, r2 = lx * lx + ly * ly + lz * lz, rx * rx + ry * ry + rz * rz
    d[:] = 0.0
    if l2 > 0.0 and r2 > 0.0:  # three atoms in a line have no dihedral to push on
        uv = (ux * vx + uy * vy + uz * vz) / v
        wv = (wx * vx + wy * vy + wz * vz) / v
        left, right = (lx / l2, ly / l2, lz / l2), (rx / r2, ry / r2, rz / r2)
        for axis in range(3):
            d[0, axis] = -left[axis] * v
            d[3, axis] = right[axis] * v
            d[1, axis] = left[axis] * (v + uv) + right[axis] * wv
            d[2, axis] = -right[axis] * (v + wv) - left[axis] * uv
    sine = (ux * rx + uy * ry + uz * rz) * v
    return math.atan2(sine, lx * rx + ly * ry + lz * rz)


@_compiled
def add_walls(buffer, masses, x, force):  # type: ignore[no-untyped-def]
    """Add the walls' forces and return their energy; the centre-of-mass distance goes into the header."""
    lower, upper, kappa, first = buffer[8], buffer[9], buffer[10], int(buffer[11])
    one = two = 0.0
    for a in range(len(masses)):
        if a < first:
            one += masses[a]
        else:
            two += masses[a]
    ux = uy = uz = 0.0
    for a in range(len(masses)):
        share = -masses[a] / one if a < first else masses[a] / two
        ux += share * x[a, 0]
        uy += share * x[a, 1]
        uz += share * x[a, 2]
    distance = math.sqrt(ux * ux + uy * uy + uz * uz)
    buffer[COM] = distance
    beyond = 0.0
    if distance > upper:
        beyond = distance - upper
    elif lower > 0.0 and distance < lower:
        beyond = distance - lower
    if beyond != 0.0:
        pull = -2.0 * kappa * beyond / distance
        for a in range(len(masses)):
            share = pull * (-masses[a] / one if a < first else masses[a] / two)
            force[a, 0] += share * ux
            force[a, 1] += share * uy
            force[a, 2] += share * uz
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
    weight = buffer[at + 15 * n_cv : at + 16 * n_cv]

    force[:] = 0.0
    lowest = math.inf
    finite = True
    for i in range(n_cv):
        s[i] = variable(x, table[i], d[i])
        v[i], ds[i] = interpolate(grid, slope, families[int(table[i, 1])], s[i])
        lowest = min(lowest, v[i])
        finite = finite and math.isfinite(v[i])  # each one: min() passes over a nan
    if not finite:
        buffer[ERROR] = NOT_FINITE
        return 0.0
    norm = 0.0
    for i in range(n_cv):
        weight[i] = math.exp(-(v[i] - lowest) / kt)
        norm += weight[i]
    bias = lowest - kt * (math.log(norm) - math.log(n_cv))
    for i in range(n_cv):
        push = -weight[i] / norm * ds[i]
        for k in range(int(table[i, 0])):
            atom = int(table[i, 2 + k])
            for axis in range(3):
                force[atom, axis] += push * d[i, k, axis]
    wall = add_walls(buffer, masses, x, force) if buffer[10] > 0.0 else 0.0

    if step > 0 and step % pace == 0 and step != int(buffer[12]):
        for i in range(n_cv):
            tempered = height * weight[i] / norm * math.exp(-v[i] / (kt * (gamma - 1.0)))
            add_hill(grid, slope, families[int(table[i, 1])], s[i], tempered)
        buffer[12] = step
        buffer[HILLS] += n_cv
    buffer[BIAS], buffer[WALL] = bias, wall
    return bias + wall


@_compiled
def record(buffer, step, x):  # type: ignore[no-untyped-def]
    """Keep a frame in the buffer when it is its turn; the frame of step 0 is not kept."""
    stride = int(buffer[STRIDE])
    if stride == 0 or step == 0 or step % stride != 0 or step // stride > int(buffer[CAPACITY]):
        return
    at = int(buffer[RING]) + (step // stride - 1) * x.size
    for a in range(x.shape[0]):
        for axis in range(3):
            buffer[at + 3 * a + axis] = x[a, axis]


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
    length = int(carray(pointer, (HEADER,), np.float64)[LENGTH])
    buffer = carray(pointer, (length,), np.float64)
    if nlocal != int(buffer[2]):
        buffer[ERROR] = ATOMS_LOST
        return
    positions = carray(x[0], (nlocal, 3))
    apply_bias(buffer, step + int(buffer[OFFSET]), positions, carray(f[0], (nlocal, 3)))
    record(buffer, step, positions)
