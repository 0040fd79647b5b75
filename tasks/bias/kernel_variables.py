"""The collective variables of the compiled kernel: distances, angles and torsions with their derivatives."""

from __future__ import annotations

import math

from potentials.compiled import njit

inlined = njit(cache=True, error_model="numpy", fastmath=False, forceinline=True)
"""For what every step calls: an array passed on is a dozen arguments; passing them took a third of the time."""


@inlined
def variable(x, table, i, d):  # type: ignore[no-untyped-def]
    """Return the i-th collective variable of a table and write its derivatives by its atoms into d[i], (4, 3).

    Written out in components, and indexed where views would do: small arrays in compiled code cost more than the
    arithmetic.
    """
    if table[i, 0] == 2.0:
        return _distance(x, int(table[i, 2]), int(table[i, 3]), i, d)
    if table[i, 0] == 3.0:
        return _angle(x, int(table[i, 2]), int(table[i, 3]), int(table[i, 4]), i, d)
    return _torsion(x, int(table[i, 2]), int(table[i, 3]), int(table[i, 4]), int(table[i, 5]), i, d)


@inlined
def _distance(x, a, b, i, d):  # type: ignore[no-untyped-def]
    ux, uy, uz = x[b, 0] - x[a, 0], x[b, 1] - x[a, 1], x[b, 2] - x[a, 2]
    r = math.sqrt(ux * ux + uy * uy + uz * uz)
    w = 1.0 / r
    d[i, 1, 0], d[i, 1, 1], d[i, 1, 2] = ux * w, uy * w, uz * w
    d[i, 0, 0], d[i, 0, 1], d[i, 0, 2] = -d[i, 1, 0], -d[i, 1, 1], -d[i, 1, 2]
    return r


@inlined
def _angle(x, a, b, c, i, d):  # type: ignore[no-untyped-def]
    ux, uy, uz = x[a, 0] - x[b, 0], x[a, 1] - x[b, 1], x[a, 2] - x[b, 2]
    vx, vy, vz = x[c, 0] - x[b, 0], x[c, 1] - x[b, 1], x[c, 2] - x[b, 2]
    u2, v2 = ux * ux + uy * uy + uz * uz, vx * vx + vy * vy + vz * vz
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    sine = math.sqrt(nx * nx + ny * ny + nz * nz)
    if sine > 1e-12 * math.sqrt(u2 * v2):
        left, right = 1.0 / (sine * u2), 1.0 / (sine * v2)
        d[i, 0, 0] = (uy * nz - uz * ny) * left
        d[i, 0, 1] = (uz * nx - ux * nz) * left
        d[i, 0, 2] = (ux * ny - uy * nx) * left
        d[i, 2, 0] = (ny * vz - nz * vy) * right
        d[i, 2, 1] = (nz * vx - nx * vz) * right
        d[i, 2, 2] = (nx * vy - ny * vx) * right
        for axis in range(3):
            d[i, 1, axis] = -d[i, 0, axis] - d[i, 2, axis]
    else:  # a straight angle has no direction to push in
        for k in range(3):
            for axis in range(3):
                d[i, k, axis] = 0.0
    return math.atan2(sine, ux * vx + uy * vy + uz * vz)


@inlined
def _torsion(x, a, b, c, e, i, d):  # type: ignore[no-untyped-def]
    ux, uy, uz = x[b, 0] - x[a, 0], x[b, 1] - x[a, 1], x[b, 2] - x[a, 2]
    vx, vy, vz = x[c, 0] - x[b, 0], x[c, 1] - x[b, 1], x[c, 2] - x[b, 2]
    wx, wy, wz = x[e, 0] - x[c, 0], x[e, 1] - x[c, 1], x[e, 2] - x[c, 2]
    lx, ly, lz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    rx, ry, rz = vy * wz - vz * wy, vz * wx - vx * wz, vx * wy - vy * wx
    v = math.sqrt(vx * vx + vy * vy + vz * vz)
    l2, r2 = lx * lx + ly * ly + lz * lz, rx * rx + ry * ry + rz * rz
    for k in range(4):
        for axis in range(3):
            d[i, k, axis] = 0.0
    if l2 > 0.0 and r2 > 0.0:  # three atoms in a line have no dihedral to push on
        uv = (ux * vx + uy * vy + uz * vz) / v
        wv = (wx * vx + wy * vy + wz * vz) / v
        left, right = (lx / l2, ly / l2, lz / l2), (rx / r2, ry / r2, rz / r2)
        for axis in range(3):
            d[i, 0, axis] = -left[axis] * v
            d[i, 3, axis] = right[axis] * v
            d[i, 1, axis] = left[axis] * (v + uv) + right[axis] * wv
            d[i, 2, axis] = -right[axis] * (v + wv) - left[axis] * uv
    sine = (ux * rx + uy * ry + uz * rz) * v
    return math.atan2(sine, lx * rx + ly * ry + lz * rz)
