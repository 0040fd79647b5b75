"""Which atom of an Ace-(Ala, Gly)n-Nme chain each atom of a fragment stands for, from the bond graph alone.

A fragment is any piece of such a chain whose cut bonds are closed with caps, or a whole chain. A methyl is Ace's
at a carbonyl carbon, Nme's at a nitrogen, and alanine's CB at a C-alpha or a cap; a C-alpha with one hydrogen is
alanine's, with two glycine's. A carbonyl group or a nitrogen next to a cap is alanine's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import combinations

from potentials.errors import InputError
from potentials.nmers.fragment import Fragment

Name = tuple[str, str]
"""(residue, atom) as the Protein Data Bank names them, for example ("ALA", "CB")."""

HYDROGEN: dict[Name, str] = {
    ("ACE", "CH3"): "HH31",
    ("NME", "CH3"): "HH31",
    ("ALA", "CB"): "HB1",
    ("ALA", "CA"): "HA",
    ("GLY", "CA"): "HA2",
    ("ALA", "N"): "H",
    ("GLY", "N"): "H",
    ("NME", "N"): "H",
}
"""The hydrogen on each heavy atom that has some; one name for all of a group."""

KINDS: dict[tuple[str, int, int, int], str] = {
    ("H", 1, 0, 0): "hydrogen",
    ("C", 4, 3, 0): "methyl",
    ("C", 4, 1, 0): "alanine",
    ("C", 4, 2, 0): "glycine",
    ("C", 3, 0, 1): "carbonyl",
    ("O", 1, 0, 0): "oxygen",
    ("N", 3, 1, 0): "amide",
}
"""What an atom may be: element, neighbours, how many of them are hydrogens but no caps, and how many are =O."""


def _environments() -> dict[tuple[str, tuple[str, ...]], Name]:
    """Return what each kind of atom is between its neighbours: kinds in alphabetical order, hydrogens left out."""
    table: dict[tuple[str, tuple[str, ...]], Name] = {
        ("methyl", ("carbonyl",)): ("ACE", "CH3"),
        ("methyl", ("amide",)): ("NME", "CH3"),
        ("methyl", ("alanine",)): ("ALA", "CB"),
        ("methyl", ("cap",)): ("ALA", "CB"),
    }
    for kind, residue in (("alanine", "ALA"), ("glycine", "GLY"), ("cap", "ALA"), ("methyl", "ACE")):
        table["carbonyl", tuple(sorted(("amide", "oxygen", kind)))] = (residue, "C")
    for kind, residue in (("alanine", "ALA"), ("glycine", "GLY"), ("cap", "ALA"), ("methyl", "NME")):
        table["amide", tuple(sorted(("carbonyl", kind)))] = (residue, "N")
    for kind, residue, groups in (
        ("alanine", "ALA", ("amide", "carbonyl", "methyl")),
        ("glycine", "GLY", ("amide", "carbonyl")),
    ):
        for count in range(len(groups) + 1):
            for there in combinations(groups, count):
                caps = ("cap",) * (len(groups) - count)
                table[kind, tuple(sorted(there + caps))] = (residue, "CA")
    return table


ENVIRONMENTS = _environments()

COVERED = (
    "CH3-, -CH-, -CH2- (Gly), and -CONH- groups bonded as in Ace-(Ala, Gly)n-Nme with cut bonds capped, and water "
    "(O, H, H)"
)


def residue_atoms(fragment: Fragment, force_field: str, known: Collection[int] = ()) -> dict[int, Name]:
    """Return what each atom of a fragment stands for; caps are left out.

    Parameters
    ----------
    fragment
        The fragment.
    force_field
        Whose atoms they will be: the error says it.
    known
        Atoms that need to stand for nothing, because the recipe gives their types.

    Raises
    ------
    InputError
        If an atom belongs to no group of such a chain.
    """
    bonded = fragment.neighbours
    kinds = [_kind(fragment, bonded, atom) for atom in range(fragment.natoms)]
    names: dict[int, Name] = {}
    for atom, kind in enumerate(kinds):
        around = tuple(sorted(kinds[b] for b in bonded[atom] if kinds[b] != "hydrogen"))
        if (kind, around) in ENVIRONMENTS:
            name = ENVIRONMENTS[kind, around]
            names[atom] = name
            names |= {b: (name[0], HYDROGEN[name]) for b in bonded[atom] if kinds[b] == "hydrogen"}
            names |= {b: (name[0], "O") for b in bonded[atom] if kinds[b] == "oxygen"}
    for atom, symbol in enumerate(fragment.symbols):
        if atom not in names and atom not in fragment.caps and atom not in known:
            raise InputError(
                f"fragment '{fragment.name}' has no {force_field} types here; allowed: {COVERED}; its {symbol} "
                f'(atom {atom}) is in none of them; force_field = "GFN2-xTB" takes any species'
            )
    return names


def _kind(fragment: Fragment, bonded: Sequence[Sequence[int]], atom: int) -> str:
    """Return one of `KINDS`, or ``cap``, or ``other``."""
    if atom in fragment.caps:
        return "cap"
    symbols, around = fragment.symbols, bonded[atom]
    hydrogens = sum(symbols[b] == "H" and b not in fragment.caps for b in around)
    oxygens = sum(symbols[b] == "O" and len(bonded[b]) == 1 for b in around)
    return KINDS.get((symbols[atom], len(around), hydrogens, oxygens), "other")
