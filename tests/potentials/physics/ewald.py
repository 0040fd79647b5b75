"""V_phys in a cell in plain NumPy, from the formulas of Ewald's sum: a reference for the compiled functions.

Real space and reciprocal space are summed until nothing changes; the dipoles are solved for by a dense matrix.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erfc

from potentials.physics.parameters import PhysicsParameters
from potentials.physics.topology import Topology
from potentials.units import COULOMB
from tests.potentials.physics.plain import _thole

Floats = np.ndarray


def images(vectors: Floats, reach: float) -> Floats:
    """Return lattice vectors within which every pair of wrapped atoms nearer than `reach` lies."""
    wide = 1 / np.linalg.norm(np.linalg.inv(vectors), axis=0)
    most = np.ceil(reach / wide).astype(int) + 1
    steps = np.stack(np.meshgrid(*[np.arange(-k, k + 1) for k in most], indexing="ij"), -1).reshape(-1, 3)
    return steps @ vectors


def waves(vectors: Floats, kappa: float, digits: float) -> Floats:
    """Return half of the wave vectors with exp(-k^2/4 kappa^2) above 10^-digits."""
    inverse = 2 * math.pi * np.linalg.inv(vectors)
    longest = 2 * kappa * math.sqrt(digits * math.log(10))
    most = np.ceil(longest * np.linalg.norm(vectors, axis=1) / (2 * math.pi)).astype(int)
    steps = np.stack(np.meshgrid(*[np.arange(-k, k + 1) for k in most], indexing="ij"), -1).reshape(-1, 3)
    a, b, c = steps.T
    half = steps[(a > 0) | ((a == 0) & ((b > 0) | ((b == 0) & (c > 0))))]
    k = half @ inverse.T
    return k[(k**2).sum(axis=1) < longest**2]


def energies(
    topology: Topology,
    types: tuple[str, ...],
    parameters: PhysicsParameters,
    positions: Floats,
    vectors: Floats,
    *,
    kappa: float = 0.45,
    digits: float = 16,
) -> tuple[float, float]:
    """Return electrostatics and polarization of one configuration, kcal/mol."""
    row = parameters.rows(types)
    q, alpha = parameters.charge[row], parameters.polarizability[row]
    n = len(q)
    on = topology.charged * np.where(topology.scaled, parameters.scale_15, 1.0)
    width = (alpha[:, None] * alpha[None]) ** (1 / 6)
    apart = positions[:, None] - positions[None]
    nearest = apart - np.rint(apart @ np.linalg.inv(vectors)) @ vectors
    shortest = np.linalg.norm(nearest, axis=2)

    # charges with charges: the potential at i of a charge of 1 at j; charges with dipoles: the field; dipoles: T
    potential, field, tensor = np.zeros((n, n)), np.zeros((n, n, 3)), np.zeros((n, n, 3, 3))
    for shift in images(vectors, math.sqrt(digits * math.log(10)) / kappa):
        d = nearest + shift
        r2 = (d**2).sum(axis=2)
        own = r2 < 1e-12
        r = np.sqrt(np.where(own, 1.0, r2))
        b0 = erfc(kappa * r) / r
        g = 2 * kappa / math.sqrt(math.pi) * np.exp(-((kappa * r) ** 2))
        b1 = (b0 + g) / r**2
        b2 = (3 * b1 + 2 * kappa**2 * g) / r**2
        first = np.abs(shift).max() < 1e-12
        if first:  # exclusions and damping act in the nearest image only
            s0, s1, _, _ = _thole(np.where(own, 1.0, shortest), width, parameters.thole_charge)
            _, t1, t2, _ = _thole(np.where(own, 1.0, shortest), width, parameters.thole_dipole)
            b0, c1 = b0 + on * s0 - 1 / r, b1 + on * s1 - 1 / r**3
            d1, d2 = b1 + t1 - 1 / r**3, b2 + 3 * t2 - 3 / r**5
        else:
            c1, d1, d2 = b1, b1, b2
        for one in (b0, c1, d1, d2):
            one[own] = 0.0
        potential += b0
        field += c1[..., None] * d
        tensor += d2[..., None, None] * d[..., :, None] * d[..., None, :] - d1[..., None, None] * np.eye(3)
    volume = abs(np.linalg.det(vectors))
    k = waves(vectors, kappa, digits)
    k2 = (k**2).sum(axis=1)
    factor = 8 * math.pi / volume * np.exp(-k2 / (4 * kappa**2)) / k2
    phase = positions @ k.T
    cos, sin = np.cos(phase), np.sin(phase)
    potential += (factor * cos) @ cos.T + (factor * sin) @ sin.T
    for a in range(3):
        field[:, :, a] += (factor * k[:, a] * sin) @ cos.T - (factor * k[:, a] * cos) @ sin.T
        for b in range(3):
            weight = factor * k[:, a] * k[:, b]
            tensor[:, :, a, b] -= (weight * cos) @ cos.T + (weight * sin) @ sin.T
    potential[np.diag_indices(n)] -= 2 * kappa / math.sqrt(math.pi)
    tensor[np.diag_indices(n)] += 4 * kappa**3 / (3 * math.sqrt(math.pi)) * np.eye(3)

    electrostatics = 0.5 * COULOMB * float(q @ potential @ q)
    of_charges = np.einsum("ijx,j->ix", field, q)
    soft = np.flatnonzero(alpha > 0)
    m = len(soft)
    matrix = -tensor[np.ix_(soft, soft)].transpose(0, 2, 1, 3).reshape(3 * m, 3 * m)
    matrix[np.diag_indices(3 * m)] += np.repeat(1 / alpha[soft], 3)
    dipole = np.linalg.solve(matrix, of_charges[soft].ravel())
    return electrostatics, -0.5 * COULOMB * float(dipole @ of_charges[soft].ravel())


def pairwise(
    topology: Topology,
    types: tuple[str, ...],
    parameters: PhysicsParameters,
    positions: Floats,
    vectors: Floats,
    reach: float,
) -> tuple[float, float]:
    """Return dispersion and repulsion of all images nearer than `reach`, kcal/mol, without a tail."""
    row = parameters.rows(types)
    grid = np.ix_(row, row)
    c6, b, r12 = parameters.pair_c6[grid], parameters.pair_damping[grid], parameters.pair_r12[grid]
    apart = positions[:, None] - positions[None]
    nearest = apart - np.rint(apart @ np.linalg.inv(vectors)) @ vectors
    dispersion = repulsion = 0.0
    for shift in images(vectors, reach):
        d = np.linalg.norm(nearest + shift, axis=2)
        within = (d > 1e-6) & (d < reach)
        first = np.abs(shift).max() < 1e-12
        r = np.where(within, d, 1.0)
        x = b * r
        f6 = 1 - np.exp(-x) * sum(x**k / math.factorial(k) for k in range(7))
        dispersion -= 0.5 * float((f6 * c6 / r**6)[within & (topology.charged if first else True)].sum())
        repulsion += 0.5 * float((r12 / r**12)[within & (topology.repelling if first else True)].sum())
    return dispersion, repulsion
