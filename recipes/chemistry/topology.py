"""Residues and atom names of a system, as in the Protein Data Bank, from elements and bonds alone.

A molecule is cut at its peptide bonds. A piece whose graph is that of a residue of ``residues.toml`` has its name
and those of its atoms, in the order in which Amber's force fields list them; other pieces are called ``UNL``, and
their atoms by element and number. The two hydrogens of a CH2 group are named without regard to their side.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from potentials.graph import members, neighbours

UNKNOWN = "UNL"
"""Name of a residue that is not in the table, that of the Protein Data Bank for an unknown ligand."""

LONGEST = 4
"""Longest name of an atom in a PDB file."""

Bond = tuple[int, int]


@dataclass(frozen=True)
class Residue:
    """One residue of a system.

    Attributes
    ----------
    name
        ``ALA``, ``ACE``, ``HOH``, or `UNKNOWN`.
    atoms
        Its atoms' numbers in the system, from 0, in the order of the table; of an unknown one ascending.
    names
        Their names, ``CA``.
    molecule
        The number of its molecule in the system, from 0.
    """

    name: str
    atoms: tuple[int, ...]
    names: tuple[str, ...]
    molecule: int


@dataclass(frozen=True)
class _Graph:
    """Elements, neighbours within the residue, and numbers of bonds to other residues."""

    symbols: tuple[str, ...]
    joined: tuple[tuple[int, ...], ...]
    outside: tuple[int, ...]

    def colours(self) -> list[str]:
        """Return what tells atoms apart: their surroundings, as far as they differ."""
        found = [f"{s}{len(j)}{o}" for s, j, o in zip(self.symbols, self.joined, self.outside, strict=True)]
        count = 0
        while len(set(found)) > count:
            count = len(set(found))
            rows = [f"{c}({','.join(sorted(found[b] for b in self.joined[a]))})" for a, c in enumerate(found)]
            short = {row: f"{row[: row.index('(')].split('#')[0]}#{n}" for n, row in enumerate(sorted(set(rows)))}
            found = [short[row] for row in rows]
        return found


def residues_of(symbols: Sequence[str], bonds: Sequence[Bond]) -> tuple[Residue, ...]:
    """Return the residues of a system: molecules in the order of their first atoms, chains from N to C.

    Parameters
    ----------
    symbols
        Element of each atom.
    bonds
        Pairs of atoms, counted from 0.
    """
    joined = neighbours(len(symbols), bonds)
    cuts = set(_peptide_bonds(symbols, joined))
    whole = members(len(symbols), [b for b in bonds if b not in cuts and b[::-1] not in cuts])
    piece_of = {atom: n for n, atoms in enumerate(whole) for atom in atoms}
    after = {piece_of[carbon]: piece_of[nitrogen] for carbon, nitrogen in cuts}
    found = []
    for molecule, atoms in enumerate(members(len(symbols), bonds)):
        pieces = list(dict.fromkeys(piece_of[a] for a in atoms))
        found += [_named(symbols, joined, whole[piece], molecule) for piece in _in_order(pieces, after)]
    return tuple(found)


def _peptide_bonds(symbols: Sequence[str], joined: Sequence[Sequence[int]]) -> Iterator[Bond]:
    """Yield the C and the N of every bond of -C(=O)-N(C)-."""
    for c, around in enumerate(joined):
        if symbols[c] != "C" or len(around) != 3:
            continue
        if not any(symbols[o] == "O" and len(joined[o]) == 1 for o in around):
            continue
        for n in around:
            carbons = sum(symbols[b] == "C" for b in joined[n])
            if symbols[n] == "N" and len(joined[n]) == 3 and carbons >= 2:
                yield c, n


def _in_order(pieces: Sequence[int], after: dict[int, int]) -> list[int]:
    """Return the pieces of a molecule along the chain; those of a ring begin at the first."""
    later = {after[p] for p in pieces if p in after}
    found: dict[int, None] = {}
    for first in [*(p for p in pieces if p not in later), *pieces]:
        piece: int | None = first
        while piece is not None and piece not in found:
            found[piece] = None
            piece = after.get(piece)
    return list(found)


def _named(
    symbols: Sequence[str], joined: Sequence[Sequence[int]], atoms: tuple[int, ...], molecule: int
) -> Residue:
    """Return a piece as a residue."""
    place = {atom: n for n, atom in enumerate(atoms)}
    inside = tuple(tuple(place[b] for b in joined[a] if b in place) for a in atoms)
    outside = tuple(len(joined[a]) - len(row) for a, row in zip(atoms, inside, strict=True))
    match = _match(_Graph(tuple(symbols[a] for a in atoms), inside, outside))
    if match is not None:
        name, names, order = match
        return Residue(name, tuple(atoms[n] for n in order), names, molecule)
    seen: Counter[str] = Counter()
    labels = []
    for atom in atoms:
        seen[symbols[atom]] += 1
        labels.append(f"{symbols[atom]}{seen[symbols[atom]]}"[:LONGEST])
    return Residue(UNKNOWN, atoms, tuple(labels), molecule)


@cache
def _match(graph: _Graph) -> tuple[str, tuple[str, ...], tuple[int, ...]] | None:
    """Return a residue of the table with this graph, its atoms' names, and the graph's atoms in that order."""
    for name, (names, other) in residue_table().get(tuple(sorted(graph.symbols)), {}).items():
        own, wanted = graph.colours(), other.colours()
        if sorted(wanted) == sorted(own):
            order = _isomorphism(other, wanted, graph, own, [])
            if order is not None:
                return name, names, tuple(order)
    return None


def _isomorphism(
    one: _Graph, wanted: list[str], other: _Graph, own: list[str], taken: list[int]
) -> list[int] | None:
    """Return the atom of `other` for each atom of `one`, after those that are taken; None if there is none."""
    at = len(taken)
    if at == len(wanted):
        return taken
    bonded = {taken[b] for b in one.joined[at] if b < at}
    for atom, colour in enumerate(own):
        if colour == wanted[at] and atom not in taken and bonded == {b for b in other.joined[atom] if b in taken}:
            found = _isomorphism(one, wanted, other, own, [*taken, atom])
            if found is not None:
                return found
    return None


@cache
def residue_table() -> dict[tuple[str, ...], dict[str, tuple[tuple[str, ...], _Graph]]]:
    """Return the residues of ``residues.toml`` by their sorted elements: names of atoms, and the graph."""
    rows = tomllib.loads((files("recipes.chemistry") / "residues.toml").read_text(encoding="utf-8"))
    found: dict[tuple[str, ...], dict[str, tuple[tuple[str, ...], _Graph]]] = {}
    for name, row in rows.items():
        names, outside = tuple(row["atoms"].split()), row["outside"].split()
        pairs = [tuple(names.index(end) for end in bond.split("-")) for bond in row["bonds"].split()]
        joined = neighbours(len(names), [(i, j) for i, j in pairs])
        symbols = tuple(atom[0] for atom in names)  # all elements of residues have one letter
        graph = _Graph(symbols, joined, tuple(outside.count(atom) for atom in names))
        found.setdefault(tuple(sorted(symbols)), {})[name] = (names, graph)
    return found
