"""The degree of a new n-mer's PIP: the highest that gives no more terms than a fit can use."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import comb, factorial, prod

import numpy as np

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from potentials.pip.basis import Basis, BasisOptions
from potentials.pip.points import Points
from potentials.pip.variables import Variables

HIGHEST = 5
"""Degree that is tried first; the papers use it for 1-mers."""

FULL = 3
"""Degree that is not lowered if it gives too many terms: the data choose among them instead."""

PAPER_TERMS = 3000
"""Largest number of terms of the paper preset; the papers' largest potential has 2,871."""

LAPTOP_TERMS = 1000

SMOKE_TERMS, SMOKE_CHOSEN = 100, 60
"""Largest number of terms of the smoke preset, which has 100 configurations; number of those that data choose."""

CANDIDATES = 15_000
"""Largest number of terms that the data can choose among; the papers' largest n-mer has 14,534."""

MOST_MONOMIALS = 1_500_000
"""Largest number of monomials that are enumerated to count terms."""


@dataclass(frozen=True)
class TermCount:
    """The terms of one preset.

    Attributes
    ----------
    degree
        Highest degree.
    candidates
        Number of terms that the rules leave.
    max_terms
        How many of them the data choose; None: all are kept.
    """

    degree: int
    candidates: int
    max_terms: int | None = None

    @property
    def count(self) -> int:
        """Number of terms of the fit."""
        return min(self.candidates, self.max_terms or self.candidates)


@dataclass(frozen=True)
class TermPlan:
    """The terms of the three presets, and the rules that they share."""

    rules: tuple[str, ...]
    smoke: TermCount
    laptop: TermCount
    paper: TermCount


def plan_terms(nmer: NMer) -> TermPlan:
    """Return the terms of each preset: all those of the highest degree that has few enough, else some of degree 3.

    There are no rules, unless only the rule ``connected`` leaves few enough terms at degree 3.

    Parameters
    ----------
    nmer
        The n-mer.

    Raises
    ------
    InputError
        If even degree 2 leaves too many to choose among.
    """
    plain: tuple[str, ...] = ()
    for rules, highest in ((plain, HIGHEST), (("connected",), FULL)):
        counts = {d: count_terms(nmer, d, rules) for d in range(1, highest + 1)}
        paper = _largest(counts, PAPER_TERMS, FULL)
        if paper and (paper.max_terms is None or rules):
            return _with_smaller(rules, counts, paper, len(nmer.fragments))
    paper = _largest(counts, PAPER_TERMS, 2)
    if paper is None:
        raise InputError(
            f"{nmer.name} has {len(Variables.of(Points.of(nmer)))} distances, which make more than {CANDIDATES:,} "
            "terms at degree 2"
        )
    return _with_smaller(rules, counts, paper, len(nmer.fragments))


def count_terms(nmer: NMer, degree: int, rules: tuple[str, ...] = ()) -> int | None:
    """Return the number of terms, or None if it exceeds `CANDIDATES` or would take too long to count.

    The number of monomials divided by the number of exchanges of atoms is a lower bound of the number of terms.
    """
    between = len(nmer.fragments) > 1
    if degree < len(nmer.fragments) - 1:
        return 0
    variables = Variables.of(Points.of(nmer))
    every, inner = len(variables), int((~variables.intermolecular).sum())
    whole = comb(every + degree, degree)
    kept = whole - (comb(inner + degree, degree) if between else 1)
    if len(nmer.fragments) == 3:  # without those whose intermolecular distances are all between the same two
        for pair in ((0, 1), (0, 2), (1, 2)):
            here = int((np.sort(variables.fragments, axis=1) == pair).all(axis=1).sum())
            kept -= comb(inner + here + degree, degree) - comb(inner + degree, degree)
    if whole > MOST_MONOMIALS or (not rules and kept // exchanges(nmer) > CANDIDATES):
        return None
    kind = "intermolecular" if between else "all"
    found = Basis.build(nmer, degree, kind, BasisOptions(rules=rules)).n_terms
    return found if found <= CANDIDATES else None


def exchanges(nmer: NMer) -> int:
    """Return the number of exchanges of equivalent atoms and fragments: the order of the symmetry group."""
    alike = [count for atoms in nmer.slices for count in Counter(nmer.classes[atoms]).values()]
    return prod(map(factorial, [*alike, *Counter(nmer.symmetry.split("_")).values()]))


def _largest(
    counts: dict[int, int | None], most: int, lowest: int, highest: int = HIGHEST, chosen: int | None = None
) -> TermCount | None:
    """Return all terms of the highest degree that has at most `most`, else some of the lowest degree.

    `chosen` is the number of those, by default `most`; the result is None if there are too many to choose among.
    """
    for degree in range(highest, lowest - 1, -1):
        count = counts.get(degree)
        if count and count <= most:
            return TermCount(degree, count)
    candidates = counts[lowest]
    return None if candidates is None else TermCount(lowest, candidates, chosen or most)


def _with_smaller(
    rules: tuple[str, ...], counts: dict[int, int | None], paper: TermCount, bodies: int
) -> TermPlan:
    """Return the terms of the smaller presets with those of the paper preset.

    Three fragments can be joined from degree 2 on, and are described beyond that from degree 3 on.
    """
    top, low = paper.degree, max(2, bodies)
    laptop = _largest(counts, LAPTOP_TERMS, min(top, FULL), top)
    smoke = _largest(counts, SMOKE_TERMS, min(top, low), min(top, 3), SMOKE_CHOSEN)
    assert laptop is not None and smoke is not None  # of no higher degree than the paper preset's
    return TermPlan(rules, smoke, laptop, paper)
