"""The potential of a system: bonded n-mers, n-mers of near bodies, V_phys of everything, and a model of water."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np

from potentials.arrays import Ints
from potentials.errors import InputError
from potentials.evaluation import Contribution
from potentials.physics.model import PhysicsPotential
from potentials.physics.periodic.model import CUTOFF, PeriodicPhysics
from potentials.pip.potential import Potential
from potentials.systems.cell import Cell
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.near import Near, NearKind
from potentials.systems.placement import Placements
from potentials.systems.subset import Subset
from potentials.systems.system import check_width
from potentials.water.model import WATER_MODELS, water_model
from recipes.chemistry.copies import SystemNMers, fragment_system, type_system
from recipes.chemistry.molecules import Molecule
from recipes.chemistry.pairs import pair_name
from tasks.sums.choice import check_caps, check_there, choose, levels, without_potential

WATER = "water"
"""Name of the 1-mer."""

OWN = "own"
"""The model of water made of the potentials of one, two and three waters."""

NONE = "none"
"""No energy of the waters among themselves: it is given as a contribution."""


def sum_of_system(
    molecule: Molecule,
    cell: Cell | None,
    potentials: Mapping[str, Potential | str] | None,
    water: str,
    *,
    family: str | None = None,
    contributions: Sequence[Contribution] = (),
    store: str | Path | None = None,
    newest: bool = False,
    threads: int = 1,
    cutoff: float = CUTOFF,
) -> ManyBodyPotential:
    """Return the sum of a system; see `nmer.sum_potential`.

    Parameters
    ----------
    molecule
        Its atoms and bonds.
    cell
        Its cell.
    """
    if water not in (allowed := (OWN, *WATER_MODELS, NONE)):
        raise InputError(f"water is '{water[:40]}'; allowed: {', '.join(allowed)}")
    found = fragment_system(molecule)
    ones = {one.name: Placements.of(one.placements) for one in found.nmers if one.order == 1}
    own = water == OWN
    kinds, pairs, missing_pairs = _kinds(ones, found, own)
    bonded = [one for one in found.nmers if own or one.name != WATER]
    needed = [*(one.name for one in bonded), *kinds]
    ready = choose(
        needed,
        list(pairs),
        potentials,
        family=family,
        further=("-water", WATER) if WATER in ones else (),
        store=store,
        newest=newest,
    )
    check_there(needed, ready)
    kinds |= {name: bodies for name, bodies in pairs.items() if name in ready}
    near = Near(ones, tuple(_kind(name, bodies, ready[name], found) for name, bodies in kinds.items()))
    for kind in near.kinds:
        check_width(cell, kind.switching.r_out, f"n-mer {kind.nmer}")
    ready = {name: ready[name] for name in (*(one.name for one in bonded), *kinds)}
    for place in (*(one.placements[0] for one in bonded), *(near.example(kind) for kind in near.kinds)):
        check_caps(place, ready[place.nmer].nmer)
    onemers = [one.name for one in found.nmers if one.order == 1]
    beneath = physics_of_sum(
        molecule,
        [p for name, p in ready.items() if name not in onemers] or list(ready.values()),
        () if own or WATER not in ones else [int(a) for a in ones[WATER].atoms.ravel()],
        cell,
        cutoff,
        max(1, threads // 2),  # beside the other half, which evaluates n-mers and water
    )
    remarks = levels(ready) + without_potential(
        {name: count for name, count in missing_pairs.items() if name not in ready}, bool(beneath)
    )
    if WATER in ones and water == NONE:
        remarks.append("the energies of the waters among themselves, and within each, are not in the sum")
    return ManyBodyPotential(
        molecule.symbols,
        [place for one in bonded for place in one.placements],
        ready,
        (*_water(water, ones, molecule.natoms, cell), *beneath, *contributions),
        remarks=remarks,
        onemers=onemers,
        near=near if near.kinds else None,
        cell=cell,
        bonds=molecule.bonds,
        threads=threads,
    )


def _kinds(
    ones: Mapping[str, Placements], found: SystemNMers, own: bool
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]], dict[str, int]]:
    """Return the bodies of n-mers that are needed, those of pairs of 1-mers, and the number of such pairs."""
    groups = [name for name in ones if name != WATER]
    waters = len(ones[WATER].atoms) if WATER in ones else 0
    needed: dict[str, tuple[str, ...]] = {f"{one}-{WATER}": (one, WATER) for one in groups if waters}
    for bodies in (2, 3) if own else ():
        if waters >= bodies:
            needed["-".join([WATER] * bodies)] = (WATER,) * bodies
    pairs: dict[str, tuple[str, ...]] = {}
    counts: dict[str, int] = {}
    for one, other in combinations_with_replacement(sorted(groups), 2):
        name, n, m = pair_name(one, other), len(ones[one].atoms), len(ones[other].atoms)
        count = (n * (n - 1) // 2 if one == other else n * m) - len(found.forbidden.get(name, ()))
        if count:
            pairs[name], counts[name] = (one, other), count
    return needed, pairs, counts


def _kind(name: str, bodies: tuple[str, ...], potential: Potential, found: SystemNMers) -> NearKind:
    if potential.switching is None:
        raise InputError(
            f"the potential of n-mer {name} has no switching, so that it reaches everywhere; allowed in a system: "
            "one fitted with fitting.switching"
        )
    none: Ints = np.empty((0, 2), dtype=np.int64)
    return NearKind(name, bodies, potential.switching, found.forbidden.get(name, none))


def physics_of_sum(
    molecule: Molecule,
    potentials: Iterable[Potential],
    without: Sequence[int] = (),
    cell: Cell | None = None,
    cutoff: float = CUTOFF,
    threads: int = 1,
) -> list[Contribution]:
    """Return V_phys of all atoms minus that of some alone; nothing if no potential was fitted over it.

    Parameters
    ----------
    molecule
        All atoms and bonds.
    potentials
        The first that was fitted over V_phys has the parameters; a sum refuses several.
    without
        Atoms whose energy among themselves is that of a water model, which is complete.
    cell, cutoff, threads
        See `sum_of_system`.
    """
    parameters = next((p.physics.parameters for p in potentials if p.physics is not None), None)
    if parameters is None:
        return []
    typed, topology = type_system(molecule)
    given = molecule.symbols, topology, typed.types, parameters
    if cell is not None:
        return [PeriodicPhysics(*given, np.array(cell.vectors), cutoff, without=without, threads=threads)]
    whole = PhysicsPotential(*given)
    if not without:
        return [whole]
    symbols, types = [molecule.symbols[a] for a in without], [typed.types[a] for a in without]
    alone = PhysicsPotential(symbols, topology.part(without), types, parameters)
    return [whole, Subset(alone, without, -1.0, "V_phys of the waters alone")]


def _water(water: str, ones: Mapping[str, Placements], natoms: int, cell: Cell | None) -> list[Contribution]:
    """Return the model of the waters, if it is one that is complete in itself."""
    if water in (OWN, NONE) or WATER not in ones:
        return []
    return [water_model(water, ones[WATER].atoms, natoms, cell)]
