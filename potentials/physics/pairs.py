"""Sums over the pairs of a system without periodicity: fields, tensor products, and gradients, compiled.

A periodic system makes the same fields, products and gradients in another way; the solver is the same.

Pairs i < j are numbered row by row and handled in blocks. Of each block the data of its pairs are written side by
side in one array, then one loop over the pairs computes what needs square roots and exponentials, as vector
instructions; excluded pairs have factors of 0. Vectors of atoms are (3 n): all x, all y, all z.
"""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.compiled import njit
from potentials.physics.dispersion import damping
from potentials.physics.thole import BARE, FARTHEST, OPTIONS, decay, upper_gamma
from potentials.units import COULOMB

BLOCK = 256
"""Pairs of a block: all of its data are in the first-level cache."""

_ROW = BLOCK + 8  # not a power of 2, or all rows would compete for the same places in the cache

COLUMNS = 22 * _ROW
"""Length of the array of a block."""

CHARGE, ALPHA, STIFFNESS, WIDTH = 0, 1, 2, 3
"""Rows of the atoms' data: charge, polarizability, its inverse (0 if it is 0), its power -2/3 (`WIDEST` if 0)."""

C6, B, R12 = 0, 1, 2
"""Tables of the pairs' data, each (types, atoms)."""

# where each number of a pair stands in the array of a block
_X, _Y, _Z, _W, _QI, _QJ, _C6, _B, _R12 = (k * _ROW for k in range(9))
_MIX, _MIY, _MIZ, _MJX, _MJY, _MJZ = (k * _ROW for k in range(6, 12))
_U, _S, _FI, _FJ, _T1, _T2, _GX, _GY, _GZ, _ON = (k * _ROW for k in range(12, 22))


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def permanent(
    x: Floats,
    atoms: Floats,
    kind: Ints,
    tables: Floats,
    uncharged: tuple[Ints, Ints],
    scaled: tuple[Ints, Ints],
    unrepelled: tuple[Ints, Ints],
    scale: float,
    thole_charge: float,
    thole_dipole: float,
    block: Floats,
    tensor: Floats,
    field: Floats,
    gradient: Floats,
    shares: Floats,
) -> int:
    """Write what does not depend on induced dipoles; return how many distances are zero.

    Parameters
    ----------
    x
        (3 n,), positions.
    atoms, kind, tables
        (4, n), the rows above; (n,), the row of an atom in the tables; (3, kinds, n), the tables above.
    uncharged, scaled, unrepelled, scale
        Pairs without charges and dispersion, with charges times `scale`, and without repulsion; see `Topology`.
    block
        (COLUMNS,), for intermediate results.
    tensor
        (2, pairs), written: the factors t1 and 3 t2 of the dipole tensor 3 t2 r r - t1.
    field
        (3 n,), written: the field of the charges.
    gradient
        (3 n,), written: the gradient of the energies below.
    shares
        (4,), written: electrostatics of the charges, 0, dispersion, repulsion.
    """
    n = len(kind)
    pairs = n * (n - 1) // 2
    field[:] = 0.0
    gradient[:] = 0.0
    electrostatics = dispersion = repulsion = 0.0
    touching = 0
    i, j = 0, 1
    for first in range(0, pairs, BLOCK):
        count = min(BLOCK, pairs - first)
        a, b, k = i, j, 0
        while k < count:
            m = min(count - k, n - b)
            _fill_permanent(a, b, m, k, x, atoms, kind, tables, block)
            _put(a, b, m, k, uncharged, 0.0, block, _ON, _C6)
            _put(a, b, m, k, scaled, scale, block, _ON, _ON)
            _put(a, b, m, k, unrepelled, 0.0, block, _R12, _R12)
            a, b, k = (a, b + m, k + m) if b + m < n else (a + 1, a + 2, k + m)
        near = 0
        for p in range(count):
            dx, dy, dz = block[_X + p], block[_Y + p], block[_Z + p]
            r2 = dx * dx + dy * dy + dz * dz
            touching += r2 == 0
            inverse = 1 / np.sqrt(r2)
            i2 = inverse * inverse
            i3 = inverse * i2
            i6 = i3 * i3
            r4 = r2 * r2 * block[_W + p]
            u, v = thole_charge * r4, thole_dipole * r4
            s1 = (1 - decay(u)) * i3
            v = v if v < FARTHEST else FARTHEST
            e = decay(v)
            t1 = (1 - e) * i3
            block[_T1 + p] = t1
            block[_T2 + p] = (3 * t1 - 4 * v * e * i3) * i2
            qi, qj, on = block[_QI + p], block[_QJ + p], block[_ON + p]
            block[_FI + p] = s1 * qj * on
            block[_FJ + p] = s1 * qi * on
            c6, r12 = block[_C6 + p] * i6, block[_R12 + p] * i6 * i6
            f, slope = damping(block[_B + p] * r2 * inverse)
            charges = COULOMB * qi * qj * on
            near += (u < BARE) & (charges != 0)
            block[_U + p] = u if charges != 0 else BARE
            electrostatics += charges * inverse
            dispersion -= f * c6
            repulsion += r12
            block[_S + p] = (c6 * (6 * f - slope) - 12 * r12) * i2 - charges * s1
        if near:
            for p in range(count):
                u = block[_U + p]
                if u < BARE:
                    charges = COULOMB * block[_QI + p] * block[_QJ + p] * block[_ON + p]
                    electrostatics += (
                        charges
                        * (u**0.25 * upper_gamma(u) - decay(u))
                        / np.sqrt(block[_X + p] ** 2 + block[_Y + p] ** 2 + block[_Z + p] ** 2)
                    )
        k = 0
        while k < count:
            m = min(count - k, n - j)
            tensor[0, first + k : first + k + m] = block[_T1 + k : _T1 + k + m]
            tensor[1, first + k : first + k + m] = block[_T2 + k : _T2 + k + m]
            _spread(i, j, m, k, n, _S, _S, block, gradient)
            _spread(i, j, m, k, n, _FI, _FJ, block, field)
            i, j, k = (i, j + m, k + m) if j + m < n else (i + 1, i + 2, k + m)
    shares[0], shares[1], shares[2], shares[3] = electrostatics, 0.0, dispersion, repulsion
    return touching


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def tensor_product(x: Floats, tensor: Floats, dipole: Floats, product: Floats) -> None:
    """Write the field of the dipoles, (3 n,), with the factors of `permanent`."""
    n = len(x) // 3
    product[:] = 0.0
    start = 0
    for i in range(n):
        xi, yi, zi = x[i], x[n + i], x[2 * n + i]
        px, py, pz = dipole[i], dipole[n + i], dipole[2 * n + i]
        fx = fy = fz = 0.0
        for j in range(i + 1, n):
            k = start + j - i - 1
            dx, dy, dz = xi - x[j], yi - x[n + j], zi - x[2 * n + j]
            t1, t2 = tensor[0, k], tensor[1, k]
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
        start += n - i - 1


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def add_induced(
    x: Floats,
    atoms: Floats,
    uncharged: tuple[Ints, Ints],
    scaled: tuple[Ints, Ints],
    scale: float,
    thole_charge: float,
    thole_dipole: float,
    dipole: Floats,
    block: Floats,
    gradient: Floats,
) -> None:
    """Add the gradient of the induced dipoles' energy, -mu E - 1/2 mu T mu at fixed dipoles."""
    n = len(x) // 3
    pairs = n * (n - 1) // 2
    i, j = 0, 1
    for first in range(0, pairs, BLOCK):
        count = min(BLOCK, pairs - first)
        a, b, k = i, j, 0
        while k < count:
            m = min(count - k, n - b)
            _fill_induced(a, b, m, k, x, atoms, dipole, block)
            _put(a, b, m, k, uncharged, 0.0, block, _ON, _ON)
            _put(a, b, m, k, scaled, scale, block, _ON, _ON)
            a, b, k = (a, b + m, k + m) if b + m < n else (a + 1, a + 2, k + m)
        for p in range(count):
            dx, dy, dz = block[_X + p], block[_Y + p], block[_Z + p]
            r2 = dx * dx + dy * dy + dz * dz
            inverse = 1 / np.sqrt(r2)
            i2 = inverse * inverse
            i3 = inverse * i2
            r4 = r2 * r2 * block[_W + p]
            u, v = thole_charge * r4, thole_dipole * r4
            u = u if u < FARTHEST else FARTHEST
            v = v if v < FARTHEST else FARTHEST
            e = decay(u)
            s1 = (1 - e) * i3
            s2 = (3 * s1 - 4 * u * e * i3) * i2
            e = decay(v)
            t1 = (1 - e) * i3
            t2 = (3 * t1 - 4 * v * e * i3) * i2
            t3 = (5 * t2 - 4 * v * e * (4 * v - 1) * i3 * i2) * i2
            ax, ay, az = block[_MIX + p], block[_MIY + p], block[_MIZ + p]
            bx, by, bz = block[_MJX + p], block[_MJY + p], block[_MJZ + p]
            qi, qj = block[_QI + p] * block[_ON + p], block[_QJ + p] * block[_ON + p]
            vx, vy, vz = qj * ax - qi * bx, qj * ay - qi * by, qj * az - qi * bz
            ri, rj = ax * dx + ay * dy + az * dz, bx * dx + by * dy + bz * dz
            dot = ax * bx + ay * by + az * bz
            slope = s2 * (vx * dx + vy * dy + vz * dz) + t3 * ri * rj - t2 * dot
            ri, rj = t2 * ri, t2 * rj
            block[_GX + p] = COULOMB * (slope * dx - s1 * vx - rj * ax - ri * bx)
            block[_GY + p] = COULOMB * (slope * dy - s1 * vy - rj * ay - ri * by)
            block[_GZ + p] = COULOMB * (slope * dz - s1 * vz - rj * az - ri * bz)
        k = 0
        while k < count:
            m = min(count - k, n - j)
            _spread_gradient(i, j, m, k, n, block, gradient)
            i, j, k = (i, j + m, k + m) if j + m < n else (i + 1, i + 2, k + m)


