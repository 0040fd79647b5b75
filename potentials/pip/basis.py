"""The terms of a PIP: monomials in distances, made invariant under exchanges of equivalent atoms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from potentials.arrays import Bools, Ints
from potentials.errors import InputError
from potentials.graph import components
from potentials.nmers.nmer import NMer
from potentials.pip.points import Points
from potentials.pip.rules import Joined, Rule, parse_rules
from potentials.pip.sites import LonePairs
from potentials.pip.variables import Forms, Variables

FILTERS = ("all", "intermolecular")
"""Which monomials may form terms: all, or those whose intermolecular distances join all fragments."""


@dataclass(frozen=True)
class BasisOptions:
    """The options of a basis besides its degree; the defaults are those of the papers.

    Attributes
    ----------
    rules
        Which distances and monomials are used; see `potentials.pip.rules`.
    forms
        The variables' functions of distance; see `potentials.pip.variables`.
    lone_pairs
        Virtual sites; see `potentials.pip.sites`.
    """

    rules: tuple[str, ...] = ()
    forms: Forms = field(default_factory=Forms)
    lone_pairs: tuple[LonePairs, ...] = ()


def monomials(count: int, degree: int) -> Ints:
    """Return all monomials of exactly `degree` as non-decreasing variable indices, shape (monomials, degree)."""
    rows = np.arange(count, dtype=np.int64)[:, None]
    for _ in range(degree - 1):
        last = rows[:, -1]
        repeat = count - last
        starts = np.repeat(np.cumsum(repeat) - repeat, repeat)
        nxt = np.arange(repeat.sum()) - starts + np.repeat(last, repeat)
        rows = np.concatenate([np.repeat(rows, repeat, axis=0), nxt[:, None]], axis=1)
    return rows


def orbits(rows: Ints, permutations: list[Ints], count: int) -> Ints:
    """Return the orbit of each monomial under the variables' permutations, numbered by first appearance."""
    degree = rows.shape[1]
    weight = count ** np.arange(degree - 1, -1, -1, dtype=np.int64)
    code = rows @ weight  # ascending, because the rows are sorted
    edges = [np.searchsorted(code, np.sort(p[rows], axis=1) @ weight) for p in permutations]
    if not edges:
        return np.arange(len(rows), dtype=np.int64)
    source = np.tile(np.arange(len(rows)), len(edges))
    return components(len(rows), np.stack([source, np.concatenate(edges)], axis=1))


