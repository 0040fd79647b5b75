"""Fields of induced dipoles and the gradient of their energy over near pairs of a periodic system, compiled."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from potentials.compiled import njit
from potentials.physics.periodic.blocks import BLOCK, ROW
from potentials.physics.periodic.pairs import S1, T1, T2, Near
from potentials.physics.periodic.spreading import NOGIL
from potentials.units import COULOMB

# where each number of a pair stands in the array of a block; the five from _S1 on as in `Near.data`
_X, _Y, _Z, _S1, _S2, _T1, _T2, _T3, _BX, _BY, _BZ, _Q, _GX, _GY, _GZ = (k * ROW for k in range(15))


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
    block = np.empty(15 * ROW)
    for i in range(first, last):
        gx = gy = gz = 0.0
        for begin in range(near.begins[i], near.begins[i + 1], BLOCK):
            count = min(BLOCK, near.begins[i + 1] - begin)
            mine = near.others[begin : begin + count]
            for k in range(3):
                block[k * ROW : k * ROW + count] = near.data[k, begin : begin + count]
                block[_GX + k * ROW : _GX + k * ROW + count] = 0.0
            for k in range(5):
                block[_S1 + k * ROW : _S1 + k * ROW + count] = near.data[S1 + k, begin : begin + count]
            for p in range(count):
                block[_Q + p] = charge[mine[p]]
            for s in range(len(signs)):
                mu = dipoles[s]
                for k in range(3):
                    part, there = block[_BX + k * ROW :], mu[k * n : (k + 1) * n]
                    for p in range(count):
                        part[p] = there[mine[p]]
                _induced(count, mu[i], mu[n + i], mu[2 * n + i], charge[i], COULOMB * signs[s], block)
            _add_virial(count, block, virial)
            for p in range(count):
                j = mine[p]
                x, y, z = block[_GX + p], block[_GY + p], block[_GZ + p]
                gx += x
                gy += y
                gz += z
                gradient[j] -= x
                gradient[n + j] -= y
                gradient[2 * n + j] -= z
        gradient[i] += gx
        gradient[n + i] += gy
        gradient[2 * n + i] += gz


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def _induced(count: int, ax: float, ay: float, az: float, qi: float, factor: float, block: Floats) -> None:
    """Add the gradients of the pairs of one atom with respect to their vectors, times a factor."""
    for p in range(count):
        x, y, z, s1, t2 = block[_X + p], block[_Y + p], block[_Z + p], block[_S1 + p], block[_T2 + p]
        bx, by, bz, qj = block[_BX + p], block[_BY + p], block[_BZ + p], block[_Q + p]
        vx, vy, vz = qj * ax - qi * bx, qj * ay - qi * by, qj * az - qi * bz
        ri, rj = ax * x + ay * y + az * z, bx * x + by * y + bz * z
        dot = ax * bx + ay * by + az * bz
        slope = block[_S2 + p] * (vx * x + vy * y + vz * z) + block[_T3 + p] * ri * rj - t2 * dot
        ri, rj = t2 * ri, t2 * rj
        block[_GX + p] += factor * (slope * x - s1 * vx - rj * ax - ri * bx)
        block[_GY + p] += factor * (slope * y - s1 * vy - rj * ay - ri * by)
        block[_GZ + p] += factor * (slope * z - s1 * vz - rj * az - ri * bz)


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def _add_virial(count: int, block: Floats, virial: Floats) -> None:
    """Add the products of gradients and vectors of the pairs of a block."""
    for row in range(3):
        pull = block[_GX + row * ROW :]
        x = y = z = 0.0
        for p in range(count):
            x += pull[p] * block[_X + p]
            y += pull[p] * block[_Y + p]
            z += pull[p] * block[_Z + p]
        virial[row, 0] += x
        virial[row, 1] += y
        virial[row, 2] += z
