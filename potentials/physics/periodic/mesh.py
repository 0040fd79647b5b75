"""The reciprocal part of Ewald's sum of charges and dipoles by smooth particle-mesh Ewald (Essmann et al. 1995).

E = 1/2 sum over m of G(m) |Q(m)|^2, where Q is the Fourier transform of the charges and dipoles spread on a mesh
and G(m) = exp(-(pi m/kappa)^2)/(pi V m^2) |b(m)|^2; charges and dipoles as in Toukmaji et al. (2000). Splines of a
set of positions are computed once for all sources, and the gradient is that of the energy on the mesh.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import fft

from potentials.arrays import Floats, Ints
from potentials.compiled import njit
from potentials.physics.periodic.spreading import NOGIL, ORDER, fold, gather, pull, splines, spread, unfold

Run = Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], Any]
"""Calls a function with several lists of arguments, perhaps at the same time."""

NONE: Floats = np.zeros(0)
"""Instead of charges or dipoles: there are none."""


class Mesh:
    """The mesh of a number of atoms; not shared between threads.

    Parameters
    ----------
    natoms
        Number of atoms.
    points
        Mesh points along each axis.
    kappa
        Ewald's parameter, 1/Angstrom.
    run
        Runs a function for several parts of the atoms.
    threads
        Number of parts.
    """

    def __init__(
        self, natoms: int, points: tuple[int, int, int], kappa: float, run: Run, threads: int = 1
    ) -> None:
        self.kappa, self._run, self._threads = kappa, run, threads
        self.own_charge = 2 * kappa / math.sqrt(math.pi)
        """Potential of a charge of 1 at its own place, which the reciprocal sum has and the energy has not."""
        self.own = 4 * kappa**3 / (3 * math.sqrt(math.pi))
        """Minus the field of a dipole of 1 at its own place."""
        self.points: Ints = np.array(points, dtype=np.int64)
        a, b, c = points
        self._base, self._weights = np.empty((natoms, 3), dtype=np.int64), np.empty((natoms, 3, 3, ORDER))
        self._grids = np.empty((threads, a, b, c + ORDER - 1))
        self._density = np.empty((a, b, c))
        self._moduli = [_moduli(k) for k in points]
        self._green = np.empty((a, b, c // 2 + 1))
        self._vectors, self._metric = np.zeros((3, 3)), np.zeros((3, 3))
        ends = np.linspace(0, natoms, threads + 1).astype(int).tolist()
        self._parts = [*pairwise(ends)]

    def place(self, fractions: Floats, vectors: Floats) -> None:
        """Take the fractional coordinates (3, n) of the atoms, and the cell's vectors."""
        if not np.array_equal(vectors, self._vectors):
            self._vectors, inverse = vectors.copy(), np.linalg.inv(vectors)
            self._metric = np.ascontiguousarray((inverse * self.points).T)
            self._inverse = inverse
            influence(inverse, 1 / abs(np.linalg.det(vectors)), self.kappa, *self._moduli, self._green)
        self._run(splines, [(a, b, fractions, self.points, self._base, self._weights) for a, b in self._parts])

    def potential(self, charge: Floats, dipole: Floats, result: Floats) -> None:
        """Write the potential and its gradient at the atoms, (4, n), of charges (n,) and dipoles (3 n,)."""
        self._solve(charge, dipole, None)
        grid = self._grids[0]
        self._run(
            gather,
            [(a, b, self._metric, self.points, self._base, self._weights, grid, result) for a, b in self._parts],
        )

    def pull(
        self, charge: Floats, dipole: Floats, factor: float, result: Floats, gradient: Floats, virial: Floats
    ) -> None:
        """Write the potential; add gradient and virial of the energy of charges and fixed dipoles, times a factor.

        Parameters
        ----------
        charge, dipole, factor
            (n,), (3 n,), a number.
        result
            (4, n), written: the potential and its gradient.
        gradient
            (3 n,), changed.
        virial
            (3, 3), changed.
        """
        spectral = np.zeros((3, 3))
        self._solve(charge, dipole, spectral)
        virial += factor * spectral
        turned = np.zeros((self._threads, 3, 3))
        self._run(
            pull,
            [
                (a, b, charge, dipole, factor, self._metric, self.points, self._base, self._weights,
                 self._grids[0], result, gradient, turned[t])
                for t, (a, b) in enumerate(self._parts)
            ],
        )  # fmt: skip
        virial += turned.sum(axis=0)

    def of_charges(self, charge: Floats, gradient: Floats, virial: Floats) -> float:
        """Return the energy of charges alone, with their own one at their own places, in e^2/Angstrom.

        Parameters
        ----------
        charge
            (n,).
        gradient, virial
            (3, n) and (3, 3), changed: those of the energy are added.
        """
        self._solve(charge, NONE, virial)
        result = np.empty((4, len(charge)))
        grid = self._grids[0]
        self._run(
            gather,
            [(a, b, self._metric, self.points, self._base, self._weights, grid, result) for a, b in self._parts],
        )
        gradient += charge * result[1:]
        return 0.5 * float(charge @ result[0])

    def _solve(self, charge: Floats, dipole: Floats, virial: Floats | None) -> None:
        """Write the potential on the first grid."""
        self._run(
            spread,
            [
                (a, b, charge, dipole, self._metric, self.points, self._base, self._weights, self._grids[t])
                for t, (a, b) in enumerate(self._parts)
            ],
        )
        fold(self._grids, self.points, self._density)
        waves = fft.rfftn(self._density, workers=self._threads)
        if virial is not None:
            spectral_virial(waves, self._green, self._inverse, self.kappa, self.points, virial)
        waves *= self._green
        # irfftn divides by the number of points, which the sum over m does not
        found = fft.irfftn(waves, tuple(self.points), norm="forward", overwrite_x=True, workers=self._threads)
        unfold(self.points, found, self._grids[0])


