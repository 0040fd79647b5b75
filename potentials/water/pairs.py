"""Sums over pairs of waters with three charged sites, compiled; `molecules` says where the sites are."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Bools, Floats, Ints
from potentials.compiled import njit
from potentials.physics.periodic.screening import screened
from potentials.physics.thole import OPTIONS
from potentials.units import COULOMB
from potentials.water.molecules import wrap


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def pairs(
    oxygens: Floats,
    sites: Floats,
    begins: Ints,
    ends: Ints,
    others: Ints,
    vectors: Floats,
    inverse: Floats,
    farthest: float,
    again: bool,
    cutoff: float,
    kappa: float,
    charges: Floats,
    lennard_jones: tuple[float, float],
    fading: float,
    on_oxygens: Floats,
    on_sites: Floats,
    virial: Floats,
    shares: Floats,
) -> None:
    """Add the energy between waters: charges as erfc(kappa r)/r, and Lennard-Jones of the oxygens.

    Parameters
    ----------
    oxygens, sites
        Of `molecules.place`.
    begins, ends, others
        Water k is paired with ``others[begins[k]:ends[k]]``.
    vectors, inverse
        Of the cell, or zero.
    farthest
        Largest distance of a site from its oxygen.
    again
        Whether the nearest image of two sites may be another than that of their oxygens.
    cutoff
        Distance of sites and of oxygens at which their energies end; infinity: nowhere.
    kappa, charges
        See `molecules.bonds`.
    lennard_jones
        epsilon (kcal/mol) and sigma (Angstrom).
    fading
        Width of the region below the cut-off in which Lennard-Jones is switched off, by the polynomial of degree 5
        with two zero derivatives at both ends.
    on_oxygens, on_sites, virial, shares
        Changed; the shares are none, that of charges, and that of Lennard-Jones.
    """
    reach2 = (cutoff + 2 * farthest) ** 2
    longest = 0
    for i in range(oxygens.shape[1]):
        longest = max(longest, ends[i] - begins[i])
    row, kept = np.empty((7, longest)), np.empty(longest, dtype=np.int64)
    block, back = np.empty((5, 3 * longest)), np.empty((3, 3 * longest))
    own, pull = np.empty(3), np.empty(3)
    for i in range(oxygens.shape[1]):
        count = _oxygens(
            i, others[begins[i] : ends[i]], oxygens, vectors, inverse, cutoff, reach2, again, lennard_jones,
            fading, row, kept, on_oxygens, virial, shares,
        )  # fmt: skip
        xs, ys, zs, qs = block[0], block[1], block[2], block[3]
        for t in range(3):
            for p in range(count):
                site, q = 3 * kept[p] + t, t * count + p
                xs[q] = sites[0, site] - row[4, p]
                ys[q] = sites[1, site] - row[5, p]
                zs[q] = sites[2, site] - row[6, p]
                qs[q] = COULOMB * charges[t]
        back[:, : 3 * count] = 0.0
        for s in range(3):
            for axis in range(3):
                own[axis] = sites[axis, 3 * i + s]
            if again:
                _relative(own, 3 * count, vectors, inverse, block)
            shares[1] += _charges(own, charges[s], 3 * count, cutoff * cutoff, kappa, block, back, pull, virial)
            for axis in range(3):
                on_sites[axis, 3 * i + s] += pull[axis]
        for t in range(3):
            for p in range(count):
                for axis in range(3):
                    on_sites[axis, 3 * kept[p] + t] -= back[axis, t * count + p]


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _oxygens(
    i: int,
    others: Ints,
    oxygens: Floats,
    vectors: Floats,
    inverse: Floats,
    cutoff: float,
    reach2: float,
    again: bool,
    lennard_jones: tuple[float, float],
    fading: float,
    row: Floats,
    kept: Ints,
    on_oxygens: Floats,
    virial: Floats,
    shares: Floats,
) -> int:
    """Add Lennard-Jones of a water with others; write which of them have near sites, and return their number.

    Their lattice vectors, by which they are moved away from this water, are written to the last rows of `row`.
    """
    epsilon, sigma = lennard_jones
    start, end2 = cutoff - fading, cutoff * cutoff
    x, y, z = oxygens[0, i], oxygens[1, i], oxygens[2, i]
    ox, oy, oz = oxygens[0], oxygens[1], oxygens[2]
    xs, ys, zs, r2s = row[0], row[1], row[2], row[3]
    for e in range(len(others)):
        j = others[e]
        dx, dy, dz = x - ox[j], y - oy[j], z - oz[j]
        u = np.floor(dx * inverse[0, 0] + dy * inverse[1, 0] + dz * inverse[2, 0] + 0.5)
        v = np.floor(dx * inverse[0, 1] + dy * inverse[1, 1] + dz * inverse[2, 1] + 0.5)
        w = np.floor(dx * inverse[0, 2] + dy * inverse[1, 2] + dz * inverse[2, 2] + 0.5)
        dx -= u * vectors[0, 0] + v * vectors[1, 0] + w * vectors[2, 0]
        dy -= u * vectors[0, 1] + v * vectors[1, 1] + w * vectors[2, 1]
        dz -= u * vectors[0, 2] + v * vectors[1, 2] + w * vectors[2, 2]
        xs[e], ys[e], zs[e] = dx, dy, dz
        r2s[e] = dx * dx + dy * dy + dz * dz
    count = 0
    for e in range(len(others)):
        j, r2 = others[e], r2s[e]
        if r2 < end2:
            p2 = sigma * sigma / r2
            p6 = p2 * p2 * p2
            value = 4 * epsilon * p6 * (p6 - 1)
            slope = -24 * epsilon * p6 * (2 * p6 - 1) / r2
            r = np.sqrt(r2)
            if r > start:
                t = (r - start) / fading
                on = 1 - t * t * t * (10 - t * (15 - 6 * t))
                slope = slope * on - value * 30 * t * t * (1 - t) ** 2 / (fading * r)
                value *= on
            shares[2] += value
            for a in range(3):
                on_oxygens[a, i] += slope * row[a, e]
                on_oxygens[a, j] -= slope * row[a, e]
                for b in range(3):
                    virial[a, b] += slope * row[a, e] * row[b, e]
        if again or r2 < reach2:
            kept[count] = j
            for axis in range(3):
                row[4 + axis, count] = row[axis, e] - (oxygens[axis, i] - oxygens[axis, j])
            count += 1
    return count


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _relative(own: Floats, count: int, vectors: Floats, inverse: Floats, block: Floats) -> None:
    """Replace sites by their images nearest to one site."""
    d = np.empty(3)
    for q in range(count):
        for axis in range(3):
            d[axis] = block[axis, q] - own[axis]
        wrap(d, vectors, inverse)
        for axis in range(3):
            block[axis, q] = own[axis] + d[axis]


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _charges(
    own: Floats,
    charge: float,
    count: int,
    end2: float,
    kappa: float,
    block: Floats,
    back: Floats,
    pull: Floats,
    virial: Floats,
) -> float:
    """Return the energy of a site with others; write its gradient, and subtract theirs from `back`."""
    x, y, z = own[0], own[1], own[2]
    xs, ys, zs, qs, slopes = block[0], block[1], block[2], block[3], block[4]
    total = gx = gy = gz = xx = xy = xz = yy = yz = zz = 0.0
    for q in range(count):  # loops that write one array each are compiled to vector instructions
        dx, dy, dz = x - xs[q], y - ys[q], z - zs[q]
        r2 = dx * dx + dy * dy + dz * dz
        qq = charge * qs[q] if r2 < end2 else 0.0
        b0, b1, _, _ = screened(r2, 1 / np.sqrt(r2), kappa)
        total += qq * b0
        slopes[q] = -qq * b1
    for q in range(count):
        dx, dy, dz = x - xs[q], y - ys[q], z - zs[q]
        ax, ay, az = slopes[q] * dx, slopes[q] * dy, slopes[q] * dz
        gx += ax
        gy += ay
        gz += az
        xx += ax * dx
        xy += ax * dy
        xz += ax * dz
        yy += ay * dy
        yz += ay * dz
        zz += az * dz
    bx, by, bz = back[0], back[1], back[2]
    for q in range(count):
        bx[q] += slopes[q] * (x - xs[q])
    for q in range(count):
        by[q] += slopes[q] * (y - ys[q])
    for q in range(count):
        bz[q] += slopes[q] * (z - zs[q])
    pull[0], pull[1], pull[2] = gx, gy, gz
    virial[0, 0] += xx
    virial[1, 1] += yy
    virial[2, 2] += zz
    virial[0, 1] += xy
    virial[1, 0] += xy
    virial[0, 2] += xz
    virial[2, 0] += xz
    virial[1, 2] += yz
    virial[2, 1] += yz
    return total


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def near(
    first: Ints, second: Ints, oxygens: Floats, sites: Floats, vectors: Floats, inverse: Floats, reach: float
) -> Bools:
    """Return of which pairs of waters two sites, or the oxygens, are nearer than a distance.

    The cell is at least twice as wide as the distance.
    """
    found = np.zeros(len(first), dtype=np.bool_)
    d = np.empty(3)
    for e in range(len(first)):
        i, j = first[e], second[e]
        for axis in range(3):
            d[axis] = oxygens[axis, i] - oxygens[axis, j]
        wrap(d, vectors, inverse)
        here = d[0] * d[0] + d[1] * d[1] + d[2] * d[2] < reach * reach
        if not here:
            for p in range(3 * i, 3 * i + 3):
                for q in range(3 * j, 3 * j + 3):
                    for axis in range(3):
                        d[axis] = sites[axis, p] - sites[axis, q]
                    wrap(d, vectors, inverse)
                    here |= d[0] * d[0] + d[1] * d[1] + d[2] * d[2] < reach * reach
        found[e] = here
    return found
