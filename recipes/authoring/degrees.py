"""How far the terms of a new n-mer go: the highest degree that leaves no more of them than a fit can use."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import comb, factorial

import numpy as np

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from potentials.pip.basis import Basis, BasisOptions
from potentials.pip.points import Points
from potentials.pip.variables import Variables

HIGHEST = 5
"""Degree that is tried first; the papers' 1-mers have it."""

FULL = 3
"""Degree below which terms are rather chosen by the data than left out by their degree."""

PAPER_TERMS = 3000
"""Most terms of the paper preset; the papers' largest potential has 2,871."""

LAPTOP_TERMS = 1000

SMOKE_TERMS, SMOKE_CHOSEN = 100, 60
"""Most terms of the smoke preset, which has 100 configurations; so many where they are chosen by the data."""

CANDIDATES = 15_000
"""Most terms that the data can choose among: the papers' largest n-mer has 14,534 here."""

MOST_MONOMIALS = 1_500_000
"""Monomials that are written down to count terms."""


@dataclass(frozen=True)
class TermCount:
    """The terms of one preset.

    Attributes
    ----------
    degree
        Highest degree.
    candidates
        Terms that the rules leave.
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
    """Return the terms of each preset: all of the highest degree that leaves few enough, else some of degree 3.

    The rules are none, or ``connected`` where that leaves few enough at a degree of 3 or more and none does not.

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
        paper = _all_of(counts, PAPER_TERMS, FULL) or _some_of(counts, PAPER_TERMS, FULL)
        if paper and (paper.max_terms is None or rules):
            return _with_smaller(rules, counts, paper, len(nmer.fragments))
    paper = _all_of(counts, PAPER_TERMS, 2) or _some_of(counts, PAPER_TERMS, 2)
    if paper is None:
        raise InputError(
            f"{nmer.name} has {len(Variables.of(Points.of(nmer)))} distances, which make more than {CANDIDATES:,} "
            "terms at degree 2"
        )
    return _with_smaller(rules, counts, paper, len(nmer.fragments))


def count_terms(nmer: NMer, degree: int, rules: tuple[str, ...] = ()) -> int | None:
    """Return the number of terms, or None where it is certainly more than `CANDIDATES`, or too long to count.

    The monomials over the number of exchanges of atoms are a lower bound of the terms.
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
    order = 1
    for atoms in nmer.slices:
        for count in Counter(nmer.classes[atoms]).values():
            order *= factorial(count)
    for count in Counter(nmer.symmetry.split("_")).values():
        order *= factorial(count)
    return order


def _all_of(counts: dict[int, int | None], most: int, lowest: int, highest: int = HIGHEST) -> TermCount | None:
    """Return all terms of the highest degree that leaves at most so many."""
    for degree in range(highest, lowest - 1, -1):
        count = counts.get(degree)
        if count and count <= most:
            return TermCount(degree, count)
    return None


def _some_of(counts: dict[int, int | None], most: int, degree: int) -> TermCount | None:
    """Return a choice among the terms of a degree."""
    count = counts[degree]
    return None if count is None else TermCount(degree, count, most)


def _with_smaller(
    rules: tuple[str, ...], counts: dict[int, int | None], paper: TermCount, bodies: int
) -> TermPlan:
    """Return the terms of the smaller presets beside those of the paper preset.

    It takes degree 2 to join three fragments at all, and degree 3 to say more of them.
    """
    top, low = paper.degree, max(2, bodies)
    laptop = _all_of(counts, LAPTOP_TERMS, min(top, FULL), top) or _some_of(counts, LAPTOP_TERMS, min(top, FULL))
    smoke = _all_of(counts, SMOKE_TERMS, min(top, low), min(top, 3)) or _some_of(
        counts, SMOKE_CHOSEN, min(top, low)
    )
    assert laptop is not None and smoke is not None  # fewer terms than the paper preset's, which were counted
    return TermPlan(rules, smoke, laptop, paper)
