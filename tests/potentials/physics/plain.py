"""V_phys in plain NumPy, from the formulas: what the compiled functions are compared with."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gamma, gammaincc

from potentials.physics.model import PhysicsPotential
from potentials.units import COULOMB

Floats = np.ndarray


def shares_and_gradient(
    model: PhysicsPotential, positions: Floats, *, damped: bool = True
) -> tuple[tuple[float, ...], Floats]:
    """Return the four contributions and the gradient of one configuration (atoms, 3)."""
    topology, parameters = model.topology, model.parameters
    row = parameters.rows(model.types)
    grid = np.ix_(row, row)
    q, alpha = parameters.charge[row], parameters.polarizability[row]
    total = np.zeros_like(positions)
    n = len(positions)
    i, j = np.triu_indices(n, 1)
    r = positions[i] - positions[j]
    d = np.linalg.norm(r, axis=1)
    width = damped * (alpha[i] * alpha[j]) ** (1 / 6)
    on = topology.charged[i, j] * np.where(topology.scaled[i, j], parameters.scale_15, 1.0)
    slope = np.zeros(len(i))  # dE/dd / d of every pair, for what is central

    s0, s1, s2, _ = _thole(d, width, parameters.thole_charge)
    charges = COULOMB * q[i] * q[j] * on
    electrostatics = float(charges @ s0)
    slope -= charges * s1

    field = np.zeros((n, 3))
    np.add.at(field, i, (on * q[j] * s1)[:, None] * r)
    np.add.at(field, j, -(on * q[i] * s1)[:, None] * r)
    _, t1, t2, t3 = _thole(d, width, parameters.thole_dipole)
    soft = np.flatnonzero(alpha > 0)
    tensor = np.zeros((n, n, 3, 3))
    tensor[i, j] = 3 * t2[:, None, None] * r[:, :, None] * r[:, None, :] - t1[:, None, None] * np.eye(3)
    tensor[j, i] = tensor[i, j]
    m = len(soft)
    matrix = -tensor[np.ix_(soft, soft)].transpose(0, 2, 1, 3).reshape(3 * m, 3 * m)
    matrix[np.diag_indices(3 * m)] += np.repeat(1 / alpha[soft], 3)
    dipole = np.zeros((n, 3))
    dipole[soft] = np.linalg.solve(matrix, field[soft].ravel()).reshape(m, 3)
    polarization = -0.5 * COULOMB * float((dipole * field).sum())

    v = (on * q[j])[:, None] * dipole[i] - (on * q[i])[:, None] * dipole[j]
    vr = (v * r).sum(axis=1)
    mi, mj = dipole[i], dipole[j]
    ri, rj, mm = (mi * r).sum(axis=1), (mj * r).sum(axis=1), (mi * mj).sum(axis=1)
    pull = -COULOMB * (s1[:, None] * v + 3 * t2[:, None] * (mi * rj[:, None] + mj * ri[:, None]))
    slope += COULOMB * (3 * s2 * vr + 15 * t3 * ri * rj - 3 * t2 * mm)

    c6 = np.where(on > 0, parameters.pair_c6[grid][i, j], 0.0)
    b = parameters.pair_damping[grid][i, j]
    r12 = np.where(topology.repelling[i, j], parameters.pair_r12[grid][i, j], 0.0)
    x = b * d
    series = sum(x**k / math.factorial(k) for k in range(7))
    damping = 1 - np.exp(-x) * series
    dispersion = -float((damping * c6 / d**6).sum())
    slope += c6 * (6 * damping / d**7 - b * np.exp(-x) * x**6 / math.factorial(6) / d**6) / d
    repulsion = float((r12 / d**12).sum())
    slope -= 12 * r12 / d**14

    pull += slope[:, None] * r
    np.add.at(total, i, pull)
    np.add.at(total, j, -pull)
    return (electrostatics, polarization, dispersion, repulsion), total


def _thole(d: Floats, width: Floats, a: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Return Thole's damped 1/r, 1/r^3, 1/r^5 and 1/r^7 of distances, exponent 4 (Burnham et al. 1999)."""
    bare = width == 0
    u = a * (d / np.where(bare, 1, width)) ** 4
    u = np.where(bare, np.inf, u)
    decay = np.exp(-u)
    flat = np.where(u < 700, u, 0) * decay
    tail = np.where(bare, 0, a**0.25 * d / np.where(bare, 1, width) * gamma(0.75) * gammaincc(0.75, u))
    s0 = (1 - decay + tail) / d
    s1 = (1 - decay) / d**3
    s2 = (s1 - 4 / 3 * flat / d**3) / d**2
    s3 = (s2 - 4 / 5 * flat * (4 / 3 * np.where(u < 700, u, 0) - 1 / 3) / d**5) / d**2
    return s0, s1, s2, s3
