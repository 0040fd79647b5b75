"""A starting geometry of a capped n-mer, from its atoms and bonds alone."""

from __future__ import annotations

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
    mol = _with_methyls(symbols, bonds, caps)
    positions = embed(mol, "".join(symbols), SEED)[: len(symbols)]
    for cap in caps:
        (anchor,) = (j if i == cap else i for i, j in bonds if cap in (i, j))
        positions[cap] = place_cap(positions[anchor], positions[cap], CAP_LENGTHS[symbols[anchor]])
    first = min((j if i == 0 else i for i, j in bonds if 0 in (i, j)), default=0)
    return written(oriented(positions, first))


def written(positions: Floats) -> Geometry:
    """Return positions rounded as in a recipe."""
    placed = np.round(positions, DECIMALS) + 0.0  # no -0.0
    return tuple((float(x), float(y), float(z)) for x, y, z in placed)


def _with_methyls(symbols: tuple[str, ...], bonds: tuple[tuple[int, int], ...], caps: tuple[int, ...]) -> Any:
    """Return an rdkit molecule: the n-mer's atoms, a carbon for each cap, then the hydrogens of these carbons."""
    from rdkit import Chem

    editable = Chem.RWMol()
    for number, symbol in enumerate(symbols):
        atom = Chem.Atom("C" if number in caps else symbol)
        atom.SetNoImplicit(number not in caps)
        editable.AddAtom(atom)
    oxygens = {n for n, s in enumerate(symbols) if s == "O" and sum(n in bond for bond in bonds) == 1}
    for i, j in bonds:
        double = (i in oxygens) != (j in oxygens)
        editable.AddBond(i, j, Chem.BondType.DOUBLE if double else Chem.BondType.SINGLE)
    mol = editable.GetMol()
    Chem.SanitizeMol(mol)
    return Chem.AddHs(mol)


def oriented(positions: Floats, first: int) -> Floats:
    """Return positions with atom 0 at the origin and another on z; `first` is that other, 0 for none."""
    moved = positions - positions[0]
    if not first:
        return np.asarray(moved)
    z = moved[first] / np.linalg.norm(moved[first])
    across = moved - np.outer(moved @ z, z)
    sizes = np.linalg.norm(across, axis=1)
    other = int(np.argmax(sizes > 0.1)) if (sizes > 0.1).any() else -1
    x = across[other] / sizes[other] if other >= 0 else np.cross(z, np.eye(3)[int(np.argmin(np.abs(z)))])
    x = x / np.linalg.norm(x)
    return np.asarray(moved @ np.array([x, np.cross(z, x), z]).T)
