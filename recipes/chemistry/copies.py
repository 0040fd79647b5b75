"""The n-mers and the types of a system, where identical molecules are divided once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from potentials.arrays import Ints
from potentials.graph import members
from potentials.physics.topology import Topology
from potentials.systems.placement import Placement
from potentials.systems.system import System
from recipes.chemistry.atom_types import TypedAtoms, type_molecule
from recipes.chemistry.fragmentation import FoundNMer, fragment_molecule
from recipes.chemistry.molecules import Molecule
from recipes.chemistry.onemers import ONE_MERS, OneMer
from recipes.chemistry.pairs import forbidden_pairs


@dataclass(frozen=True, eq=False)
class Copies:
    """Molecules with the same atoms and bonds in the same order.

    Attributes
    ----------
    molecule
        One of them, named by its formula.
    places
        (copies, atoms), the system's atoms of each.
    """

    molecule: Molecule
    places: Ints


@dataclass(frozen=True, eq=False)
class SystemNMers:
    """The bonded n-mers of a system.

    Attributes
    ----------
    nmers
        Each distinct one with all its occurrences.
    forbidden
        For each pair of kinds of 1-mers that are not bonded, by the name of the pair: (pairs, 2), those that are
        too near along one molecule, as numbers among the occurrences of their 1-mers.
    """

    nmers: tuple[FoundNMer, ...]
    forbidden: dict[str, Ints]


def copies_of(system: Molecule | System) -> tuple[Copies, ...]:
    """Return the distinct molecules of a system in the order of their first occurrence."""
    place = np.empty(system.natoms, dtype=np.int64)
    owner = np.empty(system.natoms, dtype=np.int64)
    molecules = members(system.natoms, system.bonds)
    for number, atoms in enumerate(molecules):
        place[list(atoms)], owner[list(atoms)] = np.arange(len(atoms)), number
    bonds: list[list[tuple[int, int]]] = [[] for _ in molecules]
    for i, j in system.bonds:
        bonds[owner[i]].append((int(place[i]), int(place[j])))
    found: dict[tuple[tuple[str, ...], tuple[tuple[int, int], ...]], list[tuple[int, ...]]] = {}
    for atoms, joined in zip(molecules, bonds, strict=True):
        found.setdefault((tuple(system.symbols[a] for a in atoms), tuple(joined)), []).append(atoms)
    return tuple(
        Copies(Molecule(formula(symbols), symbols, joined), np.array(places, dtype=np.int64))
        for (symbols, joined), places in found.items()
    )


def formula(symbols: Sequence[str]) -> str:
    """Return the formula of a molecule in Hill's order: C, H, then the other elements by name."""
    counts = Counter(symbols)
    first = [s for s in ("C", "H") if s in counts] if "C" in counts else []
    return "".join(f"{s}{counts[s] if counts[s] > 1 else ''}" for s in [*first, *sorted(set(counts) - set(first))])


def fragment_system(system: Molecule | System, one_mers: Sequence[OneMer] = ONE_MERS) -> SystemNMers:
    """Return the distinct n-mers of a system's molecules, up to three bonded 1-mers, and where each occurs.

    Parameters
    ----------
    system
        The system, or its atoms and bonds.
    one_mers
        The kinds of 1-mer.

    Raises
    ------
    InputError
        If the 1-mers do not cover a molecule.
    """
    copies = copies_of(system)
    whole, starts = _side_by_side(system.name, copies)
    kind = np.repeat(np.arange(len(copies)), [one.molecule.natoms for one in copies])

    def everywhere(place: Placement) -> list[Placement]:
        number = int(kind[place.atoms[0]])
        columns = np.array(place.atoms) - starts[number]
        anchors = np.array([a - starts[number] if a >= 0 else -1 for a in place.anchors])
        atoms = copies[number].places[:, columns]
        ends = np.where(anchors < 0, -1, copies[number].places[:, anchors])
        return [
            Placement(place.nmer, tuple(map(int, a)), tuple(map(int, b)), place.lengths)
            for a, b in zip(atoms, ends, strict=True)
        ]

    found = fragment_molecule(whole, one_mers)
    nmers = tuple(replace(n, placements=tuple(p for one in n.placements for p in everywhere(one))) for n in found)
    counts = [len(one.places) for one in copies]
    begins = {  # where the copies of each occurrence in `whole` begin among all
        n.name: np.cumsum([0, *(counts[kind[p.atoms[0]]] for p in n.placements)]) for n in found
    }
    forbidden: dict[str, list[Ints]] = {}
    for name, (one, i), (other, j) in forbidden_pairs(whole, found):
        count = counts[kind[next(n for n in found if n.name == one).placements[i].atoms[0]]]
        rows = np.arange(count)[:, None] + np.array([begins[one][i], begins[other][j]])
        forbidden.setdefault(name, []).append(rows.astype(np.int64))
    return SystemNMers(nmers, {name: np.concatenate(rows) for name, rows in forbidden.items()})


def type_system(system: Molecule | System, one_mers: Sequence[OneMer] = ONE_MERS) -> tuple[TypedAtoms, Topology]:
    """Return the types of a system's atoms and the topology of V_phys; see `type_molecule`."""
    types = np.empty(system.natoms, dtype=object)
    local, counts = np.empty(system.natoms, dtype=np.int64), np.zeros(system.natoms, dtype=np.int64)
    for one in copies_of(system):
        typed, _ = type_molecule(one.molecule, one_mers)
        types[one.places] = np.array(typed.types, dtype=object)
        local[one.places] = typed.onemers
        counts[one.places] = max(typed.onemers) + 1
    onemers, first = np.empty(system.natoms, dtype=np.int64), 0
    for atoms in members(system.natoms, system.bonds):
        chosen = list(atoms)
        onemers[chosen] = first + local[chosen]
        first += int(counts[chosen[0]])
    found = TypedAtoms(tuple(str(t) for t in types), tuple(int(n) for n in onemers))
    return found, Topology(system.natoms, system.bonds, found.onemers)


def _side_by_side(name: str, copies: Sequence[Copies]) -> tuple[Molecule, list[int]]:
    """Return one of each distinct molecule as a single `Molecule`, and where the atoms of each begin."""
    starts = [int(n) for n in np.cumsum([0, *(one.molecule.natoms for one in copies)])]
    symbols = tuple(s for one in copies for s in one.molecule.symbols)
    bonds = tuple(
        (start + i, start + j)
        for start, one in zip(starts[:-1], copies, strict=True)
        for i, j in one.molecule.bonds
    )
    return Molecule(name, symbols, bonds), starts
