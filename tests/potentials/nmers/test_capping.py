"""Pieces of covalent n-mers: which, with what factors, and where their caps go."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.nmers.capping import Piece, pieces
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer

# butane: CH3-CH2-CH2-CH3, four 1-mers in a row
BUTANE = Fragment(
    "butane",
    ("C", "C", "C", "C", *("H",) * 10),
    (
        *((0.0, 0.0, 0.0), (1.53, 0.0, 0.0), (2.04, 1.44, 0.0), (3.57, 1.44, 0.0)),
        *((-0.39, 1.02, 0.0), (-0.39, -0.5, 0.9), (-0.39, -0.5, -0.9), (1.92, -0.51, 0.89), (1.92, -0.51, -0.89)),
        *((1.65, 1.95, 0.89), (1.65, 1.95, -0.89), (3.96, 0.42, 0.0), (3.96, 1.94, 0.9), (3.96, 1.94, -0.9)),
    ),
    (
        *((0, 1), (1, 2), (2, 3), (0, 4), (0, 5), (0, 6), (1, 7), (1, 8)),
        *((2, 9), (2, 10), (3, 11), (3, 12), (3, 13)),
    ),
    parts=((0, 4, 5, 6), (1, 7, 8), (2, 9, 10), (3, 11, 12, 13)),
)


def taken_apart(parts: tuple[tuple[int, ...], ...]) -> dict[tuple[int, ...], int]:
    fragment = Fragment(
        BUTANE.name, BUTANE.symbols, BUTANE.positions, BUTANE.bonds, parts=tuple(tuple(p) for p in parts)
    )
    return {one.parts: factor for one, factor in pieces(NMer("butane", (fragment,), "A1B1C1D1E3F2G2H3"))}


def test_two_three_and_four_in_a_row() -> None:
    a, b, c, d = BUTANE.parts
    assert taken_apart((a + b, c + d)) == {(0, 1): 1, (0,): -1, (1,): -1}
    # V(ABC) = E(ABC) - V(AB) - V(BC) - V(A) - V(B) - V(C) = E(ABC) - E(AB) - E(BC) + E(B)
    assert taken_apart((a, b, c + d)) == {(0, 1, 2): 1, (0, 1): -1, (1, 2): -1, (1,): 1}
    assert taken_apart((a, b, c, d)) == {(0, 1, 2, 3): 1, (0, 1, 2): -1, (1, 2, 3): -1, (1, 2): 1}


def test_the_n_body_energies_of_all_pieces_add_up_to_the_whole() -> None:
    """An independent sum: any energy of pieces, here random, is recovered from the V of all connected subsets."""
    rng = np.random.default_rng(0)
    every = [one for one in connected_subsets(4)]
    energy = {group: rng.normal() for group in every}
    total = 0.0
    for group in every:
        inside = tuple(BUTANE.parts[p] for p in group)
        numbers = sorted(a for part in inside for a in part)
        place = {a: n for n, a in enumerate(numbers)}
        fragment = Fragment(
            "x",
            tuple(BUTANE.symbols[a] for a in numbers),
            tuple(BUTANE.positions[a] for a in numbers),
            tuple((place[i], place[j]) for i, j in BUTANE.bonds if i in place and j in place),
            parts=tuple(tuple(place[a] for a in part) for part in inside),
        )
        symmetry = "".join(f"{chr(65 + n)}1" for n in range(len(numbers)))
        for one, factor in pieces(NMer("x", (fragment,), symmetry)):
            total += factor * energy[tuple(group[p] for p in one.parts)]
    assert total == pytest.approx(energy[0, 1, 2, 3], abs=1e-12)


def connected_subsets(count: int) -> list[tuple[int, ...]]:
    """In a chain: the runs without a gap."""
    return [tuple(range(i, j)) for i in range(count) for j in range(i + 1, count + 1)]


def test_caps_lie_on_the_cut_bonds_at_their_length() -> None:
    middle = Piece(BUTANE, (1,))
    assert middle.atoms == (1, 7, 8) and sorted(middle.cuts) == [(1, 0), (1, 2)]
    x = np.array(BUTANE.positions) + np.random.default_rng(1).normal(scale=0.1, size=(5, 14, 3))
    placed = middle.positions(x)
    assert placed.shape == (5, 5, 3)
    np.testing.assert_array_equal(placed[:, :3], x[:, [1, 7, 8]])
    for number, (anchor, outside) in enumerate(middle.cuts, 3):
        bond, cut = placed[:, number] - x[:, anchor], x[:, outside] - x[:, anchor]
        np.testing.assert_allclose(np.linalg.norm(bond, axis=1), 1.14, rtol=1e-14)
        np.testing.assert_allclose(np.cross(bond, cut), 0.0, atol=1e-12)
        assert (np.sum(bond * cut, axis=1) > 0).all()
    assert middle.fragment.symbols == ("C", "H", "H", "H", "H")
    assert middle.fragment.caps == (3, 4)
    assert sorted(middle.fragment.bonds) == [(0, 1), (0, 2), (0, 3), (0, 4)]


def test_parts_that_leave_an_atom_out_and_charges_are_refused() -> None:
    with pytest.raises(InputError, match="each of its atoms 0 to 1 exactly once"):
        Fragment("x", ("H", "H"), ((0, 0, 0), (0, 0, 0.7)), ((0, 1),), parts=((0,),))
    ion = Fragment("x", ("H", "H"), ((0, 0, 0), (0, 0, 0.7)), ((0, 1),), charge=1, parts=((0,), (1,)))
    with pytest.raises(InputError, match="one uncharged molecule"):
        pieces(NMer("x", (ion,), "A2"))
