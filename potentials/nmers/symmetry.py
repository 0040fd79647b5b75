"""The symmetry of an n-mer's atoms, derived from elements, bonds, and caps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from string import ascii_uppercase
from typing import TYPE_CHECKING

from potentials.errors import InputError

if TYPE_CHECKING:
    from potentials.nmers.nmer import Fragment

SITE_LETTERS = "XYZ"
"""Letters kept for virtual sites; a derived symmetry gives them to no atom."""

_LETTERS = ascii_uppercase[: -len(SITE_LETTERS)]


def derive_symmetry(fragments: Sequence[Fragment]) -> str:
    """Return the symmetry string of fragments, for example ``A1B1C3_D1E2``.

    Atoms are alike if no number of steps along bonds tells them apart: of one element, both or neither caps, with
    alike neighbours (colour refinement; Weisfeiler and Leman 1968). Letters come in atom order. Fragments of the
    same molecule get the same letters and so are exchanged as wholes.

    Parameters
    ----------
    fragments
        The fragments in order.

    Raises
    ------
    InputError
        If the same molecule comes twice with its atoms in different orders, or there are more kinds of atom than
        letters.
    """
    colours = _refined(fragments)
    names: dict[int, str] = {}
    known: dict[tuple[int, ...], Fragment] = {}
    blocks = []
    for fragment, colour in zip(fragments, colours, strict=True):
        twin = known.setdefault(tuple(sorted(colour)), fragment)
        if twin is not fragment and colour != colours[_place(fragments, twin)]:
            raise InputError(
                f"fragments '{twin.name}' and '{fragment.name}' are the same molecule with its atoms in different "
                "orders; write both in one order, so that they can be exchanged"
            )
        for number in colour:
            if number not in names:
                if len(names) == len(_LETTERS):
                    raise InputError(f"the n-mer has more than {len(_LETTERS)} kinds of atom: give its symmetry")
                names[number] = _LETTERS[len(names)]
        runs = [(letter, len(list(run))) for letter, run in groupby(names[number] for number in colour)]
        blocks.append("".join(f"{letter}{count}" for letter, count in runs))
    return "_".join(blocks)


def bond_distances(fragment: Fragment) -> list[list[int]]:
    """Return the number of bonds between each two atoms of a fragment; -1 where none lead there."""
    neighbours = _neighbours(fragment)
    table = []
    for start in range(fragment.natoms):
        steps, front = {start: 0}, [start]
        while front:
            reached = []
            for atom in front:
                for other in neighbours[atom]:
                    if other not in steps:
                        steps[other] = steps[atom] + 1
                        reached.append(other)
            front = reached
        table.append([steps.get(atom, -1) for atom in range(fragment.natoms)])
    return table


def _place(fragments: Sequence[Fragment], wanted: Fragment) -> int:
    return next(n for n, fragment in enumerate(fragments) if fragment is wanted)


def _neighbours(fragment: Fragment) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in range(fragment.natoms)]
    for i, j in fragment.bonds:
        found[i].append(j)
        found[j].append(i)
    return found


def _refined(fragments: Sequence[Fragment]) -> list[tuple[int, ...]]:
    """Return a colour for each atom of each fragment, refined over all of them at once until none splits."""
    neighbours = [_neighbours(fragment) for fragment in fragments]
    colours = _numbered(
        [
            [(f.symbols[a], a in f.caps, f.natoms, len(f.bonds), f.charge) for a in range(f.natoms)]
            for f in fragments
        ]
    )
    while True:
        finer = _numbered(
            [
                [(own[a], tuple(sorted(own[b] for b in bonded[a]))) for a in range(len(own))]
                for own, bonded in zip(colours, neighbours, strict=True)
            ]
        )
        if _kinds(finer) == _kinds(colours):
            return finer
        colours = finer


def _numbered(marks: list[list[tuple[object, ...]]]) -> list[tuple[int, ...]]:
    """Give every different mark a number, in the order they come."""
    seen: dict[tuple[object, ...], int] = {}
    return [tuple(seen.setdefault(mark, len(seen)) for mark in row) for row in marks]


def _kinds(colours: list[tuple[int, ...]]) -> int:
    return len({number for row in colours for number in row})
