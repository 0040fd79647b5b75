"""Pairs of 1-mers that are not bonded: which, by steps and bonds, in chains and between molecules."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest

from potentials.graph import distances
from potentials.systems.placement import Placement
from recipes.chemistry.fragmentation import fragment_molecule
from recipes.chemistry.molecules import Molecule, read_molecule
from recipes.chemistry.onemers import find_groups
from recipes.chemistry.pairs import LEAST_BONDS, find_pairs, pair_name, together
from recipes.load import load_recipe

PAIR = "conh-conh-pair"


def pairs_of(molecule: Molecule) -> tuple[Placement, ...]:
    return find_pairs(molecule, fragment_molecule(molecule))


def counts(molecule: str) -> Counter[str]:
    return Counter(p.nmer for p in pairs_of(read_molecule(molecule)))


def test_names_are_alphabetical() -> None:
    assert pair_name("conh", "ch3") == pair_name("ch3", "conh") == "ch3-conh-pair"
    assert pair_name("conh", "conh") == PAIR


@pytest.mark.parametrize(("chain", "amides"), [("AceAlaNme", 2), ("AceAla3Nme", 4), ("AceAla9Nme", 10)])
def test_amides_of_a_chain_pair_from_the_second_neighbour_on(chain: str, amides: int) -> None:
    """-CONH- i and i + 1 share a -CH- (2 steps); from i + 2 on, 4 steps, as in a 3-10 helix, they are pairs."""
    assert counts(chain)[PAIR] == (amides - 1) * (amides - 2) // 2


def test_the_pairs_are_those_of_a_count_by_hand() -> None:
    """Ace-Ala3-Nme: A-1-a-2-b-3-c-4-N in steps of one, with a methyl on each of a, b, c."""
    backbone = ["A", "1", "a", "2", "b", "3", "c", "4", "N"]
    at = {name: (place, 0) for place, name in enumerate(backbone)}
    at |= {f"m{name}": (at[name][0], 1) for name in "abc"}
    kind = {"A": "ch3", "N": "ch3", **dict.fromkeys("1234", "conh"), **dict.fromkeys("abc", "ch")}
    kind |= {f"m{name}": "ch3" for name in "abc"}
    expected: Counter[str] = Counter()
    for one, other in combinations(at, 2):
        (i, up), (j, down) = at[one], at[other]
        name = pair_name(kind[one], kind[other])
        if abs(i - j) + up + down >= (4 if name == PAIR else 5):
            expected[name] += 1
    assert counts("AceAla3Nme") == expected and expected[PAIR] == 3


@pytest.mark.parametrize("text", ["AceAla9Nme", "AceGly3Nme", "CCCCCCCC", "AceLeu2Nme"])
def test_steps_and_bonds_are_kept(text: str) -> None:
    molecule = read_molecule(text)
    groups = find_groups(molecule)
    owner = {a: n for n, group in enumerate(groups) for a in group.atoms}
    steps = distances(len(groups), [(owner[i], owner[j]) for i, j in molecule.bonds if owner[i] != owner[j]])
    bonds = distances(molecule.natoms, molecule.bonds)
    found = set()
    for pair in pairs_of(molecule):
        real = [a for a, anchor in zip(pair.atoms, pair.anchors, strict=True) if anchor < 0]
        one, other = dict.fromkeys(owner[a] for a in real)
        assert pair.nmer == pair_name(groups[one].kind.name, groups[other].kind.name)
        assert steps[one, other] >= (4 if pair.nmer == PAIR else 5)
        assert min(bonds[a, b] for a in groups[one].atoms for b in groups[other].atoms) >= LEAST_BONDS
        assert frozenset((one, other)) not in found
        found.add(frozenset((one, other)))
    left = {frozenset(c) for c in combinations(range(len(groups)), 2)} - found
    for one, other in map(sorted, left):
        name = pair_name(groups[one].kind.name, groups[other].kind.name)
        near = min(bonds[a, b] for a in groups[one].atoms for b in groups[other].atoms) < LEAST_BONDS
        assert near or steps[one, other] < (4 if name == PAIR else 5)


def test_too_few_bonds_between_them_make_no_pair() -> None:
    """In a chain of -CH2- five steps are five bonds; from N to N four steps are four bonds."""
    assert counts("CCCCC") == {} and counts("CCCCCC") == {"ch3-ch3-pair": 1}
    assert counts("CCCCCCC") == {"ch3-ch3-pair": 1, "ch2-ch3-pair": 2}
    near = read_molecule("CC(=O)NCCCNC(=O)C")  # 4 steps, 4 bonds from N to N
    steps_apart = counts("CC(=O)NCCCNC(=O)C")
    bonds = distances(near.natoms, near.bonds)
    nitrogens = [a for a, s in enumerate(near.symbols) if s == "N"]
    assert bonds[nitrogens[0], nitrogens[1]] == 4 < LEAST_BONDS and PAIR not in steps_apart
    assert counts("CC(=O)NCCCCNC(=O)C")[PAIR] == 1  # 5 bonds


def test_molecules_pair_with_each_other_whatever_their_place() -> None:
    found = counts("CC(=O)NC.CC(=O)NC")
    assert found == {PAIR: 1, "ch3-conh-pair": 4, "ch3-ch3-pair": 4}
    assert counts("CC(=O)NC") == {}
    assert counts("CC.O") == {"ch3-water-pair": 2} and counts("O.O.O") == {"water-water-pair": 3}


def test_a_pair_is_placed_as_its_recipe_has_its_atoms() -> None:
    molecule, nmer = read_molecule("AceAla3Nme"), load_recipe(PAIR).build_nmer()
    (conh,) = [one for one in fragment_molecule(molecule) if one.name == "conh"]
    places = [p for p in pairs_of(molecule) if p.nmer == PAIR]
    assert len(places) == 3
    for place in places:
        symbols = [
            "H" if anchor >= 0 else molecule.symbols[a]
            for a, anchor in zip(place.atoms, place.anchors, strict=True)
        ]
        assert tuple(symbols) == nmer.symbols
        caps = {n: anchor for n, anchor in enumerate(place.anchors) if anchor >= 0}
        assert caps == {cap: place.atoms[anchor] for cap, anchor, _ in nmer.caps}
        assert [place.lengths[cap] for cap, _, _ in nmer.caps] == [length for _, _, length in nmer.caps]
        assert any(place == together(PAIR, a, b) for a, b in combinations(conh.placements, 2))
