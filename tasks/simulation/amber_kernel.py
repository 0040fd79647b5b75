"""The energy of an Amber force field in vacuum, compiled: bonds, angles, torsions, CMAP, and all pairs.

All parameters are in one float64 array that is only read, so that LAMMPS calls compiled code with one pointer, in
any number of threads. Units are Angstrom, kcal/mol and rad.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.compiled import carray, cfunc, njit
from potentials.systems.in_c import SIGNATURE

SHARES = ("bonds", "angles", "torsions", "CMAP", "Lennard-Jones", "Coulomb")
"""The contributions to the energy."""

LENGTH, ATOMS, COUNTS, HEADER = 0, 1, 2, 10
"""Places of the header: length of the array, number of atoms, and from `COUNTS` on the rows of each table: bonds,
angles, torsions, terms of torsions, CMAP torsions, pairs, patches of maps; then a map's points along an angle."""

BOND, ANGLE, TORSION, TERM, CMAP, PAIR, PATCH = 4, 5, 6, 3, 9, 5, 16
"""Columns of each table: bond i, j, k/2, r0; angle i, j, k, k/2, theta0; torsion i, j, k, l, first term, number of
terms; term k, periodicity, phase; CMAP torsion atoms of both torsions and the map; pair i, j, C12, C6, charges'
product; the coefficients of a patch of a map."""

OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _dihedral(x: Floats, i: int, j: int, k: int, m: int, slope: Floats) -> float:
    """Return a dihedral angle, and write its derivatives (4, 3)."""
    ax, ay, az = x[i, 0] - x[j, 0], x[i, 1] - x[j, 1], x[i, 2] - x[j, 2]
    bx, by, bz = x[k, 0] - x[j, 0], x[k, 1] - x[j, 1], x[k, 2] - x[j, 2]
    cx, cy, cz = x[k, 0] - x[m, 0], x[k, 1] - x[m, 1], x[k, 2] - x[m, 2]
    px, py, pz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    qx, qy, qz = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    pp, qq, bb = px * px + py * py + pz * pz, qx * qx + qy * qy + qz * qz, bx * bx + by * by + bz * bz
    b = math.sqrt(bb)
    angle = math.atan2(b * (ax * qx + ay * qy + az * qz), px * qx + py * qy + pz * qz)
    one, other = b / pp, -b / qq
    ab, cb = (ax * bx + ay * by + az * bz) / bb, (cx * bx + cy * by + cz * bz) / bb
    slope[0, 0], slope[0, 1], slope[0, 2] = one * px, one * py, one * pz
    slope[3, 0], slope[3, 1], slope[3, 2] = other * qx, other * qy, other * qz
    for n in range(3):
        first, last = slope[0, n], slope[3, n]
        slope[1, n] = -first + ab * first - cb * last
        slope[2, n] = -last - ab * first + cb * last
    return angle


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _add(g: Floats, atom: int, factor: float, slope: Floats, row: int) -> None:
    for n in range(3):
        g[atom, n] += factor * slope[row, n]


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def energy_of(data: Floats, x: Floats, g: Floats, shares: Floats) -> float:
    """Write the gradient (atoms, 3) and the contributions (6,), and return the energy of positions (atoms, 3)."""
    atoms = int(data[ATOMS])
    bonds, angles, torsions = int(data[COUNTS]), int(data[COUNTS + 1]), int(data[COUNTS + 2])
    terms, cmaps, pairs = int(data[COUNTS + 3]), int(data[COUNTS + 4]), int(data[COUNTS + 5])
    points = int(data[COUNTS + 7])
    g[:atoms] = 0.0
    stretching, bending, turning, mapped, dispersion, coulombic = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    slope = np.empty((4, 3))
    at = HEADER
    for _ in range(bonds):
        i, j = int(data[at]), int(data[at + 1])
        dx, dy, dz = x[i, 0] - x[j, 0], x[i, 1] - x[j, 1], x[i, 2] - x[j, 2]
        r = math.sqrt(dx * dx + dy * dy + dz * dz)
        off = r - data[at + 3]
        stretching += data[at + 2] * off * off
        f = 2.0 * data[at + 2] * off / r
        g[i, 0] += f * dx
        g[i, 1] += f * dy
        g[i, 2] += f * dz
        g[j, 0] -= f * dx
        g[j, 1] -= f * dy
        g[j, 2] -= f * dz
        at += BOND
    for _ in range(angles):
        i, j, k = int(data[at]), int(data[at + 1]), int(data[at + 2])
        ax, ay, az = x[i, 0] - x[j, 0], x[i, 1] - x[j, 1], x[i, 2] - x[j, 2]
        bx, by, bz = x[k, 0] - x[j, 0], x[k, 1] - x[j, 1], x[k, 2] - x[j, 2]
        aa, bb = ax * ax + ay * ay + az * az, bx * bx + by * by + bz * bz
        ab = ax * bx + ay * by + az * bz
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        sine = math.sqrt(nx * nx + ny * ny + nz * nz)
        off = math.atan2(sine, ab) - data[at + 4]
        bending += data[at + 3] * off * off
        f = 2.0 * data[at + 3] * off / max(sine, 1e-12)
        one, other = ab / aa, ab / bb
        vx, vy, vz = f * (one * ax - bx), f * (one * ay - by), f * (one * az - bz)
        wx, wy, wz = f * (other * bx - ax), f * (other * by - ay), f * (other * bz - az)
        g[i, 0] += vx
        g[i, 1] += vy
        g[i, 2] += vz
        g[k, 0] += wx
        g[k, 1] += wy
        g[k, 2] += wz
        g[j, 0] -= vx + wx
        g[j, 1] -= vy + wy
        g[j, 2] -= vz + wz
        at += ANGLE
    first = at + TORSION * torsions
    for _ in range(torsions):
        angle = _dihedral(x, int(data[at]), int(data[at + 1]), int(data[at + 2]), int(data[at + 3]), slope)
        f = 0.0
        for t in range(int(data[at + 4]), int(data[at + 4]) + int(data[at + 5])):
            k, many, phase = data[first + 3 * t], data[first + 3 * t + 1], data[first + 3 * t + 2]
            turning += k * (1.0 + math.cos(many * angle - phase))
            f -= k * many * math.sin(many * angle - phase)
        for row in range(4):
            _add(g, int(data[at + row]), f, slope, row)
        at += TORSION
    at = first + TERM * terms
    maps = at + CMAP * cmaps + PAIR * pairs
    step = 2.0 * math.pi / points if points else 1.0
    other_slope = np.empty((4, 3))
    for _ in range(cmaps):
        phi = _dihedral(x, int(data[at]), int(data[at + 1]), int(data[at + 2]), int(data[at + 3]), slope)
        psi = _dihedral(x, int(data[at + 4]), int(data[at + 5]), int(data[at + 6]), int(data[at + 7]), other_slope)
        u, v = phi / step, psi / step
        column, row = math.floor(u), math.floor(v)
        u -= column
        v -= row
        patch = maps + PATCH * (
            int(data[at + 8]) * points * points + (int(column) % points) * points + int(row) % points
        )
        e, du, dv = 0.0, 0.0, 0.0
        for a in range(3, -1, -1):
            c = data[patch + 4 * a : patch + 4 * a + 4]
            inner = c[0] + v * (c[1] + v * (c[2] + v * c[3]))
            e = e * u + inner
            dv = dv * u + c[1] + v * (2.0 * c[2] + 3.0 * v * c[3])
            if a > 0:
                du = du * u + a * inner
        mapped += e
        for row in range(4):
            _add(g, int(data[at + row]), du / step, slope, row)
            _add(g, int(data[at + 4 + row]), dv / step, other_slope, row)
        at += CMAP
    for _ in range(pairs):
        i, j = int(data[at]), int(data[at + 1])
        dx, dy, dz = x[i, 0] - x[j, 0], x[i, 1] - x[j, 1], x[i, 2] - x[j, 2]
        rr = 1.0 / (dx * dx + dy * dy + dz * dz)
        six = rr * rr * rr
        repulsion, attraction = data[at + 2] * six * six, data[at + 3] * six
        coulomb = data[at + 4] * math.sqrt(rr)
        dispersion += repulsion - attraction
        coulombic += coulomb
        f = -(12.0 * repulsion - 6.0 * attraction + coulomb) * rr
        g[i, 0] += f * dx
        g[i, 1] += f * dy
        g[i, 2] += f * dz
        g[j, 0] -= f * dx
        g[j, 1] -= f * dy
        g[j, 2] -= f * dz
        at += PAIR
    shares[0], shares[1], shares[2] = stretching, bending, turning
    shares[3], shares[4], shares[5] = mapped, dispersion, coulombic
    return stretching + bending + turning + mapped + dispersion + coulombic


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def energies_of(data: Floats, x: Floats, energy: Floats, g: Floats, shares: Floats) -> None:
    """Write energies (m,), gradients (m, atoms, 3) and contributions (m, 6) of positions (m, atoms, 3)."""
    for m in range(len(x)):
        energy[m] = energy_of(data, x[m], g[m], shares[m])


@cfunc(SIGNATURE, cache=True)
def amber_in_c(data, positions, gradient, virial):  # type: ignore[no-untyped-def]
    """Write the gradient (n, 3) and the virial (3, 3), and return the energy, in Angstrom and kcal/mol."""
    header = carray(data, (HEADER,), np.float64)
    numbers = carray(data, (int(header[LENGTH]),), np.float64)
    atoms = int(header[ATOMS])
    x, g, v = carray(positions, (atoms, 3)), carray(gradient, (atoms, 3)), carray(virial, (3, 3))
    energy = energy_of(numbers, x, g, np.empty(6))
    for a in range(3):
        for b in range(3):
            total = 0.0
            for n in range(atoms):
                total += g[n, a] * x[n, b]
            v[a, b] = total
    return energy
