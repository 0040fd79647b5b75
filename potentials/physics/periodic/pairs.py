"""Sums over the near pairs of a periodic system: fields, tensor products, and gradients, compiled.

A list of pairs i < j has rows: ``begins`` (n + 1,), where the row of each i begins, and the j of all rows.
`permanent` copies the pairs of the list that are within the cut-off, with their vectors and five radial functions,
to `Near`; products and gradients use these. Loops without branches over the pairs of a block compute what needs
square roots and exponentials, as vector instructions. Vectors of atoms are (3 n): all x, all y, all z.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from potentials.arrays import Floats, Ints
from potentials.compiled import njit
from potentials.physics.pairs import C6, CHARGE, R12, WIDTH, B
from potentials.physics.periodic.blocks import (
    BLOCK,
    HERE,
    ITS_B,
    ITS_C6,
    ITS_R12,
    ITS_S1,
    LENGTH,
    ON,
    QQ,
    ROW,
    S,
    W,
    X,
    Y,
    Z,
    dispersion,
    radial,
)
from potentials.physics.periodic.spreading import NOGIL

WITHOUT, SCALED, UNDISPERSED, UNREPELLED, ELSEWHERE = 1, 2, 4, 8, 16
"""Bits of a pair's code: no charge terms, scaled ones, no dispersion, no repulsion; charges in another list."""

S1, S2, T1, T2, T3 = 3, 4, 5, 6, 7
"""Rows of `Near.data` after the vector: factors of charges with dipoles, and of dipoles with dipoles."""


