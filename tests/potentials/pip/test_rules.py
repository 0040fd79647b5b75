"""Rules for terms, against enumerations that apply the whole group to every monomial."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations_with_replacement

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from potentials.pip.basis import Basis, BasisOptions
from potentials.pip.points import Points
from potentials.pip.rules import EXAMPLES, parse_rules
from potentials.pip.sites import LonePairs
from potentials.pip.variables import Variables
from tests.potentials.nmers.test_symmetry import molecule
from tests.potentials.pip.test_basis import make

WATER_PAIR = make("D1E2_D1E2")
CAPPED = make("A1B1C3")
DIMER = make("A1B1C3_D1E2")

Monomial = tuple[tuple[int, int], ...]
"""The atoms of each distance."""


def group(points: Points) -> list[np.ndarray]:
    """All permutations that the generators make."""
    known = {tuple(range(len(points)))}
    front = list(known)
    while front:
        new = {tuple(np.array(g)[list(p)]) for p in front for g in points.generators()} - known
        known |= new
        front = list(new)
    return [np.array(p) for p in known]


def hang_together(monomial: Monomial) -> bool:
    parts = [set(pair) for pair in monomial]
    while len(parts) > 1:
        touching = next((p for p in parts[1:] if p & parts[0]), None)
        if touching is None:
            return False
        parts[0] |= touching
        parts.remove(touching)
    return True


def inter(points: Points, pair: tuple[int, int]) -> bool:
    return bool(points.fragment[pair[0]] != points.fragment[pair[1]])


def join(points: Points, monomial: Monomial) -> bool:
    """Whether the distances, drawn as lines between fragments, join all fragments."""
    lines = [(int(points.fragment[i]), int(points.fragment[j])) for i, j in monomial]
    parts = [{body} for body in range(int(points.fragment.max()) + 1)]
    for i, j in lines:
        one, other = (next(part for part in parts if body in part) for body in (i, j))
        if one is not other:
            parts.remove(other)
            one |= other
    return len(parts) == 1


Predicate = Callable[[Points, Monomial], bool]
PREDICATES: dict[str, Predicate] = {
    "intermolecular": lambda p, m: any(inter(p, pair) for pair in m),
    "joined": join,
    "only intermolecular": lambda p, m: all(inter(p, pair) for pair in m),
    "connected": lambda p, m: hang_together(m),
    "intra <= 1": lambda p, m: sum(not inter(p, pair) for pair in m) <= 1,
    "inter <= 2": lambda p, m: sum(inter(p, pair) for pair in m) <= 2,
    "E-D <= 1": lambda p, m: sum({p.letters[a] for a in pair} == {"D", "E"} for pair in m) <= 1,
    "D-E inter <= 0": lambda p, m: (
        not any(inter(p, pair) and {p.letters[a] for a in pair} == {"D", "E"} for pair in m)
    ),
    "atoms E": lambda p, m: all(p.letters[a] == "E" for pair in m for a in pair),
    "intra within 1 bond": lambda p, m: all(inter(p, pair) or p.bonds[pair] == 1 for pair in m),
}


def count_by_hand(points: Points, degree: int, predicates: list[Predicate]) -> int:
    pairs = [tuple(int(a) for a in pair) for pair in Variables.of(points).pairs]
    permutations = group(points)
    total = 0
    for d in range(1, degree + 1):
        seen: set[Monomial] = set()
        for monomial in combinations_with_replacement(pairs, d):
            if monomial in seen:
                continue
            orbit = {
                tuple(sorted(tuple(sorted((int(p[i]), int(p[j])))) for i, j in monomial)) for p in permutations
            }
            seen |= orbit
            verdicts = {all(predicate(points, member) for predicate in predicates) for member in orbit}
            assert len(verdicts) == 1  # these rules never split an orbit
            total += verdicts.pop()
    return total


@pytest.mark.parametrize(
    "rules",
    [
        *([text] for text in PREDICATES),
        ["connected", "intermolecular"],
        ["connected", "intra <= 1", "intermolecular"],
        ["inter <= 2", "E-D <= 1", "intermolecular"],
    ],
    ids=" & ".join,
)
def test_counts_against_the_whole_group(rules: list[str]) -> None:
    found = Basis.build(WATER_PAIR, 3, "all", BasisOptions(rules=tuple(rules)))
    assert found.n_terms == count_by_hand(Points.of(WATER_PAIR), 3, [PREDICATES[r] for r in rules])


@pytest.mark.parametrize("rules", [["joined"], ["joined", "connected"], ["joined", "only intermolecular"]])
@pytest.mark.parametrize(("symmetry", "degree"), [("A1_D1E2_D1E2", 3), ("D1E2_D1E2_D1E2", 2), ("A1_A1_A1_A1", 4)])
def test_counts_of_many_fragments(symmetry: str, degree: int, rules: list[str]) -> None:
    nmer = make(symmetry)
    found = Basis.build(nmer, degree, "all", BasisOptions(rules=tuple(rules)))
    assert found.n_terms == count_by_hand(Points.of(nmer), degree, [PREDICATES[r] for r in rules])


def test_lone_pairs_join_fragments_too() -> None:
    nmer = make("A1_D1E2_D1E2")
    pairs = (LonePairs((1, 2, 3)), LonePairs((4, 5, 6)))
    found = Basis.build(nmer, 2, "intermolecular", BasisOptions(lone_pairs=pairs))
    points = Points.of(nmer, pairs)
    assert found.n_terms == count_by_hand(points, 2, [join])
    assert (found.variables.pairs >= nmer.natoms).any()


def test_a_fragment_without_distances_joins_nothing() -> None:
    with pytest.raises(InputError, match="leave no terms"):
        Basis.build(make("D1E2_D1E2_A1"), 3, "intermolecular", BasisOptions(rules=("atoms D E",)))


def test_terms_of_the_papers_stay() -> None:
    assert Basis.build(DIMER, 3, "all", BasisOptions(rules=("intermolecular",))).n_terms == 710
    assert Basis.build(make("A1B4"), 4).n_terms == 82
    assert Basis.build(make("A1B4"), 6).n_terms == 494


def test_mb_pol_has_31_variables() -> None:
    """Two waters with lone pairs: 6 distances within, 25 between (Babin, Leforestier, Paesani 2013)."""
    points = Points.of(WATER_PAIR, (LonePairs((0, 1, 2)), LonePairs((3, 4, 5))))
    assert points.symmetry == "D1E2X2_D1E2X2"
    known = Variables.of(points)
    assert (len(known), int(known.intermolecular.sum())) == (31, 25)
    assert set(known.names) == {
        "D-E intra", "E-E intra", "D-D inter", "D-E inter", "E-E inter", "D-X inter", "E-X inter", "X-X inter"
    }  # fmt: skip


def test_counts_with_sites_against_the_whole_group() -> None:
    pairs = (LonePairs((0, 1, 2)), LonePairs((3, 4, 5)))
    points = Points.of(WATER_PAIR, pairs)
    assert len(group(points)) == 32
    options = BasisOptions(lone_pairs=pairs, rules=("intermolecular",))
    predicates = [PREDICATES["intermolecular"]]
    assert Basis.build(WATER_PAIR, 2, "all", options).n_terms == count_by_hand(points, 2, predicates)


def test_no_term_is_lost_or_torn_by_an_exchange() -> None:
    """Every permutation takes each kept monomial to one of the same term, whatever the rules."""
    for nmer, rules in (
        (WATER_PAIR, ("connected", "intra <= 1")),
        (DIMER, ("connected", "A-C intra <= 1", "no caps")),
        (DIMER, ("intra within 1 bond",)),
    ):
        basis = Basis.build(nmer, 3, "all", BasisOptions(rules=rules))
        place = {tuple(pair): v for v, pair in enumerate(basis.variables.pairs.tolist())}
        for order in Points.of(nmer).generators():
            move = np.array([place[tuple(sorted(order[pair].tolist()))] for pair in basis.variables.pairs])
            for rows, term in zip(basis.rows, basis.term, strict=True):
                number = {tuple(row): t for row, t in zip(rows.tolist(), term.tolist(), strict=True)}
                for row, t in number.items():
                    assert number[tuple(sorted(move[list(row)].tolist()))] == t


def test_a_rule_that_would_tear_an_orbit_drops_it() -> None:
    """The six H of ethane share a letter: H-H is 2 bonds on one carbon, 3 across, and one kind of distance."""
    bonds = [(0, 1), *((0, h) for h in (2, 3, 4)), *((1, h) for h in (5, 6, 7))]
    nmer = NMer("ethane", (molecule("C C H H H H H H", bonds),))
    assert nmer.symmetry == "A2B6"
    left = Basis.build(nmer, 1, "all", BasisOptions(rules=("intra within 2 bonds",))).variables
    assert left.names == ("A-A intra", "A-B intra") and len(left) == 13
    left = Basis.build(nmer, 1, "all", BasisOptions(rules=("intra within 1 bond",))).variables
    assert left.names == ("A-A intra",)  # C-H is also 2 bonds, and all twelve are alike


def test_caps_can_be_left_out() -> None:
    without = Basis.build(CAPPED, 5, "all", BasisOptions(rules=("no caps",)))
    assert without.n_terms == Basis.build(make("A1C3", {"A": "C", "C": "H"}), 5).n_terms
    assert not (without.variables.pairs == 1).any()


def test_every_example_is_a_rule() -> None:
    examples = EXAMPLES.split(", ")
    assert len({type(rule) for rule in parse_rules(examples)}) == 7
    assert parse_rules(["intra  <=2"]) == parse_rules(["intra <= 2"])


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (("intra < 2",), "is not a rule for terms; allowed are: intermolecular"),
        (("A-D intra <= 1",), "applies to no distance; allowed: A-B intra"),
        (("atoms A Q",), "names Q; allowed: A B C D E"),
        (("intra <= 0", "inter <= 0"), "leave no distances of A1B1C3_D1E2"),
    ],
)
def test_rules_that_cannot_work_are_named(rules: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Basis.build(DIMER, 2, "all", BasisOptions(rules=rules))


def test_rules_that_leave_no_terms_are_named() -> None:
    with pytest.raises(InputError, match="leave no terms"):
        Basis.build(make("A1_B1C2", {"A": "F", "B": "O", "C": "H"}), 1, "intermolecular",
                    BasisOptions(rules=("intra <= 1", "inter <= 0")))  # fmt: skip
