"""V_phys = V_elec + V_disp + V_rep of a system without periodicity, with its exact gradient and virial."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import gamma, gammaincc

from potentials.arrays import Floats
from potentials.energy_function import EnergyFunction
from potentials.errors import InputError
from potentials.evaluation import Evaluation
from potentials.physics.parameters import PhysicsParameters
from potentials.physics.topology import Topology
from potentials.units import COULOMB

SHARES = ("electrostatics", "polarization", "dispersion", "repulsion")
"""Names of the contributions to V_phys."""


class PhysicsPotential(EnergyFunction):
    """V_phys of real atoms: one function of the whole system.

    Parameters
    ----------
    symbols
        Element of each atom.
    topology
        Bonds and 1-mers, which decide the pairs without charges, dispersion, or repulsion.
    types
        Type of each atom.
    parameters
        Their parameters.

    Raises
    ------
    InputError
        If the numbers of atoms differ, or a type has no parameters.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        topology: Topology,
        types: Sequence[str],
        parameters: PhysicsParameters,
    ) -> None:
        if not len(symbols) == topology.natoms == len(types):
            raise InputError(
                f"V_phys of {len(symbols)} atoms with {len(types)} types and a topology of {topology.natoms}; one "
                "type an atom is allowed"
            )
        self._symbols, self.topology, self.types = tuple(symbols), topology, tuple(types)
        self.parameters = parameters
        row = parameters.rows(types)
        self._charge, self._polarizability = parameters.charge[row], parameters.polarizability[row]
        grid = np.ix_(row, row)
        on, repelling = topology.charged, topology.repelling
        self._c6 = np.where(on, parameters.pair_c6[grid], 0.0)
        self._b = parameters.pair_damping[grid]
        self._r12 = np.where(repelling, parameters.pair_r12[grid], 0.0)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element of each atom."""
        return self._symbols

    def evaluate(self, positions: Floats) -> Evaluation:
        """Return the energies, gradients and virials of (n, atoms, 3) in Angstrom; `shares` has the contributions.

        The shares are ``electrostatics`` (of fixed charges), ``polarization``, ``dispersion``, ``repulsion``.
        """
        gradient, shares = np.zeros_like(positions), np.zeros((len(SHARES), len(positions)))
        for n, one in enumerate(positions):
            shares[:, n] = self._one(one, gradient[n])
        virial = np.einsum("nai,naj->nij", gradient, positions)
        return Evaluation(shares.sum(axis=0), gradient, dict(zip(SHARES, shares, strict=True)), virial)

    def _one(self, positions: Floats, total: Floats) -> tuple[float, ...]:
        """Add the gradient of one configuration, and return its energies in the order of `SHARES`."""
        n = len(positions)
        i, j = np.triu_indices(n, 1)
        r = positions[i] - positions[j]
        d = np.linalg.norm(r, axis=1)
        if (d == 0).any():
            k = int(np.argmin(d))
            raise InputError(f"atoms {i[k]} and {j[k]} are in one place")
        q, alpha = self._charge, self._polarizability
        width = (alpha[i] * alpha[j]) ** (1 / 6)
        on = self.topology.charged[i, j]
        slope = np.zeros(len(i))  # dE/dd / d of every pair, for what is central

        s0, s1, s2, _ = _thole(d, width, self.parameters.thole_charge)
        charges = COULOMB * q[i] * q[j] * on
        electrostatics = float(charges @ s0)
        slope -= charges * s1

        field = np.zeros((n, 3))
        np.add.at(field, i, (on * q[j] * s1)[:, None] * r)
        np.add.at(field, j, -(on * q[i] * s1)[:, None] * r)
        _, t1, t2, t3 = _thole(d, width, self.parameters.thole_dipole)
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

        c6, b, r12 = self._c6[i, j], self._b[i, j], self._r12[i, j]
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
        return electrostatics, polarization, dispersion, repulsion


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
