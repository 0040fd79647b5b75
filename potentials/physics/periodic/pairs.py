"""Sums over the near pairs of a periodic system: fields, tensor products, and gradients, compiled.

A list of pairs i < j has rows: ``begins`` (n + 1,), where the row of each i begins, and the j of all rows.
`permanent` copies the pairs of the list that are within the cut-off, with their vectors and five radial functions,
to `Near`; products and gradients use these. Loops without branches over some hundreds of pairs compute what needs
square roots and exponentials, as vector instructions. Vectors of atoms are (3 n): all x, all y, all z.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from potentials.arrays import Floats, Ints
from potentials.compiled import njit
from potentials.physics.dispersion import damping
from potentials.physics.pairs import C6, CHARGE, R12, WIDTH, B
from potentials.physics.periodic.screening import screened
from potentials.physics.periodic.spreading import NOGIL
from potentials.physics.thole import BARE, FARTHEST, decay, upper_gamma
from potentials.units import COULOMB

WITHOUT, SCALED, UNDISPERSED, UNREPELLED, ELSEWHERE = 1, 2, 4, 8, 16
"""Bits of a pair's code: no charge terms, scaled ones, no dispersion, no repulsion, charges in another list."""

S1, S2, T1, T2, T3 = 3, 4, 5, 6, 7
"""Rows of `Near.data` after the vector: factors of charges with dipoles, and of dipoles with dipoles."""

BLOCK = 256
"""Pairs whose radial functions are computed at once, at least, unless they are the last."""

_C6, _B, _R12, _SLOPE = 3, 4, 5, 6  # rows of the dispersion's block, after the vector


