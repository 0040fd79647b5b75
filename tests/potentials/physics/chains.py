"""V_phys of molecules with plausible parameters."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.spatial.transform import Rotation

from potentials.physics.model import PhysicsPotential
from potentials.physics.parameters import PhysicsParameters
from recipes.chemistry.atom_types import type_molecule
from recipes.chemistry.molecules import Molecule, read_molecule

OF_ELEMENT = {
    "H": (0.45, 31.0, 1.8, 0.0157, 0.6),
    "C": (1.37, 330.0, 2.0, 0.1, 1.9),
    "N": (1.0, 210.0, 1.95, 0.17, 1.8),
    "O": (0.79, 170.0, 1.9, 0.21, 1.66),
}
"""Polarizability, C6, van der Waals radius, depth and half distance of the repulsion."""

OF_TYPE = {
    "ch3:C": -0.3, "ch3:H": 0.1, "ch:C": -0.1, "ch:H": 0.1, "conh:C": 0.6, "conh:O": -0.6, "conh:N": -0.4,
    "conh:H": 0.4, "water:O": -0.66, "water:H": 0.33,
}  # fmt: skip
"""Charges, every 1-mer neutral."""


def parameters(types: tuple[str, ...], **changed: float) -> PhysicsParameters:
    """Return plausible numbers of each type; with names of columns, these numbers for all of them."""
    types = tuple(sorted(set(types)))
    names = [f"{t.split('@')[0].split(':')[0]}:{t.split(':')[1]}" for t in types]
    alpha, c6, radius, depth, half = np.array([OF_ELEMENT[n[-1]] for n in names]).T
    columns = {
        "charge": np.array([OF_TYPE[n] for n in names]), "polarizability": alpha, "c6": c6,
        "dispersion_polarizability": alpha, "vdw_radius": radius, "epsilon": depth, "rmin_half": half,
    }  # fmt: skip
    tholes = {name: value for name, value in changed.items() if name not in columns}
    columns |= {name: np.full(len(types), value) for name, value in changed.items() if name in columns}
    return PhysicsParameters(types, **columns, **tholes)


@cache
def embedded(name: str) -> Molecule:
    return read_molecule(name).embedded()


def model(name: str, **changed: float) -> tuple[PhysicsPotential, np.ndarray]:
    """Return V_phys of a molecule and its geometry (atoms, 3)."""
    molecule = embedded(name)
    typed, topology = type_molecule(molecule)
    found = PhysicsPotential(molecule.symbols, topology, typed.types, parameters(typed.types, **changed))
    return found, np.array(molecule.positions)


def in_water(name: str, waters: int, **changed: float) -> tuple[PhysicsPotential, np.ndarray]:
    """Return V_phys of a molecule among waters on a grid of 3.2 A, each turned at random, and the geometry."""
    solute, water = embedded(name), embedded("O")
    places = np.array(solute.positions) - np.mean(solute.positions, axis=0)
    one = np.array(water.positions) - water.positions[0]
    grid = 3.2 * np.stack(np.meshgrid(*[np.arange(-12, 13)] * 3, indexing="ij"), -1).reshape(-1, 3)
    free = grid[np.linalg.norm(grid[:, None] - places[None, :], axis=2).min(axis=1) > 3.0]
    centres = free[np.argsort(np.linalg.norm(free, axis=1), kind="stable")[:waters]]
    turns = Rotation.random(waters, rng=np.random.default_rng(3)).as_matrix()
    positions = np.concatenate(
        [places, *(centre + one @ turn for centre, turn in zip(centres, turns, strict=True))]
    )
    bonds = [(solute.natoms + 3 * n + i, solute.natoms + 3 * n + j) for n in range(waters) for i, j in water.bonds]
    whole = Molecule("", solute.symbols + waters * water.symbols, (*solute.bonds, *bonds))
    typed, topology = type_molecule(whole)
    return PhysicsPotential(whole.symbols, topology, typed.types, parameters(typed.types, **changed)), positions
