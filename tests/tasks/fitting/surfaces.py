"""A surface with exact gradients that no polynomial fits: charges and steep walls between methyl and water."""

from __future__ import annotations

import numpy as np

from tests.tasks.fitting.test_fit import NMER

CHARGES = np.outer([-0.4, 0.1, 0.1, 0.1, 0.1], [-0.8, 0.4, 0.4])


def charged(positions: np.ndarray, wall: float = 3e4) -> tuple[np.ndarray, np.ndarray]:
    """Return energies (kcal/mol) and gradients (kcal/mol/Angstrom)."""
    arrow = positions[:, :5, None] - positions[:, None, 5:]
    distance = np.linalg.norm(arrow, axis=-1)
    energy = (CHARGES * 332 / distance + wall * np.exp(-3.6 * distance)).sum(axis=(1, 2))
    slope = -CHARGES * 332 / distance**2 - 3.6 * wall * np.exp(-3.6 * distance)
    pull = slope[..., None] * arrow / distance[..., None]
    gradient = np.zeros(positions.shape)
    gradient[:, :5], gradient[:, 5:] = pull.sum(axis=2), -pull.sum(axis=1)
    return energy, gradient


def walkers(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return configurations in the order of walkers, cold and near first; temperature and window of each."""
    rng = np.random.default_rng(seed)
    positions, groups = [], []
    for temperature, spread in ((300, 0.05), (600, 0.12), (1200, 0.2)):
        for window, (low, high) in enumerate(((-0.4, 0.3), (0.3, 2.0), (2.0, 5.0))):
            places = NMER.positions + rng.normal(scale=spread, size=(count, NMER.natoms, 3))
            places[:, 5:, 2] += rng.uniform(low, high, (count, 1))
            positions.append(places)
            groups += [[temperature, window]] * count
    return np.concatenate(positions), np.array(groups, dtype=np.float64)
