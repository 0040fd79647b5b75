"""Collective variables from the bond graph, grouped in CV families of chemically equivalent variables."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from potentials.arrays import Floats
from potentials.graph import neighbours
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from recipes.schema.sampling import KINDS, CVFamilyModel

STRAIGHT = np.radians(165.0)
"""Angle of the starting geometry (rad) above which three atoms count as collinear and define no torsion."""


@dataclass(frozen=True)
class CV:
    """One collective variable.

    Attributes
    ----------
    atoms
        Counted from 0: two define a distance (Angstrom), three an angle, four a dihedral (rad).
    """

    atoms: tuple[int, ...]

    @property
    def kind(self) -> str:
        """``distance``, ``angle``, or ``torsion``."""
        return KINDS[len(self.atoms)]


@dataclass(frozen=True)
class CVFamily:
    """Equivalent collective variables that share one bias.

    Attributes
    ----------
    name
        Kind and symmetry letters, for example ``distance A-C``.
    cvs
        The variables.
    intermolecular
        Whether its atoms belong to different fragments.
    sigma
        Width of its hills, Angstrom or rad; None: the width that the bias settings give for its kind.
    """

    name: str
    cvs: tuple[CV, ...]
    intermolecular: bool
    sigma: float | None = None


def cv_families(nmer: NMer, given: tuple[CVFamilyModel, ...] = ()) -> list[CVFamily]:
    """Return the CV families of an n-mer: those that the recipe gives, otherwise those of this rule.

    Within a fragment: the bonds, angles, and dihedrals of its heavy atoms, or of all its atoms if it has fewer
    than three heavy ones; no dihedral with three collinear atoms. Between two fragments: the distance of their
    central atoms and the angles that orient one towards the other. Two variables are equivalent if they have the
    same symmetry letters in the same order and both lie within a fragment or both between two.

    Parameters
    ----------
    nmer
        The n-mer.
    given
        The families that the recipe gives; they replace all others.
    """
    if given:
        members = [tuple(CV(atoms) for atoms in family.variables) for family in given]
        return [
            CVFamily(family.name or _name(nmer, cvs[0]), cvs, _intermolecular(nmer, cvs[0]), family.sigma)
            for family, cvs in zip(given, members, strict=True)
        ]
    groups: dict[tuple[str, bool], list[CV]] = defaultdict(list)
    for fragment, atoms in zip(nmer.fragments, nmer.slices, strict=True):
        for cv in _within(fragment, atoms.start):
            groups[_name(nmer, cv), False].append(cv)
    for one, other in combinations(range(len(nmer.fragments)), 2):
        for cv in _between(nmer, one, other):
            groups[_name(nmer, cv), True].append(cv)
    return [CVFamily(name, tuple(cvs), intermolecular) for (name, intermolecular), cvs in groups.items()]


def representatives_first(families: list[CVFamily]) -> list[tuple[CV, int]]:
    """Return every variable with the number of its family: one of each family first, then the others.

    With this order PLUMED's PBMETAD also takes each family's periodicity from one of its own variables.
    """
    first = [(family.cvs[0], n) for n, family in enumerate(families)]
    return first + [(cv, n) for n, family in enumerate(families) for cv in family.cvs[1:]]


def _name(nmer: NMer, cv: CV) -> str:
    letters = [nmer.classes[a] for a in cv.atoms]
    return f"{cv.kind} {'-'.join(min(letters, letters[::-1]))}"


def _intermolecular(nmer: NMer, cv: CV) -> bool:
    """Return whether a variable's atoms belong to different fragments."""
    return not any(part.start <= min(cv.atoms) and max(cv.atoms) < part.stop for part in nmer.slices)


def _within(fragment: Fragment, start: int) -> list[CV]:
    """Return the bonds, angles, and dihedrals within a fragment, in the n-mer's atom numbers."""
    heavy = [a for a in range(fragment.natoms) if fragment.symbols[a] != "H"]
    kept = set(heavy) if len(heavy) >= 3 else set(range(fragment.natoms))
    bonds = sorted((min(i, j), max(i, j)) for i, j in fragment.bonds if i in kept and j in kept)
    bonded = neighbours(fragment.natoms, bonds)
    angles = [(i, j, k) for j, around in enumerate(bonded) for i, k in combinations(around, 2)]
    torsions = [
        (i, j, k, m)
        for j, k in bonds
        for i in bonded[j]
        for m in bonded[k]
        if len({i, j, k, m}) == 4 and not (_straight(fragment, i, j, k) or _straight(fragment, j, k, m))
    ]
    return [CV(tuple(a + start for a in atoms)) for atoms in (*bonds, *angles, *torsions)]


def _straight(fragment: Fragment, i: int, j: int, k: int) -> bool:
    """Return whether three atoms are nearly collinear, where a dihedral jumps and its bias forces become large."""
    return bool(cv_values([CV((i, j, k))], np.array([fragment.positions]))[0, 0] > STRAIGHT)


def _between(nmer: NMer, one: int, other: int) -> list[CV]:
    """Return the distance of two fragments' central atoms and the angles that orient them."""
    centres, arms = [], []
    for fragment, part in ((nmer.fragments[n], nmer.slices[n]) for n in (one, other)):
        bonded = fragment.neighbours
        centre = max(range(fragment.natoms), key=lambda a: (fragment.symbols[a] != "H", len(bonded[a]), -a))
        centres.append(centre + part.start)
        arms.append([b + part.start for b in bonded[centre]])
    first, second = centres
    return [
        CV((first, second)),
        *(CV((arm, first, second)) for arm in arms[0]),
        *(CV((first, second, arm)) for arm in arms[1]),
    ]


def cv_values(cvs: list[CV], positions: Floats) -> Floats:
    """Return the values of collective variables.

    Parameters
    ----------
    cvs
        The variables.
    positions
        (frames, atoms, 3), Angstrom.

    Returns
    -------
    (frames, variables), Angstrom or rad.
    """
    values = np.empty((len(positions), len(cvs)))
    for n, cv in enumerate(cvs):
        points = [positions[:, a] for a in cv.atoms]
        if cv.kind == "distance":
            values[:, n] = np.linalg.norm(points[1] - points[0], axis=1)
        elif cv.kind == "angle":
            u, v = points[0] - points[1], points[2] - points[1]
            sine = np.linalg.norm(np.cross(u, v), axis=1)
            values[:, n] = np.arctan2(sine, np.einsum("fx,fx->f", u, v))
        else:
            u, v, w = points[1] - points[0], points[2] - points[1], points[3] - points[2]
            left, right = np.cross(u, v), np.cross(v, w)
            sine = np.einsum("fx,fx->f", np.cross(left, right), v) / np.linalg.norm(v, axis=1)
            values[:, n] = np.arctan2(sine, np.einsum("fx,fx->f", left, right))
    return values
