"""Alanine dipeptide, the molecule of the static checks: its torsions, and whether a geometry is still it."""

from __future__ import annotations

from functools import cache

import numpy as np

from potentials.arrays import Floats
from recipes.chemistry.molecules import Molecule, read_molecule
from tasks.checks.internal import Torsion, torsions, turned

DIPEPTIDE = "AceAlaNme"

PHI: Torsion = (1, 3, 4, 6)
PSI: Torsion = (3, 4, 6, 8)
"""Atoms of the two torsions in the dipeptide's order: C N CA C, and N CA C N."""

OMEGAS: tuple[Torsion, Torsion] = ((0, 1, 3, 4), (4, 6, 8, 9))
"""Atoms of the two amides' torsions: C C N CA, and CA C N C; both stay trans."""

CENTRE = (4, 3, 5, 6)
"""The asymmetric carbon, and its neighbours N, C beta and C."""

STRETCHED = (0.75, 1.3)
"""Factors between which bonds keep their lengths."""


MET = 1.3
"""Atoms that are not bonded are nearer than this times the sum of their covalent radii only if they have met."""


@cache
def dipeptide() -> Molecule:
    """Return alanine dipeptide with a geometry of MMFF94."""
    return read_molecule(DIPEPTIDE).embedded()


def masses() -> Floats:
    """Return the masses of its atoms, (22,), u."""
    from ase.data import atomic_masses, atomic_numbers

    return np.array([atomic_masses[atomic_numbers[s]] for s in dipeptide().symbols], dtype=np.float64)


def at(phi: float, psi: float, x: Floats | None = None) -> Floats:
    """Return a geometry, (22, 3), Angstrom, with both torsions (degrees) turned as rigid parts."""
    molecule = dipeptide()
    start = np.array(molecule.positions) if x is None else x
    return turned(turned(start, molecule.bonds, PHI, phi), molecule.bonds, PSI, psi)


def is_same_isomer(x: Floats) -> bool:
    """Return whether a geometry, (22, 3), Angstrom, is the dipeptide: its bonds and no others, trans amides, L."""
    molecule = dipeptide()
    first, last = np.array(molecule.bonds).T
    start = np.array(molecule.positions)
    ratio = np.linalg.norm(x[first] - x[last], axis=1) / np.linalg.norm(start[first] - start[last], axis=1)
    if ratio.min() < STRETCHED[0] or ratio.max() > STRETCHED[1]:
        return False
    if _bonded_anew(x):
        return False
    return bool(np.abs(torsions(x, OMEGAS)).min() > 90.0 and _handedness(x) * _handedness(start) > 0.0)


def _bonded_anew(x: Floats) -> bool:
    """Return whether two atoms that are not bonded are nearer than bonded ones, as in a hole of a potential."""
    from ase.data import atomic_numbers, covalent_radii

    radii = np.array([covalent_radii[atomic_numbers[s]] for s in dipeptide().symbols])
    apart = np.linalg.norm(x[:, None] - x, axis=2) / (radii[:, None] + radii)
    first, last = np.array(dipeptide().bonds).T
    apart[first, last] = apart[last, first] = np.inf
    return bool(apart[np.triu_indices(len(x), 1)].min() < MET)


def _handedness(x: Floats) -> float:
    centre, *others = CENTRE
    return float(np.linalg.det(x[others] - x[centre]))
