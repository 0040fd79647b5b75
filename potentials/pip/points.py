"""The points of a PIP: an n-mer's atoms and virtual sites, and the exchanges that it is invariant under."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from potentials.arrays import Bools, Ints
from potentials.errors import InputError
from potentials.graph import distances
from potentials.nmers.nmer import NMer
from potentials.nmers.symmetry import SITE_LETTERS
from potentials.pip.sites import LonePairs, Sites


@dataclass(frozen=True, eq=False)
class Points:
    """The atoms of an n-mer, then its virtual sites.

    Attributes
    ----------
    letters
        Symmetry letter of each point.
    fragment
        (points,), the fragment each belongs to.
    cap
        (points,), whether it is a cap.
    bonds
        (points, points), number of bonds between two atoms of one fragment; -1 where there is no path.
    natoms
        Number of atoms.
    sites
        How the virtual sites are placed.
    """

    letters: tuple[str, ...]
    fragment: Ints
    cap: Bools
    bonds: Ints
    natoms: int
    sites: Sites

    @classmethod
    def of(cls, nmer: NMer, lone_pairs: Sequence[LonePairs] = ()) -> Points:
        """Return the points of an n-mer.

        Raises
        ------
        InputError
            If lone pairs are not on one fragment's atom with two equivalent neighbours, two are on one fragment,
            only one of two identical fragments has them, or a letter is in use.
        """
        natoms = nmer.natoms
        count = natoms + 2 * len(lone_pairs)
        fragment = np.repeat(np.arange(len(nmer.fragments)), [f.natoms for f in nmer.fragments])
        homes = [_home(nmer, fragment, pair) for pair in lone_pairs]
        letters = [*nmer.classes, *_site_letters(nmer, lone_pairs, homes)]
        cap = np.zeros(count, dtype=np.bool_)
        cap[[c for c, _, _ in nmer.caps]] = True
        bonds = np.full((count, count), -1, dtype=np.int64)
        for atoms, one in zip(nmer.slices, nmer.fragments, strict=True):
            bonds[atoms, atoms] = distances(one.natoms, one.bonds)
        fragment = np.concatenate([fragment, np.repeat(np.array(homes, dtype=np.int64), 2)])
        return cls(tuple(letters), fragment, cap, bonds, natoms, Sites.of(lone_pairs))

    def __len__(self) -> int:
        return len(self.letters)

    @property
    def symmetry(self) -> str:
        """The symmetry string with the sites, for example ``A1B1C3_D1E2X2``."""
        blocks = []
        for number in range(int(self.fragment.max()) + 1):
            runs: list[tuple[str, int]] = []
            for letter in (self.letters[p] for p in self.members(number)):
                if runs and runs[-1][0] == letter:
                    runs[-1] = letter, runs[-1][1] + 1
                else:
                    runs.append((letter, 1))
            blocks.append("".join(f"{letter}{count}" for letter, count in runs))
        return "_".join(blocks)

    def members(self, number: int) -> Ints:
        """Return the points of a fragment, in ascending order."""
        return np.flatnonzero(self.fragment == number)

    def generators(self) -> list[Ints]:
        """Return permutations of the points that generate the symmetry group.

        They are swaps of neighbours of one letter, and of whole fragments that have the same letters.
        """
        found = []
        letters = np.array(self.letters)
        identity = np.arange(len(self))
        fragments = [self.members(number) for number in range(int(self.fragment.max()) + 1)]
        for points in fragments:
            for letter in dict.fromkeys(letters[points]):
                for first, second in pairwise(points[letters[points] == letter]):
                    order = identity.copy()
                    order[[first, second]] = second, first
                    found.append(order)
        for one, other in combinations(fragments, 2):
            if letters[one].tolist() == letters[other].tolist():
                order = identity.copy()
                order[one], order[other] = other, one
                found.append(order)
        return found


def _home(nmer: NMer, fragment: Ints, pair: LonePairs) -> int:
    """Return the fragment that lone pairs are on."""
    if max(pair.atoms) >= nmer.natoms:
        raise InputError(f"atoms of lone pairs are {pair.atoms}; allowed: atoms from 0 to {nmer.natoms - 1}")
    classes = nmer.classes
    centre, one, other = pair.atoms
    home = fragment[centre]
    alike = [a for a in range(nmer.natoms) if classes[a] == classes[centre] and fragment[a] == home]
    neighbours = {a for a in range(nmer.natoms) if classes[a] == classes[one] and fragment[a] == home}
    if len(alike) != 1 or neighbours != {one, other}:
        raise InputError(
            f"lone pairs on atoms {pair.atoms} of {nmer.symmetry}; allowed: a centre that is the only atom of its "
            "letter in its fragment, and the two atoms of another letter, such as O, H, H of water"
        )
    return int(home)


def _site_letters(nmer: NMer, lone_pairs: Sequence[LonePairs], homes: Sequence[int]) -> list[str]:
    """Return a letter for each site; those of identical fragments share one."""
    if len(set(homes)) != len(homes):
        raise InputError("a fragment can have one pair of lone pairs")
    blocks = nmer.symmetry.split("_")
    kinds: dict[str, tuple[str, tuple[object, ...]]] = {}
    letters = []
    for pair, home in zip(lone_pairs, homes, strict=True):
        shape = (pair.along, pair.across, *(a - nmer.slices[home].start for a in pair.atoms[:1]))
        if blocks[home] not in kinds:
            if len(kinds) == len(SITE_LETTERS):
                raise InputError(f"lone pairs can be on {len(SITE_LETTERS)} kinds of fragment at most")
            kinds[blocks[home]] = SITE_LETTERS[len(kinds)], shape
        letter, known = kinds[blocks[home]]
        missing = [n for n, block in enumerate(blocks) if block == blocks[home] and n not in homes]
        if missing or known != shape:
            raise InputError(
                f"fragments {blocks[home]} are equivalent; give each the same lone pairs, or different letters"
            )
        if letter in nmer.classes:
            raise InputError(f"letter {letter} is reserved for lone pairs; use another in {nmer.symmetry}")
        letters += [letter, letter]
    return letters
