"""Radial functions of a block of pairs of a periodic system: charges, dipoles, dispersion, repulsion, compiled."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from potentials.compiled import njit
from potentials.physics.dispersion import damping
from potentials.physics.periodic.screening import screened
from potentials.physics.periodic.spreading import NOGIL
from potentials.physics.thole import BARE, FARTHEST, charge_excess, decay
from potentials.units import COULOMB

BLOCK = 256
"""Pairs whose radial functions are computed at once: all of their data are in the first-level cache."""

ROW = BLOCK + 8
"""Length of a row of a block: not a power of 2, or all rows would compete for the same places in the cache."""

# Where each number of a pair stands in the array of a block: one array, so that rows are known not to overlap. The
# first eight are those of `pairs.Near.data`.
X, Y, Z, ITS_S1, ITS_S2, ITS_T1, ITS_T2, ITS_T3 = (k * ROW for k in range(8))
S, W, QQ, ON, HERE, ITS_C6, ITS_B, ITS_R12 = (k * ROW for k in range(8, 16))

LENGTH = 16 * ROW
"""Length of a block's array."""


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def radial(count: int, kappa: float, a_charge: float, a_dipole: float, energies: bool, block: Floats) -> float:
    """Write the radial functions of a block and the slopes of its charges; return their energy."""
    electrostatics = 0.0
    near = 0
    for p in range(count):
        x, y, z, on, here = block[X + p], block[Y + p], block[Z + p], block[ON + p], block[HERE + p]
        r2 = x * x + y * y + z * z
        inverse = 1 / np.sqrt(r2)
        i2 = inverse * inverse
        i3 = inverse * i2 * here
        i5 = i3 * i2
        r4 = r2 * r2 * block[W + p]
        u, v = a_charge * r4, a_dipole * r4
        near += u < BARE
        u = u if u < FARTHEST else FARTHEST
        v = v if v < FARTHEST else FARTHEST
        b0, b1, b2, b3 = screened(r2, inverse, kappa)
        e = on * decay(u)
        s1 = here * b1 + i3 * (on - 1 - e)
        block[ITS_S1 + p] = s1
        block[ITS_S2 + p] = here * b2 + i5 * (3 * (on - 1) - e * (3 + 4 * u))
        e = decay(v)
        block[ITS_T1 + p] = here * b1 - i3 * e
        block[ITS_T2 + p] = here * b2 - i5 * e * (3 + 4 * v)
        block[ITS_T3 + p] = here * b3 - i5 * i2 * e * (15 + 16 * v * (1 + v))
        qq = COULOMB * block[QQ + p]
        electrostatics += qq * (b0 + (on - 1) * inverse)
        block[S + p] = -qq * s1
    if near and energies:
        for p in range(count):
            r2 = block[X + p] ** 2 + block[Y + p] ** 2 + block[Z + p] ** 2
            u, qq = a_charge * r2 * r2 * block[W + p], COULOMB * block[QQ + p] * block[ON + p]
            if u < BARE and qq != 0:
                electrostatics += qq * charge_excess(u) / np.sqrt(r2)
    return electrostatics


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def dispersion(count: int, begin: float, end: float, block: Floats, shares: Floats, virial: Floats) -> None:
    """Add dispersion and repulsion of a block, their slopes to those of the charges, and the virial of all."""
    dispersion = repulsion = xx = xy = xz = yy = yz = zz = 0.0
    scale = 1 / (end - begin)
    for p in range(count):
        x, y, z = block[X + p], block[Y + p], block[Z + p]
        r2 = x * x + y * y + z * z
        inverse = 1 / np.sqrt(r2)
        r = r2 * inverse
        i2 = inverse * inverse
        i6 = i2 * i2 * i2
        t = (r - begin) * scale
        t = t if t > 0 else 0.0
        on = 1 - t * t * t * (10 + t * (6 * t - 15))
        bend = -30 * t * t * (1 - t) * (1 - t) * scale
        f, steep = damping(block[ITS_B + p] * r)
        c6, r12 = block[ITS_C6 + p] * i6, block[ITS_R12 + p] * i6 * i6
        dispersion -= f * c6 * on
        repulsion += r12 * on
        slope = block[S + p] + (c6 * (6 * f - steep) - 12 * r12) * i2 * on + (r12 - f * c6) * bend * inverse
        block[S + p] = slope
        xx += slope * x * x
        xy += slope * x * y
        xz += slope * x * z
        yy += slope * y * y
        yz += slope * y * z
        zz += slope * z * z
    shares[2] += dispersion
    shares[3] += repulsion
    virial[0, 0] += xx
    virial[1, 1] += yy
    virial[2, 2] += zz
    virial[0, 1] += xy
    virial[1, 0] += xy
    virial[0, 2] += xz
    virial[2, 0] += xz
    virial[1, 2] += yz
    virial[2, 1] += yz