class Near(NamedTuple):
    """Pairs within the cut-off: some rows of the atoms.

    Attributes
    ----------
    begins
        (n + 1,), where the row of each atom begins.
    others
        (room,), the second atoms.
    data
        (8, room), the vectors and the rows above.
    """

    begins: Ints
    others: NDArray[np.int32]
    data: Floats

    @classmethod
    def of(cls, natoms: int, room: int) -> Near:
        """Return arrays with room for a number of pairs."""
        return cls(np.zeros(natoms + 1, dtype=np.int64), np.empty(room, dtype=np.int32), np.empty((8, room)))


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def permanent(
    first: int,
    last: int,
    fractions: Floats,
    vectors: Floats,
    listed: tuple[Ints, NDArray[np.int32], NDArray[np.uint8]],
    atoms: Floats,
    kind: Ints,
    tables: Floats,
    limits: tuple[float, float, float],
    kappa: float,
    factors: tuple[float, float, float],
    energies: bool,
    near: Near,
    field: Floats,
    gradient: Floats,
    virial: Floats,
    shares: Floats,
) -> int:
    """Write what does not depend on induced dipoles, of rows of pairs; return how many distances are zero.

    Parameters
    ----------
    first, last
        The rows.
    fractions, vectors
        (3, n), fractional coordinates; (3, 3), the cell's vectors.
    listed
        The list of pairs: begins, others, codes.
    atoms, kind, tables
        See `potentials.physics.pairs.permanent`.
    limits
        Distances: within which charges and dipoles interact; where dispersion and repulsion begin to be switched
        off, and where they are 0.
    kappa
        Ewald's parameter, 1/Angstrom.
    factors
        Thole's a of charges and of dipoles, and the factor of the charges of the scaled pairs.
    energies
        Whether charges with charges, dispersion and repulsion are computed; their gradient and shares are added.
    near
        Written: the pairs within the first distance.
    field
        (3 n,), changed: the field of the charges is added.
    gradient, virial, shares
        (3 n,), (3, 3), (4,), changed.
    """
    n = len(kind)
    begins, others, codes = listed
    data = near.data
    reach, reach_dispersion = limits[0] * limits[0], limits[2] * limits[2] if energies else -1.0
    widest = 1
    for i in range(first, last):
        widest = max(widest, begins[i + 1] - begins[i])
    row = np.empty((4, widest))
    pair = np.empty((4, BLOCK + widest))  # width, q q, factor of the charge terms, slope
    far = np.empty((7, BLOCK + widest))
    far_i, far_j = np.empty(BLOCK + widest, dtype=np.int64), np.empty(BLOCK + widest, dtype=np.int64)
    start = m = begins[first] - begins[first]
    top = first
    count = touching = 0
    for i in range(first, last):
        near.begins[i] = m
        length = begins[i + 1] - begins[i]
        mine = others[begins[i] : begins[i + 1]]
        _vectors(i, mine, fractions, vectors, row)
        for k in range(length):
            r2, code, j = row[3, k], codes[begins[i] + k], mine[k]
            if r2 < reach and not code & ELSEWHERE:
                near.others[m] = j
                for axis in range(3):
                    data[axis, m] = row[axis, k]
                p = m - start
                pair[0, p] = atoms[WIDTH, i] * atoms[WIDTH, j]
                pair[1, p] = atoms[CHARGE, i] * atoms[CHARGE, j]
                pair[2, p] = 0.0 if code & WITHOUT else factors[2] if code & SCALED else 1.0
                touching += r2 == 0
                m += 1
            if r2 < reach_dispersion and code & (UNDISPERSED | UNREPELLED) != UNDISPERSED | UNREPELLED:
                far_i[count], far_j[count] = i, j
                for axis in range(3):
                    far[axis, count] = row[axis, k]
                t = kind[i]
                far[_C6, count] = 0.0 if code & UNDISPERSED else tables[C6, t, j]
                far[_B, count] = tables[B, t, j]
                far[_R12, count] = 0.0 if code & UNREPELLED else tables[R12, t, j]
                count += 1
        if m - start >= BLOCK or i == last - 1:
            near.begins[i + 1] = m
            _radial(start, m, data, pair, kappa, factors, energies, shares, virial)
            _spread(top, i + 1, near, atoms, pair, start, energies, field, gradient)
            start, top = m, i + 1
        if count >= BLOCK or i == last - 1:
            _dispersion(count, far, limits[1], limits[2], shares, virial)
            for p in range(count):
                a, b = far_i[p], far_j[p]
                for axis in range(3):
                    g = far[_SLOPE, p] * far[axis, p]
                    gradient[axis * n + a] += g
                    gradient[axis * n + b] -= g
            count = 0
    return touching


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def _vectors(i: int, mine: NDArray[np.int32], fractions: Floats, vectors: Floats, row: Floats) -> None:
    """Write the nearest images of the vectors from others to an atom, and their squared lengths."""
    a, b, c = fractions[0, i], fractions[1, i], fractions[2, i]
    fa, fb, fc = fractions[0], fractions[1], fractions[2]
    h00, h01, h02 = vectors[0, 0], vectors[0, 1], vectors[0, 2]
    h10, h11, h12 = vectors[1, 0], vectors[1, 1], vectors[1, 2]
    h20, h21, h22 = vectors[2, 0], vectors[2, 1], vectors[2, 2]
    xs, ys, zs, squares = row[0], row[1], row[2], row[3]
    for k in range(len(mine)):
        j = mine[k]
        u, v, w = a - fa[j], b - fb[j], c - fc[j]
        u -= np.floor(u + 0.5)
        v -= np.floor(v + 0.5)
        w -= np.floor(w + 0.5)
        x = u * h00 + v * h10 + w * h20
        y = u * h01 + v * h11 + w * h21
        z = u * h02 + v * h12 + w * h22
        xs[k], ys[k], zs[k] = x, y, z
        squares[k] = x * x + y * y + z * z


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def _radial(
    start: int,
    end: int,
    data: Floats,
    pair: Floats,
    kappa: float,
    factors: tuple[float, float, float],
    energies: bool,
    shares: Floats,
    virial: Floats,
) -> None:
    """Write the radial functions of pairs; with `energies` add those of the charges and write the slopes."""
    xs, ys, zs = data[0, start:end], data[1, start:end], data[2, start:end]
    s1s, s2s, t1s = data[S1, start:end], data[S2, start:end], data[T1, start:end]
    t2s, t3s = data[T2, start:end], data[T3, start:end]
    width, charges, ons, slopes = pair[0], pair[1], pair[2], pair[3]
    a_charge, a_dipole = factors[0], factors[1]
    electrostatics = xx = xy = xz = yy = yz = zz = 0.0
    near = 0
    for p in range(end - start):
        x, y, z, on = xs[p], ys[p], zs[p], ons[p]
        r2 = x * x + y * y + z * z
        inverse = 1 / np.sqrt(r2)
        i2 = inverse * inverse
        i3 = inverse * i2
        i5 = i3 * i2
        r4 = r2 * r2 * width[p]
        u, v = a_charge * r4, a_dipole * r4
        near += u < BARE
        u = u if u < FARTHEST else FARTHEST
        v = v if v < FARTHEST else FARTHEST
        b0, b1, b2, b3 = screened(r2, inverse, kappa)
        e = on * decay(u)
        s1 = b1 + i3 * (on - 1 - e)
        s1s[p] = s1
        s2s[p] = b2 + i5 * (3 * (on - 1) - e * (3 + 4 * u))
        e = decay(v)
        t1s[p] = b1 - i3 * e
        t2s[p] = b2 - i5 * e * (3 + 4 * v)
        t3s[p] = b3 - i5 * i2 * e * (15 + 16 * v * (1 + v))
        qq = COULOMB * charges[p]
        electrostatics += qq * (b0 + (on - 1) * inverse)
        slope = -qq * s1
        slopes[p] = slope
        xx += slope * x * x
        xy += slope * x * y
        xz += slope * x * z
        yy += slope * y * y
        yz += slope * y * z
        zz += slope * z * z
    if not energies:
        return
    if near:
        for p in range(end - start):
            r2 = xs[p] * xs[p] + ys[p] * ys[p] + zs[p] * zs[p]
            u = a_charge * r2 * r2 * width[p]
            if u < BARE and charges[p] * ons[p] != 0:
                damped = (u**0.25 * upper_gamma(u) - decay(u)) / np.sqrt(r2)
                electrostatics += COULOMB * charges[p] * ons[p] * damped
    shares[0] += electrostatics
    _add(virial, xx, xy, xz, yy, yz, zz)


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def _add(virial: Floats, xx: float, xy: float, xz: float, yy: float, yz: float, zz: float) -> None:
    virial[0, 0] += xx
    virial[1, 1] += yy
    virial[2, 2] += zz
    virial[0, 1] += xy
    virial[1, 0] += xy
    virial[0, 2] += xz
    virial[2, 0] += xz
    virial[1, 2] += yz
    virial[2, 1] += yz


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def _spread(
    first: int,
    last: int,
    near: Near,
    atoms: Floats,
    pair: Floats,
    start: int,
    energies: bool,
    field: Floats,
    gradient: Floats,
) -> None:
    """Add the field, and with `energies` the gradient, of the charges of the pairs of some rows."""
    n = atoms.shape[1]
    data, others, charge = near.data, near.others, atoms[CHARGE]
    for i in range(first, last):
        q = charge[i]
        fx = fy = fz = gx = gy = gz = 0.0
        for p in range(near.begins[i], near.begins[i + 1]):
            j = others[p]
            x, y, z, s1 = data[0, p], data[1, p], data[2, p], data[S1, p]
            here, there = charge[j] * s1, q * s1
            fx += here * x
            fy += here * y
            fz += here * z
            field[j] -= there * x
            field[n + j] -= there * y
            field[2 * n + j] -= there * z
            if energies:
                slope = pair[3, p - start]
                gx += slope * x
                gy += slope * y
                gz += slope * z
                gradient[j] -= slope * x
                gradient[n + j] -= slope * y
                gradient[2 * n + j] -= slope * z
        field[i] += fx
        field[n + i] += fy
        field[2 * n + i] += fz
        gradient[i] += gx
        gradient[n + i] += gy
        gradient[2 * n + i] += gz


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def _dispersion(count: int, far: Floats, begin: float, end: float, shares: Floats, virial: Floats) -> None:
    """Add dispersion and repulsion of pairs, and write their slopes."""
    xs, ys, zs, c6s, bs, r12s, slopes = far[0], far[1], far[2], far[_C6], far[_B], far[_R12], far[_SLOPE]
    dispersion = repulsion = xx = xy = xz = yy = yz = zz = 0.0
    scale = 1 / (end - begin)
    for p in range(count):
        x, y, z = xs[p], ys[p], zs[p]
        r2 = x * x + y * y + z * z
        inverse = 1 / np.sqrt(r2)
        r = r2 * inverse
        i2 = inverse * inverse
        i6 = i2 * i2 * i2
        t = (r - begin) * scale
        t = t if t > 0 else 0.0
        on = 1 - t * t * t * (10 + t * (6 * t - 15))
        bend = -30 * t * t * (1 - t) * (1 - t) * scale
        f, steep = damping(bs[p] * r)
        c6, r12 = c6s[p] * i6, r12s[p] * i6 * i6
        dispersion -= f * c6 * on
        repulsion += r12 * on
        slope = (c6 * (6 * f - steep) - 12 * r12) * i2 * on + (r12 - f * c6) * bend * inverse
        slopes[p] = slope
        xx += slope * x * x
        xy += slope * x * y
        xz += slope * x * z
        yy += slope * y * y
        yz += slope * y * z
        zz += slope * z * z
    shares[2] += dispersion
    shares[3] += repulsion
    _add(virial, xx, xy, xz, yy, yz, zz)
