"""Where an n-mer of a recipe occurs in a molecule, by its atoms, bonds and caps; its name does not matter."""

from __future__ import annotations

from potentials.errors import InputError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.systems.placement import Placements
from recipes.chemistry.fragmentation import FoundNMer, fragment_molecule
from recipes.chemistry.molecules import Molecule
from recipes.chemistry.pairs import find_pairs, pair_name


def occurrences(nmer: NMer, molecule: Molecule) -> Placements:
    """Return where a covalent n-mer, or a pair of 1-mers that are not bonded to each other, occurs in a molecule.

    Parameters
    ----------
    nmer
        One fragment, or two that are 1-mers of the molecule.
    molecule
        The molecule; its geometry is not read.

    Raises
    ------
    InputError
        If the molecule does not contain the n-mer, or there are three fragments.
    """
    problem = f"molecule '{molecule.name}' does not contain '{nmer.name}'"
    found = fragment_molecule(molecule)
    same = [next((one for one in found if _is(one, fragment)), None) for fragment in nmer.fragments]
    for one, fragment in zip(same, nmer.fragments, strict=True):
        if one is None or (len(same) > 1 and one.order > 1):
            what = "n-mers" if len(same) == 1 else "1-mers"
            raise InputError(f"{problem}: '{fragment.name}' is none of its {what}")
    if len(same) > 2:
        raise InputError(f"{problem}: an n-mer of {len(same)} fragments is not cut from molecules")
    names = [one.name for one in same if one is not None]
    if len(names) == 1:
        placements = next(one for one in found if one.name == names[0]).placements
        return Placements.of(placements)
    pairs = [p for p in find_pairs(molecule, found) if p.nmer == pair_name(*names)]
    if not pairs:
        raise InputError(f"{problem}: its 1-mers are too near to each other along the molecule to be a pair")
    first = nmer.fragments[int(names[0] > names[1])].natoms  # a pair's 1-mers stand in the order of their names
    columns = list(range(nmer.natoms))
    return Placements.of(pairs).columns(columns[first:] + columns[:first] if names[0] > names[1] else columns)


def _is(found: FoundNMer, fragment: Fragment) -> bool:
    """Return whether an n-mer of a molecule and a fragment of a recipe are the same, atom by atom."""
    bare = found.skeleton
    same = (fragment.symbols, tuple(sorted(fragment.bonds)), tuple(sorted(fragment.caps)))
    return same == (bare.symbols, bare.bonds, bare.caps)
