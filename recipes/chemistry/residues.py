"""The residue atom of an Ace-(Ala, Gly)n-Nme chain that each atom of a fragment is, from the bond graph alone.

A fragment is a piece of such a chain whose cut bonds are closed with caps, or a whole chain. A methyl on a
carbonyl carbon is that of Ace, on a nitrogen that of Nme, and on a C-alpha or a cap alanine's CB; a C-alpha with
one hydrogen is alanine's, with two glycine's. A carbonyl group or a nitrogen next to a cap is alanine's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import combinations

from potentials.errors import InputError
from potentials.nmers.fragment import Fragment

Name = tuple[str, str]
"""(residue, atom) as named in the Protein Data Bank, for example ("ALA", "CB")."""

CAP = "CAP"
"""Residue of a cap; its atom name is that of the residue atom it is bonded to."""

HYDROGEN: dict[Name, str] = {
    ("ACE", "CH3"): "HH31",
    ("NME", "CH3"): "HH31",
    ("ALA", "CB"): "HB1",
    ("ALA", "CA"): "HA",
    ("GLY", "CA"): "HA2",
    **{(residue, "N"): "H" for residue in ("ALA", "GLY", "NME")},
}
"""The hydrogen on each heavy atom that has hydrogens; one name for all of a group."""

KINDS: dict[tuple[str, int, int, int], str] = {
    ("H", 1, 0, 0): "hydrogen",
    ("C", 4, 3, 0): "methyl",
    ("C", 4, 1, 0): "alanine",
    ("C", 4, 2, 0): "glycine",
    ("C", 3, 0, 1): "carbonyl",
    ("O", 1, 0, 0): "oxygen",
    ("N", 3, 1, 0): "amide",
}
"""Kinds of atoms by element and number of neighbours, of hydrogens that are not caps, and of =O among them."""


def _environments() -> dict[tuple[str, tuple[str, ...]], Name]:
    """Return the residue atom for each kind of atom and the kinds of its neighbours, sorted, without hydrogens."""
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
    """Return the residue atom that each atom of a fragment is.

    Parameters
    ----------
    fragment
        The fragment.
    force_field
        Name of the force field, for the error.
    known
        Atoms whose types the recipe gives; they need not be residue atoms.

    Raises
    ------
    InputError
        If an atom belongs to no group of such a chain, or is a cap on an atom that the recipe gives a type.
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
    names |= {cap: (CAP, names[anchor][1]) for cap in fragment.caps if (anchor := fragment.anchor(cap)) in names}
    missing = [atom for atom in range(fragment.natoms) if atom not in names and atom not in known]
    if not missing:
        return names
    atom = min(missing, key=lambda a: (a in fragment.caps, a))
    if atom in fragment.caps:
        raise InputError(
            f"sampling.atom_types: atom {atom} of fragment '{fragment.name}' is a cap on an atom whose type is "
            "given; give the same keys for the cap"
        )
    raise InputError(
        f"fragment '{fragment.name}' has no {force_field} types here; allowed: {COVERED}; its "
        f'{fragment.symbols[atom]} (atom {atom}) is in none of them; force_field = "GFN2-xTB" accepts any species'
    )


def _kind(fragment: Fragment, bonded: Sequence[Sequence[int]], atom: int) -> str:
    """Return one of `KINDS`, or ``cap``, or ``other``."""
    if atom in fragment.caps:
        return "cap"
    symbols, around = fragment.symbols, bonded[atom]
    hydrogens = sum(symbols[b] == "H" and b not in fragment.caps for b in around)
    oxygens = sum(symbols[b] == "O" and len(bonded[b]) == 1 for b in around)
    return KINDS.get((symbols[atom], len(around), hydrogens, oxygens), "other")
