"""Molecules among waters in periodic cells, with plausible parameters."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from potentials.physics.topology import Topology
from recipes.chemistry.atom_types import type_molecule
from recipes.chemistry.molecules import Molecule
from tests.potentials.physics.chains import embedded


def box(
    solute: str, waters: int, vectors: np.ndarray, seed: int = 3
) -> tuple[tuple[str, ...], Topology, tuple[str, ...], np.ndarray]:
    """Return symbols, topology, types and positions of a molecule ("" for none) and waters turned at random."""
    rng = np.random.default_rng(seed)
    water = embedded("O")
    one = np.array(water.positions) - water.positions[0]
    places = np.zeros((0, 3))
    symbols: tuple[str, ...] = ()
    bonds: list[tuple[int, int]] = []
    if solute:
        molecule = embedded(solute)
        places = np.array(molecule.positions) - np.mean(molecule.positions, axis=0) + vectors.sum(axis=0) / 2
        symbols, bonds = molecule.symbols, list(molecule.bonds)
    lengths = np.linalg.norm(vectors, axis=1)
    counts = np.maximum(1, np.floor(lengths / 2.75)).astype(int)
    grid = np.stack(np.meshgrid(*[np.arange(c) / c for c in counts], indexing="ij"), -1).reshape(-1, 3)
    apart = grid[:, None] - places @ np.linalg.inv(vectors)
    far = np.linalg.norm((apart - np.rint(apart)) @ vectors, axis=2).min(axis=1, initial=np.inf)
    free = grid[far > 2.4]
    centres = free[rng.permutation(len(free))[:waters]] @ vectors
    assert len(centres) == waters, (len(free), waters)
    turns = Rotation.random(waters, rng=rng).as_matrix()
    first = len(symbols)
    bonds += [(first + 3 * n + i, first + 3 * n + j) for n in range(waters) for i, j in water.bonds]
    positions = np.concatenate([places, *(c + one @ turn for c, turn in zip(centres, turns, strict=True))])
    whole = Molecule("", symbols + waters * water.symbols, tuple(bonds))
    typed, topology = type_molecule(whole)
    return whole.symbols, topology, typed.types, positions
