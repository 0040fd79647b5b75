"""Errors of the sum for chains of alanine against GFN2-xTB of the whole molecule, kcal/mol.

With exact n-mer energies (GFN2-xTB itself) and, where a store with GFN2-xTB labels is given, with the fitted
potentials: standard deviations over conformations, and the alpha helix against the extended chain. ``python -m
benchmarks chains --store PATH``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers

import nmer
from potentials.arrays import Floats
from potentials.physics.model import PhysicsPotential
from potentials.physics.nbody import PhysicsOfNMer
from potentials.physics.parameters import PhysicsParameters
from potentials.systems.placement import Placement, Placements
from potentials.units import HARTREE
from recipes.chemistry.atom_types import type_molecule
from recipes.chemistry.fragmentation import FoundNMer, fragment_molecule
from recipes.chemistry.molecules import Molecule, read_molecule
from recipes.chemistry.pairs import find_pairs
from recipes.load import load_recipe
from storage.physics import load_physics
from storage.store import Store
from tasks.checks.helix import chain_conformations, fold_errors
from tasks.xtb import total_energy

PAIR = "conh-conh-pair"

CHAINS = {"AceAla3Nme": 40, "AceAla9Nme": 14}
"""Chains and how many conformations of each."""


def figures(store: str | None = None) -> dict[str, float]:
    """Return the errors by chain; with the path of a store, those of its fitted potentials as well."""
    opened = None if store is None else Store(Path(store))
    parameters = load_physics(opened, "physics:polyalanine-gfn2-xtb")
    found: dict[str, float] = {}
    for name, count in CHAINS.items():
        molecule = read_molecule(name)
        names, positions = chain_conformations(molecule, count)
        whole = gfn2(molecule.symbols, positions)
        for label, energy in exact(molecule, positions, parameters).items():
            found |= _errors(f"{name}_{label}", energy - whole, names)
        if store is not None:
            model = nmer.sum_potential(name, family="polyalanine", store=store)
            found |= _errors(f"{name}_fitted", np.asarray(model.energy(positions)) - whole, names)
    return {name: round(value, 3) for name, value in found.items()}


def _errors(name: str, error: Floats, folds: Sequence[str]) -> dict[str, float]:
    found = fold_errors(error, folds)
    return {f"{name}_{key}": found[of] for key, of in (("sd", "sd"), ("largest", "largest"), ("helix", "alpha"))}


def exact(molecule: Molecule, positions: Floats, parameters: PhysicsParameters) -> dict[str, Floats]:
    """Return the sum of exact n-mer energies: connected, with V_phys, with pairs as well; (n,), kcal/mol."""
    typed, topology = type_molecule(molecule)
    physics = PhysicsPotential(molecule.symbols, topology, typed.types, parameters)
    found = fragment_molecule(molecule)
    connected, beneath = np.zeros(len(positions)), np.zeros(len(positions))
    bodies: dict[frozenset[int], Floats] = {}
    for one in found:  # smaller ones first
        for placement in one.placements:
            placed = Placements.of([placement]).positions(positions)[:, 0]
            own = gfn2(one.skeleton.symbols, placed)
            atoms = _real(placement)
            bodies[atoms] = own - sum(energy for other, energy in bodies.items() if other < atoms)
            connected += bodies[atoms]
            beneath += _physics(one, placement, typed.types, parameters, placed)
    corrected = connected - beneath + np.asarray(physics.energy(positions))
    with_pairs = corrected.copy()
    pair = load_recipe(PAIR).build_nmer()
    for placement in find_pairs(molecule, found):
        if placement.nmer == PAIR:
            placed = Placements.of([placement]).positions(positions)[:, 0]
            types = _types(placement, typed.types)
            with_pairs -= np.asarray(PhysicsOfNMer(pair, types, parameters).energy(placed))
            with_pairs += gfn2(pair.symbols, placed)
            for part in pair.slices:
                with_pairs -= gfn2(pair.symbols[part], placed[:, part])
    return {"connected": connected, "over_vphys": corrected, "with_pairs": with_pairs}


def _real(placement: Placement) -> frozenset[int]:
    return frozenset(a for a, anchor in zip(placement.atoms, placement.anchors, strict=True) if anchor < 0)


def _types(placement: Placement, types: Sequence[str]) -> tuple[str, ...]:
    places = zip(placement.atoms, placement.anchors, strict=True)
    return tuple("" if anchor >= 0 else types[atom] for atom, anchor in places)


def _physics(
    one: FoundNMer, placement: Placement, types: Sequence[str], parameters: PhysicsParameters, placed: Floats
) -> Floats:
    return np.asarray(PhysicsOfNMer(one.nmer, _types(placement, types), parameters).energy(placed))


def gfn2(symbols: Sequence[str], positions: Floats) -> Floats:
    """Return GFN2-xTB's energies of (n, atoms, 3) in Angstrom, (n,), kcal/mol."""
    numbers = np.array([atomic_numbers[s] for s in symbols])
    return HARTREE * np.array([total_energy(numbers, x, 0, 1e-8) for x in positions])