class Near(NamedTuple):
    """Pairs within the cut-off: some rows of the atoms.

    Attributes
    ----------
    begins
        (n + 1,), where the row of each atom begins.
    others
        (room,), the second atoms.
    data
        (8, room), the vectors and the rows above.
    """

    begins: Ints
    others: NDArray[np.int32]
    data: Floats

    @classmethod
    def of(cls, natoms: int, room: int) -> Near:
        """Return arrays with room for a number of pairs."""
        return cls(np.zeros(natoms + 1, dtype=np.int64), np.empty(room, dtype=np.int32), np.empty((8, room)))


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def permanent(
    first: int,
    last: int,
    fractions: Floats,
    vectors: Floats,
    listed: tuple[Ints, NDArray[np.int32], NDArray[np.uint8]],
    atoms: Floats,
    kind: Ints,
    tables: Floats,
    cutoff: float,
    switch: float,
    kappa: float,
    factors: tuple[float, float, float],
    energies: bool,
    near: Near,
    field: Floats,
    gradient: Floats,
    virial: Floats,
    shares: Floats,
) -> int:
    """Write what does not depend on induced dipoles, of rows of pairs; return how many distances are zero.

    Parameters
    ----------
    first, last
        The rows.
    fractions, vectors
        (3, n), fractional coordinates; (3, 3), the cell's vectors.
    listed
        The list of pairs: begins, others, codes.
    atoms, kind, tables
        See `potentials.physics.pairs.permanent`.
    cutoff
        Distance within which pairs are counted.
    switch
        Distance from which on dispersion and repulsion are switched off; they are 0 at the cut-off.
    kappa
        Ewald's parameter, 1/Angstrom.
    factors
        Thole's a of charges and of dipoles, and the factor of the charges of the scaled pairs.
    energies
        Whether charges with charges, dispersion and repulsion are computed; their gradient and shares are added.
    near
        Written: the pairs within the cut-off.
    field
        (3 n,), changed: the field of the charges is added.
    gradient, virial, shares
        (3 n,), (3, 3), (4,), changed.
    """
    begins, others, codes = listed
    reach = cutoff * cutoff
    widest = 1
    for i in range(first, last):
        widest = max(widest, begins[i + 1] - begins[i])
    row, block, chosen = np.empty((4, widest)), np.empty(LENGTH), np.empty(widest + 1, dtype=np.int32)
    charge, width = atoms[CHARGE], atoms[WIDTH]
    start = m = 0
    top = first
    touching = 0
    for i in range(first, last):
        near.begins[i] = m
        mine, code = others[begins[i] : begins[i + 1]], codes[begins[i] : begins[i + 1]]
        _vectors(i, mine, fractions, vectors, row)
        count = 0
        for k in range(len(mine)):  # without a branch, which could not be predicted
            chosen[count] = k
            count += row[3, k] < reach
            touching += row[3, k] == 0
        done = 0
        while done < count:
            some = min(count - done, BLOCK - (m - start))
            selected, there = chosen[done : done + some], near.others[m : m + some]
            for p in range(some):
                there[p] = mine[selected[p]]
            _fill(i, selected, there, row, charge, width, tables[:, kind[i]], block[m - start :])
            for p in range(some):
                if code[selected[p]]:
                    _mark(code[selected[p]], factors[2], block[m - start + p :])
            m += some
            done += some
            if m - start == BLOCK:
                near.begins[i + 1] = m
                _finish(start, m, top, i, cutoff, switch, kappa, factors, energies, near, charge, block, field,
                        gradient, virial, shares)  # fmt: skip
                start, top = m, i
        near.begins[i + 1] = m
    _finish(start, m, top, last - 1, cutoff, switch, kappa, factors, energies, near, charge, block, field,
            gradient, virial, shares)  # fmt: skip
    return touching


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def _fill(
    i: int,
    selected: NDArray[np.int32],
    there: NDArray[np.int32],
    row: Floats,
    charge: Floats,
    width: Floats,
    table: Floats,
    part: Floats,
) -> None:
    """Write the data of some pairs of an atom to a part of a block."""
    xs, ys, zs = row[0], row[1], row[2]
    c6, b, r12 = table[C6], table[B], table[R12]
    q, w = charge[i], width[i]
    for p in range(len(selected)):
        k, j = selected[p], there[p]
        part[X + p] = xs[k]
        part[Y + p] = ys[k]
        part[Z + p] = zs[k]
        part[W + p] = w * width[j]
        part[QQ + p] = q * charge[j]
        part[ITS_C6 + p] = c6[j]
        part[ITS_B + p] = b[j]
        part[ITS_R12 + p] = r12[j]
        part[ON + p] = 1.0
        part[HERE + p] = 1.0


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def _mark(code: int, scale: float, part: Floats) -> None:
    """Change the data of a pair, the first of a part of a block, by its code."""
    if code & (WITHOUT | SCALED):
        part[ON] = 0.0 if code & WITHOUT else scale
    if code & ELSEWHERE:
        part[HERE] = part[QQ] = 0.0
    if code & UNDISPERSED:
        part[ITS_C6] = 0.0
    if code & UNREPELLED:
        part[ITS_R12] = 0.0


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def _finish(
    start: int,
    end: int,
    first: int,
    last: int,
    cutoff: float,
    switch: float,
    kappa: float,
    factors: tuple[float, float, float],
    energies: bool,
    near: Near,
    charge: Floats,
    block: Floats,
    field: Floats,
    gradient: Floats,
    virial: Floats,
    shares: Floats,
) -> None:
    """Compute a block, the pairs from `start` to `end` in rows `first` to `last`, and add it to the results."""
    count = end - start
    electrostatics = radial(count, kappa, factors[0], factors[1], energies, block)
    if energies:
        shares[0] += electrostatics
        dispersion(count, switch, cutoff, block, shares, virial)
    for k in range(8):
        near.data[k, start:end] = block[k * ROW : k * ROW + count]
    n = len(charge)
    others = near.others[start:end]
    for i in range(first, last + 1):
        q = charge[i]
        fx = fy = fz = gx = gy = gz = 0.0
        for p in range(max(near.begins[i] - start, 0), min(near.begins[i + 1] - start, count)):
            j = others[p]
            x, y, z, s1 = block[X + p], block[Y + p], block[Z + p], block[ITS_S1 + p]
            here, there = charge[j] * s1, q * s1
            fx += here * x
            fy += here * y
            fz += here * z
            field[j] -= there * x
            field[n + j] -= there * y
            field[2 * n + j] -= there * z
            if energies:
                slope = block[S + p]
                gx += slope * x
                gy += slope * y
                gz += slope * z
                gradient[j] -= slope * x
                gradient[n + j] -= slope * y
                gradient[2 * n + j] -= slope * z
        field[i] += fx
        field[n + i] += fy
        field[2 * n + i] += fz
        gradient[i] += gx
        gradient[n + i] += gy
        gradient[2 * n + i] += gz


@njit(**NOGIL)  # type: ignore[untyped-decorator]
def _vectors(i: int, mine: NDArray[np.int32], fractions: Floats, vectors: Floats, row: Floats) -> None:
    """Write the nearest images of the vectors from others to an atom, and their squared lengths."""
    a, b, c = fractions[0, i], fractions[1, i], fractions[2, i]
    fa, fb, fc = fractions[0], fractions[1], fractions[2]
    h00, h01, h02 = vectors[0, 0], vectors[0, 1], vectors[0, 2]
    h10, h11, h12 = vectors[1, 0], vectors[1, 1], vectors[1, 2]
    h20, h21, h22 = vectors[2, 0], vectors[2, 1], vectors[2, 2]
    xs, ys, zs, squares = row[0], row[1], row[2], row[3]
    for k in range(len(mine)):
        j = mine[k]
        u, v, w = a - fa[j], b - fb[j], c - fc[j]
        u -= np.floor(u + 0.5)
        v -= np.floor(v + 0.5)
        w -= np.floor(w + 0.5)
        x = u * h00 + v * h10 + w * h20
        y = u * h01 + v * h11 + w * h21
        z = u * h02 + v * h12 + w * h22
        xs[k], ys[k], zs[k] = x, y, z
        squares[k] = x * x + y * y + z * z