# The slices below begin at the first atom and the first pair: an index counted from 0 is known not to be negative,
# which vector loops require.


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _fill_permanent(
    i: int, first: int, count: int, k: int, x: Floats, atoms: Floats, kind: Ints, tables: Floats, block: Floats
) -> None:
    """Write the data of the pairs of atom i with `count` atoms from `first` on, from pair `k` of the block on."""
    n, t = len(kind), kind[i]
    xi, yi, zi, qi, wi = x[i], x[n + i], x[2 * n + i], atoms[CHARGE, i], atoms[WIDTH, i]
    xs, ys, zs = x[first:n], x[n + first : 2 * n], x[2 * n + first :]
    charge, width = atoms[CHARGE, first:], atoms[WIDTH, first:]
    c6, b, r12 = tables[C6, t, first:], tables[B, t, first:], tables[R12, t, first:]
    part = block[k:]
    for p in range(count):
        part[_X + p] = xi - xs[p]
        part[_Y + p] = yi - ys[p]
        part[_Z + p] = zi - zs[p]
        part[_W + p] = wi * width[p]
        part[_QI + p] = qi
        part[_QJ + p] = charge[p]
        part[_ON + p] = 1.0
        part[_C6 + p] = c6[p]
        part[_B + p] = b[p]
        part[_R12 + p] = r12[p]


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _fill_induced(
    i: int, first: int, count: int, k: int, x: Floats, atoms: Floats, dipole: Floats, block: Floats
) -> None:
    """Write the data of the pairs of atom i with `count` atoms from `first` on, from pair `k` of the block on."""
    n = len(x) // 3
    xi, yi, zi, qi, wi = x[i], x[n + i], x[2 * n + i], atoms[CHARGE, i], atoms[WIDTH, i]
    ax, ay, az = dipole[i], dipole[n + i], dipole[2 * n + i]
    xs, ys, zs = x[first:n], x[n + first : 2 * n], x[2 * n + first :]
    bx, by, bz = dipole[first:n], dipole[n + first : 2 * n], dipole[2 * n + first :]
    charge, width = atoms[CHARGE, first:], atoms[WIDTH, first:]
    part = block[k:]
    for p in range(count):
        part[_X + p] = xi - xs[p]
        part[_Y + p] = yi - ys[p]
        part[_Z + p] = zi - zs[p]
        part[_W + p] = wi * width[p]
        part[_QI + p] = qi
        part[_QJ + p] = charge[p]
        part[_ON + p] = 1.0
        part[_MIX + p] = ax
        part[_MIY + p] = ay
        part[_MIZ + p] = az
        part[_MJX + p] = bx[p]
        part[_MJY + p] = by[p]
        part[_MJZ + p] = bz[p]


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _put(
    i: int, first: int, count: int, k: int, pairs: tuple[Ints, Ints], value: float, block: Floats, a: int, b: int
) -> None:
    """Give two numbers of certain pairs a value."""
    begins, others = pairs
    for e in range(begins[i], begins[i + 1]):
        p = others[e] - first
        if 0 <= p < count:
            block[a + k + p] = value
            block[b + k + p] = value


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _spread(
    i: int, first: int, count: int, k: int, n: int, here: int, there: int, block: Floats, total: Floats
) -> None:
    """Add the vectors of the pairs of atom i, times the numbers `here` for it and `there` for the others."""
    part, mine, theirs = block[k:], block[here + k :], block[there + k :]
    tx, ty, tz = total[first:n], total[n + first : 2 * n], total[2 * n + first :]
    x = y = z = 0.0
    for p in range(count):
        dx, dy, dz, a, b = part[_X + p], part[_Y + p], part[_Z + p], mine[p], theirs[p]
        x += a * dx
        y += a * dy
        z += a * dz
        tx[p] -= b * dx
        ty[p] -= b * dy
        tz[p] -= b * dz
    total[i] += x
    total[n + i] += y
    total[2 * n + i] += z


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _spread_gradient(i: int, first: int, count: int, k: int, n: int, block: Floats, gradient: Floats) -> None:
    """Add the gradients of the pairs of atom i."""
    part = block[k:]
    tx, ty, tz = gradient[first:n], gradient[n + first : 2 * n], gradient[2 * n + first :]
    x = y = z = 0.0
    for p in range(count):
        ax, ay, az = part[_GX + p], part[_GY + p], part[_GZ + p]
        x += ax
        y += ay
        z += az
        tx[p] -= ax
        ty[p] -= ay
        tz[p] -= az
    gradient[i] += x
    gradient[n + i] += y
    gradient[2 * n + i] += z
