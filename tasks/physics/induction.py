"""The dipole and the potential of a molecule in V_phys, both linear in its charges, induced dipoles included."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from potentials.arrays import Floats
from potentials.physics.topology import Topology


class Induction:
    """How the charges of one geometry induce its dipoles, mu = A^-1 E0(q), with V_phys' exclusions and damping.

    Parameters
    ----------
    topology
        Bonds and 1-mers.
    positions
        (atoms, 3), Angstrom.
    polarizability
        (atoms,), Angstrom^3.
    factors
        Thole's a of charges with dipoles, and of dipoles with dipoles; the factor of charges four bonds apart.

    Attributes
    ----------
    field
        (atoms, 3, atoms), the field at each atom of a unit charge on each, 1/Angstrom^2.
    """

    def __init__(
        self, topology: Topology, positions: Floats, polarizability: Floats, factors: tuple[float, float, float]
    ) -> None:
        self._x, alpha, n = positions, polarizability, len(positions)
        r = positions[:, None] - positions[None, :]
        d = np.linalg.norm(r, axis=2) + np.eye(n)  # the diagonal is not used
        width = (alpha[:, None] * alpha[None, :]) ** (1 / 6)
        s1, _ = _damped(d, width, factors[0])
        scale = topology.charged * np.where(topology.scaled, factors[2], 1.0)
        self.field = (scale * s1)[:, None, :] * r.transpose(0, 2, 1)
        t1, t2 = _damped(d, width, factors[1])
        apart = ~np.eye(n, dtype=bool)
        t1, t2 = t1 * apart, t2 * apart
        tensor = 3 * t2[..., None, None] * r[..., :, None] * r[..., None, :] - t1[..., None, None] * np.eye(3)
        self._soft = np.flatnonzero(alpha > 0)
        m = len(self._soft)
        chosen = np.ix_(self._soft, self._soft)
        self._matrix = -tensor[chosen].transpose(0, 2, 1, 3).reshape(3 * m, 3 * m)
        self._matrix[np.diag_indices(3 * m)] += np.repeat(1 / alpha[self._soft], 3)

    def _respond(self, field: Floats) -> Floats:
        """Return the induced dipoles (atoms, 3, k) in fields (atoms, 3, k)."""
        found, m = np.zeros_like(field), len(self._soft)
        found[self._soft] = np.linalg.solve(self._matrix, field[self._soft].reshape(3 * m, -1)).reshape(m, 3, -1)
        return found

    @cached_property
    def induced(self) -> Floats:
        """(atoms, 3, atoms), the dipole of each atom for a unit charge on each, e Angstrom per e."""
        return self._respond(self.field)

    @cached_property
    def dipole(self) -> Floats:
        """(3, atoms), the dipole of the molecule for a unit charge on each atom, e Angstrom per e."""
        return np.asarray(self._x.T + self.induced.sum(axis=0))

    @cached_property
    def quadrupole(self) -> Floats:
        """(3, 3, atoms), the traceless quadrupole at the origin for a unit charge on each, e Angstrom^2 per e."""
        moments = np.einsum("ai,ajq->ijq", self._x, self.induced)
        second = np.einsum("ai,aj->ija", self._x, self._x) + moments + moments.transpose(1, 0, 2)
        return traceless(second)

    @cached_property
    def molecular_polarizability(self) -> Floats:
        """(3, 3), the polarizability of the whole molecule, Angstrom^3."""
        uniform = np.broadcast_to(np.eye(3), (len(self._x), 3, 3))
        return np.asarray(self._respond(uniform.copy()).sum(axis=0))

    def potential(self, points: Floats) -> Floats:
        """Return the potential at points (p, 3) for a unit charge on each atom, (p, atoms), 1/Angstrom.

        The points are outside of the molecule, so nothing is damped.
        """
        r = points[:, None] - self._x[None, :]
        d = np.linalg.norm(r, axis=2)
        n = len(self._x)
        slopes = (r / d[..., None] ** 3).reshape(len(points), 3 * n)
        return np.asarray(1 / d + slopes @ self.induced.reshape(3 * n, n))


def isotropic(polarizability: Floats) -> float:
    """Return the isotropic polarizability, a third of the trace of (3, 3)."""
    return float(np.trace(polarizability)) / 3


def traceless(second: Floats) -> Floats:
    """Return (3 x x - x^2)/2 of second moments (3, 3, ...)."""
    trace = np.einsum("ii...->...", second)
    unit = np.eye(3).reshape(3, 3, *(1,) * np.ndim(trace))
    return np.asarray(1.5 * second - 0.5 * unit * trace)


def _damped(d: Floats, width: Floats, a: float) -> tuple[Floats, Floats]:
    """Return Thole's damped 1/r^3 and 1/r^5 of distances, exponent 4 (Burnham et al. 1999)."""
    bare = width == 0
    u = np.where(bare, np.inf, a * (d / np.where(bare, 1, width)) ** 4)
    decay = np.exp(-u)
    s1 = (1 - decay) / d**3
    return s1, (s1 - 4 / 3 * np.where(bare, 0, u) * decay / d**3) / d**2
