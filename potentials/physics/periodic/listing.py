"""The list of near pairs of a periodic system, with a skin, so that it is made anew only when atoms moved far."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from potentials.arrays import Bools, Floats, Ints
from potentials.compiled import njit
from potentials.errors import InputError
from potentials.graph import neighbours
from potentials.neighbours import check_cutoff, nearest_images, pairs_within, widths
from potentials.physics.periodic.pairs import ELSEWHERE, SCALED, UNDISPERSED, UNREPELLED, WITHOUT, Near
from potentials.physics.topology import Topology

SKIN = 1.0
"""Pairs nearer than the cut-off and this are listed, Angstrom, if the cell is wide enough."""


class Rows(NamedTuple):
    """Some rows of a list of pairs i < j.

    Attributes
    ----------
    first, last
        The rows.
    listed
        Where the row of each atom begins, (n + 1,); the second atoms; the codes of the pairs (`pairs`).
    inner
        Whether both atoms of all pairs are in the part of the system whose own energy is subtracted.
    everywhere
        Whether the cut-off does not hold for them.
    near
        Room for the pairs within the cut-off.
    """

    first: int
    last: int
    listed: tuple[Ints, NDArray[np.int32], NDArray[np.uint8]]
    inner: bool
    everywhere: bool
    near: Near


class Listing:
    """The list of near pairs; not shared between threads.

    Parameters
    ----------
    topology
        Pairs whose charges, dispersion or repulsion differ. Those with other charge terms are listed at any
        distance, because the reciprocal sum has them all.
    part
        (n,), the part of the system whose own energy is subtracted; all False: there is none.
    cutoff
        Angstrom.
    parts
        Number of pieces of about as many pairs.
    """

    def __init__(self, topology: Topology, part: Bools, cutoff: float, parts: int) -> None:
        self._topology, self._part, self._cutoff, self._parts = topology, part, cutoff, parts
        self._special = _special(topology)
        self._tree = _tree(topology)
        self._fractions: Floats = np.zeros((0, 3))
        self._vectors: Floats = np.zeros((3, 3))
        self._reach = 0.0
        self.rows: list[Rows] = []
        self.made = 0

    def update(self, fractions: Floats, vectors: Floats) -> None:
        """Make the list anew if pairs that are not in it could be nearer than the cut-off.

        Parameters
        ----------
        fractions
            (n, 3), fractional coordinates.
        vectors
            (3, 3), the cell's vectors.

        Raises
        ------
        InputError
            If the cell is narrower than twice the cut-off, or a molecule reaches half through it.
        """
        if len(self._fractions) and self._holds(fractions, vectors):
            return
        check_cutoff(vectors, self._cutoff)
        width = float(widths(vectors).min())
        self._reach = min(self._cutoff + SKIN, max(self._cutoff, width / 2 * (1 - 1e-12)))
        self._check_molecules(fractions, vectors)
        self._make(fractions, vectors)
        self._fractions, self._vectors = fractions.copy(), vectors.copy()
        self.made += 1

    def _holds(self, fractions: Floats, vectors: Floats) -> bool:
        """Whether every pair within the cut-off is in the list, however atoms moved and the cell was strained."""
        moved = fractions - self._fractions
        moved -= np.rint(moved)
        farthest = float(np.sqrt(((moved @ vectors) ** 2).sum(axis=1).max(initial=0.0)))
        if np.array_equal(vectors, self._vectors):
            return self._cutoff + 2 * farthest <= self._reach
        check_cutoff(vectors, self._cutoff)
        shrunk = float(np.linalg.norm(np.linalg.inv(vectors) @ self._vectors, 2))  # of distances, at most
        return shrunk * (self._cutoff + 2 * farthest) <= self._reach

    def _make(self, fractions: Floats, vectors: Floats) -> None:
        n = len(fractions)
        i, j = pairs_within((fractions - np.floor(fractions)) @ vectors, vectors, self._reach)
        inner = self._part[i] & self._part[j]
        self.rows = []
        for chosen in (False, True):
            if chosen and not self._part.any():
                continue
            mine = inner == chosen
            begins: Ints = np.searchsorted(i[mine], np.arange(n + 1)).astype(np.int64)
            others = j[mine].astype(np.int32)
            codes = np.zeros(len(others), dtype=np.uint8)
            topology = self._topology
            mark(begins, others, *topology.uncharged, ELSEWHERE | UNDISPERSED, codes)
            mark(begins, others, *topology.one_five, ELSEWHERE, codes)
            mark(begins, others, *topology.unrepelled, UNREPELLED, codes)
            ends = np.searchsorted(begins, np.linspace(0, len(others), self._parts + 1)[1:-1])
            edges = [0, *ends.tolist(), n]
            for first, last in pairwise(edges):
                room = int(begins[last] - begins[first])
                self.rows.append(Rows(first, last, (begins, others, codes), chosen, False, Near.of(n, room)))
            begins, others, codes = self._chosen(self._special, chosen)
            if len(others):
                self.rows.append(Rows(0, n, (begins, others, codes), chosen, True, Near.of(n, len(others))))

    def _chosen(
        self, listed: tuple[Ints, NDArray[np.int32], NDArray[np.uint8]], inner: bool
    ) -> tuple[Ints, NDArray[np.int32], NDArray[np.uint8]]:
        begins, others, codes = listed
        i = np.repeat(np.arange(len(begins) - 1), np.diff(begins))
        mine = (self._part[i] & self._part[others]) == inner
        return np.searchsorted(i[mine], np.arange(len(begins))).astype(np.int64), others[mine], codes[mine]

    def _check_molecules(self, fractions: Floats, vectors: Floats) -> None:
        """Raise InputError if the nearest images of two atoms with other charge terms are not of one molecule."""
        whole = fractions.copy()
        join(*self._tree, whole)
        begins, others, _ = self._special
        i = np.repeat(np.arange(len(begins) - 1), np.diff(begins))
        apart = whole[i] - whole[others]
        farther = np.abs(np.rint(apart)).max(axis=1, initial=0.0) > 0
        if farther.any():
            k = int(farther.argmax())
            length = float(np.linalg.norm(apart[k] @ vectors))
            near = float(np.linalg.norm(nearest_images(apart[k] @ vectors, vectors)))
            raise InputError(
                f"atoms {i[k]} and {others[k]} of one molecule are {length:.4g} A apart, and images of them "
                f"{near:.4g} A; allowed: a cell more than twice as wide as a molecule's neighbouring 1-mers"
            )


def _special(topology: Topology) -> tuple[Ints, NDArray[np.int32], NDArray[np.uint8]]:
    """Return the pairs with other charge terms as rows, with their codes."""
    found: list[tuple[Ints, Ints, Ints]] = []
    for code, (begins, others) in ((WITHOUT, topology.uncharged), (SCALED, topology.one_five)):
        i = np.repeat(np.arange(topology.natoms), np.diff(begins))
        found.append((i, others, np.full(len(others), code | UNDISPERSED | UNREPELLED)))
    i, j, code = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((j, i))
    begins = np.searchsorted(i[order], np.arange(topology.natoms + 1)).astype(np.int64)
    return begins, j[order].astype(np.int32), code[order].astype(np.uint8)


def _tree(topology: Topology) -> tuple[Ints, Ints]:
    """Return atoms and, of each, a bonded one before it in this order, or itself."""
    joined = neighbours(topology.natoms, topology.bonds)
    order: list[int] = []
    parent: list[int] = []
    seen = [False] * topology.natoms
    for root in range(topology.natoms):
        if seen[root]:
            continue
        seen[root] = True
        waiting = [(root, root)]
        for atom, before in waiting:
            order.append(atom)
            parent.append(before)
            for other in joined[atom]:
                if not seen[other]:
                    seen[other] = True
                    waiting.append((other, atom))
    return np.array(order, dtype=np.int64), np.array(parent, dtype=np.int64)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def join(order: Ints, parent: Ints, fractions: Floats) -> None:
    """Move every atom to the image nearest to the atom before it, in fractional coordinates (n, 3)."""
    for k in range(len(order)):
        a, b = order[k], parent[k]
        for axis in range(3):
            fractions[a, axis] -= np.rint(fractions[a, axis] - fractions[b, axis])


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def mark(
    begins: Ints,
    others: NDArray[np.int32],
    special_begins: Ints,
    special: Ints,
    code: int,
    codes: NDArray[np.uint8],
) -> None:
    """Set bits of the codes of certain pairs; the second atoms of both lists ascend in each row."""
    for i in range(len(begins) - 1):
        k, end = begins[i], begins[i + 1]
        for e in range(special_begins[i], special_begins[i + 1]):
            j = special[e]
            while k < end and others[k] < j:
                k += 1
            if k < end and others[k] == j:
                codes[k] |= code
