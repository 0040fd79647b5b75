"""The (T) correction to closed-shell CCSD from fitted integrals, three occupied orbitals at a time.

For each i >= j >= k matrix products give the connected triples of all virtual orbitals, and one pass over
a >= b >= c sums their energy (A. P. Rendell, T. J. Lee and A. Komornicki, Chem. Phys. Lett. 178, 462 (1991)):

    W_ijk^abc = P [sum_d (ia|bd) t_kj^cd - sum_l (jl|kc) t_il^ab]
    V_ijk^abc = W_ijk^abc + t_i^a (jb|kc) + t_j^b (ia|kc) + t_k^c (ia|jb)
    E = 1/3 sum (4 W^abc + W^bca + W^cab) (V^abc - V^cba) / (e_i + e_j + e_k - e_a - e_b - e_c)

P sums over the six permutations of the pairs (i a), (j b), (k c); two of them at a time have the same last virtual
orbital and are added up by the matrix products. The products are made in the precision of the
integrals; the energy is summed in double precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.linalg.blas import get_blas_funcs

from potentials.compiled import njit
from tasks.labelling.coupled_cluster.ccsd import Amplitudes, Orbitals

Array = NDArray[Any]
"""Of float32 or float64."""

_TILE = 8
"""Virtual orbitals in one tile of the sum: tiles read in any order stay in the processor's cache."""


def triples_energy(orbitals: Orbitals, amplitudes: Amplitudes) -> float:
    """Return the (T) correction, hartree.

    Parameters
    ----------
    orbitals
        The orbitals and their integrals.
    amplitudes
        Those of CCSD.
    """
    t1, t2 = amplitudes
    o, v = t1.shape
    oo, ov, vv = (orbitals.block(*kinds) for kinds in ("oo", "ov", "vv"))
    flat = ov.reshape(-1, o * v)
    coulomb = np.ascontiguousarray(
        (flat.T @ flat).reshape(o, v, o, v).transpose(0, 2, 1, 3)
    )  # (ia|jb): i, j, a, b
    ooov = (oo.reshape(-1, o * o).T @ flat).reshape(o, o, o, v)  # (jl|kc)
    left = np.empty((o, v, v, v + o), t2.dtype)  # i; a, b; d and l together
    for i in range(o):
        left[i, :, :, :v] = (ov[:, i].T @ vv.reshape(-1, v * v)).reshape(v, v, v)
        left[i, :, :, v:] = t2[i].transpose(1, 2, 0)
    swapped = left.transpose(0, 2, 1, 3).reshape(o, v * v, v + o)
    left = left.reshape(o, v * v, v + o)
    right = np.empty((o, o, v + o, v), t2.dtype)  # j, k; d and l together; c
    right[:, :, :v] = t2.transpose(1, 0, 3, 2)
    right[:, :, v:] = -ooov.transpose(0, 2, 1, 3)
    gemm = get_blas_funcs("gemm", dtype=t2.dtype)

    def connect(p: int, q: int, r: int) -> Array:
        """Return the two contributions to W whose last virtual orbital is that of r, in the order p, q, r."""
        out: Array = np.matmul(left[p], right[q, r])
        gemm(1.0, right[p, r].T, swapped[q].T, beta=1.0, c=out.T, overwrite_c=True)  # adds to `out`
        return out.reshape((v, v, v))

    occupied, virtual = orbitals.energies[:o], orbitals.energies[o:].astype(t2.dtype)
    total = 0.0
    for i in range(o):
        for j in range(i + 1):
            for k in range(min(j, i - 1) + 1):  # not i = j = k, whose triples vanish
                abc = connect(i, j, k)
                acb = connect(i, k, j) if j != k else abc
                bca = connect(j, k, i) if i != j else acb
                singles, pairs = (t1[i], t1[j], t1[k]), (coulomb[j, k], coulomb[i, k], coulomb[i, j])
                level = occupied[i] + occupied[j] + occupied[k]
                part = _sum_virtuals(abc, acb, bca, *singles, *pairs, virtual, level)
                total += part / 2 if j in (i, k) else part
    return total


def triples_memory(occupied: int, virtuals: int, auxiliary: int, precision: DTypeLike) -> float:
    """Return the peak memory of `triples_energy`, GiB."""
    every = occupied + virtuals
    numbers = 2 * occupied * virtuals**2 * every + 4 * virtuals**3 + 2 * auxiliary * every**2
    return (numbers + 4 * (occupied * virtuals) ** 2) * np.dtype(precision).itemsize / 1024**3


@njit(cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def _sum_virtuals(
    abc: Array,
    acb: Array,
    bca: Array,
    ti: Array,
    tj: Array,
    tk: Array,
    jk: Array,
    ik: Array,
    ij: Array,
    energies: Array,
    occupied: float,
) -> float:
    """Return the energy of one i >= j >= k, hartree, as if the three were different orbitals.

    Parameters
    ----------
    abc, acb, bca
        (virtual, virtual, virtual), the parts of W in these orders of their indices.
    ti, tj, tk
        (virtual,), singles.
    jk, ik, ij
        (virtual, virtual), Coulomb integrals (jb|kc) as b, c and so on.
    energies
        (virtual,), hartree.
    occupied
        e_i + e_j + e_k, hartree.
    """
    v = len(energies)
    total = 0.0
    for a0 in range(0, v, _TILE):
        for b0 in range(0, a0 + 1, _TILE):
            for c0 in range(0, b0 + 1, _TILE):
                for a in range(a0, min(a0 + _TILE, v)):
                    for b in range(b0, min(b0 + _TILE, a + 1)):
                        part = 0.0
                        for c in range(c0, min(c0 + _TILE, b + 1)):
                            w0 = abc[a, b, c] + acb[a, c, b] + bca[b, c, a]
                            w1 = abc[b, c, a] + acb[b, a, c] + bca[c, a, b]
                            w2 = abc[c, a, b] + acb[c, b, a] + bca[a, b, c]
                            w3 = abc[a, c, b] + acb[a, b, c] + bca[c, b, a]
                            w4 = abc[b, a, c] + acb[b, c, a] + bca[a, c, b]
                            w5 = abc[c, b, a] + acb[c, a, b] + bca[b, a, c]
                            v0 = w0 + ti[a] * jk[b, c] + tj[b] * ik[a, c] + tk[c] * ij[a, b]
                            v1 = w1 + ti[b] * jk[c, a] + tj[c] * ik[b, a] + tk[a] * ij[b, c]
                            v2 = w2 + ti[c] * jk[a, b] + tj[a] * ik[c, b] + tk[b] * ij[c, a]
                            v3 = w3 + ti[a] * jk[c, b] + tj[c] * ik[a, b] + tk[b] * ij[a, c]
                            v4 = w4 + ti[b] * jk[a, c] + tj[a] * ik[b, c] + tk[c] * ij[b, a]
                            v5 = w5 + ti[c] * jk[b, a] + tj[b] * ik[c, a] + tk[a] * ij[c, b]
                            same = w0 * v0 + w1 * v1 + w2 * v2 + w3 * v3 + w4 * v4 + w5 * v5
                            even, odd = w0 + w1 + w2, w3 + w4 + w5
                            term = 3 * same
                            term += (even - 2 * odd) * (v0 + v1 + v2) + (odd - 2 * even) * (v3 + v4 + v5)
                            if a == c:  # all orders of a, b, c are one
                                term /= 6
                            elif a == b or b == c:
                                term /= 2
                            part += term / (occupied - energies[a] - energies[b] - energies[c])
                        total += part
    return 2 * total
