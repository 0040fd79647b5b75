"""The terms of a PIP: counts against Burnside's lemma, and invariance."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.pip.basis import Basis, BasisOptions
from potentials.pip.points import Points
from potentials.pip.variables import Variables

ELEMENTS = {"A": "C", "B": "H", "C": "H", "D": "O", "E": "H"}


def make(symmetry: str, letters: dict[str, str] | None = None) -> NMer:
    """Make an n-mer of a symmetry; the geometry does not matter here."""
    fragments = []
    for block in symmetry.split("_"):
        symbols = tuple(
            (letters or ELEMENTS)[block[i]] for i in range(0, len(block), 2) for _ in range(int(block[i + 1]))
        )
        caps = (1,) if block == "A1B1C3" else ()
        places = tuple((float(i), 0.0, 0.0) for i in range(len(symbols)))
        bonds = tuple((0, i) for i in range(1, len(symbols)))
        fragments.append(Fragment(block, symbols, places, bonds, caps))
    return NMer("x", tuple(fragments), symmetry)


@pytest.mark.parametrize(
    ("symmetry", "degree", "terms", "count"),
    [
        ("A1B1C3", 5, "all", 635),
        ("A1B1C3_D1E2", 3, "intermolecular", 710),
        ("A1B1C3_D1E2", 3, "all", 852),
        ("A1B4", 5, "all", 207),
    ],
)
def test_counts_of_the_papers(symmetry: str, degree: int, terms: str, count: int) -> None:
    assert Basis.build(make(symmetry), degree, terms).n_terms == count


def test_halide_water_count() -> None:
    nmer = make("A1_B1C2", {"A": "F", "B": "O", "C": "H"})
    assert Basis.build(nmer, 4, "intermolecular").n_terms == 98


def burnside(nmer: NMer, degree: int, terms: str) -> int:
    """Count the invariant monomials of degree 1..d as the mean number of monomials each permutation fixes.

    The group is found from its definition: the permutations that keep letters and take whole fragments to whole
    fragments.
    """
    known = Variables.of(Points.of(nmer))
    place = {tuple(sorted(p)): i for i, p in enumerate(known.pairs.tolist())}
    home = [f for f, part in enumerate(nmer.slices) for _ in range(part.start, part.stop)]
    classes: dict[str, list[int]] = {}
    for atom, letter in enumerate(nmer.classes):
        classes.setdefault(letter, []).append(atom)
    total = order = 0
    for images in product(*(permutations(atoms) for atoms in classes.values())):
        move = {
            a: b
            for atoms, image in zip(classes.values(), images, strict=True)
            for a, b in zip(atoms, image, strict=True)
        }
        if any(len({home[move[a]] for a in range(part.start, part.stop)}) > 1 for part in nmer.slices):
            continue
        order += 1
        seen: set[int] = set()
        every, within = [], []  # lengths of the cycles of all distances, and of those within a fragment
        for start in range(len(known.pairs)):
            length, at = 0, start
            while at not in seen:
                seen.add(at)
                length += 1
                i, j = known.pairs[at]
                at = place[tuple(sorted((move[int(i)], move[int(j)])))]
            if length:
                every.append(length)
                if not known.intermolecular[start]:
                    within.append(length)
        total += fixed(every, degree) - (fixed(within, degree) if terms == "intermolecular" else 0)
    assert total % order == 0
    return total // order


def fixed(cycles: list[int], degree: int) -> int:
    """Count the monomials of degree 1..d that a permutation of the variables with these cycles fixes."""
    series = np.zeros(degree + 1, dtype=np.int64)
    series[0] = 1
    for length in cycles:  # a cycle's variables carry one common power
        for d in range(length, degree + 1):
            series[d] += series[d - length]
    return int(series[1:].sum())


@pytest.mark.parametrize("terms", ["all", "intermolecular"])
@pytest.mark.parametrize(
    ("symmetry", "degree"),
    [("A1B1C3", 5), ("A1B4", 5), ("A1B1C3_D1E2", 3), ("D1E2_D1E2", 4), ("D1E2_D1E2_D1E2", 3), ("D1E2_A1B4", 3)],
)
def test_counts_follow_burnside(symmetry: str, degree: int, terms: str) -> None:
    nmer = make(symmetry)
    if terms == "intermolecular" and "_" not in symmetry:
        with pytest.raises(InputError, match="needs two fragments"):
            Basis.build(nmer, degree, terms)
    else:  # of three fragments the filter keeps fewer: see test_rules.py
        options = BasisOptions(rules=("intermolecular",) if terms == "intermolecular" else ())
        assert Basis.build(nmer, degree, "all", options).n_terms == burnside(nmer, degree, terms)


@pytest.mark.parametrize(
    ("symmetry", "degree", "joined", "any_distance"),
    [("D1E2_D1E2_D1E2", 2, 13, 43), ("D1E2_D1E2_D1E2", 3, 215, 409), ("A1_D1E2_D1E2", 3, 163, 364)],
)
def test_terms_of_three_fragments_join_them(symmetry: str, degree: int, joined: int, any_distance: int) -> None:
    nmer = make(symmetry)
    basis = Basis.build(nmer, degree, "intermolecular")
    assert basis.n_terms == joined
    assert Basis.build(nmer, degree, "all", BasisOptions(rules=("intermolecular",))).n_terms == any_distance
    inter, ends = basis.variables.intermolecular, basis.variables.fragments
    for rows, term in zip(basis.rows, basis.term, strict=True):
        bodies = [{tuple(ends[v]) for v in row if inter[v]} for row in rows]
        assert [len(pairs) > 1 for pairs in bodies] == (term >= 0).tolist()  # two pairs of three join all of them
    with pytest.raises(InputError, match="it takes 2 distances to join 3 fragments; allowed: degree 2 or more"):
        Basis.build(nmer, 1, "intermolecular")


def test_unknown_filters_and_degrees_are_refused() -> None:
    with pytest.raises(InputError, match="allowed: all, intermolecular"):
        Basis.build(make("A1B4"), 2, "inter")
    with pytest.raises(InputError, match="allowed: 1 or more"):
        Basis.build(make("A1B4"), 0)


def test_identical_fragments_exchange_as_wholes() -> None:
    pair = NMer("x", make("D1E2_D1E2").fragments, "D1E2_D1E2")
    distinct = NMer("x", pair.fragments, "A1B2_D1E2")
    # degree 1 of two exchangeable waters: O-H intra, H-H intra, O-O, O-H inter, H-H inter
    assert Basis.build(pair, 1).n_terms == 5
    assert Basis.build(distinct, 1).n_terms == 8


def test_every_kept_term_holds_an_intermolecular_distance() -> None:
    basis = Basis.build(make("A1B1C3_D1E2"), 2, "intermolecular")
    inter = basis.variables.intermolecular
    for rows, term in zip(basis.rows, basis.term, strict=True):
        assert np.array_equal(inter[rows].any(axis=1), term >= 0)
    assert len(basis.term_names()) == basis.n_terms == len(set(basis.term_names()))
