"""Pairs of 1-mers of a chain that are not bonded to each other: which of them may have a potential of their own.

A pair is named after its 1-mers, ``conh-conh-pair``. Its potential is fitted to both 1-mers capped as they are
alone, so that near along the chain the caps of one lie where the other has atoms. For Ace-Ala9-Nme with exact
n-mer energies (GFN2-xTB), the error of the sum over V_phys falls from 2.7 to 1.6 kcal/mol (standard deviation)
with the pairs of -CONH-, and rises to 3.6 with all other pairs besides (docs/physics.md): only the former have a
recipe. Other pairs are used where their potential is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from potentials.graph import distances
from potentials.systems.placement import Placement
from recipes.chemistry.fragmentation import FoundNMer
from recipes.chemistry.molecules import Molecule

SUFFIX = "-pair"
"""End of the name of a pair that is not bonded."""

LEAST_STEPS = 5
"""Steps between the nearest 1-mers, in the graph of 1-mers, that may be a pair."""

HYDROGEN_BONDED = {"conh-conh-pair": 4}
"""Pairs that begin nearer: a 3-10 helix has its hydrogen bonds at 4 steps, an alpha helix at 6."""

LEAST_BONDS = 5
"""Bonds between the nearest atoms of a pair: V_phys of nearer ones is not that of separate molecules."""


def pair_name(one: str, other: str) -> str:
    """Return the name of a pair of 1-mers, in alphabetical order."""
    return "-".join(sorted((one, other))) + SUFFIX


def find_pairs(molecule: Molecule, found: Sequence[FoundNMer]) -> tuple[Placement, ...]:
    """Return where pairs of 1-mers occur, at whatever distance: a potential's switching decides which count.

    Parameters
    ----------
    molecule
        The molecule.
    found
        Its n-mers, as `recipes.chemistry.fragmentation.fragment_molecule` returns them.
    """
    return tuple(together(name, *ends) for name, ends, allowed in _pairs(molecule, found) if allowed)


def forbidden_pairs(
    molecule: Molecule, found: Sequence[FoundNMer]
) -> tuple[tuple[str, tuple[str, int], tuple[str, int]], ...]:
    """Return the pairs of 1-mers of a molecule that are too near along it to have a potential of their own.

    Each is the name of the pair, and for both 1-mers, in the order of the name, the name and the number among its
    occurrences. Parameters are those of `find_pairs`.
    """
    number = {p: n for nmer in found if nmer.order == 1 for n, p in enumerate(nmer.placements)}
    return tuple(
        (name, (one.nmer, number[one]), (other.nmer, number[other]))
        for name, (one, other), allowed in _pairs(molecule, found)
        if not allowed
    )


def _pairs(
    molecule: Molecule, found: Sequence[FoundNMer]
) -> Iterator[tuple[str, tuple[Placement, Placement], bool]]:
    """Yield the name of every pair of 1-mers, both in the order of the name, and whether it may be a pair."""
    ones = [placement for nmer in found if nmer.order == 1 for placement in nmer.placements]
    atoms = [[a for a, anchor in zip(one.atoms, one.anchors, strict=True) if anchor < 0] for one in ones]
    owner = {a: number for number, members in enumerate(atoms) for a in members}
    steps = distances(len(ones), [(owner[i], owner[j]) for i, j in molecule.bonds if owner[i] != owner[j]])
    bonds = distances(molecule.natoms, molecule.bonds)
    for i, j in combinations(range(len(ones)), 2):
        first, second = sorted((ones[i], ones[j]), key=lambda one: one.nmer)
        name = pair_name(first.nmer, second.nmer)
        allowed = True
        if steps[i, j] >= 0:  # in one molecule
            allowed = steps[i, j] >= HYDROGEN_BONDED.get(name, LEAST_STEPS)
            allowed = allowed and min(bonds[a, b] for a in atoms[i] for b in atoms[j]) >= LEAST_BONDS
        yield name, (first, second), allowed


def together(name: str, *placements: Placement) -> Placement:
    """Return the placement of an n-mer whose bodies are at the given placements, in their order."""
    return Placement(
        name,
        tuple(atom for one in placements for atom in one.atoms),
        tuple(anchor for one in placements for anchor in one.anchors),
        tuple(length for one in placements for length in one.lengths),
    )
