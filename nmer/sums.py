"""The potential of a whole molecule from the potentials of its n-mers, with V_phys beneath."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nmer.loading import load
from potentials.errors import InputError
from potentials.evaluation import Contribution
from potentials.nmers.nmer import NMer
from potentials.physics.model import PhysicsPotential
from potentials.physics.parameters import PhysicsParameters
from potentials.pip.potential import Potential
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.placement import Placement
from potentials.systems.subset import Subset
from recipes.chemistry.atom_types import type_molecule
from recipes.chemistry.fragmentation import FoundNMer, fragment_molecule
from recipes.chemistry.molecules import Molecule, read_molecule
from recipes.chemistry.pairs import find_pairs, together
from recipes.families import FAMILIES
from recipes.families import family as members_of
from storage.quality import LABELS
from storage.store import Store

WATER = ("O", "H", "H")

MOST_WATERS = 100_000
"""Largest number of water molecules."""


def sum_potential(
    molecule: str | Molecule,
    potentials: Mapping[str, Potential | str] | None = None,
    *,
    family: str | None = None,
    waters: int = 0,
    contributions: Sequence[Contribution] = (),
    store: str | Path | None = None,
    newest: bool = False,
) -> ManyBodyPotential:
    """Return the sum of n-mer potentials over all occurrences of the n-mers in a molecule, with V_phys beneath.

    V = sum of corrections (PIPs) of bonded n-mers and of pairs that are not bonded + V_phys of the whole. V_phys
    is that over which the potentials were fitted; without, they are added up as they are. Caps are placed on cut
    bonds, and the forces on them are distributed over the two atoms of the bond.

    Parameters
    ----------
    molecule
        The name of a chain (``AceAla9Nme``), SMILES, a file, or the result of
        `recipes.chemistry.molecules.read_molecule`.
    potentials
        The potential of each n-mer, or its reference in the store (``ch-ch3@released``), by the name of the n-mer
        (``nmer fragment`` lists them); names that do not occur in the molecule are left out. Without potentials,
        with `family`, and with `newest`, those that are not given here are the newest versions of the store.
    family
        Name of the family that the n-mers must belong to, for example ``polyalanine``; with `waters`, dimers must
        belong to ``polyalanine-water``.
    waters
        Number of water molecules after the molecule's atoms, each as O, H, H. Every 1-mer forms a dimer with every
        water; the potentials are named ``ch3-water``, ``ch-water``, ``conh-water``. The energies of the waters
        among themselves are not in the sum: give them as a contribution.
    contributions
        Energies of the whole system to add, such as that of the waters.
    store
        Folder of the store of the references, as for `nmer.load`.
    newest
        Whether the newest versions of the store are taken for n-mers that `potentials` lacks.

    Returns
    -------
    A potential of all atoms in the molecule's order, with ``energy``, ``energy_and_gradient``, ``parts``, and
    ``calculator()`` for ASE.

    Raises
    ------
    InputError
        If the molecule cannot be fragmented or has water in it, potentials are missing (all of them are named),
        they were fitted over different V_phys, or the atoms of one differ from those of its n-mer.
    """
    check_waters(waters)
    whole = read_molecule(molecule) if isinstance(molecule, str) else molecule
    found = fragment_molecule(whole)
    if any(one.name == "water" for one in found):
        raise InputError(
            f"molecule '{whole.name}' has water molecules in it; allowed: the molecule without them, and their "
            "number as waters, which then follow its atoms as O, H, H"
        )
    bonded = [*(p for one in found for p in one.placements), *_with_waters(found, whole.natoms, waters)]
    pairs = find_pairs(whole, found)
    needed, allowed = ([*dict.fromkeys(p.nmer for p in some)] for some in (bonded, pairs))
    given: dict[str, Potential | str] = dict(potentials or {})
    if family is not None:
        members = _members(family, waters)
        if strange := [name for name in needed if name not in members]:
            raise InputError(f"n-mers {', '.join(strange)} of the molecule are not in the family '{family}'")
        allowed = [name for name in allowed if name in members]
    if potentials is None or family is not None or newest:
        missing, further = ([name for name in names if name not in given] for names in (needed, allowed))
        given |= _newest(missing, further, store)
    occurring = {p.nmer for p in (*bonded, *pairs)}
    ready = {name: load(p, store) if isinstance(p, str) else p for name, p in given.items() if name in occurring}
    for name, place in {p.nmer: p for p in (*bonded, *pairs)}.items():
        if name in ready:
            _check_caps(place, ready[name].nmer)
    onemers = [one.name for one in found if one.order == 1]
    system = with_waters(whole, waters)
    physics = _physics(system, waters, [p for name, p in ready.items() if name not in onemers] or ready.values())
    remarks = _levels(ready)
    without = Counter(p.nmer for p in pairs if p.nmer not in ready)
    if without:
        beneath = "V_phys alone" if physics else "nothing"
        listed = ", ".join(f"{name} {count}" for name, count in without.items())
        remarks.append(f"pairs that are not bonded and have {beneath}: {listed}")
    return ManyBodyPotential(
        system.symbols,
        [*bonded, *(p for p in pairs if p.nmer in ready)],
        ready,
        (*physics, *contributions),
        remarks=remarks,
        onemers=onemers,
    )


def with_waters(molecule: Molecule, waters: int) -> Molecule:
    """Return a molecule with water molecules after its atoms, without a geometry."""
    n = molecule.natoms
    solvent = [(n + 3 * k, n + 3 * k + h) for k in range(waters) for h in (1, 2)]
    return Molecule(molecule.name, (*molecule.symbols, *(waters * WATER)), (*molecule.bonds, *solvent))


def _levels(potentials: Mapping[str, Potential]) -> list[str]:
    """Return a remark if the labels of the potentials, where that is known, are of different levels."""
    of: dict[str, list[str]] = {}
    for name, potential in potentials.items():
        for remark in potential.remarks:
            if remark.startswith(LABELS):
                of.setdefault(remark.removeprefix(LABELS), []).append(name)
    listed = "; ".join(f"{level} ({', '.join(names)})" for level, names in of.items())
    return [f"labels of different levels: {listed}"] if len(of) > 1 else []


def check_waters(waters: int) -> None:
    """Raise InputError if a number of waters is not from 0 to `MOST_WATERS`."""
    if not 0 <= waters <= MOST_WATERS:
        raise InputError(f"waters is {waters}; allowed: 0 to {MOST_WATERS}")


def _members(family: str, waters: int) -> tuple[str, ...]:
    """Return the members of a family, and with waters those of its dimers with water."""
    dimers = f"{family}-water"
    return (*members_of(family), *(members_of(dimers) if waters and dimers in FAMILIES else ()))


def _newest(needed: Sequence[str], allowed: Sequence[str], store: str | Path | None) -> dict[str, str]:
    """Return references to the newest potentials of a store, of those that are needed and those that are there."""
    opened = Store(store)
    there = {version.nmer: version.ref for version in opened.versions("potential")}  # the newest last
    if missing := [name for name in needed if name not in there]:
        raise InputError(f"the store at '{opened.path}' has no potentials of {', '.join(missing)}")
    return {name: there[name] for name in (*needed, *allowed) if name in there}


def _check_caps(place: Placement, nmer: NMer) -> None:
    """Raise InputError unless an n-mer has its caps where bonds are cut, or says nothing of caps.

    CH3- and -CH- have the same elements in the same order, and other caps; n-mers of files have none.
    """
    cut = {n: place.atoms.index(anchor) for n, anchor in enumerate(place.anchors) if anchor >= 0}
    caps = {cap: anchor for cap, anchor, _ in nmer.caps}
    if len(nmer.symbols) == len(place.atoms) and caps and caps != cut:
        given, wanted = (", ".join(map(str, sorted(each))) or "none" for each in (caps, cut))
        raise InputError(
            f"the potential of n-mer {place.nmer} has caps in place of its atoms {given}; the molecule has cut "
            f"bonds at {wanted}"
        )


def _physics(system: Molecule, waters: int, potentials: Iterable[Potential]) -> list[Contribution]:
    """Return V_phys of a system whose last molecules are waters; nothing if no potential was fitted over it."""
    sets: dict[str, PhysicsParameters] = {
        p.physics.parameters.digest: p.physics.parameters for p in potentials if p.physics is not None
    }
    if not sets:
        return []
    parameters = next(iter(sets.values()))  # the sum refuses several
    typed, topology = type_molecule(system)
    whole = PhysicsPotential(system.symbols, topology, typed.types, parameters)
    if not waters:
        return [whole]
    # the energy of the waters among themselves is that of the water model, which is complete
    atoms = range(system.natoms - 3 * waters, system.natoms)
    alone = PhysicsPotential(waters * WATER, topology.part(atoms), [typed.types[a] for a in atoms], parameters)
    return [whole, Subset(alone, atoms, -1.0, "V_phys of the waters alone")]


def _with_waters(found: Sequence[FoundNMer], natoms: int, waters: int) -> list[Placement]:
    """Return the dimers of every occurrence of a 1-mer with every water molecule."""
    solvent = [
        Placement("water", tuple(range(natoms + 3 * n, natoms + 3 * n + 3)), (-1,) * 3, (0.0,) * 3)
        for n in range(waters)
    ]
    ones = (placement for one in found if one.order == 1 for placement in one.placements)
    return [together(f"{one.nmer}-water", one, water) for one in ones for water in solvent]
