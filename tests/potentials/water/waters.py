"""Waters for tests: boxes of molecules in random orientations, and sums by other means."""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy.special import erfc

from potentials.arrays import Floats, Ints
from potentials.units import COULOMB
from potentials.water.qtip4pf import BEND, CHARGE, GAMMA, LENNARD_JONES, STRETCH


def monomer() -> Floats:
    """Return the minimum of one molecule, O H H, Angstrom."""
    length, angle = STRETCH[2], BEND[1]
    return np.array([[0, 0, 0], [length, 0, 0], [length * np.cos(angle), length * np.sin(angle), 0]])


def cluster(count: int, spacing: float, seed: int) -> tuple[Floats, float]:
    """Return (3 count^3, 3) positions of waters near the points of a cubic lattice, and its length, Angstrom."""
    rng = np.random.default_rng(seed)
    found = []
    for point in product(range(count), repeat=3):
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        found.append(monomer() @ turn + spacing * np.array(point) + rng.normal(0, 0.05, (3, 3)))
    return np.concatenate(found), count * spacing


def sites(waters: Floats) -> tuple[Floats, Floats]:
    """Return the charged sites of (n, 3, 3) waters, (3 n, 3), and their charges."""
    middle = GAMMA * waters[:, 0] + (1 - GAMMA) * waters[:, 1:].mean(axis=1)
    placed = np.concatenate([waters[:, 1:], middle[:, None]], axis=1).reshape(-1, 3)
    return placed, np.tile([0.5 * CHARGE, 0.5 * CHARGE, -CHARGE], len(waters))


def intramolecular(waters: Floats) -> float:
    """Return the energy within (n, 3, 3) waters, kcal/mol."""
    depth, a, rest = STRETCH
    stiff, straight = BEND
    arms = waters[:, 1:] - waters[:, :1]
    lengths = np.linalg.norm(arms, axis=2)
    d = lengths - rest
    angle = np.arccos((arms[:, 0] * arms[:, 1]).sum(axis=1) / lengths.prod(axis=1))
    stretch = depth * (a**2 * d**2 - a**3 * d**3 + 7 / 12 * a**4 * d**4)
    return float(stretch.sum() + (stiff / 2 * (angle - straight) ** 2).sum())


def lennard_jones(r: Floats) -> Floats:
    epsilon, sigma = LENNARD_JONES
    return np.asarray(4 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6))


def ewald(placed: Floats, charges: Floats, vectors: Floats, kappa: float, waves: int) -> float:
    """Return Ewald's sum of charges without the pairs of one molecule, kcal/mol: plain sums, no mesh."""
    owner: Ints = np.repeat(np.arange(len(charges) // 3), 3)
    apart, energy = placed[:, None] - placed[None], 0.0
    for image in product((-1, 0, 1), repeat=3):
        r = np.linalg.norm(apart + np.array(image) @ vectors, axis=2)
        with np.errstate(divide="ignore", invalid="ignore"):
            pair = erfc(kappa * r) / r
            if image == (0, 0, 0):
                pair = np.where(owner[:, None] == owner, pair - 1 / r, pair)
        if image == (0, 0, 0):
            np.fill_diagonal(pair, -2 * kappa / np.sqrt(np.pi))
        energy += 0.5 * charges @ pair @ charges
    numbers = np.array([m for m in product(range(-waves, waves + 1), repeat=3) if any(m)])
    k = 2 * np.pi * numbers @ np.linalg.inv(vectors).T
    k2 = (k**2).sum(axis=1)
    factor = np.abs(np.exp(1j * placed @ k.T).T @ charges) ** 2
    energy += 2 * np.pi / abs(np.linalg.det(vectors)) * (np.exp(-k2 / (4 * kappa**2)) / k2 * factor).sum()
    return COULOMB * float(energy)
