"""The search on a whole n-mer comes to what was planted in it, and not to what lies behind a barrier."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.arrays import Floats
from potentials.errors import InputError
from recipes.load import load_recipe
from tasks.validation.places import AT_CONTACT, Place
from tasks.validation.reach import Effort, search, steps_of
from tests.tasks.validation.surfaces import Bare, Springs, hole, sampled

NMER = load_recipe("conh-ch-conh").build_nmer()
DATA = sampled(NMER, 40)
BOND = (1, 11)
"""O and H of the hydrogen bond that a dipeptide closes to a ring of seven."""

QUICK = Effort(walkers=8, steps=150, stages=40, relaxations=6)


def found(springs: Springs, data: Floats = DATA) -> dict[str, Place]:
    return {place.search: place for place in search(Bare(NMER, springs), data, 0.0, QUICK)}


def test_a_sound_surface_has_no_such_place() -> None:
    places = found(Springs(NMER))
    assert set(places) == {"dynamics", "pull"}
    assert all(place.below < 1.0 and not place.what and place.onset is None for place in places.values())
    again = found(Springs(NMER))
    np.testing.assert_array_equal(again["dynamics"].positions, places["dynamics"].positions)


def test_a_hole_inside_a_hydrogen_bond_is_found_and_followed_to_contact() -> None:
    """From 1.5 to 0.3 A, far nearer than all data, as in a dipeptide that fused an oxygen and a hydrogen."""
    assert np.linalg.norm(DATA[:, BOND[0]] - DATA[:, BOND[1]], axis=1).min() > 3.0
    place = found(Springs(NMER, BOND, hole(1.5, 0.3, 60.0)))["pull"]
    assert (place.what, place.pair) == ("contact", BOND) and place.energy < -30.0
    assert place.below == pytest.approx(AT_CONTACT - place.energy)
    assert place.onset is not None
    length = np.linalg.norm(place.onset[BOND[0]] - place.onset[BOND[1]])
    assert np.linalg.norm(place.positions[BOND[0]] - place.positions[BOND[1]]) < 0.5 < length < 1.6


def test_contact_counts_even_where_the_energy_never_falls_below_the_lowest() -> None:
    place = found(Springs(NMER, BOND, hole(1.5, 0.3, 10.0)))["pull"]
    assert (place.what, place.pair) == ("contact", BOND) and place.energy > 0.0 and place.below > 80.0


def test_a_hole_behind_a_barrier_that_no_simulation_crosses_does_not_count() -> None:
    places = found(Springs(NMER, BOND, hole(1.5, 0.3, 60.0, barrier=60.0)))
    assert all(place.below < 1.0 and not place.what for place in places.values())


def test_dynamics_falls_into_a_hole_without_a_barrier() -> None:
    place = found(Springs(NMER, BOND, hole(4.3, 2.0, 60.0)))["dynamics"]
    assert place.below > 5.0 and place.onset is not None


def test_a_bond_that_breaks_is_found() -> None:
    water = load_recipe("water").build_nmer()
    springs, data = Springs(water), sampled(water, 20)
    stiff, rest = springs.stiff[0], springs.rest[0]

    def breaks(r: Floats) -> tuple[Floats, Floats]:
        """Beyond 0.2 A the spring is gone, and 5 kcal/mol are left of it."""
        u = np.clip((r - rest - 0.1) / 0.1, 0.0, 1.0)
        on, slope, spring = u**2 * (3 - 2 * u), 6 * u * (1 - u) / 0.1, stiff * (r - rest) ** 2
        return -on * (spring - 5.0), -slope * (spring - 5.0) - on * 2 * stiff * (r - rest)

    assert all(not place.what for place in search(Bare(water, springs), data, 0.0, QUICK))
    weak = Springs(water, (0, 1), breaks)
    weak.stiff[2] = 0.0  # the angle would hold it
    places = {place.search: place for place in search(Bare(water, weak), data, 0.0, QUICK)}
    assert (places["pull"].what, places["pull"].pair) == ("broken bond", (0, 1)) and places["pull"].below > 20.0


def test_what_is_no_number_is_as_bad_as_can_be() -> None:
    class Nothing(Springs):
        def energy_and_gradient(self, positions):  # type: ignore[no-untyped-def]
            energy, gradient = super().energy_and_gradient(positions)
            return energy * np.nan, gradient

    assert search(Bare(NMER, Nothing(NMER)), DATA, 0.0, QUICK)[0].below == np.inf
    with pytest.raises(InputError, match="there are none"):
        search(Bare(NMER, Springs(NMER)), DATA[:0], 0.0, QUICK)


def test_progress_is_told_to_the_end() -> None:
    told: list[int] = []
    effort = Effort(walkers=2, steps=5, pairs=3, stages=4, relaxations=1, configurations=10)
    search(Bare(NMER, Springs(NMER)), DATA, 0.0, effort, told.append)
    assert told[-1] == steps_of(effort) == 9 and told == sorted(told)
