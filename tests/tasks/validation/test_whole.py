"""The whole capped n-mer is the sum of the n-body energies of all its sub-n-mers."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.errors import InputError
from recipes.load import load_recipe
from tasks.validation.whole import Whole, bodies_of
from tests.nmer.polyalanine import potential
from tests.tasks.validation.surfaces import sampled

PARTS = {
    "conh": [],
    "conh-ch": ["conh", "ch"],
    "conh-ch-conh": ["conh", "ch", "conh", "conh-ch", "ch-conh"],
    "conh-conh-pair": ["conh", "conh"],
}


def whole_of(name: str) -> Whole:
    own = potential(name)
    parts = [potential(part) for part in PARTS[name]]
    return Whole(own, tuple(zip(bodies_of(own.nmer), parts, strict=True)))


@pytest.mark.parametrize("name", PARTS)
def test_the_whole_is_the_sum_of_all_nbody_energies(name: str) -> None:
    """V_phys of the whole, added up once, is the sum of its n-body energies."""
    whole, positions = whole_of(name), sampled(load_recipe(name).build_nmer(), 6)
    energy = np.asarray(whole.potential.energy(positions)).copy()
    for body, part in whole.bodies:
        energy += whole.body_energy(body, part, positions)
    np.testing.assert_allclose(whole.evaluate(positions).energy, energy, rtol=0, atol=1e-9)


def test_the_gradient_is_the_derivative_with_caps_held() -> None:
    whole = whole_of("conh-ch-conh")
    positions, step = sampled(whole.nmer, 2), 1e-4
    gradient = whole.evaluate(positions).gradient
    for atom in (0, 4, 5, 7, 11):
        for axis in range(3):
            moved = np.repeat(positions[None], 2, axis=0)
            moved[0, :, atom, axis] -= step
            moved[1, :, atom, axis] += step
            less, more = (whole.evaluate(x).energy for x in moved)
            np.testing.assert_allclose((more - less) / (2 * step), gradient[:, atom, axis], rtol=0, atol=1e-5)
    cap, anchor, _ = whole.nmer.caps[0]
    along = positions[:, cap] - positions[:, anchor]
    assert np.abs((gradient[:, cap] * along).sum(axis=1)).max() < 1e-9


def test_sub_nmers_of_molecules_are_their_groups() -> None:
    waters = load_recipe("water-water-water").build_nmer()
    found = list(bodies_of(waters))
    assert [len(body.fragments) for body in found] == [1, 1, 1, 2, 2, 2]
    pair = load_recipe("water-water").build_nmer()
    assert [body.in_order_of(pair) is not None for body in found] == [False] * 3 + [True] * 3
    assert found[4].real == frozenset((*range(3), *range(6, 9))) and found[0].title == "OHH"
    assert [b.title for b in bodies_of(load_recipe("conh-ch").build_nmer())] == ["CONH--", "CH---"]


def test_the_direction_along_the_chain_decides() -> None:
    """CONH-CH is bonded through its nitrogen, CH-CONH through its carbon."""
    bodies = [body for body in bodies_of(load_recipe("conh-ch-conh").build_nmer()) if len(body.real) > 5]
    names = ("conh-ch", "ch-conh")
    fits = [[body.in_order_of(load_recipe(name).build_nmer()) is not None for name in names] for body in bodies]
    assert fits == [[True, False], [False, True]]


def test_a_potential_of_another_nmer_is_refused() -> None:
    own = potential("conh-ch")
    wrong = Whole(own, ((next(iter(bodies_of(own.nmer))), potential("ch3")),))
    with pytest.raises(InputError, match="'ch3' is no part of 'conh-ch'"):
        wrong.evaluate(own.nmer.positions[None])