def _moduli(points: int) -> Floats:
    """Return |b(m)|^2 of a number of mesh points (Essmann et al. 1995, equation 4.4)."""
    values = np.zeros(ORDER)
    base, weights = np.empty((1, 3), dtype=np.int64), np.empty((1, 3, 3, ORDER))
    splines(0, 1, np.zeros((3, 1)), np.full(3, 2 * ORDER), base, weights)
    values = weights[0, 0, 0]
    m, k = np.arange(points), np.arange(ORDER)
    sums = np.abs((values * np.exp(2j * np.pi * np.outer(m, k) / points)).sum(axis=1)) ** 2
    return np.asarray(1 / sums)


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def influence(
    inverse: Floats, density: float, kappa: float, one: Floats, two: Floats, three: Floats, green: Floats
) -> None:
    """Write G(m), (mesh 0, mesh 1, mesh 2 // 2 + 1), of the inverse cell and 1/V.

    It is 0 for the shortest waves of a mesh, whose m has two values: |m|^2 would depend on the choice.
    """
    na, nb, nc = len(one), len(two), len(three)
    steep = (np.pi / kappa) ** 2
    for p in range(na):
        a = p if 2 * p <= na else p - na
        for r in range(nb):
            b = r if 2 * r <= nb else r - nb
            for c in range(nc // 2 + 1):
                m2 = 0.0
                if 2 * p != na and 2 * r != nb and 2 * c != nc:
                    for axis in range(3):
                        m2 += (inverse[axis, 0] * a + inverse[axis, 1] * b + inverse[axis, 2] * c) ** 2
                if m2 > 0:
                    green[p, r, c] = np.exp(-steep * m2) / (np.pi * m2) * density * one[p] * two[r] * three[c]
                else:
                    green[p, r, c] = 0.0


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def spectral_virial(
    waves: Floats, green: Floats, inverse: Floats, kappa: float, mesh: Ints, virial: Floats
) -> None:
    """Add the derivative of 1/2 sum G |Q|^2 with respect to a strain of the cell, Q fixed."""
    steep = (np.pi / kappa) ** 2
    total = xx = xy = xz = yy = yz = zz = 0.0
    na, nb, nc = mesh[0], mesh[1], mesh[2]
    for p in range(na):
        a = p if 2 * p <= na else p - na
        for r in range(nb):
            b = r if 2 * r <= nb else r - nb
            for c in range(nc // 2 + 1):
                if green[p, r, c] == 0:
                    continue
                both = 1.0 if c == 0 or 2 * c == nc else 2.0
                wave = waves[p, r, c]
                energy = 0.5 * both * green[p, r, c] * (wave.real**2 + wave.imag**2)
                x = inverse[0, 0] * a + inverse[0, 1] * b + inverse[0, 2] * c
                y = inverse[1, 0] * a + inverse[1, 1] * b + inverse[1, 2] * c
                z = inverse[2, 0] * a + inverse[2, 1] * b + inverse[2, 2] * c
                m2 = x * x + y * y + z * z
                total += energy
                energy *= 2 * (1 / m2 + steep)
                xx += energy * x * x
                xy += energy * x * y
                xz += energy * x * z
                yy += energy * y * y
                yz += energy * y * z
                zz += energy * z * z
    virial[0, 0] += xx - total
    virial[1, 1] += yy - total
    virial[2, 2] += zz - total
    virial[0, 1] += xy
    virial[1, 0] += xy
    virial[0, 2] += xz
    virial[2, 0] += xz
    virial[1, 2] += yz
    virial[2, 1] += yz