@dataclass(frozen=True)
class Basis:
    """The terms of a PIP.

    Attributes
    ----------
    variables
        The distances.
    rows
        For each degree 1, 2, ..., its monomials as non-decreasing variable indices, (monomials, degree).
    term
        For each degree, the term of each monomial, or -1 where the filter leaves it out.
    n_terms
        Number of terms.
    selected
        Which terms of the whole basis these are, in ascending order; None: all of them.
    """

    variables: Variables
    rows: tuple[Ints, ...]
    term: tuple[Ints, ...]
    n_terms: int
    selected: tuple[int, ...] | None = None

    @classmethod
    def build(
        cls,
        nmer: NMer,
        degree: int,
        terms: str = "all",
        options: BasisOptions = BasisOptions(),
    ) -> Basis:
        """Enumerate the terms of degree 1 to `degree`.

        Parameters
        ----------
        nmer
            The n-mer.
        degree
            Highest degree of a monomial.
        terms
            ``all``, or ``intermolecular``: the intermolecular distances of every monomial join all fragments, so
            that it vanishes when any one of them leaves.
        options
            Rules, forms of the variables, and virtual sites.

        Raises
        ------
        InputError
            If the degree is less than 1, a filter or a rule is unknown or does not apply to the n-mer, or no term
            is left.
        """
        if degree < 1:
            raise InputError(f"degree {degree} leaves no terms; allowed: 1 or more")
        if terms not in FILTERS:
            raise InputError(f"terms '{terms}' is not a filter; allowed: {', '.join(FILTERS)}")
        rules = parse_rules(options.rules)
        if terms == "intermolecular":
            rules = (Joined(), *rules)
        points = Points.of(nmer, options.lone_pairs)
        distances, moves = _allowed(points, options.forms, rules)
        count = len(distances)
        all_rows, all_terms, total = [], [], 0
        for d in range(1, degree + 1):
            rows = monomials(count, d)
            orbit = orbits(rows, moves, count)
            kept = _whole_orbits(orbit, [rule.monomials(rows, distances) for rule in rules])
            number = np.where(kept, total + np.cumsum(kept) - 1, -1)
            all_rows.append(rows)
            all_terms.append(number[orbit])
            total += int(kept.sum())
        if not total and Joined() in rules and degree < distances.bodies - 1:
            raise InputError(
                f"degree {degree} leaves no terms of {points.symmetry}: it takes {distances.bodies - 1} distances "
                f"to join {distances.bodies} fragments; allowed: degree {distances.bodies - 1} or more"
            )
        if not total:
            raise InputError(f"the rules leave no terms of {points.symmetry} at degree {degree}")
        return cls(distances, tuple(all_rows), tuple(all_terms), total)

    def select(self, numbers: Sequence[int] | Ints) -> Basis:
        """Return the basis of some of the terms, in the order of the whole basis.

        Raises
        ------
        InputError
            If a number is not that of a term, or occurs twice.
        """
        kept = np.sort(np.asarray(numbers, dtype=np.int64))
        if len(kept) == 0 or kept[0] < 0 or kept[-1] >= self.n_terms or (np.diff(kept) == 0).any():
            raise InputError(f"selected terms must be different numbers from 0 to {self.n_terms - 1}")
        place = np.full(self.n_terms + 1, -1, dtype=np.int64)  # the last entry is for what was left out before
        place[kept] = np.arange(len(kept))
        whole = kept if self.selected is None else np.array(self.selected)[kept]
        term = tuple(place[t] for t in self.term)
        return Basis(self.variables, self.rows, term, len(kept), tuple(int(n) for n in whole))

    def up_to(self, degree: int) -> Basis:
        """Return the basis of the terms up to a degree; all of them if no term has so low a degree."""
        term = self.term[:degree]
        count = 1 + max(int(t.max()) for t in term)
        if degree >= self.degree or count == 0:
            return self
        return Basis(self.variables, self.rows[:degree], term, count)

    @property
    def degree(self) -> int:
        """Highest degree of a monomial."""
        return len(self.rows)

    @cached_property
    def last(self) -> tuple[Ints, ...]:
        """For each degree 0, 1, ..., `degree`, the last variable of each monomial; 0 for the constant 1.

        The monomials of the next degree are, in order, each monomial times every variable from its last one on.
        """
        return (np.zeros(1, dtype=np.int64), *(np.ascontiguousarray(rows[:, -1]) for rows in self.rows))

    @cached_property
    def lowered(self) -> tuple[Ints, ...]:
        """The monomial that remains when a factor is removed, for each degree d, (d, monomials).

        An entry is (place of the remaining monomial of degree d - 1) * (number of variables) + (the factor). A
        monomial with x_k to the power a has the same entry a times: the factor a of its derivative.
        """
        count, found = len(self.variables.pairs), []
        below = np.zeros(1, dtype=np.int64)  # codes of the monomials of degree d - 1, ascending
        for d, rows in enumerate(self.rows, start=1):
            weight = count ** np.arange(d - 2, -1, -1, dtype=np.int64)
            codes = [np.delete(rows, factor, axis=1) @ weight for factor in range(d)]
            places = [np.searchsorted(below, code) * count + rows[:, f] for f, code in enumerate(codes)]
            found.append(np.asarray(places, dtype=np.int64))
            below = rows @ (count ** np.arange(d - 1, -1, -1, dtype=np.int64))
        return tuple(found)

    @property
    def pair_names(self) -> tuple[str, ...]:
        """Name of each kind of distance, in the order of the k."""
        return self.variables.names

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Name of each non-linear parameter: of the k, then of the d."""
        return self.variables.parameter_names

    def term_names(self) -> list[str]:
        """Return one monomial of each term, for example ``r05 r05 r16``: distances named by their atoms."""
        names: dict[int, str] = {}
        pairs = [f"r{i},{j}" for i, j in self.variables.pairs]  # sites are numbered after the atoms
        for rows, term in zip(self.rows, self.term, strict=True):
            number, first = np.unique(term, return_index=True)
            for n, row in zip(number, rows[first], strict=True):
                if n >= 0:
                    names[int(n)] = " ".join(pairs[v] for v in row)
        return [names[n] for n in range(self.n_terms)]


def _allowed(points: Points, forms: Forms, rules: Sequence[Rule]) -> tuple[Variables, list[Ints]]:
    """Return the distances that the rules allow, and their permutation by each generator of the group."""
    every = Variables.of(points, forms)
    generators = points.generators()
    moves = [_move_pairs(every.pairs, g) for g in generators]
    orbit = orbits(np.arange(len(every))[:, None], moves, len(every))
    kept = _whole_orbits(orbit, [rule.distances(every, points) for rule in rules])[orbit]
    if not kept.any():
        raise InputError(f"the rules leave no distances of {points.symmetry}")
    some = every.only(kept)
    return some, [_move_pairs(some.pairs, g) for g in generators]


def _whole_orbits(orbit: Ints, allowed: Sequence[Bools]) -> Bools:
    """Return for each orbit whether all rules allow all of its members."""
    kept = np.ones(orbit.max(initial=-1) + 1, dtype=np.bool_)
    for mask in allowed:
        kept[orbit[~mask]] = False
    return kept


def _move_pairs(pairs: Ints, permutation: Ints) -> Ints:
    """Return the permutation of the distances that a permutation of the points causes."""
    index = np.full((len(permutation), len(permutation)), -1, dtype=np.int64)
    index[pairs[:, 0], pairs[:, 1]] = index[pairs[:, 1], pairs[:, 0]] = np.arange(len(pairs))
    moved = permutation[pairs]
    return index[moved[:, 0], moved[:, 1]]
