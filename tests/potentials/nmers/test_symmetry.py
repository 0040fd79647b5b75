"""Symmetry strings from elements, bonds, and caps."""

from __future__ import annotations

import pytest

from potentials.errors import InputError
from potentials.graph import distances
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.nmers.symmetry import derive_symmetry
from potentials.pip.basis import Basis
from recipes.load import load_recipe, shipped_recipes


def molecule(symbols: str, bonds: list[tuple[int, int]], caps: tuple[int, ...] = (), charge: int = 0) -> Fragment:
    elements = tuple(symbols.split())
    places = tuple((float(i), 0.0, 0.0) for i in range(len(elements)))
    return Fragment(symbols, elements, places, tuple(bonds), caps, charge)


WATER = molecule("O H H", [(0, 1), (0, 2)])
METHANE = molecule("C H H H H", [(0, 1), (0, 2), (0, 3), (0, 4)])
CH3 = molecule("C H H H H", [(0, 1), (0, 2), (0, 3), (0, 4)], caps=(1,))
ETHANOL = molecule("C H H H C H H O H", [(0, 1), (0, 2), (0, 3), (0, 4), (4, 5), (4, 6), (4, 7), (7, 8)])
BENZENE_C = [(i, (i + 1) % 6) for i in range(6)]
BENZENE = molecule("C C C C C C H H H H H H", [*BENZENE_C, *((i, i + 6) for i in range(6))])


@pytest.mark.parametrize(
    ("fragments", "symmetry"),
    [
        ((WATER,), "A1B2"),
        ((METHANE,), "A1B4"),
        ((CH3, WATER), "A1B1C3_D1E2"),  # the cap is a class of its own
        ((METHANE, WATER), "A1B4_C1D2"),
        ((WATER, WATER), "A1B2_A1B2"),
        ((WATER, METHANE, WATER), "A1B2_C1D4_A1B2"),
        ((ETHANOL,), "A1B3C1D2E1F1"),  # the two C differ, and so do the H on C, on C, and on O
        ((BENZENE,), "A6B6"),
        ((molecule("H O H", [(0, 1), (1, 2)]),), "A1B1A1"),  # alike atoms need not stand together
        ((molecule("F", [], charge=-1), WATER), "A1_B1C2"),
        ((molecule("Na", []), molecule("Na", [], charge=1)), "A1_B1"),
        ((WATER, molecule("O H H", [(0, 1)])), "A1B2_C1D1E1"),  # one O-H bond fewer: another molecule
    ],
)
def test_known_molecules(fragments: tuple[Fragment, ...], symmetry: str) -> None:
    assert derive_symmetry(fragments) == symmetry
    assert NMer("x", fragments).symmetry == symmetry


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_shipped_recipes_say_what_would_be_derived(name: str) -> None:
    nmer = load_recipe(name).build_nmer()
    assert derive_symmetry(nmer.fragments) == nmer.symmetry


def test_the_order_of_the_atoms_changes_no_count() -> None:
    usual = NMer("x", (WATER,))
    other = NMer("x", (molecule("H O H", [(0, 1), (1, 2)]),))
    assert [Basis.build(n, 4).n_terms for n in (usual, other)] == [21, 21]


def test_one_molecule_in_two_orders_is_refused() -> None:
    with pytest.raises(InputError, match="same molecule with its atoms in different orders"):
        derive_symmetry((WATER, molecule("H O H", [(0, 1), (1, 2)])))


def test_more_kinds_than_letters_are_refused() -> None:
    chain = molecule(" ".join(["C"] * 50), [(i, i + 1) for i in range(49)])  # 25 kinds, from the ends inwards
    with pytest.raises(InputError, match="more than 23 kinds"):
        derive_symmetry((chain,))


def test_bonds_between_atoms() -> None:
    table = distances(ETHANOL.natoms, ETHANOL.bonds)
    assert (table[0, 0], table[0, 4], table[1, 2], table[1, 8]) == (0, 1, 2, 4)
    assert distances(2, [])[0, 1] == -1
