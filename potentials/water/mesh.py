"""The reciprocal part of Ewald's sum of charges, by particle-mesh Ewald of the library helPME."""

from __future__ import annotations

from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.errors import MissingProgramError
from potentials.units import COULOMB

ORDER = 8
"""Order of the splines."""

RIGHT = 1e-9
"""Difference of an angle from a right one, degrees, that is round-off."""

FACTORS = (2, 3, 5, 7)
"""Prime factors of the numbers of mesh points, for which the Fourier transform is fast."""


class Mesh:
    """The reciprocal part of the energy of fixed charges.

    Parameters
    ----------
    kappa
        Ewald's parameter, 1/Angstrom.
    spacing
        Largest distance of mesh points, Angstrom.
    """

    def __init__(self, kappa: float, spacing: float) -> None:
        self.kappa, self.spacing = kappa, spacing
        self._lock = Lock()

    @cached_property
    def _library(self) -> Any:
        try:
            import helpme_py
        except ImportError:
            raise MissingProgramError(
                "water in a periodic cell needs helpme-py; install it with: pip install 'nmer[periodic]'"
            ) from None
        return helpme_py, helpme_py.PMEInstanceD()

    def add(self, charges: Floats, sites: Floats, vectors: Floats, gradient: Floats, virial: Floats) -> float:
        """Return the energy, kcal/mol; add gradient (3, sites) and virial (3, 3) to those given.

        Parameters
        ----------
        charges
            (sites,), e; they add up to zero.
        sites
            (3, sites), Angstrom.
        vectors
            (3, 3), the cell's, one a row.
        """
        turn, lower = np.linalg.qr(vectors.T)  # helPME takes cells with a along x, b in the plane of x and y
        turn = turn * np.sign(np.diag(lower))
        rows = vectors @ turn
        lengths = np.linalg.norm(rows, axis=1)
        unit = rows / lengths[:, None]
        angles = np.degrees(np.arccos([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]]))
        points = [smooth(int(np.ceil(length / self.spacing))) for length in lengths]
        if np.any(np.abs(angles - 90) > RIGHT):
            points = 3 * [max(points)]  # helPME 0.2.2 gives wrong forces in a skew cell with unequal numbers
        library, instance = self._library
        places, forces = np.ascontiguousarray(sites.T @ turn), np.zeros((sites.shape[1], 3))
        stress = np.zeros((1, 6))
        with self._lock:
            instance.setup(1, self.kappa, ORDER, *points, COULOMB, 1)
            instance.set_lattice_vectors(*lengths, *angles, library.LatticeType.XAligned)
            wrapped = [library.MatrixD(each) for each in (charges[:, None].copy(), places, forces, stress)]
            energy = float(instance.compute_EFV_rec(0, *wrapped))
        xx, xy, yy, xz, yz, zz = stress[0]
        gradient -= (forces @ turn.T).T
        virial -= turn @ np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) @ turn.T
        return energy


def smooth(least: int) -> int:
    """Return the smallest number from one on that has only small prime factors."""
    number = max(least, 2 * ORDER)
    while True:
        rest = number
        for factor in FACTORS:
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return number
        number += 1
