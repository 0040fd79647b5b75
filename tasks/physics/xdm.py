"""Exchange-hole dipole moments (XDM): polarizabilities, C6 coefficients and van der Waals radii of atoms.

From an electron density with its gradient, Laplacian and kinetic-energy density on a grid, in atomic units.

Becke and Johnson, J. Chem. Phys. 127, 154108 (2007); Becke and Roussel, Phys. Rev. A 39, 3761 (1989); damping:
Kannemann and Becke, J. Chem. Theory Comput. 6, 1081 (2010).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.units import BOHR, HARTREE

FREE_POLARIZABILITY = {
    "H": 0.6668, "B": 3.03, "C": 1.76, "N": 1.10, "O": 0.802, "F": 0.557, "Si": 5.38, "P": 3.63, "S": 2.90,
    "Cl": 2.18, "Br": 3.05,
}  # fmt: skip
"""Angstrom^3 (CRC Handbook, 88th edition)."""

A1, A2 = 0.4186, 2.6791 / BOHR
"""Of the van der Waals distance a1 Rc + a2, for PBE0/aug-cc-pVTZ, from postg's table: no unit, and bohr.

The form: Kannemann and Becke, J. Chem. Theory Comput. 6, 1081 (2010)."""

LEAST = 1e-12
"""Spin density (bohr^-3) below which a point is left out."""


@dataclass(frozen=True, eq=False)
class Atoms:
    """Properties of the atoms of a molecule, atomic units.

    Attributes
    ----------
    volume
        (atoms,), Hirshfeld's integral of r^3.
    population
        (atoms,), Hirshfeld's number of electrons.
    moments
        (atoms, 3), squared exchange-hole multipole moments, l = 1, 2, 3.
    """

    volume: Floats
    population: Floats
    moments: Floats


def hole_distance(rho: Floats, gradient: Floats, laplacian: Floats, tau: Floats) -> Floats:
    """Return the distance of the exchange hole's mean from each point, bohr.

    Parameters
    ----------
    rho, gradient, laplacian
        (n,), density of one spin, the length of its gradient, and its Laplacian.
    tau
        (n,), sum of the orbitals' squared gradients, without the factor 1/2.
    """
    curvature = (laplacian - 2 * (tau - gradient**2 / (4 * rho))) / 6
    with np.errstate(divide="ignore", over="ignore"):
        y = 2 / 3 * np.pi ** (2 / 3) * rho ** (5 / 3) / curvature
    x = _solve(y)
    return np.asarray(x * np.exp(-x / 3) / (8 * np.pi * rho) ** (1 / 3))


def _solve(y: Floats) -> Floats:
    """Return x of x exp(-2x/3)/(x - 2) = y, by Newton's method in ln(x - 2), or ln(x/(2 - x)) where y < 0."""
    with np.errstate(divide="ignore"):
        wanted = np.log(np.abs(y))
    above, finite = y > 0, np.isfinite(wanted)
    t = np.where(finite, np.where(above, np.minimum(-wanted, 3.0), wanted), 0.0)
    for _ in range(100):
        x = np.where(above, 2 + np.exp(t), 2 / (1 + np.exp(-t)))
        value = np.where(above, np.log(x) - 2 * x / 3 - t, t - 2 * x / 3) - np.where(finite, wanted, 0.0)
        slope = np.where(above, (x - 2) * (1 / x - 2 / 3) - 1, 1 - x * (2 - x) / 3)
        step = np.where(finite, value / slope, 0.0)
        t = t - step
        if np.abs(step).max(initial=0.0) < 1e-14 * max(1.0, np.abs(t).max(initial=0.0)):
            break
    x = np.where(above, 2 + np.exp(t), 2 / (1 + np.exp(-t)))
    return np.where(finite, x, np.where(np.abs(y) > 1, 2.0, 1e3))  # the limits: b is finite at 2, and 0 far beyond


def atoms_in_molecule(
    points: Floats, weights: Floats, density: Floats, nuclei: Floats, free: Sequence[Callable[[Floats], Floats]]
) -> Atoms:
    """Return Hirshfeld volumes and exchange-hole moments of a closed-shell molecule.

    Parameters
    ----------
    points, weights
        (n, 3) in bohr and (n,), a grid.
    density
        (6, n), as PySCF gives it: rho, its gradient, its Laplacian, and tau, half the sum over both spins.
    nuclei
        (atoms, 3), bohr.
    free
        Density of each free atom as a function of the distance from its nucleus, bohr.
    """
    keep = density[0] / 2 > LEAST
    points, weights, density = points[keep], weights[keep], density[:, keep]
    spin = density[0] / 2
    b = hole_distance(spin, np.linalg.norm(density[1:4], axis=0) / 2, density[4] / 2, density[5])
    r = np.linalg.norm(points[None] - nuclei[:, None], axis=2)
    promolecule = np.array([of(distance) for of, distance in zip(free, r, strict=True)])
    share = promolecule / np.maximum(promolecule.sum(axis=0), 1e-300) * weights * density[0]
    inner = np.maximum(r - b, 0)
    moments = [(share * (r**order - inner**order) ** 2).sum(axis=1) for order in (1, 2, 3)]
    return Atoms((share * r**3).sum(axis=1), share.sum(axis=1), np.array(moments).T)


def polarizabilities(symbols: Sequence[str], volume: Floats, free_volume: Floats) -> Floats:
    """Return the polarizability of each atom, Angstrom^3: that of the free atom times the ratio of the volumes.

    Raises
    ------
    InputError
        If that of a free atom is not known.
    """
    if unknown := sorted(set(symbols) - set(FREE_POLARIZABILITY)):
        raise InputError(
            f"V_phys: the polarizability of a free atom of {', '.join(unknown)} is not known; allowed: "
            f"{', '.join(FREE_POLARIZABILITY)}"
        )
    return np.array([FREE_POLARIZABILITY[s] for s in symbols]) * volume / free_volume


def coefficients(polarizability: Floats, moments: Floats) -> tuple[Floats, Floats, Floats]:
    """Return C6, C8 and C10 of each pair of atoms (atoms, atoms), atomic units.

    Parameters
    ----------
    polarizability
        (atoms,), bohr^3.
    moments
        (atoms, 3), of `Atoms`.
    """
    a = polarizability
    m1, m2, m3 = moments.T
    common = np.outer(a, a) / (np.outer(m1, a) + np.outer(a, m1))
    c6 = common * np.outer(m1, m1)
    c8 = 1.5 * common * (np.outer(m1, m2) + np.outer(m2, m1))
    c10 = 2 * common * (np.outer(m1, m3) + np.outer(m3, m1)) + 4.2 * common * np.outer(m2, m2)
    return c6, c8, c10


def like_pairs(polarizability: Floats, moments: Floats) -> tuple[Floats, Floats]:
    """Return C6 (kcal/mol Angstrom^6) and half the van der Waals distance (Angstrom) of two atoms of each kind.

    Parameters
    ----------
    polarizability
        (atoms,), Angstrom^3.
    moments
        (atoms, 3), of `Atoms`.
    """
    c6, c8, c10 = (np.diag(c) for c in coefficients(polarizability / BOHR**3, moments))
    critical = (np.sqrt(c8 / c6) + (c10 / c6) ** 0.25 + np.sqrt(c10 / c8)) / 3
    return c6 * HARTREE * BOHR**6, (A1 * critical + A2) * BOHR / 2
