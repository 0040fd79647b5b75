"""The potential of a whole molecule from the potentials of its n-mers, with V_phys beneath."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from potentials.errors import InputError
from potentials.evaluation import Contribution
from potentials.physics.periodic.model import CUTOFF
from potentials.pip.potential import Potential
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.placement import Placement
from potentials.systems.system import System
from recipes.chemistry.fragmentation import FoundNMer, fragment_molecule
from recipes.chemistry.molecules import Molecule, read_molecule
from recipes.chemistry.pairs import find_pairs, together
from recipes.chemistry.systems import molecule_of
from tasks.checks.status import with_status
from tasks.sums.choice import check_caps, choose, levels, without_potential
from tasks.sums.of_systems import OWN, physics_of_sum, sum_of_system

WATER = ("O", "H", "H")

MOST_WATERS = 100_000
"""Largest number of water molecules."""


def sum_potential(
    molecule: str | Molecule | System,
    potentials: Mapping[str, Potential | str] | None = None,
    *,
    family: str | None = None,
    waters: int = 0,
    water: str | None = None,
    contributions: Sequence[Contribution] = (),
    store: str | Path | None = None,
    newest: bool = False,
    threads: int = 1,
    cutoff: float = CUTOFF,
) -> ManyBodyPotential:
    """Return the sum of n-mer potentials over all occurrences of the n-mers in a system, with V_phys beneath.

    V = sum of corrections (PIPs) of bonded n-mers and of bodies that are near + V_phys of the whole. V_phys is
    that over which the potentials were fitted; without, they are added up as they are. Caps are placed on cut
    bonds, and the forces on them are distributed over the two atoms of the bond.

    In a system the n-mers of bodies that are not bonded (1-mers with water, waters, pairs of 1-mers of one or of
    two molecules) are found from neighbour lists, each at most at r_out of its switching; molecules may be in any
    order, and of any number. Of a molecule in vacuum all pairs are tried.

    Parameters
    ----------
    molecule
        The name of a chain (``AceAla9Nme``), SMILES, a file, or the result of
        `recipes.chemistry.molecules.read_molecule`: one molecule in vacuum. Or a system, as `nmer.read_system`
        returns it.
    potentials
        The potential of each n-mer, or its reference in the store (``ch-ch3@released``), by the name of the n-mer
        (``nmer fragment`` lists them); names that do not occur in the molecule are left out. Without potentials,
        with `family`, and with `newest`, those that are not given here are the newest versions of the store.
    family
        Name of the family that the n-mers must belong to, for example ``polyalanine``; dimers with water must
        belong to ``polyalanine-water``, waters among themselves to ``water``.
    waters
        Number of water molecules after a molecule's atoms, each as O, H, H. Every 1-mer forms a dimer with every
        water; the potentials are named ``ch3-water``, ``ch-water``, ``conh-water``. The energies of the waters
        among themselves are not in the sum, unless `water` says so: give them as a contribution.
    water
        The model of the waters of a system: ``own``, the default, is made of the potentials ``water``,
        ``water-water`` and ``water-water-water`` over V_phys of everything; ``q-TIP4P/F`` is complete in itself,
        so that V_phys of the waters alone is subtracted; ``none`` leaves their energies to a contribution.
    contributions
        Energies of the whole system to add. In a cell they must have a virial.
    store
        Folder of the store of the references, as for `nmer.load`.
    newest
        Whether the newest versions of the store are taken for n-mers that `potentials` lacks.
    threads
        Number of threads of an evaluation.
    cutoff
        Distance at which dispersion and repulsion of V_phys end in a cell, Angstrom; charges have no end.

    Returns
    -------
    A potential of all atoms in their order, with ``energy``, ``energy_and_gradient``, ``parts``, and
    ``calculator()`` for ASE. The last of its ``remarks`` says whether it is released, and if not, why.

    Raises
    ------
    InputError
        If the molecule cannot be fragmented or has water in it, potentials are missing (all of them are named),
        they were fitted over different V_phys, or the atoms of one differ from those of its n-mer.
    """
    check_waters(waters)
    if isinstance(molecule, System) or water is not None:
        if isinstance(molecule, System) and waters:
            raise InputError(
                f"waters is {waters}, and the system has its own waters; allowed: a system without waters"
            )
        if isinstance(molecule, System):
            atoms, cell = molecule_of(molecule), molecule.cell
        else:
            solute = read_molecule(molecule) if isinstance(molecule, str) else molecule
            atoms, cell = with_waters(solute, waters), None
        made = sum_of_system(
            atoms,
            cell,
            potentials,
            OWN if water is None else water,
            family=family,
            contributions=contributions,
            store=store,
            newest=newest,
            threads=threads,
            cutoff=cutoff,
        )
        return with_status(made, store)
    whole = read_molecule(molecule) if isinstance(molecule, str) else molecule
    found = fragment_molecule(whole)
    if any(one.name == "water" for one in found):
        raise InputError(
            f"molecule '{whole.name}' has water molecules in it; allowed: the molecule without them, and their "
            "number as waters, which then follow its atoms as O, H, H; or a system, as nmer.read_system returns it"
        )
    bonded = [*(p for one in found for p in one.placements), *_with_waters(found, whole.natoms, waters)]
    pairs = find_pairs(whole, found)
    needed, allowed = ([*dict.fromkeys(p.nmer for p in some)] for some in (bonded, pairs))
    ready = choose(
        needed,
        allowed,
        potentials,
        family=family,
        further=("-water",) if waters else (),
        store=store,
        newest=newest,
    )
    for name, place in {p.nmer: p for p in (*bonded, *pairs)}.items():
        if name in ready:
            check_caps(place, ready[name].nmer)
    onemers = [one.name for one in found if one.order == 1]
    system = with_waters(whole, waters)
    over = [p for name, p in ready.items() if name not in onemers] or ready.values()
    physics = physics_of_sum(system, over, range(whole.natoms, system.natoms))
    without = Counter(p.nmer for p in pairs if p.nmer not in ready)
    remarks = levels(ready) + without_potential(without, bool(physics))
    made = ManyBodyPotential(
        system.symbols,
        [*bonded, *(p for p in pairs if p.nmer in ready)],
        ready,
        (*physics, *contributions),
        remarks=remarks,
        onemers=onemers,
        threads=threads,
    )
    return with_status(made, store)


def with_waters(molecule: Molecule, waters: int) -> Molecule:
    """Return a molecule with water molecules after its atoms, without a geometry."""
    n = molecule.natoms
    solvent = [(n + 3 * k, n + 3 * k + h) for k in range(waters) for h in (1, 2)]
    return Molecule(molecule.name, (*molecule.symbols, *(waters * WATER)), (*molecule.bonds, *solvent))


def check_waters(waters: int) -> None:
    """Raise InputError if a number of waters is not from 0 to `MOST_WATERS`."""
    if not 0 <= waters <= MOST_WATERS:
        raise InputError(f"waters is {waters}; allowed: 0 to {MOST_WATERS}")


def _with_waters(found: Sequence[FoundNMer], natoms: int, waters: int) -> list[Placement]:
    """Return the dimers of every occurrence of a 1-mer with every water molecule."""
    solvent = [
        Placement("water", tuple(range(natoms + 3 * n, natoms + 3 * n + 3)), (-1,) * 3, (0.0,) * 3)
        for n in range(waters)
    ]
    ones = (placement for one in found if one.order == 1 for placement in one.placements)
    return [together(f"{one.nmer}-water", one, water) for one in ones for water in solvent]
