"""The occurrences of n-mers whose bodies are not bonded and are near each other, from a neighbour list.

A body is a 1-mer or a molecule: a -CONH-, a water. An n-mer of bodies counts where all pairs of its bodies are
nearer than r_out of its switching, between their key points. What is found are candidates up to r_out and a skin:
as long as no key point has moved more than half the skin, no n-mer inside r_out is missing, and those outside have
the factor zero. In a cell every body is taken at its image nearest to the first body of the n-mer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, pairwise

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import InputError
from potentials.neighbours import check_cutoff, nearest_images, pairs_between, pairs_within, widths
from potentials.nmers.switching import Switching
from potentials.systems.near_kernels import farthest, means, triples
from potentials.systems.placement import Placement, Placements

SKIN = 1.0
"""Distance beyond r_out up to which candidates are listed, Angstrom."""

MOST_BODIES = 3


@dataclass(frozen=True, eq=False)
class NearKind:
    """A kind of n-mer whose bodies are not bonded to each other.

    Attributes
    ----------
    nmer
        Name of the n-mer.
    bodies
        Name of each body in the n-mer's order: ``("conh", "water")``.
    switching
        Key of each body, in the numbers of the n-mer's atoms, and r_out.
    excluded
        (pairs, 2), for two bodies: pairs that do not count however near they are, because they are bonded or near
        along a chain; each as the numbers of two bodies among those of their name, in the order of `bodies`.
    """

    nmer: str
    bodies: tuple[str, ...]
    switching: Switching
    excluded: Ints = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64))


@dataclass(frozen=True, eq=False)
class Near:
    """What is to be found; `search` finds it.

    Attributes
    ----------
    bodies
        Where the bodies of each name are.
    kinds
        The kinds of n-mer.
    skin
        Angstrom.

    Raises
    ------
    InputError
        If a body has no placements, there are other than two or three bodies, bodies of one name have different
        keys, or a key is not in its body.
    """

    bodies: Mapping[str, Placements]
    kinds: tuple[NearKind, ...]
    skin: float = SKIN

    def __post_init__(self) -> None:
        if not (np.isfinite(self.skin) and self.skin >= 0):
            raise InputError(f"the skin of the neighbour lists is {self.skin} A; allowed: 0 or more")
        for kind in self.kinds:
            what = f"n-mer {kind.nmer}"
            if unknown := [name for name in kind.bodies if name not in self.bodies]:
                raise InputError(f"{what} has the body {unknown[0]}; allowed: {', '.join(self.bodies) or 'none'}")
            if not 2 <= len(kind.bodies) <= MOST_BODIES or len(kind.switching.keys) != len(kind.bodies):
                raise InputError(
                    f"{what} has {len(kind.bodies)} bodies and switching between {len(kind.switching.keys)}; "
                    f"allowed: 2 to {MOST_BODIES} of both"
                )
            keys = self.local_keys(kind)
            for a, b in combinations(range(len(keys)), 2):
                if kind.bodies[a] == kind.bodies[b] and keys[a] != keys[b]:
                    raise InputError(f"{what}: bodies of one name must have the same switching atoms")
            if len(kind.excluded) and len(kind.bodies) != 2:
                raise InputError(f"{what}: pairs can be excluded for two bodies only")

    def local_keys(self, kind: NearKind) -> tuple[tuple[int, ...], ...]:
        """Return the key of each body of a kind, in the numbers of the body's atoms; raises InputError."""
        found = []
        for (begin, end), key in zip(pairwise(self.slots(kind)), kind.switching.keys, strict=True):
            if not all(begin <= atom < end for atom in key):
                raise InputError(
                    f"n-mer {kind.nmer}: the switching atoms {', '.join(map(str, key))} are not in one body, "
                    f"whose atoms are {begin} to {end - 1}"
                )
            found.append(tuple(atom - begin for atom in key))
        return tuple(found)

    def slots(self, kind: NearKind) -> tuple[int, ...]:
        """Return where the atoms of each body begin among those of the n-mer, and the end."""
        return tuple(int(n) for n in np.cumsum([0, *(self.bodies[name].atoms.shape[1] for name in kind.bodies)]))

    def example(self, kind: NearKind) -> Placement:
        """Return the placement of an n-mer of a kind, whose bodies are the first ones of their names."""
        numbers = [kind.bodies[:n].count(name) for n, name in enumerate(kind.bodies)]
        one = Placements.together(
            [self.bodies[name].rows(np.array([n])) for name, n in zip(kind.bodies, numbers, strict=True)]
        )
        anchors = np.where(one.caps, one.anchors, -1)
        atoms, ends, lengths = (tuple(column[0].tolist()) for column in (one.atoms, anchors, one.lengths))
        return Placement(kind.nmer, atoms, ends, lengths)

    def shifts(self, kind: NearKind, placements: Placements, whole: Floats, vectors: Floats | None) -> Floats:
        """Return the lattice vectors that take every body next to the first one of its n-mer.

        Parameters
        ----------
        kind, placements
            A kind and its occurrences.
        whole
            (atoms, 3), positions with whole molecules, Angstrom.
        vectors
            The cell's vectors.

        Returns
        -------
        (occurrences, bodies, 3), Angstrom.
        """
        points = np.stack([_keys(placements, key, whole) for key in kind.switching.keys], axis=1)
        apart = points - points[:, :1]
        return nearest_images(apart, vectors) - apart

    def search(self) -> NearSearch:
        """Return a search for configurations that follow one another."""
        return NearSearch(self)


