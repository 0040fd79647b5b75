"""The parameters of V_phys: seven numbers for each type of atom, and the rules by which they are combined."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import InputError

HALF_DAMPED = 6.67
"""b R where the Tang-Toennies function of order 6 is 1/2; XDM's damping is 1/2 at the van der Waals distance."""

COLUMNS = ("charge", "polarizability", "c6", "dispersion_polarizability", "vdw_radius", "epsilon", "rmin_half")
"""The numbers of each type, in the order in which they are written."""


@dataclass(frozen=True, eq=False)
class PhysicsParameters:
    """Parameters of V_phys, one row a type of atom.

    Attributes
    ----------
    types
        Name of each type, as `recipes.chemistry.atom_types` derives it from a molecule's graph.
    charge
        (types,), e; the charges of every 1-mer add up to zero.
    polarizability
        (types,), Angstrom^3; also the width of Thole's damping. 0: the atom has no induced dipole.
    c6
        (types,), of two atoms of the type, kcal/mol Angstrom^6.
    dispersion_polarizability
        (types,), Angstrom^3, by which the C6 of unlike atoms are combined.
    vdw_radius
        (types,), Angstrom; the van der Waals distance of two atoms is the sum of theirs. It decides the damping b.
    epsilon, rmin_half
        (types,), kcal/mol and Angstrom: the depth and half the distance of the minimum of the Lennard-Jones
        function whose R^-12 term is the repulsion.
    thole_charge, thole_dipole
        Thole's a of charges with charges and dipoles, and of dipoles with dipoles.
    scale_15
        Factor of the charge-charge and charge-dipole terms of atoms four bonds apart, in different 1-mers.
    name
        The version it was read from.

    Raises
    ------
    InputError
        If the lengths differ, a number is not finite, a type is there twice, or one is negative that may not be.
    """

    types: tuple[str, ...]
    charge: Floats
    polarizability: Floats
    c6: Floats
    dispersion_polarizability: Floats
    vdw_radius: Floats
    epsilon: Floats
    rmin_half: Floats
    thole_charge: float = 0.4
    thole_dipole: float = 0.055
    scale_15: float = 0.5
    name: str = ""

    def __post_init__(self) -> None:
        for name in COLUMNS:
            values = np.array(getattr(self, name), dtype=np.float64)
            values.flags.writeable = False
            object.__setattr__(self, name, values)
            if values.shape != (len(self.types),) or not np.isfinite(values).all():
                raise InputError(f"physics parameters: '{name}' needs {len(self.types)} finite numbers")
            if name != "charge" and (values < 0).any():
                raise InputError(f"physics parameters: '{name}' of '{self.types[values.argmin()]}' is negative")
        if bad := [t for n, t in enumerate(self.types) if self.c6[n] > 0 and not self._damped(n)]:
            raise InputError(
                f"physics parameters: type '{bad[0]}' has a c6; allowed: with a dispersion_polarizability and a "
                "vdw_radius above 0"
            )
        if len(set(self.types)) != len(self.types):
            raise InputError("physics parameters: a type is there twice")
        if not (self.thole_charge > 0 and self.thole_dipole > 0):
            raise InputError("physics parameters: Thole's a must be positive")
        if not 0 <= self.scale_15 <= 1:
            raise InputError(f"physics parameters: scale_15 is {self.scale_15}; allowed: from 0 to 1")

    def _damped(self, row: int) -> bool:
        return bool(self.dispersion_polarizability[row] > 0 and self.vdw_radius[row] > 0)

    @cached_property
    def digest(self) -> str:
        """The sha256 of all that decides an energy: two sets of one digest give the same V_phys."""
        content = {f.name: np.asarray(getattr(self, f.name)).tolist() for f in fields(self) if f.name != "name"}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def rows(self, types: Sequence[str]) -> Ints:
        """Return the row of each type.

        Raises
        ------
        InputError
            If there are no parameters for a type; all such types are named.
        """
        row = {name: n for n, name in enumerate(self.types)}
        missing = sorted({t for t in types if t not in row})
        if missing:
            raise InputError(
                f"physics parameters {self.name or self.digest[:12]} have no type {', '.join(missing)}; "
                f"they have: {', '.join(self.types)}"
            )
        return np.array([row[t] for t in types], dtype=np.int64)

    @cached_property
    def pair_c6(self) -> Floats:
        """C6 of each pair of types, kcal/mol Angstrom^6 (Tkatchenko and Scheffler 2009, equation 7)."""
        a, c = self.dispersion_polarizability, self.c6
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = a[None, :] / a[:, None]
            found = 2 * c[:, None] * c[None, :] / (ratio * c[:, None] + ratio.T * c[None, :])
        return np.where((c[:, None] > 0) & (c[None, :] > 0), found, 0.0)

    @cached_property
    def pair_damping(self) -> Floats:
        """Tang and Toennies' b of each pair of types, 1/Angstrom; 0 where a radius is missing."""
        distance = self.vdw_radius[:, None] + self.vdw_radius[None, :]
        return np.divide(HALF_DAMPED, distance, out=np.zeros_like(distance), where=distance > 0)

    @cached_property
    def pair_r12(self) -> Floats:
        """Coefficient of R^-12 of each pair of types, kcal/mol Angstrom^12 (Lorentz and Berthelot's rules)."""
        depth = np.sqrt(self.epsilon[:, None] * self.epsilon[None, :])
        return np.asarray(depth * (self.rmin_half[:, None] + self.rmin_half[None, :]) ** 12)
