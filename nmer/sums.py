"""The potential of a whole molecule from the potentials of its n-mers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nmer.loading import load
from potentials.evaluation import Contribution
from potentials.pip.potential import Potential
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.placement import Placement
from recipes.chemistry.fragmentation import fragment_molecule
from recipes.chemistry.molecules import Molecule, read_molecule

WATER = ("O", "H", "H")


def sum_potential(
    molecule: str | Molecule,
    potentials: Mapping[str, Potential | str],
    *,
    waters: int = 0,
    contributions: Sequence[Contribution] = (),
    store: str | Path | None = None,
) -> ManyBodyPotential:
    """Return the sum of n-mer potentials over all occurrences of the n-mers in a molecule.

    Caps are placed on cut bonds, and the forces on them are distributed over the two atoms of the bond.

    Parameters
    ----------
    molecule
        The name of a chain (``AceAla9Nme``), SMILES, a file, or the result of
        `recipes.chemistry.molecules.read_molecule`.
    potentials
        The potential of each n-mer, or its reference in the store (``ch-ch3@released``), by the name of the n-mer
        (``nmer fragment`` lists them).
    waters
        Number of water molecules after the molecule's atoms, each as O, H, H. Every 1-mer forms a dimer with every
        water; the potentials are named ``ch3-water``, ``ch-water``, ``conh-water``. The energies of the waters
        themselves are not in the sum: give them as a contribution.
    contributions
        Energies of the whole system to add: electrostatics, dispersion, repulsion, water.
    store
        The store of the references, as for `nmer.load`.

    Returns
    -------
    A potential of all atoms in the molecule's order, with ``energy``, ``energy_and_gradient``, and
    ``calculator()`` for ASE.

    Raises
    ------
    InputError
        If the molecule cannot be fragmented, potentials are missing (all of them are named), or the atoms of one
        differ from those of its n-mer.
    """
    whole = read_molecule(molecule) if isinstance(molecule, str) else molecule
    placements: list[Placement] = []
    for found in fragment_molecule(whole):
        placements += found.placements
        if found.order == 1:
            placements += _with_waters(found.placements, whole.natoms, waters)
    ready = {name: load(p, store) if isinstance(p, str) else p for name, p in potentials.items()}
    return ManyBodyPotential((*whole.symbols, *(waters * WATER)), placements, ready, contributions)


def _with_waters(placements: Sequence[Placement], natoms: int, waters: int) -> list[Placement]:
    """Return the dimers of every occurrence of a 1-mer with every water molecule."""
    found = []
    for one in placements:
        for number in range(waters):
            atoms = tuple(range(natoms + 3 * number, natoms + 3 * number + 3))
            found.append(
                Placement(
                    f"{one.nmer}-water",
                    (*one.atoms, *atoms),
                    (*one.anchors, -1, -1, -1),
                    (*one.lengths, 0.0, 0.0, 0.0),
                )
            )
    return found
