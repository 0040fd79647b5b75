"""Closed-shell CCSD from density-fitted integrals, in single or double precision.

The equations are those of the T1-dressed Hamiltonian exp(-T1) H exp(T1), in which the singles appear only in the
integrals (T. Helgaker, P. Jorgensen and J. Olsen, Molecular Electronic-Structure Theory, section 13.7). Dressing
fitted integrals costs no more than an orbital transformation. Indices below: i, j, k, l occupied and a, b, c, d
virtual orbitals, Q auxiliary functions, u_ij^ab = 2 t_ij^ab - t_ij^ba.

In single precision the integrals, the amplitudes and their residual are float32, and only the energy is summed
in float64. Nothing is refined in double precision afterwards: in float32 the step can be brought below 1e-5 in
norm and the energy's change below 1e-7 hartree; with a tighter tolerance the iterations end without convergence,
which is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from potentials.arrays import Floats
from tasks.labelling.coupled_cluster.ladder import ParticleLadder

Array = NDArray[Any]
"""Of float32 or float64."""

NORM_FACTOR = 100.0
"""Convergence of the amplitudes' norm over that of the energy; PySCF's own ratio."""

DIIS_SIZE = 6
"""Iterations kept for the extrapolation."""


@dataclass(frozen=True)
class Orbitals:
    """Correlated orbitals, occupied ones first, in which the Fock matrix is diagonal within each kind.

    Attributes
    ----------
    fitted
        (auxiliary, orbitals, orbitals), B_pq^Q: (pq|rs) = sum_Q B_pq^Q B_rs^Q. Its precision is that of everything
        made from it.
    energies
        (orbitals,), hartree.
    occupied
        Number of occupied orbitals.
    """

    fitted: Array
    energies: Floats
    occupied: int

    @property
    def virtuals(self) -> int:
        """Number of virtual orbitals."""
        return len(self.energies) - self.occupied

    def block(self, rows: str, columns: str) -> Array:
        """Return B of occupied (``o``) or virtual (``v``) orbitals, (auxiliary, rows, columns)."""
        kind = {"o": slice(None, self.occupied), "v": slice(self.occupied, None)}
        return np.ascontiguousarray(self.fitted[:, kind[rows], kind[columns]])


class Amplitudes(NamedTuple):
    """Singles (occupied, virtual) and doubles (occupied, occupied, virtual, virtual)."""

    t1: Array
    t2: Array


@dataclass(frozen=True)
class Solution:
    """Result of the iterations.

    Attributes
    ----------
    energy
        CCSD correlation energy, hartree.
    converged
        Whether the energy's change and the residual's norm fell below their tolerances.
    iterations
        Their number.
    amplitudes
        The last amplitudes.
    """

    energy: float
    converged: bool
    iterations: int
    amplitudes: Amplitudes

    def diagnostics(self) -> dict[str, float]:
        """Return T1, D1, and the largest absolute double amplitude.

        T1 is the norm of the singles over the root of the number of electrons (Lee and Taylor 1989), D1 their
        largest singular value (Janssen and Nielsen 1998).
        """
        t1, t2 = self.amplitudes.t1.astype(np.float64), self.amplitudes.t2
        return {
            "t1": float(np.linalg.norm(t1) / np.sqrt(2 * len(t1))),
            "d1": float(np.linalg.norm(t1, 2)),
            "t2": float(abs(t2).max()),
        }


def solve_ccsd(orbitals: Orbitals, tolerance: float, max_cycles: int, shift: float = 0.0) -> Solution:
    """Solve the CCSD equations, starting from MP2 amplitudes.

    Parameters
    ----------
    orbitals
        The orbitals and their integrals.
    tolerance
        Change of the energy between two iterations, hartree; the norm of the step must fall below
        `NORM_FACTOR` times as much.
    max_cycles
        Iterations allowed.
    shift
        Added to the orbital energy differences to shorten the steps, hartree; the solution is the same.
    """
    equations = Equations(orbitals, shift)
    amplitudes = equations.start()
    energy = equations.energy(amplitudes)
    diis = Diis(DIIS_SIZE)
    for cycle in range(1, max_cycles + 1):
        with np.errstate(over="ignore", invalid="ignore"):  # diverging amplitudes
            step = equations.step(amplitudes)
            norm = float(np.sqrt(sum(np.vdot(x, x) for x in step)))
        if not np.isfinite(norm):
            break
        amplitudes = diis.extrapolate(amplitudes, step)
        before, energy = energy, equations.energy(amplitudes)
        if abs(energy - before) < tolerance and norm < NORM_FACTOR * tolerance:
            return Solution(energy, True, cycle, amplitudes)
    return Solution(energy, False, cycle, amplitudes)


def ccsd_memory(occupied: int, virtuals: int, auxiliary: int, precision: DTypeLike) -> float:
    """Return the peak memory of `solve_ccsd`, GiB."""
    doubles = (2 * DIIS_SIZE + 12) * (occupied * virtuals) ** 2
    tensors = occupied * virtuals**3 + 4 * auxiliary * (occupied + virtuals) ** 2
    return (ParticleLadder.size(virtuals) + doubles + tensors) * np.dtype(precision).itemsize / 1024**3


class Equations:
    """The residual of the CCSD equations, and the intermediates that are the same in all iterations.

    The letters A to E are those of its contributions in Helgaker, Jorgensen and Olsen.
    """

    def __init__(self, orbitals: Orbitals, shift: float = 0.0) -> None:
        self.orbitals, self.type = orbitals, orbitals.fitted.dtype
        self.shift = self.type.type(shift)
        o, v = self.o, self.v = orbitals.occupied, orbitals.virtuals
        self.oo, self.ov, self.vv = (orbitals.block(*kinds) for kinds in ("oo", "ov", "vv"))
        self.gap = orbitals.energies[o:] - orbitals.energies[:o, None]  # i, a
        self.gaps = (self.gap[:, None, :, None] + self.gap[None, :, None, :]).astype(self.type)
        self.ladder = ParticleLadder(np.ascontiguousarray(self.vv.transpose(1, 2, 0)))
        self.pairs = np.tril_indices(o)
        self.ovvv = np.empty((o, v, v, v), self.type)  # (kc|bd) as k, b, c, d
        for k in range(o):
            self.ovvv[k] = (self.ov[:, k].T @ self.vv.reshape(-1, v * v)).reshape(v, v, v).transpose(1, 0, 2)
        ovov = _product(self.ov, self.ov)  # i, a, j, b
        self.coulomb = np.ascontiguousarray(ovov.transpose(0, 2, 1, 3))  # (ia|jb) as i, j, a, b
        self.exchange = _matrix(ovov.transpose(2, 1, 0, 3))  # (kd|lc) as (l d), (k c)
        self.both = _matrix(2 * ovov - ovov.transpose(0, 3, 2, 1))  # 2 (ld|kc) - (lc|kd) as (l d), (k c)

    def start(self) -> Amplitudes:
        """Return the amplitudes of MP2."""
        return Amplitudes(np.zeros((self.o, self.v), self.type), -self.coulomb / self.gaps)

    def energy(self, amplitudes: Amplitudes) -> float:
        """Return the correlation energy (hartree), summed in double precision."""
        t1, t2 = amplitudes
        total = 0.0
        for i in range(self.o):
            tau = t2[i] + t1[i, None, :, None] * t1[:, None, :]  # j, a, b
            weights = 2 * self.coulomb[i] - self.coulomb[i].transpose(0, 2, 1)
            total += float(np.vdot(tau.astype(np.float64), weights.astype(np.float64)))
        return total

    def step(self, amplitudes: Amplitudes) -> Amplitudes:
        """Return minus the residual over the orbital energy differences."""
        t1, t2 = amplitudes
        dressed = self._dress(t1)
        u = _matrix((2 * t2 - t2.transpose(0, 1, 3, 2)).transpose(0, 2, 1, 3))  # u_kl^bd as (k b), (l d)
        x = (self.ov.reshape(-1, self.o * self.v) @ u).reshape(self.ov.shape)  # sum_ld u_kl^bd B_ld
        half = self._fock_contributions(dressed, t2, x)
        half -= self._singles_in_ladder(t1, t2)
        half += self._rings(dressed, t2, u)
        doubles = half + half.transpose(1, 0, 3, 2)
        del half
        doubles += self._ladders(dressed, t1, t2)
        doubles /= -(self.gaps + 2 * self.shift)
        return Amplitudes((self._singles(dressed, u, x) / -(self.gap + self.shift)).astype(self.type), doubles)

    def _dress(self, t1: Array) -> Dressed:
        """Return fitted integrals and Fock matrix of the T1-dressed Hamiltonian."""
        o, fitted = self.o, self.orbitals.fitted
        oo = self.oo + self.ov @ t1.T
        vv = self.vv - t1.T @ self.ov
        vo = self.ov.transpose(0, 2, 1) + vv @ t1.T - t1.T @ self.oo
        direct = np.tensordot(np.tensordot(self.ov, t1, axes=((1, 2), (0, 1))), fitted, axes=(0, 0))
        turned = t1 @ fitted[:, o:, :]  # Q, k, p
        exchange = np.tensordot(turned, fitted[:, :o, :], axes=((0, 1), (0, 1)))
        fock = np.diag(self.orbitals.energies) + 2 * direct - exchange
        fock_oo = fock[:o, :o] + fock[:o, o:] @ t1.T
        return Dressed(
            oo,
            vv,
            vo,
            fock_oo,
            fock_ov=fock[:o, o:],
            fock_vo=fock[o:, :o] + fock[o:, o:] @ t1.T - t1.T @ fock_oo,
            fock_vv=fock[o:, o:] - t1.T @ fock[:o, o:],
        )

    def _singles(self, dressed: Dressed, u: Array, x: Array) -> Array:
        """Residual of the singles, (i, a): A1 to D1."""
        out: Array = dressed.fock_vo.T + (u @ dressed.fock_ov.ravel()).reshape(self.o, self.v)
        out += np.tensordot(x, dressed.vv, axes=((0, 2), (0, 2)))  # sum_kcd u_ki^cd (ad|kc)
        out -= np.tensordot(dressed.oo, x, axes=((0, 1), (0, 1)))  # sum_klc u_kl^ac (ki|lc)
        return out

    def _fock_contributions(self, dressed: Dressed, t2: Array, x: Array) -> Array:
        """Half of E2: amplitudes times dressed Fock matrices; (i, j, a, b)."""
        virtual = dressed.fock_vv - np.tensordot(x, self.ov, axes=((0, 1), (0, 1)))  # b, c
        occupied = dressed.fock_oo + np.tensordot(self.ov, x, axes=((0, 2), (0, 2)))  # k, j
        out: Array = t2 @ virtual.T.astype(self.type)
        out -= (occupied.T.astype(self.type) @ t2.reshape(self.o, self.o, -1)).reshape(t2.shape)
        return out

    def _singles_in_ladder(self, t1: Array, t2: Array) -> Array:
        """Half of the singles' share in the particle ladder: sum_kcd t_k^a (kc|bd) t_ij^cd; (i, j, a, b)."""
        o, v = self.o, self.v
        sums = self.ovvv.reshape(o * v, v * v) @ t2.reshape(o * o, v * v).T  # (k b), (i j)
        out: Array = (t1.T @ sums.reshape(o, -1)).reshape(v, v, o, o)  # a, b, i, j
        return out.transpose(2, 3, 0, 1)

    def _ladders(self, dressed: Dressed, t1: Array, t2: Array) -> Array:
        """A2 and B2: dressed integrals, particle ladder and hole ladder; (i, j, a, b)."""
        o, v = self.o, self.v
        out = np.ascontiguousarray(_product(dressed.vo, dressed.vo).transpose(1, 3, 0, 2))
        flat = t2.reshape(o * o, v * v)
        inner = flat @ self.coulomb.reshape(o * o, v * v).T  # sum_cd t_ij^cd (kc|ld) as (i j), (k l)
        outer = _product(dressed.oo, dressed.oo).transpose(1, 3, 0, 2).reshape(o * o, o * o)  # (ki|lj)
        out += ((inner + outer) @ flat).reshape(t2.shape)
        out += (inner @ (t1[:, None, :, None] * t1[:, None, :]).reshape(o * o, v * v)).reshape(t2.shape)
        i, j = self.pairs
        particles = self.ladder.contract(t2[i, j])
        out[i, j] += particles
        apart = i != j
        out[j[apart], i[apart]] += particles[apart].transpose(0, 2, 1)
        return out

    def _rings(self, dressed: Dressed, t2: Array, u: Array) -> Array:
        """Half of C2 and D2; (i, j, a, b)."""
        o, v = self.o, self.v
        crossed = _matrix(_product(dressed.oo, dressed.vv).transpose(1, 2, 0, 3))  # (ki|ac) as (i a), (k c)
        t = _matrix(t2.transpose(0, 3, 1, 2))  # t_kj^bc as (k c), (j b)
        ring = ((crossed - 0.5 * (t.T @ self.exchange)) @ t).reshape(o, v, o, v)
        out = -0.5 * ring.transpose(0, 2, 1, 3) - ring.transpose(2, 0, 1, 3)
        direct = _matrix(_product(dressed.vo, self.ov).transpose(1, 0, 2, 3))  # (ai|kc) as (i a), (k c)
        ring = ((2 * direct - crossed + 0.5 * (u @ self.both)) @ u).reshape(o, v, o, v)
        out += 0.5 * ring.transpose(0, 2, 1, 3)
        return out


