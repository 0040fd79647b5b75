"""The corrections of all n-mers of a system: the arrays of the compiled loop, and threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, pairwise
from typing import Any

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import InputError
from potentials.evaluation import NMerContribution
from potentials.nmers.switching import Switching
from potentials.pip.potential import Potential
from potentials.pip.program import Program
from potentials.systems.kernel import add_corrections
from potentials.systems.occurrences import ATOMS, KEYS, NODES, VARIABLES, Kinds, Places, Room
from potentials.systems.placement import Placements

CHUNK = 64
"""Smallest number of occurrences in a job, where there are several threads."""

FINE = 8
"""Groups of jobs for each thread: the work is then shared evenly though some occurrences are switched off."""

NO_CELL = np.empty((0, 3, 3))


def is_compiled(potential: object) -> bool:
    """Return whether a potential can be evaluated here: a PIP without virtual sites whose keys are real atoms."""
    if type(potential) is not Potential or potential.options.lone_pairs:
        return False
    caps = {cap for cap, _, _ in potential.nmer.caps}
    keys = () if potential.switching is None else potential.switching.keys
    return not any(caps.intersection(key) for key in keys)


def correction(potential: NMerContribution, positions: Floats) -> tuple[float | Floats, Floats]:
    """Return the corrections of (n, atoms, 3) by the potential itself, kcal/mol, and their gradients."""
    if not isinstance(potential, Potential):
        return potential.energy_and_gradient(positions)
    found = potential.correction(positions)
    return found.energy, found.gradient


class Corrections:
    """The corrections of the n-mers of a system, each evaluated wherever it occurs.

    Parameters
    ----------
    potentials
        The potential of each kind of n-mer; see `is_compiled`.
    placements
        Where each kind occurs.
    threads
        Number of threads; each has its own gradients.
    """

    def __init__(
        self, potentials: Sequence[Potential], placements: Sequence[Placements], threads: int = 1
    ) -> None:
        self._potentials, self._placements, self.threads = list(potentials), list(placements), threads
        programs = [Program.build(p.basis, p.coefficients) for p in potentials]
        self._kinds = _kinds(potentials, programs)
        starts = self._kinds.starts
        sizes = np.diff(starts, axis=0)
        self._largest = [int(sizes[:, column].max(initial=1)) for column in (ATOMS, VARIABLES, NODES, KEYS)]
        self._rooms = [Room.of(*self._largest) for _ in range(threads)]
        self._costs = [len(p.leaves) + 20 * p_.nmer.natoms for p, p_ in zip(programs, potentials, strict=True)]
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self.place(placements)

    def place(self, placements: Sequence[Placements]) -> None:
        """Set where each kind of n-mer occurs."""
        self._placements = list(placements)
        counts = np.array([len(p.atoms) for p in placements], dtype=np.int64)
        sizes = np.array([p.atoms.size for p in placements], dtype=np.int64)
        self._kinds.starts[:, -1] = np.concatenate([[0], np.cumsum(sizes)])

        def joined(name: str, kind: type) -> Any:
            return np.concatenate([getattr(p, name).ravel() for p in placements]).astype(kind)

        self._places = Places(
            counts, joined("atoms", np.int64), joined("anchors", np.int64), joined("lengths", np.float64)
        )
        self._jobs: tuple[int, list[Ints]] = (0, [])

    @property
    def arrays(self) -> tuple[Kinds, Places, Ints, Room]:
        """What the compiled loop takes for one configuration, evaluated by one thread; nothing of it is shared."""
        jobs = np.array([(kind, 0, count) for kind, count in enumerate(self._places.counts)], dtype=np.int64)
        return self._kinds, self._places, jobs.reshape(-1, 3), Room.of(*self._largest)

    def evaluate(
        self, positions: Floats, vectors: Floats = NO_CELL, beside: Sequence[Callable[[], None]] = ()
    ) -> tuple[Floats, Floats, Floats]:
        """Return energies, gradients and virials.

        The same positions give the same last digits, whichever thread is faster.

        Parameters
        ----------
        positions
            (m, n, 3), Angstrom, molecules whole.
        vectors
            (m or 1, 3, 3), the cell's vectors, Angstrom; (0, 3, 3) without a cell.
        beside
            Functions that are called as well; by several threads at the same time, the first ones first.

        Returns
        -------
        (m, kinds) in kcal/mol, (m, n, 3) in kcal/mol/Angstrom and (m, 3, 3) in kcal/mol.

        Raises
        ------
        InputError
            If two atoms of an n-mer are in one place.
        """
        positions, vectors = np.ascontiguousarray(positions), np.ascontiguousarray(vectors)
        inverse = np.linalg.inv(vectors) if len(vectors) else NO_CELL
        groups, m = self._groups(len(positions)), len(positions)
        found = [
            (np.zeros((m, len(self._potentials))), np.zeros(positions.shape), np.zeros((m, 3, 3))) for _ in groups
        ]
        turns = count()  # taken by the threads one by one

        def work(room: Room) -> int:
            touching = 0
            while (turn := next(turns)) < len(beside) + len(groups):
                if turn < len(beside):
                    beside[turn]()
                    continue
                n = turn - len(beside)
                touching += add_corrections(
                    positions, vectors, inverse, self._kinds, self._places, groups[n], room, *found[n]
                )
            return touching

        if sum(map(work, self._rooms) if self._pool is None else self._pool.map(work, self._rooms)):
            raise InputError(self._touching(positions))
        if len(found) == 1:
            return found[0]
        energy, gradient, virial = (np.sum(parts, axis=0) for parts in zip(*found, strict=True))
        return energy, gradient, virial

    def _groups(self, configurations: int) -> list[Ints]:
        """Return the jobs in groups of about the same cost: one of all, or several for each thread."""
        if self._jobs[0] != configurations:
            number = 1 if self.threads == 1 else FINE * self.threads
            every, load = [], np.zeros(number)
            for kind, occurrences in enumerate(self._places.counts):
                total = int(occurrences) * configurations
                ends = np.linspace(0, total, max(1, min(total // CHUNK, number)) + 1).astype(np.int64)
                every += [
                    (self._costs[kind] * int(b - a), kind, int(a), int(b)) for a, b in pairwise(ends) if b > a
                ]
            chosen: list[list[tuple[int, int, int]]] = [[] for _ in range(number)]
            for cost, *job in sorted(every, reverse=True):
                lightest = int(load.argmin())
                chosen[lightest].append((job[0], job[1], job[2]))
                load[lightest] += cost
            self._jobs = configurations, [np.array(jobs, dtype=np.int64).reshape(-1, 3) for jobs in chosen]
        return self._jobs[1]

    def _touching(self, positions: Floats) -> str:
        """Return which two atoms of an n-mer are in one place."""
        for potential, placements in zip(self._potentials, self._placements, strict=True):
            for i, j in potential.basis.variables.pairs:
                apart = positions[:, placements.atoms[:, i]] - positions[:, placements.atoms[:, j]]
                same = np.argwhere((apart == 0).all(axis=2))
                if len(same):
                    atoms = placements.atoms[same[0, 1]]
                    return f"atoms {atoms[i]} and {atoms[j]} are in one place (configuration {same[0, 0]})"
        return "two atoms are in one place, or so near that the energy is not a finite number"


def _kinds(potentials: Sequence[Potential], programs: Sequence[Program]) -> Kinds:
    """Return the arrays of all kinds, concatenated."""
    tables = [p.basis.variables for p in potentials]
    keys = [[] if p.switching is None else list(p.switching.keys) for p in potentials]
    sizes = [
        (p.nmer.natoms, len(v), len(q.parents), len(q.leaves), len(k), sum(map(len, k)), 0)
        for p, v, q, k in zip(potentials, tables, programs, keys, strict=True)
    ]
    starts = np.concatenate([np.zeros((1, 7), dtype=np.int64), np.cumsum(sizes, axis=0, dtype=np.int64)])
    ends = [np.cumsum([0, *map(len, k)]) for k in keys]
    spread = [v.spread(p.parameters) for p, v in zip(potentials, tables, strict=True)]
    radii = [(0.0, 0.0) if p.switching is None else (p.switching.r_in, p.switching.r_out) for p in potentials]

    def joined(name: str, kind: type) -> Any:
        return np.concatenate([getattr(program, name) for program in programs]).astype(kind)

    return Kinds(
        starts,
        np.concatenate([_bodies(p, p.switching) for p in potentials]),
        np.concatenate([v.pairs for v in tables]).astype(np.uint32),
        np.concatenate([np.stack(pair, axis=1) for pair in spread]).astype(np.float64),
        np.concatenate([v.flags for v in tables]).astype(np.uint8),
        joined("parents", np.uint32),
        joined("factors", np.uint32),
        joined("own", np.float64),
        joined("begins", np.int64),
        joined("leaves", np.uint32),
        joined("coefficients", np.float64),
        np.concatenate(ends).astype(np.int64),
        np.array([a for k in keys for key in k for a in key], dtype=np.int64),
        np.array(radii, dtype=np.float64).reshape(-1, 2),
    )


def _bodies(potential: Potential, switching: Switching | None) -> Ints:
    """Return, for each atom, the key of its body."""
    homes = np.repeat(np.arange(len(potential.nmer.fragments)), [f.natoms for f in potential.nmer.fragments])
    if switching is None:
        return np.zeros(potential.nmer.natoms, dtype=np.int64)
    key_of = {int(homes[key[0]]): n for n, key in enumerate(switching.keys)}
    return np.array([key_of[int(home)] for home in homes], dtype=np.int64)
