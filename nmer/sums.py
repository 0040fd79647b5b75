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
    terms: Sequence[Contribution] = (),
    store: str | Path | None = None,
) -> ManyBodyPotential:
    """Return the sum of n-mer potentials over a molecule, with every place where an n-mer occurs.

    Caps are placed on cut bonds, and the forces on them are carried over to the atoms at both ends.

    Parameters
    ----------
    molecule
        A chain by its name (``AceAla9Nme``), SMILES, a file, or what
        `recipes.chemistry.molecules.read_molecule` returns.
    potentials
        The potential of each n-mer by its name (``nmer fragment`` lists them), or its reference in the store
        (``ch-ch3@released``).
    waters
        Water molecules behind the molecule's atoms, O, H, H each: every 1-mer and every water are a dimer, whose
        potential is named ``ch3-water``, ``ch-water``, ``conh-water``. The energies of the waters themselves are
        not in the sum: give them as a term.
    terms
        Energies that are added for the whole: electrostatics, dispersion, repulsion, water.
    store
        Where references are looked up; as for `nmer.load`.

    Returns
    -------
    A potential of the molecule's atoms in the molecule's order, with ``energy``, ``energy_and_gradient``, and
    ``calculator()`` for ASE.

    Raises
    ------
    InputError
        If the molecule cannot be taken apart, potentials are missing (all of them are named), or one has other
        atoms than its n-mer.
    """
    whole = read_molecule(molecule) if isinstance(molecule, str) else molecule
    placements: list[Placement] = []
    for found in fragment_molecule(whole):
        placements += found.placements
        if found.order == 1:
            placements += _with_waters(found.placements, whole.natoms, waters)
    ready = {name: load(p, store) if isinstance(p, str) else p for name, p in potentials.items()}
    return ManyBodyPotential((*whole.symbols, *(waters * WATER)), placements, ready, terms)


def _with_waters(placements: Sequence[Placement], natoms: int, waters: int) -> list[Placement]:
    """Return every dimer of a 1-mer's occurrences and a water molecule."""
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