class Dressed(NamedTuple):
    """Integrals of the T1-dressed Hamiltonian; those between an occupied and a virtual orbital are the bare ones.

    Attributes
    ----------
    oo, vv, vo
        Fitted integrals, (auxiliary, .., ..); the second orbital is the one that the singles fill.
    fock_oo, fock_ov, fock_vo, fock_vv
        Blocks of the Fock matrix, hartree.
    """

    oo: Array
    vv: Array
    vo: Array
    fock_oo: Array
    fock_ov: Array
    fock_vo: Array
    fock_vv: Array


class Diis:
    """Extrapolation from the last few iterations (P. Pulay, J. Comput. Chem. 3, 556 (1982)).

    Parameters
    ----------
    size
        Iterations kept.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._kept: list[tuple[Array, Array]] = []

    def extrapolate(self, amplitudes: Amplitudes, step: Amplitudes) -> Amplitudes:
        """Return the combination of amplitudes with the shortest step, taken as linear in the amplitudes."""
        error = np.concatenate([x.ravel() for x in step])
        self._kept.append((np.concatenate([x.ravel() for x in amplitudes]) + error, error))
        self._kept = self._kept[-self.size :]
        n = len(self._kept)
        overlaps = np.array([[float(np.vdot(a, b)) for _, b in self._kept] for _, a in self._kept])
        matrix = np.ones((n + 1, n + 1))
        matrix[:n, :n] = overlaps / overlaps[-1, -1] if overlaps[-1, -1] > 0 else overlaps
        matrix[n, n] = 0.0
        weights = np.linalg.lstsq(matrix, np.eye(n + 1)[n], rcond=1e-12)[0][:n]
        best = np.zeros_like(error)
        for weight, (guess, _) in zip(weights.astype(error.dtype), self._kept, strict=True):
            best += weight * guess
        singles = amplitudes.t1.size
        return Amplitudes(best[:singles].reshape(amplitudes.t1.shape), best[singles:].reshape(amplitudes.t2.shape))


def _product(left: Array, right: Array) -> Array:
    """Return (pq|rs) as (p, q, r, s) from two sets of fitted integrals."""
    flat = left.reshape(len(left), -1).T @ right.reshape(len(right), -1)
    return np.reshape(flat, (*left.shape[1:], *right.shape[1:]))


def _matrix(tensor: Array) -> Array:
    """Return a tensor of four indices as a matrix of the first two and the last two."""
    rows, columns = tensor.shape[0] * tensor.shape[1], tensor.shape[2] * tensor.shape[3]
    return np.ascontiguousarray(tensor).reshape(rows, columns)
