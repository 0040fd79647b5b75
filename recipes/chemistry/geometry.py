"""A starting geometry of a capped n-mer, from its atoms and bonds alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.caps import CAP_LENGTHS, place_cap
from recipes.chemistry.molecules import embed

SEED = 2025
DECIMALS = 6

Geometry = tuple[tuple[float, float, float], ...]


@lru_cache(maxsize=256)
def standard_geometry(
    symbols: tuple[str, ...], bonds: tuple[tuple[int, int], ...], caps: tuple[int, ...]
) -> Geometry:
    """Return a geometry of a capped n-mer, Angstrom: optimized by MMFF94 with a methyl for each cap, then capped.

    An amide group is therefore trans, and bonds and angles are those of a chain. The first atom is at the origin,
    its first neighbour on z, the next atom in the plane of x and z.

    Parameters
    ----------
    symbols
        Element of each atom.
    bonds
        Pairs of atoms.
    caps
        Atoms that are caps.

    Raises
    ------
    InputError
        If no geometry was found.
    """
    from rdkit import Chem

    carbons = ["C" if number in caps else symbol for number, symbol in enumerate(symbols)]
    mol = rdkit_graph(carbons, bonds, terminal_oxygens(symbols, bonds), caps)
    Chem.SanitizeMol(mol)
    mol = Chem.AddHs(mol)  # those of the carbons in the place of caps
    positions = embed(mol, "".join(symbols), SEED)[: len(symbols)]
    for cap in caps:
        (anchor,) = (j if i == cap else i for i, j in bonds if cap in (i, j))
        positions[cap] = place_cap(positions[anchor], positions[cap], CAP_LENGTHS[symbols[anchor]])
    return oriented(positions, bonds)


def written(positions: Floats) -> Geometry:
    """Return positions rounded as in a recipe."""
    placed = np.round(positions, DECIMALS) + 0.0  # no -0.0
    return tuple((float(x), float(y), float(z)) for x, y, z in placed)


def rdkit_graph(
    symbols: Sequence[str],
    bonds: Sequence[tuple[int, int]],
    double: Collection[int] = (),
    implicit: Collection[int] = (),
) -> Any:
    """Return an rdkit molecule of atoms and bonds.

    Parameters
    ----------
    symbols
        Element of each atom.
    bonds
        Pairs of atoms.
    double
        Atoms whose bonds are double bonds, see `terminal_oxygens`.
    implicit
        Atoms that rdkit may give hydrogens.
    """
    from rdkit import Chem

    editable = Chem.RWMol()
    for number, symbol in enumerate(symbols):
        atom = Chem.Atom(symbol)
        atom.SetNoImplicit(number not in implicit)
        editable.AddAtom(atom)
    for i, j in bonds:
        doubled = (i in double) != (j in double)
        editable.AddBond(i, j, Chem.BondType.DOUBLE if doubled else Chem.BondType.SINGLE)
    return editable.GetMol()


def terminal_oxygens(symbols: Sequence[str], bonds: Sequence[tuple[int, int]]) -> set[int]:
    """Return the oxygens with one bond."""
    return {n for n, s in enumerate(symbols) if s == "O" and sum(n in bond for bond in bonds) == 1}


def oriented(positions: Floats, bonds: Sequence[tuple[int, int]]) -> Geometry:
    """Return positions with atom 0 at the origin and the first atom bonded to it on z, rounded as in a recipe."""
    moved = positions - positions[0]
    first = min((j if i == 0 else i for i, j in bonds if 0 in (i, j)), default=0)
    if not first:
        return written(moved)
    z = moved[first] / np.linalg.norm(moved[first])
    across = moved - np.outer(moved @ z, z)
    sizes = np.linalg.norm(across, axis=1)
    other = int(np.argmax(sizes > 0.1)) if (sizes > 0.1).any() else -1
    x = across[other] / sizes[other] if other >= 0 else np.cross(z, np.eye(3)[int(np.argmin(np.abs(z)))])
    x = x / np.linalg.norm(x)
    return written(moved @ np.array([x, np.cross(z, x), z]).T)
