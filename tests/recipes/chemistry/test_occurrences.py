"""Where the n-mer of a recipe occurs in a molecule, by its atoms and not by its name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from potentials.systems.placement import Placements
from recipes.chemistry.fragmentation import fragment_molecule
from recipes.chemistry.molecules import read_molecule
from recipes.chemistry.occurrences import occurrences
from recipes.chemistry.pairs import find_pairs
from recipes.load import load_recipe

CHAIN = read_molecule("AceAla4Nme")
FOUND = fragment_molecule(CHAIN)


@pytest.mark.parametrize("name", ["conh", "ch3-conh", "conh-ch-conh"])
def test_a_covalent_nmer_occurs_where_the_fragmentation_has_it(name: str) -> None:
    expected = Placements.of(next(one for one in FOUND if one.name == name).placements)
    nmer = load_recipe(name).build_nmer()
    found = occurrences(NMer("any-name", nmer.fragments, nmer.symmetry), CHAIN)
    for one, other in ((found.atoms, expected.atoms), (found.anchors, expected.anchors)):
        np.testing.assert_array_equal(one, other)
    assert [
        CHAIN.symbols[a] if a == b else "H" for a, b in zip(found.atoms[0], found.anchors[0], strict=True)
    ] == [*nmer.symbols]


def test_a_pair_occurs_where_pairs_are_allowed() -> None:
    pair = load_recipe("conh-conh-pair").build_nmer()
    expected = Placements.of([p for p in find_pairs(CHAIN, FOUND) if p.nmer == "conh-conh-pair"])
    found = occurrences(pair, CHAIN)
    assert len(found.atoms) == 6
    np.testing.assert_array_equal(found.atoms, expected.atoms)


def test_the_order_of_the_fragments_is_that_of_the_recipe() -> None:
    methyl, amide = (load_recipe(name).build_nmer().fragments[0] for name in ("ch3", "conh"))
    far = tuple((x + 9.0, y, z) for x, y, z in amide.positions)
    one = occurrences(NMer("one", (methyl, replace(amide, positions=far))), CHAIN)
    other = occurrences(NMer("other", (replace(amide, positions=far), methyl)), CHAIN)
    assert len(one.atoms) > 3
    np.testing.assert_array_equal(np.roll(one.atoms, -methyl.natoms, axis=1), other.atoms)
    np.testing.assert_array_equal(np.roll(one.lengths, -methyl.natoms, axis=1), other.lengths)


@pytest.mark.parametrize(
    ("nmer", "molecule", "message"),
    [
        ("conh-water", "AceAla4Nme", "does not contain 'conh-water': 'water' is none of its 1-mers"),
        ("ch3-ch-conh", "AceGly3Nme", "does not contain 'ch3-ch-conh': 'CH3-CH-CONH' is none of its n-mers"),
        ("conh-conh-pair", "AceAlaNme", "its 1-mers are too near to each other along the molecule"),
        ("water-water-water", "O", "an n-mer of 3 fragments is not cut from molecules"),
    ],
)
def test_a_molecule_without_the_nmer_is_refused(nmer: str, molecule: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        occurrences(load_recipe(nmer).build_nmer(), read_molecule(molecule))
