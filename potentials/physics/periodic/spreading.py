"""Charges and dipoles on a mesh of B-splines, and potentials at atoms from a mesh, compiled.

Splines of order 6 have four continuous derivatives: forces on dipoles, which need two, are continuous.
"""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.compiled import njit
from potentials.physics.thole import OPTIONS

ORDER = 6
"""Order of the splines: the mesh points of an atom along each axis."""

NOGIL = OPTIONS | {"nogil": True}
"""Options of functions that threads run at the same time."""


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def splines(first: int, last: int, fractions: Floats, mesh: Ints, base: Ints, weights: Floats) -> None:
    """Write the splines of some of the atoms.

    Parameters
    ----------
    first, last
        The atoms.
    fractions
        (3, n), fractional coordinates.
    mesh
        (3,), points along each axis.
    base
        (n, 3), written: the first mesh point of each atom.
    weights
        (n, 3, 3, ORDER), written: of each atom and axis the splines, their first and their second derivatives with
        respect to the coordinate in units of the distance of mesh points.
    """
    m = np.empty(ORDER)
    for a in range(first, last):
        for axis in range(3):
            f = fractions[axis, a]
            u = (f - np.floor(f)) * mesh[axis]
            whole = min(int(u), mesh[axis] - 1)
            w = u - whole
            start = whole - ORDER + 1
            base[a, axis] = start if start >= 0 else start + mesh[axis]
            theta, slope, bend = weights[a, axis, 0], weights[a, axis, 1], weights[a, axis, 2]
            # m[k] is M_p(w + k), for p = 2 first
            m[0], m[1] = w, 1 - w
            for k in range(2, ORDER):
                m[k] = 0.0
            for p in range(3, ORDER + 1):
                if p == ORDER - 1:
                    for k in range(ORDER):
                        one = m[k - 1] if k >= 1 else 0.0
                        two = m[k - 2] if k >= 2 else 0.0
                        bend[ORDER - 1 - k] = m[k] - 2 * one + two
                if p == ORDER:
                    for k in range(ORDER):
                        slope[ORDER - 1 - k] = m[k] - (m[k - 1] if k >= 1 else 0.0)
                for k in range(p - 1, -1, -1):
                    before = m[k - 1] if k >= 1 else 0.0
                    m[k] = ((w + k) * m[k] + (p - w - k) * before) / (p - 1)
            for k in range(ORDER):
                theta[ORDER - 1 - k] = m[k]


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def spread(
    first: int,
    last: int,
    charge: Floats,
    dipole: Floats,
    metric: Floats,
    mesh: Ints,
    base: Ints,
    weights: Floats,
    grid: Floats,
) -> None:
    """Write the charges and dipoles of some of the atoms on a mesh.

    Parameters
    ----------
    first, last
        The atoms.
    charge, dipole
        (n,) or (0,), and (3 n,) or (0,).
    metric
        (3, 3), the derivatives of the coordinates on the mesh (rows) with respect to Cartesian ones.
    mesh, base, weights
        See `splines`.
    grid
        (mesh 0, mesh 1, mesh 2 + ORDER - 1), written; the last columns are to be added to the first ones.
    """
    n = len(base)
    grid[:] = 0.0
    charged, polar = len(charge) > 0, len(dipole) > 0
    q = x = y = z = 0.0
    for a in range(first, last):
        if charged:
            q = charge[a]
        if polar:
            x, y, z = dipole[a], dipole[n + a], dipole[2 * n + a]
        du = metric[0, 0] * x + metric[0, 1] * y + metric[0, 2] * z
        dv = metric[1, 0] * x + metric[1, 1] * y + metric[1, 2] * z
        dw = metric[2, 0] * x + metric[2, 1] * y + metric[2, 2] * z
        if q == 0 and du == 0 and dv == 0 and dw == 0:
            continue
        tu, tv, tw = weights[a, 0], weights[a, 1], weights[a, 2]
        c = base[a, 2]
        for i in range(ORDER):
            p = base[a, 0] + i
            p = p if p < mesh[0] else p - mesh[0]
            one, two = q * tu[0, i] + du * tu[1, i], tu[0, i]
            for j in range(ORDER):
                r = base[a, 1] + j
                r = r if r < mesh[1] else r - mesh[1]
                flat = one * tv[0, j] + dv * two * tv[1, j]
                steep = dw * two * tv[0, j]
                row = grid[p, r, c : c + ORDER]
                for k in range(ORDER):
                    row[k] += flat * tw[0, k] + steep * tw[1, k]


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def fold(grids: Floats, mesh: Ints, density: Floats) -> None:
    """Write the sum of meshes (threads, ...) of `spread` as (mesh 0, mesh 1, mesh 2)."""
    wide, more = mesh[2], ORDER - 1
    for p in range(mesh[0]):
        for r in range(mesh[1]):
            row = density[p, r]
            row[:] = grids[0, p, r, :wide]
            for t in range(1, len(grids)):
                for k in range(wide):
                    row[k] += grids[t, p, r, k]
            for t in range(len(grids)):
                for k in range(more):
                    row[k % wide] += grids[t, p, r, wide + k]


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def unfold(mesh: Ints, potential: Floats, grid: Floats) -> None:
    """Write a mesh with its first columns repeated after the last ones."""
    wide = mesh[2]
    for p in range(mesh[0]):
        for r in range(mesh[1]):
            grid[p, r, :wide] = potential[p, r]
            for k in range(ORDER - 1):
                grid[p, r, wide + k] = potential[p, r, k % wide]


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def gather(
    first: int, last: int, metric: Floats, mesh: Ints, base: Ints, weights: Floats, grid: Floats, result: Floats
) -> None:
    """Write the potential and its Cartesian gradient at some of the atoms, (4, n): see `spread`."""
    for a in range(first, last):
        tu, tv, tw = weights[a, 0], weights[a, 1], weights[a, 2]
        c = base[a, 2]
        value = gu = gv = gw = 0.0
        for i in range(ORDER):
            p = base[a, 0] + i
            p = p if p < mesh[0] else p - mesh[0]
            flat = along = rise = 0.0
            for j in range(ORDER):
                r = base[a, 1] + j
                r = r if r < mesh[1] else r - mesh[1]
                row = grid[p, r, c : c + ORDER]
                s0 = s1 = 0.0
                for k in range(ORDER):
                    s0 += row[k] * tw[0, k]
                    s1 += row[k] * tw[1, k]
                flat += tv[0, j] * s0
                along += tv[1, j] * s0
                rise += tv[0, j] * s1
            value += tu[0, i] * flat
            gu += tu[1, i] * flat
            gv += tu[0, i] * along
            gw += tu[0, i] * rise
        result[0, a] = value
        for axis in range(3):
            result[1 + axis, a] = metric[0, axis] * gu + metric[1, axis] * gv + metric[2, axis] * gw


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def pull(
    first: int,
    last: int,
    charge: Floats,
    dipole: Floats,
    factor: float,
    metric: Floats,
    mesh: Ints,
    base: Ints,
    weights: Floats,
    grid: Floats,
    result: Floats,
    gradient: Floats,
    virial: Floats,
) -> None:
    """Write the potential at some of the atoms; add the gradient of the energy of charges and fixed dipoles in it.

    Parameters
    ----------
    first, last, charge, dipole, metric, mesh, base, weights, grid
        See `spread`; the grid holds the potential, as from `unfold`.
    factor
        By which the gradient and the virial are multiplied.
    result
        (4, n), written: the potential and its Cartesian gradient.
    gradient
        (3 n,), changed.
    virial
        (3, 3), changed: the part of a strain's derivative that is caused by dipoles that do not turn with it.
    """
    n = len(base)
    for a in range(first, last):
        q, x, y, z = charge[a], dipole[a], dipole[n + a], dipole[2 * n + a]
        du = metric[0, 0] * x + metric[0, 1] * y + metric[0, 2] * z
        dv = metric[1, 0] * x + metric[1, 1] * y + metric[1, 2] * z
        dw = metric[2, 0] * x + metric[2, 1] * y + metric[2, 2] * z
        tu, tv, tw = weights[a, 0], weights[a, 1], weights[a, 2]
        c = base[a, 2]
        value = u = v = w = uu = uv = uw = vv = vw = ww = 0.0
        for i in range(ORDER):
            p = base[a, 0] + i
            p = p if p < mesh[0] else p - mesh[0]
            f0 = f1 = f2 = r0 = r1 = b0 = 0.0
            for j in range(ORDER):
                r = base[a, 1] + j
                r = r if r < mesh[1] else r - mesh[1]
                row = grid[p, r, c : c + ORDER]
                s0 = s1 = s2 = 0.0
                for k in range(ORDER):
                    s0 += row[k] * tw[0, k]
                    s1 += row[k] * tw[1, k]
                    s2 += row[k] * tw[2, k]
                f0 += tv[0, j] * s0
                f1 += tv[1, j] * s0
                f2 += tv[2, j] * s0
                r0 += tv[0, j] * s1
                r1 += tv[1, j] * s1
                b0 += tv[0, j] * s2
            value += tu[0, i] * f0
            u += tu[1, i] * f0
            v += tu[0, i] * f1
            w += tu[0, i] * r0
            uu += tu[2, i] * f0
            uv += tu[1, i] * f1
            uw += tu[1, i] * r0
            vv += tu[0, i] * f2
            vw += tu[0, i] * r1
            ww += tu[0, i] * b0
        result[0, a] = value
        gu = factor * (q * u + du * uu + dv * uv + dw * uw)
        gv = factor * (q * v + du * uv + dv * vv + dw * vw)
        gw = factor * (q * w + du * uw + dv * vw + dw * ww)
        for axis in range(3):
            gradient[axis * n + a] += metric[0, axis] * gu + metric[1, axis] * gv + metric[2, axis] * gw
            slope = metric[0, axis] * u + metric[1, axis] * v + metric[2, axis] * w
            result[1 + axis, a] = slope
            slope *= factor
            virial[axis, 0] -= slope * x
            virial[axis, 1] -= slope * y
            virial[axis, 2] -= slope * z
