"""Rules that decide which distances are variables and which monomials form terms; all of them must hold.

They are written in words:

============================  ==========================================================================
``joined``                    the intermolecular distances of every term join all fragments
``intermolecular``            every term contains at least one intermolecular distance
``only intermolecular``       every term contains only intermolecular distances
``connected``                 the atoms of a term are connected, its distances taken as lines
``intra <= 2``                at most degree 2 in distances within fragments; ``inter`` likewise
``A-B <= 2``                  at most degree 2 in distances between letters A and B
``A-B intra <= 1``            at most degree 1 in one kind of distance; ``A-B inter`` likewise
``atoms A C D``               distances between these letters only
``no caps``                   no distance of a cap
``intra within 3 bonds``      of the distances within fragments, only those over 3 bonds or fewer
============================  ==========================================================================

For two fragments ``joined`` and ``intermolecular`` are the same. For three, a term that is only ``intermolecular``
may contain no distance of one fragment, and then does not vanish when that one leaves; a ``joined`` term vanishes
when any one leaves.

The kept terms are invariant under exchanges of equivalent atoms: if a rule excludes one member of an orbit, the
whole orbit is excluded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from potentials.arrays import Bools, Ints
from potentials.errors import InputError
from potentials.pip.points import Points
from potentials.pip.variables import Variables

EXAMPLES = (
    "intermolecular, joined, only intermolecular, connected, intra <= 2, A-B <= 2, A-B inter <= 1, atoms A B C, "
    "no caps, intra within 3 bonds"
)
"""An example of each rule."""


@dataclass(frozen=True)
class Rule:
    """A rule that allows everything; the others exclude distances or monomials."""

    def distances(self, variables: Variables, points: Points) -> Bools:
        """Return which variables are allowed, (variables,)."""
        return np.ones(len(variables), dtype=np.bool_)

    def monomials(self, rows: Ints, variables: Variables) -> Bools:
        """Return which monomials are allowed, (monomials,), of rows of variables (monomials, degree)."""
        return np.ones(len(rows), dtype=np.bool_)


@dataclass(frozen=True)
class Intermolecular(Rule):
    """At least one intermolecular distance in every term, or only intermolecular distances."""

    only: bool = False

    def distances(self, variables: Variables, points: Points) -> Bools:
        """Return which variables are allowed."""
        if not variables.intermolecular.any():
            raise InputError("terms 'intermolecular' needs two fragments; use 'all' for one")
        return variables.intermolecular if self.only else super().distances(variables, points)

    def monomials(self, rows: Ints, variables: Variables) -> Bools:
        """Return which monomials are allowed."""
        return np.asarray(variables.intermolecular[rows].any(axis=1))


@dataclass(frozen=True)
class Joined(Rule):
    """The intermolecular distances of every term, taken as lines between fragments, join all fragments."""

    def distances(self, variables: Variables, points: Points) -> Bools:
        """Return which variables are allowed: all of them."""
        return Intermolecular().distances(variables, points)

    def monomials(self, rows: Ints, variables: Variables) -> Bools:
        """Return which monomials are allowed."""
        ends = np.left_shift(1, variables.fragments)  # one bit for each fragment a distance touches
        lines = np.bitwise_or(ends[:, 0], ends[:, 1])[rows]
        reached = np.ones(len(rows), dtype=np.int64)
        for _ in range(variables.bodies - 1):
            for line in lines.T:
                reached |= np.where(line & reached, line, 0)
        return np.asarray(reached == (1 << variables.bodies) - 1)


@dataclass(frozen=True)
class HighestDegree(Rule):
    """A highest degree in the kinds of distance whose name contains all these words, such as ``A-B``."""

    words: tuple[str, ...]
    most: int

    def distances(self, variables: Variables, points: Points) -> Bools:
        """Return which variables are allowed."""
        counted = self._counted(variables)
        if not counted.any():
            raise InputError(
                f"rule '{' '.join(self.words)} <= {self.most}' applies to no distance; allowed: "
                f"{', '.join(variables.names)}"
            )
        return np.logical_not(counted) if self.most == 0 else super().distances(variables, points)

    def monomials(self, rows: Ints, variables: Variables) -> Bools:
        """Return which monomials are allowed."""
        return np.asarray(self._counted(variables)[rows].sum(axis=1) <= self.most)

    def _counted(self, variables: Variables) -> Bools:
        kinds = [set(self.words) <= set(name.split()) for name in variables.names]
        return np.array(kinds, dtype=np.bool_)[variables.kind]


@dataclass(frozen=True)
class Connected(Rule):
    """The atoms of a term are connected."""

    def monomials(self, rows: Ints, variables: Variables) -> Bools:
        """Return which monomials are allowed."""
        if variables.pairs.max(initial=0) > 62:
            raise InputError("rule 'connected' works for up to 63 atoms and sites")
        ends = np.left_shift(1, variables.pairs).sum(axis=1)[rows]  # one bit for each point a distance touches
        reached = ends[:, 0].copy()
        for _ in range(rows.shape[1] - 1):
            for column in ends.T:
                reached |= np.where(column & reached, column, 0)
        return np.asarray(((ends & reached[:, None]) != 0).all(axis=1))


@dataclass(frozen=True)
class Letters(Rule):
    """Distances between points of these letters only."""

    letters: tuple[str, ...]

    def distances(self, variables: Variables, points: Points) -> Bools:
        """Return which variables are allowed."""
        unknown = set(self.letters) - set(points.letters)
        if unknown:
            known = " ".join(dict.fromkeys(points.letters))
            raise InputError(f"rule 'atoms' names {' '.join(sorted(unknown))}; allowed: {known}")
        inside = np.array([letter in self.letters for letter in points.letters])
        return np.asarray(inside[variables.pairs].all(axis=1))


@dataclass(frozen=True)
class NoCaps(Rule):
    """No distance of a cap."""

    def distances(self, variables: Variables, points: Points) -> Bools:
        """Return which variables are allowed."""
        return np.asarray(~points.cap[variables.pairs].any(axis=1))


@dataclass(frozen=True)
class WithinBonds(Rule):
    """Of the distances within fragments, only those over few bonds."""

    most: int

    def distances(self, variables: Variables, points: Points) -> Bools:
        """Return which variables are allowed."""
        apart = points.bonds[variables.pairs[:, 0], variables.pairs[:, 1]]
        return variables.intermolecular | ((apart >= 0) & (apart <= self.most))


def parse_rules(texts: Sequence[str]) -> tuple[Rule, ...]:
    """Return the rules that the texts name.

    Raises
    ------
    InputError
        If one is not a rule.
    """
    return tuple(_parse(" ".join(text.split())) for text in texts)


def _parse(text: str) -> Rule:
    plain: dict[str, Rule] = {
        "joined": Joined(),
        "intermolecular": Intermolecular(),
        "only intermolecular": Intermolecular(only=True),
        "connected": Connected(),
        "no caps": NoCaps(),
    }
    if text in plain:
        return plain[text]
    if found := re.fullmatch(r"(intra|inter|[A-Z]-[A-Z](?: intra| inter)?) ?<= ?(\d)", text):
        words = found[1].split()
        if "-" in words[0]:
            words[0] = "-".join(sorted(words[0].split("-")))
        return HighestDegree(tuple(words), int(found[2]))
    if found := re.fullmatch(r"atoms((?: [A-Z])+)", text):
        return Letters(tuple(found[1].split()))
    if found := re.fullmatch(r"intra within ([1-9]\d?) bonds?", text):
        return WithinBonds(int(found[1]))
    raise InputError(f"'{text}' is not a rule for terms; allowed are: {EXAMPLES}")
