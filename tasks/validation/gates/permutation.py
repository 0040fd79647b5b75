"""Gate ``permutation``: the energy is the same when equivalent atoms or identical fragments are exchanged."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.pip.potential import Potential
from tasks.validation.gates.interface import EVALUATION, Gate, largest

MIXED = 5
"""Random exchanges, beside those that generate all others."""


def exchanges(nmer: NMer) -> list[Ints]:
    """Return permutations of the atoms that generate all that leave an n-mer unchanged.

    They are swaps of atoms of one letter within a fragment, and of whole fragments that carry the same letters or
    are the same molecule, whatever letters their atoms were given.
    """
    classes, identity, found = np.array(nmer.classes), np.arange(nmer.natoms), []
    for part in nmer.slices:
        for letter in dict.fromkeys(classes[part]):
            atoms = identity[part][classes[part] == letter]
            found += [_swapped(identity, atoms[n : n + 1], atoms[n + 1 : n + 2]) for n in range(len(atoms) - 1)]
    for one, other in combinations(range(len(nmer.slices)), 2):
        first, second = nmer.slices[one], nmer.slices[other]
        alike = classes[first].tolist() == classes[second].tolist()
        if alike or _molecule(nmer.fragments[one]) == _molecule(nmer.fragments[other]):
            found.append(_swapped(identity, identity[first], identity[second]))
    return found


def _molecule(fragment: Fragment) -> tuple[object, ...]:
    """Return what identifies the molecule of a fragment, with its atoms in their order."""
    bonds = sorted(tuple(sorted(bond)) for bond in fragment.bonds)
    return fragment.symbols, bonds, sorted(fragment.caps), fragment.charge


def _swapped(identity: Ints, first: Ints, second: Ints) -> Ints:
    order = identity.copy()
    order[first], order[second] = second, first
    return order


def permutation_error(potential: Potential, positions: Floats) -> float:
    """Return the largest energy change when equivalent atoms or identical fragments are exchanged (kcal/mol).

    Every exchange that generates the group is tried, and some random products of them.
    """
    rng = np.random.default_rng(0)
    generators = exchanges(potential.nmer)
    tried = list(generators)
    for _ in range(MIXED if generators else 0):
        order = np.arange(potential.nmer.natoms)
        for number in rng.integers(len(generators), size=4 * len(generators)):
            order = order[generators[number]]
        tried.append(order)
    reference = np.asarray(potential.energy(positions))
    return max((largest(potential.energy(positions[:, order]) - reference) for order in tried), default=0.0)


GATE = Gate(
    name="permutation",
    title="largest energy change when equivalent atoms or identical fragments are exchanged (kcal/mol)",
    measure=lambda candidate: permutation_error(candidate.potential, candidate.probes),
    limit=1e-9,
    absent=None,
    advise=lambda candidate: f"{EVALUATION}, unless nmer.symmetry gives equivalent atoms different letters",
    order=3,
)
