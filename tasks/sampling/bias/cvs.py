"""Collective variables from the bond graph, in families of chemically equivalent ones."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.graph import neighbours
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from recipes.schema.sampling import CVFamilyModel

STRAIGHT = np.radians(165.0)
"""Angle of the starting geometry from which on three atoms are taken for a line, which no torsion is about."""


@dataclass(frozen=True)
class CV:
    """One collective variable.

    Attributes
    ----------
    atoms
        Two atoms make a distance (Angstrom), three an angle, four a dihedral (rad), counted from 0.
    """

    atoms: tuple[int, ...]

    @property
    def kind(self) -> str:
        """``distance``, ``angle``, or ``torsion``."""
        return {2: "distance", 3: "angle", 4: "torsion"}[len(self.atoms)]


@dataclass(frozen=True)
class Family:
    """Equivalent collective variables that share one bias.

    Attributes
    ----------
    name
        Kind and symmetry letters, for example ``distance A-C``.
    cvs
        Its members.
    intermolecular
        Whether its atoms belong to different fragments.
    sigma
        Width of its hills, Angstrom or rad; None: the bias's own for its kind.
    """

    name: str
    cvs: tuple[CV, ...]
    intermolecular: bool
    sigma: float | None = None


def families(nmer: NMer, given: tuple[CVFamilyModel, ...] = ()) -> list[Family]:
    """Return the families of an n-mer's collective variables: those given in the recipe, else by this rule.

    Within a fragment: the bonds, angles, and dihedrals of its heavy atoms; of all atoms where it has fewer than
    three heavy ones; no dihedral where three of its atoms are in a line. Between each two fragments: the distance
    of their central atoms and the angles that orient one towards the other. Two variables are equivalent
    when the same symmetry letters are at the same places and both are within a fragment or both between two.

    Parameters
    ----------
    nmer
        The n-mer.
    given
        The recipe's own families; they take the place of all others.
    """
    fragment = np.repeat(np.arange(len(nmer.fragments)), [f.natoms for f in nmer.fragments])
    if given:
        return [_given(nmer, family, fragment) for family in given]
    variables = [
        cv
        for fragment, part in zip(nmer.fragments, nmer.slices, strict=True)
        for cv in _inner(fragment, part.start)
    ]
    for one, other in combinations(range(len(nmer.fragments)), 2):
        variables += _between(nmer, one, other)
    groups: dict[tuple[str, bool], list[CV]] = defaultdict(list)
    for cv in variables:
        groups[_name(nmer, cv), _crosses(cv, fragment)].append(cv)
    return [Family(name, tuple(cvs), between) for (name, between), cvs in groups.items()]


def representatives_first(groups: list[Family]) -> list[tuple[CV, int]]:
    """Return every variable with the number of its family: one of each family first, then the others.

    In this order PLUMED's PBMETAD, too, takes each family's periodicity from the right variable.
    """
    first = [(group.cvs[0], n) for n, group in enumerate(groups)]
    return first + [(cv, n) for n, group in enumerate(groups) for cv in group.cvs[1:]]


def _given(nmer: NMer, family: CVFamilyModel, fragment: Ints) -> Family:
    cvs = tuple(CV(atoms) for atoms in family.variables)
    return Family(family.name or _name(nmer, cvs[0]), cvs, _crosses(cvs[0], fragment), family.sigma)


def _name(nmer: NMer, cv: CV) -> str:
    letters = [nmer.classes[a] for a in cv.atoms]
    return f"{cv.kind} {'-'.join(min(letters, letters[::-1]))}"


def _crosses(cv: CV, fragment: Ints) -> bool:
    """Return whether a variable's atoms belong to different fragments."""
    return len({int(fragment[a]) for a in cv.atoms}) > 1


def _inner(fragment: Fragment, start: int) -> list[CV]:
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
    """Return whether three atoms are nearly in a line: there a dihedral jumps, and its bias would push hard."""
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
