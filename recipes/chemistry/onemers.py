"""The 1-mers of a molecule: their definitions as SMARTS, and the atoms of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from potentials.errors import InputError
from potentials.nmers.caps import CAP_LENGTHS
from recipes.chemistry.geometry import rdkit_graph
from recipes.chemistry.molecules import Molecule

MOST_NAMED = 12
"""Largest number of atoms that an error message lists."""


@dataclass(frozen=True)
class OneMer:
    """A kind of 1-mer.

    Attributes
    ----------
    name
        Part of the names of n-mers, for example ``conh``: letters and digits.
    label
        Displayed name, for example ``-CONH-``.
    smarts
        Its heavy atoms in their order; their hydrogens belong to it. It may use only elements and numbers of bonds
        (``X`` all bonds, ``H`` those to hydrogens): many files have no bond orders, so bonds are written ``~``.
    ends
        Indices in the SMARTS of the atoms that it is bonded by, for a 1-mer with a direction.
    reversed
        Its name in the opposite direction, for example ``nhco``.
    """

    name: str
    label: str
    smarts: str
    ends: tuple[int, int] | None = None
    reversed: str = ""


CONH = OneMer("conh", "-CONH-", "[#6X3H0](~[#8X1])~[#7X3H1]", ends=(0, 2), reversed="nhco")
CH3 = OneMer("ch3", "CH3-", "[#6X4H3]")
CH2 = OneMer("ch2", "-CH2-", "[#6X4H2]")
CH = OneMer("ch", "-CH-", "[#6X4H1]")
WATER = OneMer("water", "water", "[#8X2H2]")

ONE_MERS = (CONH, CH3, CH2, CH, WATER)
"""The 1-mers of peptide and alkane chains, and water; earlier ones have priority."""


@dataclass(frozen=True)
class Group:
    """One 1-mer of a molecule.

    Attributes
    ----------
    kind
        Its kind.
    heavy
        Its heavy atoms in the order of the SMARTS.
    hydrogens
        Its hydrogens, in ascending order.
    """

    kind: OneMer
    heavy: tuple[int, ...]
    hydrogens: tuple[int, ...]

    @property
    def atoms(self) -> tuple[int, ...]:
        """All its atoms, in the molecule's numbers."""
        return self.heavy + self.hydrogens


def find_groups(molecule: Molecule, one_mers: Sequence[OneMer] = ONE_MERS) -> tuple[Group, ...]:
    """Return a molecule's 1-mers in the order of their first atoms; every atom belongs to exactly one.

    Parameters
    ----------
    molecule
        The molecule.
    one_mers
        The kinds of 1-mer; if two match the same atoms, the earlier one takes them.

    Raises
    ------
    InputError
        If an atom belongs to none of them, or a bond between two cannot be cut.
    """
    neighbours = molecule.neighbours
    owner: dict[int, int] = {}
    groups: list[Group] = []
    for kind, heavy in _matches(molecule, one_mers):
        hydrogens = sorted({b for a in heavy for b in neighbours[a] if molecule.symbols[b] == "H"})
        if any(a in owner for a in (*heavy, *hydrogens)):
            continue
        owner |= dict.fromkeys((*heavy, *hydrogens), len(groups))
        groups.append(Group(kind, heavy, tuple(hydrogens)))
    left = [a for a in range(molecule.natoms) if a not in owner]
    if left:
        heavy_left = [a for a in left if molecule.symbols[a] != "H"] or left
        named = ", ".join(molecule.atom(a) for a in heavy_left[:MOST_NAMED])
        more = f" and {len(heavy_left) - MOST_NAMED} more" if len(heavy_left) > MOST_NAMED else ""
        raise InputError(
            f"molecule '{molecule.name}': {named}{more} (counted from 0) belong to no 1-mer; allowed: "
            f"{', '.join(kind.label for kind in one_mers)}"
        )
    for i, j in molecule.bonds:
        wrong = [a for a in (i, j) if molecule.symbols[a] not in CAP_LENGTHS]
        if owner[i] != owner[j] and wrong:
            raise InputError(
                f"molecule '{molecule.name}': the bond {molecule.atom(i)}-{molecule.atom(j)} between two 1-mers "
                f"cannot be cut; caps sit on {' and '.join(CAP_LENGTHS)}"
            )
    return tuple(sorted(groups, key=lambda group: min(group.atoms)))


def _matches(molecule: Molecule, one_mers: Sequence[OneMer]) -> list[tuple[OneMer, tuple[int, ...]]]:
    """Return the matches of each kind, those of the first kind first."""
    from rdkit import Chem, rdBase

    mol = rdkit_graph(molecule.symbols, molecule.bonds)
    mol.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(mol)
    found = []
    for kind in one_mers:
        with rdBase.BlockLogs():
            pattern = Chem.MolFromSmarts(kind.smarts)
        if pattern is None:
            raise InputError(f"1-mer '{kind.name}': '{kind.smarts}' is not SMARTS")
        matches = mol.GetSubstructMatches(pattern, maxMatches=max(1000, 10 * molecule.natoms))
        found += [(kind, tuple(match)) for match in sorted(matches)]
    return found