class NearSearch:
    """The occurrences along a trajectory; the lists belong to it and are made again when needed.

    Parameters
    ----------
    near
        What is to be found.

    Attributes
    ----------
    placements
        The candidates of each kind of n-mer by its name, as of the last `find`.
    builds
        How often the lists were made; they are the same arrays as long as this is the same.
    """

    def __init__(self, near: Near) -> None:
        self.near = near
        self.placements: dict[str, Placements] = {}
        self.builds = 0
        self._points: Floats | None = None
        self._vectors: Floats | None = None
        self._inverse: Floats = np.empty((0, 3))
        self._skin = 0.0

    @cached_property
    def _sets(self) -> dict[tuple[str, tuple[int, ...]], slice]:
        """Where the key points of each name and key are among all key points."""
        found: dict[tuple[str, tuple[int, ...]], slice] = {}
        at = 0
        for kind in self.near.kinds:
            for one in zip(kind.bodies, self.near.local_keys(kind), strict=True):
                if one not in found:
                    found[one] = slice(at, at + len(self.near.bodies[one[0]].atoms))
                    at = found[one].stop
        return found

    @cached_property
    def _key_atoms(self) -> tuple[Ints, Ints] | None:
        """The atoms of all key points, concatenated, and where those of each begin; None if one is a cap."""
        rows: list[Ints] = []
        for name, key in self._sets:
            chosen = self.near.bodies[name].columns(key)
            if chosen.caps.any():
                return None
            rows += list(chosen.atoms)
        begins = np.cumsum([0, *(len(row) for row in rows)], dtype=np.int64)
        return np.concatenate([np.empty(0, dtype=np.int64), *rows]), begins

    def _points_of(self, whole: Floats) -> Floats:
        """Return all key points, (points, 3), Angstrom."""
        if self._key_atoms is None:
            return np.concatenate([_keys(self.near.bodies[name], key, whole) for name, key in self._sets])
        atoms, begins = self._key_atoms
        points = np.empty((len(begins) - 1, 3))
        means(np.ascontiguousarray(whole), atoms, begins, points)
        return points

    @cached_property
    def _reach(self) -> float:
        """The largest r_out, Angstrom."""
        return max((kind.switching.r_out for kind in self.near.kinds), default=0.0)

    def find(self, whole: Floats, vectors: Floats | None = None) -> int:
        """Find the occurrences in a configuration, and return `builds`, which tells whether the lists are new.

        Parameters
        ----------
        whole
            (atoms, 3), positions with whole molecules, anywhere in the cell, Angstrom.
        vectors
            (3, 3), the cell's vectors, Angstrom, one a row; None in vacuum.

        Raises
        ------
        InputError
            If the cell is not at least twice r_out wide, or excluded bodies of one molecule are nearer than r_out
            at other images, so that the molecule is near to its own image.
        """
        points = self._points_of(whole)
        if not self._holds(points, vectors):
            self._build(points, vectors)
        return self.builds

    def _holds(self, points: Floats, vectors: Floats | None) -> bool:
        """Return whether no n-mer inside r_out can be missing from the lists.

        With the cell's deformation F, a pair farther than r_out + skin is at least s (r_out + skin) - 2 d apart,
        s the smallest stretch of F and d the largest displacement besides F.
        """
        if self._points is None or (vectors is None) != (self._vectors is None):
            return False
        before, stretch, inverse = self._points, 1.0, self._inverse
        if vectors is not None and self._vectors is not None and not np.array_equal(vectors, self._vectors):
            check_cutoff(vectors, self._reach, "an n-mer")
            deformation = np.linalg.inv(self._vectors) @ vectors
            before, stretch = before @ deformation, float(np.linalg.svd(deformation, compute_uv=False).min())
            inverse = np.asarray(np.linalg.inv(vectors), dtype=np.float64)
        rows = np.empty((0, 3)) if vectors is None else np.ascontiguousarray(vectors)
        moved = farthest(points, np.ascontiguousarray(before), rows, inverse)
        return bool(2 * moved <= stretch * (self._reach + self._skin) - self._reach)

    def _build(self, points: Floats, vectors: Floats | None) -> None:
        self._skin = self.near.skin
        if vectors is not None and self._sets:
            for kind in self.near.kinds:
                check_cutoff(vectors, kind.switching.r_out, f"n-mer {kind.nmer}")
            # up to half the width there is one image; beyond, the lists would not be complete
            self._skin = min(self._skin, max(0.0, float(widths(vectors).min()) / 2 - self._reach))
        self.placements = {kind.nmer: self._candidates(kind, points, vectors) for kind in self.near.kinds}
        self._points, self._vectors = points, None if vectors is None else np.array(vectors)
        self._inverse = (
            np.empty((0, 3)) if vectors is None else np.asarray(np.linalg.inv(vectors), dtype=np.float64)
        )
        self.builds += 1

    def _candidates(self, kind: NearKind, points: Floats, vectors: Floats | None) -> Placements:
        """Return the occurrences of a kind up to r_out and the skin."""
        cutoff = kind.switching.r_out + self._skin
        sets = [points[self._sets[one]] for one in zip(kind.bodies, self.near.local_keys(kind), strict=True)]

        def near(a: int, b: int) -> tuple[Ints, Ints]:
            if kind.bodies[a] == kind.bodies[b]:
                return pairs_within(sets[a], vectors, cutoff)
            return pairs_between(sets[a], sets[b], vectors, cutoff)

        members: tuple[Ints, ...] = near(0, 1)
        if len(kind.bodies) == 3:
            alike = len(set(kind.bodies)) == 1
            third = members if alike else near(0, 2)
            members = triples(*members, *third, *(members if alike else near(1, 2)), len(sets[0]), len(sets[1]))
        elif len(kind.excluded):
            members = self._without(kind, sets, members, cutoff, vectors)
        return Placements.together(
            [self.near.bodies[n].rows(m) for n, m in zip(kind.bodies, members, strict=True)]
        )

    def _without(
        self, kind: NearKind, sets: list[Floats], members: tuple[Ints, ...], cutoff: float, vectors: Floats | None
    ) -> tuple[Ints, ...]:
        """Return the pairs that are not excluded."""
        i, j = kind.excluded.T
        apart = sets[1][j] - sets[0][i]
        nearest = nearest_images(apart, vectors)
        elsewhere = (np.abs(nearest - apart).max(axis=1) > 1e-6) & (np.linalg.norm(nearest, axis=1) < cutoff)
        if elsewhere.any():
            raise InputError(
                f"a molecule is nearer than {cutoff:g} A to its own image, where n-mer {kind.nmer} cannot tell "
                "them apart; allowed: a larger cell"
            )
        if kind.bodies[0] == kind.bodies[1]:
            i, j = np.minimum(i, j), np.maximum(i, j)
        count = len(sets[1])
        kept = ~np.isin(members[0] * count + members[1], i * count + j)
        return tuple(one[kept] for one in members)


def _keys(placements: Placements, key: tuple[int, ...], whole: Floats) -> Floats:
    """Return the mean position of some of the atoms of each occurrence, (occurrences, 3)."""
    return np.asarray(placements.columns(key).positions(whole[None])[0].mean(axis=1))
