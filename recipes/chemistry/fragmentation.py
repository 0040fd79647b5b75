"""The distinct n-mers of a molecule, up to three bonded 1-mers, capped where bonds are cut, and where each occurs.

An n-mer's atoms are ordered by 1-mer along the chain; within a 1-mer heavy atoms come first, then hydrogens and
caps, the fewer of them first (a methyl is C, cap, 3 H). The order is the same wherever the n-mer occurs, so all
chains share their n-mers. A pair with one 1-mer between its members is not a separate n-mer: it is part of the
3-mer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise, permutations

from potentials.graph import connected_sets, neighbours
from potentials.nmers.caps import CAP_LENGTHS
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.systems.placement import Placement
from recipes.chemistry.geometry import standard_geometry
from recipes.chemistry.molecules import Molecule
from recipes.chemistry.onemers import ONE_MERS, Group, OneMer, find_groups

HIGHEST_ORDER = 3
"""Number of 1-mers in the largest n-mers (papers I and II)."""


@dataclass(frozen=True)
class Skeleton:
    """What identifies an n-mer wherever it occurs.

    Attributes
    ----------
    symbols
        Element of each atom.
    bonds
        Pairs of atoms, in ascending order.
    caps
        Atoms that are caps.
    parts
        The atoms of each 1-mer, its caps included.
    """

    symbols: tuple[str, ...]
    bonds: tuple[tuple[int, int], ...]
    caps: tuple[int, ...]
    parts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class FoundNMer:
    """A distinct n-mer of a molecule.

    Attributes
    ----------
    name
        For example ``ch3-conh-ch``: its 1-mers along the chain, C before N in -CONH- wherever there is a choice.
    label
        Displayed name, for example ``CH3-CONH-CH``.
    skeleton
        Its atoms and bonds.
    placements
        Where it occurs.
    """

    name: str
    label: str
    skeleton: Skeleton
    placements: tuple[Placement, ...]

    @property
    def order(self) -> int:
        """Number of 1-mers."""
        return len(self.skeleton.parts)

    @cached_property
    def fragment(self) -> Fragment:
        """The capped n-mer with its standard starting geometry, the same wherever it was found."""
        bare = self.skeleton
        geometry = standard_geometry(bare.symbols, bare.bonds, bare.caps)
        parts = bare.parts if self.order > 1 else ()
        return Fragment(self.label, bare.symbols, geometry, bare.bonds, bare.caps, parts=parts)

    @cached_property
    def nmer(self) -> NMer:
        """The n-mer."""
        return NMer(self.name, (self.fragment,))


def fragment_molecule(
    molecule: Molecule, one_mers: Sequence[OneMer] = ONE_MERS, order: int = HIGHEST_ORDER
) -> tuple[FoundNMer, ...]:
    """Return the distinct n-mers of a molecule, sorted by order and then by first occurrence.

    Parameters
    ----------
    molecule
        The molecule.
    one_mers
        The kinds of 1-mer; see `recipes.chemistry.onemers`.
    order
        Number of 1-mers in the largest n-mers.

    Raises
    ------
    InputError
        If the 1-mers do not cover the molecule; the message names the atoms.
    """
    groups = find_groups(molecule, one_mers)
    owner = {a: n for n, group in enumerate(groups) for a in group.atoms}
    joined = neighbours(len(groups), ((owner[i], owner[j]) for i, j in molecule.bonds))
    found: dict[tuple[tuple[str, ...], Skeleton], FoundNMer] = {}
    placements: dict[str, list[Placement]] = {}
    for members in connected_sets(joined, order):
        tokens, sequence = _ordered(molecule, [groups[m] for m in members])
        skeleton, placement = _capped(molecule, sequence)
        if (tokens, skeleton) not in found:  # rings can close between the same 1-mers in more than one way
            same = sum(known == tokens for known, _ in found)
            name = "-".join(tokens) + (f"-{same + 1}" if same else "")
            labels = [group.kind.label for group in sequence]
            label = labels[0] if len(labels) == 1 else "-".join(label.strip("-") for label in labels)
            found[tokens, skeleton] = FoundNMer(name, label, skeleton, ())
        name = found[tokens, skeleton].name
        placements.setdefault(name, []).append(replace(placement, nmer=name))
    return tuple(replace(one, placements=tuple(placements[one.name])) for one in found.values())


def _ordered(molecule: Molecule, members: Sequence[Group]) -> tuple[tuple[str, ...], tuple[Group, ...]]:
    """Return the names of 1-mers in the order of their n-mer, and these 1-mers."""
    chains = [c for c in permutations(members) if all(_bonded(molecule, a, b) for a, b in pairwise(c))]
    sequences = chains or list(permutations(members))
    tokens, sequence = min(
        ((_tokens(molecule, s), s) for s in sequences),
        key=lambda found: (
            sum(t != g.kind.name for t, g in zip(*found, strict=True)),
            found[0],
            [g.heavy for g in found[1]],
        ),
    )
    if len(members) == 3 and len(chains) == 6:
        tokens = ("cyclo", *tokens)
    return tokens, sequence


def _bonded(molecule: Molecule, one: Group, other: Group) -> bool:
    return any(b in other.heavy for a in one.heavy for b in molecule.neighbours[a])


def _tokens(molecule: Molecule, sequence: Sequence[Group]) -> tuple[str, ...]:
    """Return the names of 1-mers in a row, each by its direction in the row."""
    bonded = molecule.neighbours
    tokens = []
    for place, group in enumerate(sequence):
        kind = group.kind
        if kind.ends is None:
            tokens.append(kind.name)
            continue
        first, last = (set(bonded[group.heavy[end]]) for end in kind.ends)
        before = set(sequence[place - 1].heavy) if place else set()
        after = set(sequence[place + 1].heavy) if place + 1 < len(sequence) else set()
        tokens.append(kind.reversed if last & before or first & after else kind.name)
    return tuple(tokens)


def _capped(molecule: Molecule, sequence: Sequence[Group]) -> tuple[Skeleton, Placement]:
    """Return 1-mers in a row as an n-mer, and where it occurs; caps close the bonds to other atoms."""
    bonded = molecule.neighbours
    inside = {a for group in sequence for a in group.atoms}
    atoms: list[int] = []
    anchors: list[int] = []
    parts = []
    for group in sequence:
        caps = [(a, b) for a in group.heavy for b in bonded[a] if b not in inside]
        hydrogens = [(b, -1) for a in group.heavy for b in bonded[a] if b in group.hydrogens]
        closing = [(outside, anchor) for anchor, outside in caps]
        rest = hydrogens + closing if len(hydrogens) <= len(closing) else closing + hydrogens
        start = len(atoms)
        atoms += [*group.heavy, *(a for a, _ in rest)]
        anchors += [*(-1 for _ in group.heavy), *(anchor for _, anchor in rest)]
        parts.append(tuple(range(start, len(atoms))))
    place = {a: n for n, (a, anchor) in enumerate(zip(atoms, anchors, strict=True)) if anchor < 0}
    bonds = [(n, place[b]) for a, n in place.items() for b in bonded[a] if place.get(b, -1) > n]
    bonds += [(n, place[anchor]) for n, anchor in enumerate(anchors) if anchor >= 0]
    skeleton = Skeleton(
        symbols=tuple(
            "H" if anchor >= 0 else molecule.symbols[a] for a, anchor in zip(atoms, anchors, strict=True)
        ),
        bonds=tuple(sorted((min(i, j), max(i, j)) for i, j in bonds)),
        caps=tuple(n for n, anchor in enumerate(anchors) if anchor >= 0),
        parts=tuple(parts),
    )
    lengths = tuple(CAP_LENGTHS[molecule.symbols[anchor]] if anchor >= 0 else 0.0 for anchor in anchors)
    return skeleton, Placement("", tuple(atoms), tuple(anchors), lengths)
