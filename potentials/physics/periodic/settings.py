"""Cut-offs, Ewald's parameter and the mesh of V_phys in a cell, from an accuracy."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import fft

from potentials.arrays import Floats
from potentials.errors import InputError

FEWEST = 8
"""Fewest mesh points along an axis."""

MOST = 400
"""Most mesh points along an axis."""

REAL, MESH, POWER = 0.85, 0.067, 5.6
"""Relative error of forces: REAL exp(-(kappa cutoff)^2) and MESH (kappa spacing)^POWER, of liquid water."""

SHARES = (0.4, 0.9)
"""Parts of the error that are allowed for the real-space sum and for the mesh; their squares are added."""

COARSE = 0.5
"""kappa times the spacing of the mesh for changes of dipoles: their field is wrong by 0.1 to 0.2 %."""

WIDEST = 1e-8
"""Largest part of Thole's damping that may be left at the cut-off."""


@dataclass(frozen=True)
class Settings:
    """Where the sums of V_phys in a cell end.

    Attributes
    ----------
    cutoff
        Distance within which pairs of atoms are counted, Angstrom.
    switch
        Where dispersion and repulsion begin to be switched off, Angstrom; they are 0 at the cut-off.
    kappa
        Ewald's parameter, 1/Angstrom.
    spacing
        Largest distance of mesh points, Angstrom.
    """

    cutoff: float
    switch: float
    kappa: float
    spacing: float

    @property
    def coarse(self) -> Settings:
        """The same with a mesh for changes of dipoles."""
        return replace(self, spacing=max(self.spacing, COARSE / self.kappa))

    def points(self, vectors: Floats) -> tuple[int, int, int]:
        """Return the mesh points along each axis of a cell.

        Raises
        ------
        InputError
            If they are more than `MOST`.
        """
        a, b, c = (
            fft.next_fast_len(max(FEWEST, math.ceil(length / self.spacing)), real=True)
            for length in np.linalg.norm(vectors, axis=1)
        )
        if max(a, b, c) > MOST:
            raise InputError(
                f"the cell needs {a} x {b} x {c} mesh points at a cut-off of {self.cutoff:.4g} A; allowed: {MOST} "
                "along an axis; use a longer cut-off or a lower accuracy"
            )
        return a, b, c


def settings(cutoff: float, switching: float, accuracy: float) -> Settings:
    """Return the settings for a relative error of the forces.

    The error of the real-space sum decides kappa, that of the mesh its spacing.

    Parameters
    ----------
    cutoff
        Of pairs of atoms, Angstrom.
    switching
        Width of the switching of dispersion and repulsion, Angstrom.
    accuracy
        Relative error of the forces.

    Raises
    ------
    InputError
        If a number is not allowed.
    """
    if not (math.isfinite(cutoff) and cutoff > 0):
        raise InputError(f"cutoff is {cutoff}; allowed: a positive number of Angstrom")
    if not 0 < switching <= cutoff:
        raise InputError(f"switching is {switching}; allowed: above 0, up to the cut-off of {cutoff:g} A")
    if not 1e-9 <= accuracy <= 1e-2:
        raise InputError(f"accuracy is {accuracy}; allowed: 1e-9 to 1e-2")
    kappa = math.sqrt(math.log(REAL / (SHARES[0] * accuracy))) / cutoff
    spacing = (SHARES[1] * accuracy / MESH) ** (1 / POWER) / kappa
    return Settings(cutoff, cutoff - switching, kappa, spacing)


def check_damping(cutoff: float, polarizability: Floats, thole: float) -> None:
    """Raise InputError if Thole's damping reaches beyond the real-space cut-off.

    Parameters
    ----------
    cutoff
        Angstrom.
    polarizability
        (n,), of the atoms, Angstrom^3.
    thole
        The smallest of Thole's a.
    """
    largest = float(np.max(polarizability, initial=0.0))
    if largest > 0:
        needed = (math.log(1 / WIDEST) / thole) ** 0.25 * largest ** (1 / 3)
        if needed > cutoff:
            raise InputError(
                f"Thole's damping of a polarizability of {largest:.4g} A^3 reaches {needed:.4g} A; allowed: a "
                f"cut-off of at least that, here {cutoff:.4g} A"
            )
