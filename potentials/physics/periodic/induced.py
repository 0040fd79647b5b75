"""Fields of induced dipoles and the gradient of their energy over near pairs of a periodic system, compiled."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from potentials.compiled import njit
from potentials.physics.periodic.pairs import S1, S2, T1, T2, T3, Near
from potentials.physics.periodic.spreading import NOGIL
from potentials.units import COULOMB


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def add_product(first: int, last: int, near: Near, dipole: Floats, product: Floats) -> None:
    """Add the field of the dipoles, (3 n,), of the pairs of some rows."""
    n = len(dipole) // 3
    data, others = near.data, near.others
    for i in range(first, last):
        px, py, pz = dipole[i], dipole[n + i], dipole[2 * n + i]
        fx = fy = fz = 0.0
        for p in range(near.begins[i], near.begins[i + 1]):
            j = others[p]
            dx, dy, dz, t1, t2 = data[0, p], data[1, p], data[2, p], data[T1, p], data[T2, p]
            qx, qy, qz = dipole[j], dipole[n + j], dipole[2 * n + j]
            along = t2 * (qx * dx + qy * dy + qz * dz)
            fx += along * dx - t1 * qx
            fy += along * dy - t1 * qy
            fz += along * dz - t1 * qz
            back = t2 * (px * dx + py * dy + pz * dz)
            product[j] += back * dx - t1 * px
            product[n + j] += back * dy - t1 * py
            product[2 * n + j] += back * dz - t1 * pz
        product[i] += fx
        product[n + i] += fy
        product[2 * n + i] += fz


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def add_induced(
    first: int,
    last: int,
    near: Near,
    charge: Floats,
    dipoles: Floats,
    signs: Floats,
    gradient: Floats,
    virial: Floats,
) -> None:
    """Add the gradient of -mu E - 1/2 mu T mu at fixed dipoles, of the pairs of some rows.

    Parameters
    ----------
    first, last, near
        The rows, and their pairs.
    charge
        (n,).
    dipoles, signs
        (sets, 3 n) and (sets,): the energies of several sets of dipoles, times these numbers, are added up.
    gradient, virial
        (3 n,) and (3, 3), changed.
    """
    n = len(charge)
    longest = 1
    for i in range(first, last):
        longest = max(longest, near.begins[i + 1] - near.begins[i])
    found, there = np.empty((3, longest)), np.empty((4, longest))
    for i in range(first, last):
        begin, end = near.begins[i], near.begins[i + 1]
        mine, data = near.others[begin:end], near.data[:, begin:end]
        found[:] = 0.0
        for s in range(len(signs)):
            mu = dipoles[s]
            for p in range(len(mine)):
                j = mine[p]
                there[0, p], there[1, p], there[2, p], there[3, p] = mu[j], mu[n + j], mu[2 * n + j], charge[j]
            a = (mu[i], mu[n + i], mu[2 * n + i], charge[i])
            _induced(a, there, data, COULOMB * signs[s], found)
        gx = gy = gz = 0.0
        for p in range(len(mine)):
            j = mine[p]
            x, y, z = found[0, p], found[1, p], found[2, p]
            gx += x
            gy += y
            gz += z
            gradient[j] -= x
            gradient[n + j] -= y
            gradient[2 * n + j] -= z
        gradient[i] += gx
        gradient[n + i] += gy
        gradient[2 * n + i] += gz
        for axis in range(3):
            pull, x, y, z = found[axis], data[0], data[1], data[2]
            one = two = three = 0.0
            for p in range(len(mine)):
                one += pull[p] * x[p]
                two += pull[p] * y[p]
                three += pull[p] * z[p]
            virial[axis, 0] += one
            virial[axis, 1] += two
            virial[axis, 2] += three


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def _induced(
    here: tuple[float, float, float, float], there: Floats, data: Floats, factor: float, found: Floats
) -> None:
    """Add the gradients of the pairs of one atom with respect to their vectors, times a factor."""
    ax, ay, az, qi = here
    bxs, bys, bzs, qs = there[0], there[1], there[2], there[3]
    xs, ys, zs, s1s, s2s = data[0], data[1], data[2], data[S1], data[S2]
    t2s, t3s = data[T2], data[T3]
    gx, gy, gz = found[0], found[1], found[2]
    for p in range(data.shape[1]):
        x, y, z, s1, t2 = xs[p], ys[p], zs[p], s1s[p], t2s[p]
        bx, by, bz, qj = bxs[p], bys[p], bzs[p], qs[p]
        vx, vy, vz = qj * ax - qi * bx, qj * ay - qi * by, qj * az - qi * bz
        ri, rj = ax * x + ay * y + az * z, bx * x + by * y + bz * z
        dot = ax * bx + ay * by + az * bz
        slope = s2s[p] * (vx * x + vy * y + vz * z) + t3s[p] * ri * rj - t2 * dot
        ri, rj = t2 * ri, t2 * rj
        gx[p] += factor * (slope * x - s1 * vx - rj * ax - ri * bx)
        gy[p] += factor * (slope * y - s1 * vy - rj * ay - ri * by)
        gz[p] += factor * (slope * z - s1 * vz - rj * az - ri * bz)
