"""Read and check the atoms and bonds of a fragment in a recipe."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ase.data import chemical_symbols

from potentials.nmers.caps import CAP_LENGTHS
from recipes.schema.patterns import shown

MOST_ATOMS = 200
"""Largest number of atoms of a fragment; the papers' largest n-mer has 13."""

FARTHEST = 10_000.0
"""Largest coordinate of a starting geometry, Angstrom."""

ELEMENTS = frozenset(chemical_symbols[1:])

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)

Positions = tuple[tuple[float, float, float], ...]
Bonds = Sequence[tuple[int, int]]


def read_geometry(text: str) -> tuple[tuple[str, ...], Positions]:
    """Return the elements and positions (Angstrom) of a geometry of lines ``element x y z``.

    Raises
    ------
    ValueError
        If a line has another form, or there are no atoms or too many.
    """
    symbols, positions = [], []
    odd = next((c for c in text if not (c.isprintable() or c in "\t\r\n")), None)
    if odd is not None:
        raise ValueError(f"the geometry has the character {odd!r}; allowed: lines of 'element x y z' (A)")
    lines = text.strip().splitlines()
    if not lines:
        raise ValueError("the geometry has no atoms; allowed: one line an atom, 'element x y z' (A)")
    if len(lines) > MOST_ATOMS:
        raise ValueError(f"the geometry has {len(lines)} lines; allowed: up to {MOST_ATOMS} atoms")
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if len(words) != 4:
            raise ValueError(f"line {number} {shown(line.strip())} is not 'element x y z' (A)")
        if words[0] not in ELEMENTS:
            raise ValueError(f"line {number}: {shown(words[0])} is not the symbol of an element")
        x, y, z = (_coordinate(word, number) for word in words[1:])
        symbols.append(words[0])
        positions.append((x, y, z))
    return tuple(symbols), tuple(positions)


def _coordinate(word: str, number: int) -> float:
    if not _NUMBER.fullmatch(word):
        raise ValueError(f"line {number}: {shown(word)} is not a finite number, as 'element x y z' (A) needs")
    value = float(word)
    if not abs(value) <= FARTHEST:
        raise ValueError(f"line {number}: {shown(word)} A is too far away; allowed: up to {FARTHEST:g}")
    return value


def check_graph(symbols: Sequence[str], bonds: Bonds, caps: Sequence[int] = ()) -> None:
    """Raise ValueError unless bonds join two atoms each, once, and caps are hydrogens with one bond to C or N.

    Parameters
    ----------
    symbols
        Element of each atom.
    bonds
        Pairs of atoms, counted from 0.
    caps
        Atoms that close cut bonds.
    """
    atoms, seen = len(symbols), set()
    for atom in (*caps, *(a for bond in bonds for a in bond)):
        if not 0 <= atom < atoms:
            raise ValueError(f"atom {atom} in bonds or caps is not one of the atoms 0 to {atoms - 1}")
    for i, j in bonds:
        if i == j:
            raise ValueError(f"bond [{i}, {j}] is of an atom with itself; a bond joins two atoms")
        if frozenset((i, j)) in seen:
            raise ValueError(f"bond [{i}, {j}] is there twice; write each bond once")
        seen.add(frozenset((i, j)))
    if len(set(caps)) != len(caps):
        raise ValueError(f"caps {list(caps)} names an atom twice")
    for cap in caps:
        anchors = [j if i == cap else i for i, j in bonds if cap in (i, j)]
        if symbols[cap] != "H":
            raise ValueError(f"cap {cap} is {symbols[cap]}; caps are hydrogens")
        if len(anchors) != 1:
            raise ValueError(f"cap {cap} has {len(anchors)} bonds; a cap has one, to the atom whose bond was cut")
        if symbols[anchors[0]] not in CAP_LENGTHS or anchors[0] in caps:
            what = "another cap" if anchors[0] in caps else symbols[anchors[0]]
            raise ValueError(f"cap {cap} sits on {what}; caps sit on {' and '.join(CAP_LENGTHS)}")
