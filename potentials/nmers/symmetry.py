"""The symmetry of an n-mer's atoms: derived from elements, bonds, and caps, or read and checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from string import ascii_uppercase

from potentials.errors import InputError
from potentials.nmers.fragment import Fragment

SITE_LETTERS = "XYZ"
"""Letters reserved for virtual sites; a derived symmetry gives them to no atom."""

_LETTERS = ascii_uppercase[: -len(SITE_LETTERS)]


def derive_symmetry(fragments: Sequence[Fragment]) -> str:
    """Return the symmetry string of fragments, for example ``A1B1C3_D1E2``.

    Atoms are equivalent if they have the same element, both or neither are caps, and their neighbours are in turn
    equivalent (colour refinement; Weisfeiler and Leman 1968). Letters are assigned in atom order. Identical
    fragments get the same letters, so that they are exchanged as wholes.

    Parameters
    ----------
    fragments
        The fragments in order.

    Raises
    ------
    InputError
        If the same molecule occurs twice with its atoms in different orders, or there are more kinds of atom than
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


def _place(fragments: Sequence[Fragment], wanted: Fragment) -> int:
    return next(n for n, fragment in enumerate(fragments) if fragment is wanted)


def _refined(fragments: Sequence[Fragment]) -> list[tuple[int, ...]]:
    """Return a colour for each atom of each fragment, refined over all fragments until no class splits."""
    colours = _numbered(
        [
            [(f.symbols[a], a in f.caps, f.natoms, len(f.bonds), f.charge) for a in range(f.natoms)]
            for f in fragments
        ]
    )
    while True:
        finer = _numbered(
            [
                [(own[a], tuple(sorted(own[b] for b in bonded))) for a, bonded in enumerate(fragment.neighbours)]
                for own, fragment in zip(colours, fragments, strict=True)
            ]
        )
        if _kinds(finer) == _kinds(colours):
            return finer
        colours = finer


def _numbered(marks: list[list[tuple[object, ...]]]) -> list[tuple[int, ...]]:
    """Return a number for each distinct mark, in the order of first appearance."""
    seen: dict[tuple[object, ...], int] = {}
    return [tuple(seen.setdefault(mark, len(seen)) for mark in row) for row in marks]


def _kinds(colours: list[tuple[int, ...]]) -> int:
    return len({number for row in colours for number in row})


def parse_symmetry(symmetry: str) -> tuple[tuple[tuple[str, int], ...], ...]:
    """Read a symmetry string into blocks of (letter, count).

    Raises
    ------
    InputError
        If it is not of the form ``A1B1C3_D1E2``.
    """
    blocks = []
    for text in symmetry.split("_"):
        if not re.fullmatch(r"([A-Z][1-9][0-9]*)+", text):
            raise InputError(
                f"symmetry '{symmetry}' is not readable; allowed: letters with counts, fragments joined by "
                "'_', for example A1B1C3_D1E2"
            )
        blocks.append(tuple((m[0], int(m[1:])) for m in re.findall(r"[A-Z][0-9]+", text)))
    return tuple(blocks)


def check_symmetry(symmetry: str, fragments: Sequence[Fragment]) -> None:
    """Raise InputError unless the symmetry fits the fragments' atom counts, elements, and bonds."""
    blocks = parse_symmetry(symmetry)
    if len(blocks) != len(fragments):
        raise InputError(
            f"symmetry '{symmetry}' has {len(blocks)} blocks but the geometry has {len(fragments)} fragments; one "
            "block per fragment is allowed"
        )
    for block, fragment in zip(blocks, fragments, strict=True):
        text = "".join(f"{letter}{count}" for letter, count in block)
        total = sum(count for _, count in block)
        if total != fragment.natoms:
            raise InputError(
                f"symmetry block '{text}' describes {total} atoms but the geometry of fragment "
                f"'{fragment.name}' has {fragment.natoms}; the counts must add up to the atoms"
            )
        bonded = [tuple(sorted(fragment.symbols[b] for b in near)) for near in fragment.neighbours]
        start = 0
        for letter, count in block:
            atoms = range(start, start + count)
            start += count
            kinds = {(fragment.symbols[a], a in fragment.caps, bonded[a]) for a in atoms}
            if len(kinds) > 1:
                elements = ", ".join(
                    f"{fragment.symbols[a]}{' (cap)' if a in fragment.caps else ''}" for a in atoms
                )
                raise InputError(
                    f"symmetry block '{text}' gives letter {letter} to unlike atoms of fragment "
                    f"'{fragment.name}' ({elements}); only atoms of one element, with the same bonded "
                    "elements, and all or none of them caps, may share a letter"
                )
