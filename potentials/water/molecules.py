"""Waters with three charged sites: where the sites are, and the energy within the molecules, compiled.

The sites of water k are 3 k (H), 3 k + 1 (H) and 3 k + 2 (M); arrays of sites are (3, sites): all x, all y, all z.
"""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.compiled import njit
from potentials.physics.periodic.screening import screened
from potentials.physics.thole import OPTIONS
from potentials.units import COULOMB


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def place(
    positions: Floats, waters: Ints, part: float, vectors: Floats, inverse: Floats, oxygens: Floats, sites: Floats
) -> float:
    """Write the oxygens (3, n) and the sites (3, 3 n) of whole waters; return the largest distance of a site.

    M is at O times `part` and the middle of the hydrogens times the rest. The distance is that from the oxygen.
    Vectors and inverse are those of the cell, or zero.
    """
    farthest = 0.0
    bond = np.empty((2, 3))
    for k in range(len(waters)):
        o = waters[k, 0]
        for h in range(2):
            for axis in range(3):
                bond[h, axis] = positions[waters[k, 1 + h], axis] - positions[o, axis]
            wrap(bond[h], vectors, inverse)
            r2 = bond[h, 0] ** 2 + bond[h, 1] ** 2 + bond[h, 2] ** 2
            farthest = max(farthest, r2)
        for axis in range(3):
            x = positions[o, axis]
            oxygens[axis, k] = x
            sites[axis, 3 * k] = x + bond[0, axis]
            sites[axis, 3 * k + 1] = x + bond[1, axis]
            sites[axis, 3 * k + 2] = x + (1 - part) * 0.5 * (bond[0, axis] + bond[1, axis])
    return float(np.sqrt(farthest))


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def wrap(vector: Floats, vectors: Floats, inverse: Floats) -> None:
    """Replace a vector by the image whose fractional coordinates are between -1/2 and 1/2."""
    x, y, z = vector[0], vector[1], vector[2]
    for row in range(3):
        whole = np.floor(x * inverse[0, row] + y * inverse[1, row] + z * inverse[2, row] + 0.5)
        for axis in range(3):
            vector[axis] -= whole * vectors[row, axis]


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def bonds(
    oxygens: Floats,
    sites: Floats,
    stretch: tuple[float, float, float],
    bend: tuple[float, float],
    charges: Floats,
    kappa: float,
    on_oxygens: Floats,
    on_sites: Floats,
    virial: Floats,
    shares: Floats,
) -> None:
    """Add the energy within the waters: quartic stretches, harmonic bends, and what Ewald's sum has too much.

    Parameters
    ----------
    oxygens, sites
        Of `place`.
    stretch
        D (kcal/mol), a (1/Angstrom) and r (Angstrom) of D [(a dr)^2 - (a dr)^3 + 7/12 (a dr)^4].
    bend
        k (kcal/mol/rad^2) and angle (rad) of k/2 (dangle)^2.
    charges, kappa
        Charges of the three sites, e; Ewald's parameter, 1/Angstrom: the reciprocal sum has the pairs of one
        molecule, and they are subtracted. 0: there is none.
    on_oxygens, on_sites, virial
        Gradients and virial, changed.
    shares
        Energies within the waters and of the charges, changed.
    """
    depth, steep, rest = stretch
    stiff, straight = bend
    u, g = np.empty((2, 3)), np.empty((2, 3))
    length, slope = np.empty(2), np.empty(2)
    d = np.empty(3)
    for k in range(oxygens.shape[1]):
        for h in range(2):
            for axis in range(3):
                u[h, axis] = sites[axis, 3 * k + h] - oxygens[axis, k]
            length[h] = np.sqrt(u[h, 0] ** 2 + u[h, 1] ** 2 + u[h, 2] ** 2)
            s = steep * (length[h] - rest)
            shares[0] += depth * s * s * (1 - s + 7 / 12 * s * s)
            slope[h] = depth * steep * s * (2 - 3 * s + 7 / 3 * s * s) / length[h]
        cosine = (u[0, 0] * u[1, 0] + u[0, 1] * u[1, 1] + u[0, 2] * u[1, 2]) / (length[0] * length[1])
        cosine = min(1.0, max(-1.0, cosine))
        angle = np.arccos(cosine)
        shares[0] += 0.5 * stiff * (angle - straight) ** 2
        sine = max(np.sqrt(1 - cosine * cosine), 1e-12)
        pull = -stiff * (angle - straight) / sine  # derivative with respect to the cosine
        for h in range(2):
            for axis in range(3):
                turn = u[1 - h, axis] / (length[0] * length[1]) - cosine * u[h, axis] / length[h] ** 2
                g[h, axis] = slope[h] * u[h, axis] + pull * turn
                on_sites[axis, 3 * k + h] += g[h, axis]
                on_oxygens[axis, k] -= g[h, axis]
            for a in range(3):
                for b in range(3):
                    virial[a, b] += g[h, a] * u[h, b]
        if kappa == 0:
            continue
        for s1 in range(3):
            for s2 in range(s1):
                i, j = 3 * k + s1, 3 * k + s2
                r2 = 0.0
                for axis in range(3):
                    d[axis] = sites[axis, i] - sites[axis, j]
                    r2 += d[axis] * d[axis]
                inverse = 1 / np.sqrt(r2)
                b0, b1, _, _ = screened(r2, inverse, kappa)
                qq = COULOMB * charges[s1] * charges[s2]
                shares[1] += qq * (b0 - inverse)
                force = qq * (inverse * inverse * inverse - b1)
                for a in range(3):
                    on_sites[a, i] += force * d[a]
                    on_sites[a, j] -= force * d[a]
                    for b in range(3):
                        virial[a, b] += force * d[a] * d[b]
