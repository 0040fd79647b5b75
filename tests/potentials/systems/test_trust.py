"""How far a sum can be trusted: deviations added up member by member, and occurrences outside of their range."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.nmers.switching import Switching
from potentials.pip.potential import Potential
from potentials.pip.ranges import training_ranges
from potentials.systems.cell import Cell
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.near import Near, NearKind
from potentials.systems.placement import Placement, Placements
from tests.potentials.pip.test_basis import make
from tests.potentials.pip.test_many_bodies import BENT, potential
from tests.potentials.systems.test_manybody import ETHANE, METHYL, POTENTIALS, SHAKEN, SYMBOLS, WHOLE

TRAINING = ETHANE + np.random.default_rng(7).normal(scale=0.08, size=(60, 8, 3))


def with_members(model: Potential, members: int, seed: int) -> Potential:
    rng = np.random.default_rng(seed)
    return replace(model, ensemble=model.coefficients + rng.normal(size=(members, len(model.coefficients))))


def with_ranges(model: Potential, places: tuple[Placement, ...], training: np.ndarray = TRAINING) -> Potential:
    geometries = Placements.of(places).positions(training).reshape(-1, model.nmer.natoms, 3)
    return replace(model, ranges=training_ranges(model.nmer, model.switching, geometries))


CELL = np.array([[12.0, 0.0, 0.0], [1.0, 12.0, 0.0], [0.0, -1.0, 12.0]])
ENSEMBLES = {"ch3": with_members(POTENTIALS["ch3"], 5, 1), "ch3-ch3": with_members(POTENTIALS["ch3-ch3"], 7, 2)}
KNOWN = {"ch3": with_ranges(POTENTIALS["ch3"], METHYL), "ch3-ch3": with_ranges(POTENTIALS["ch3-ch3"], WHOLE)}


def total(potentials: dict[str, Potential]) -> ManyBodyPotential:
    return ManyBodyPotential(SYMBOLS, (*METHYL, *WHOLE), potentials)


def by_members(potentials: dict[str, Potential], positions: np.ndarray) -> dict[str, np.ndarray]:
    """Return the root mean square change of the sum's energy when one n-mer gets each member's coefficients."""
    energy, found = total(potentials).energy(positions), {}
    for name, model in potentials.items():
        assert model.ensemble is not None
        changes = [
            np.asarray(total(potentials | {name: replace(model, coefficients=one)}).energy(positions)) - energy
            for one in model.ensemble
        ]
        found[name] = np.sqrt(np.mean(np.square(changes), axis=0))
    return found


def test_the_uncertainty_is_that_of_sums_with_each_members_coefficients() -> None:
    expected, model = by_members(ENSEMBLES, SHAKEN), total(ENSEMBLES)
    shares = model.uncertainties(SHAKEN)
    for name in expected:
        np.testing.assert_allclose(shares[name], expected[name], rtol=1e-10)
    together = np.sqrt(expected["ch3"] ** 2 + expected["ch3-ch3"] ** 2)
    np.testing.assert_allclose(model.uncertainty(SHAKEN), together, rtol=1e-10)
    assert model.uncertainty(SHAKEN[2]) == pytest.approx(together[2], rel=1e-10)


def test_occurrences_of_one_nmer_add_up_with_their_signs() -> None:
    """Twice the same geometry has twice the uncertainty, not its square root of two."""
    one = ManyBodyPotential(SYMBOLS, METHYL[:1], ENSEMBLES)
    twice = ManyBodyPotential(SYMBOLS, METHYL[:1] * 2, ENSEMBLES)
    np.testing.assert_allclose(twice.uncertainty(SHAKEN), 2 * np.asarray(one.uncertainty(SHAKEN)), rtol=1e-12)
    by_place = [ManyBodyPotential(SYMBOLS, METHYL[n : n + 1], ENSEMBLES).uncertainty(SHAKEN) for n in range(2)]
    both = np.asarray(ManyBodyPotential(SYMBOLS, METHYL, ENSEMBLES).uncertainty(SHAKEN))
    assert (both <= np.sum(by_place, axis=0) * (1 + 1e-12)).all()
    assert not np.allclose(both, np.sqrt(np.sum(np.square(by_place), axis=0)), rtol=0.01)


def test_switching_scales_the_uncertainty_and_ends_the_range() -> None:
    nmer, switching = make("D1E2_D1E2"), Switching((0, 3), 4.0, 5.0)
    model = with_members(potential(nmer, switching), 4, 3)
    near = np.concatenate([BENT, BENT + np.array([3.0, 0.0, 0.0])])
    training = near + np.random.default_rng(1).normal(scale=0.05, size=(30, 6, 3))
    known = replace(model, ranges=training_ranges(nmer, switching, training))
    places = [Placement("pair", tuple(range(6)), (-1,) * 6, (0.0,) * 6)]
    pair = ManyBodyPotential(nmer.symbols, places, {"pair": known})
    moved = np.stack([near + np.repeat([[0.0] * 3, [x, 0.0, 0.0]], 3, axis=0) for x in (0.0, 1.5, 9.0)])
    np.testing.assert_allclose(pair.uncertainty(moved), model.uncertainty(moved), rtol=1e-12)
    assert np.asarray(pair.uncertainty(moved))[2] == 0.0
    np.testing.assert_array_equal(pair.extrapolates(moved), [False, True, False])


def test_a_sum_extrapolates_where_an_occurrence_does_and_names_its_atoms() -> None:
    model = total(KNOWN)
    assert not np.asarray(model.extrapolates(TRAINING, margin=0.0)).any() and not model.extrapolations(
        TRAINING, 0.0
    )
    assert model.extrapolates(ETHANE) is False
    stretched = ETHANE.copy()
    stretched[6] = ETHANE[1] + 1.6 * (ETHANE[6] - ETHANE[1])
    frames = np.stack([ETHANE, stretched, ETHANE])
    np.testing.assert_array_equal(model.extrapolates(frames), [False, True, False])
    found = model.extrapolations(frames)
    assert {one.nmer for one in found} == {"ch3", "ch3-ch3"} and all(one.configuration == 1 for one in found)
    methyl = next(one for one in found if one.nmer == "ch3")
    assert methyl.atoms == (1, 5, 6, 7) and all(6 in pair for pair in methyl.pairs)
    place = Placements.of(METHYL[1:]).positions(frames)[1, 0]  # with the cap in place of atom 0
    at = {atom: point for atom, point in zip(METHYL[1].atoms, place, strict=True)}
    lengths = [np.linalg.norm(at[i] - at[j]) for i, j in methyl.pairs]
    assert methyl.mean > methyl.limit and methyl.mean == pytest.approx(np.mean(lengths))
    assert str(methyl).startswith("configuration 1, ch3 at atoms 1 5 6 7: the ")
    assert "the highest of the training data is" in str(methyl)


def test_potentials_that_cannot_tell_are_named() -> None:
    for model in (total(POTENTIALS), total(KNOWN)):
        with pytest.raises(InputError, match="the potentials of ch3, ch3-ch3 have no ensemble of coefficients"):
            model.uncertainty(SHAKEN)
    some = total({"ch3": KNOWN["ch3"], "ch3-ch3": POTENTIALS["ch3-ch3"]})
    for ask in (some.extrapolates, some.extrapolations):
        with pytest.raises(InputError, match="the potentials of ch3-ch3 do not have the range of their training"):
            ask(SHAKEN)
    with pytest.raises(InputError, match=r"positions have shape \(7, 3\)"):
        total(KNOWN).extrapolates(ETHANE[:7])


def waters(two: Potential, cell: bool) -> ManyBodyPotential:
    """Return three waters, of which two are near each other across the face of the cell."""
    atoms = np.arange(9).reshape(3, 3)
    near = Near(
        {"water": Placements(atoms, atoms, np.zeros(atoms.shape))},
        (NearKind("two", ("water", "water"), two.switching),),  # type: ignore[arg-type]
    )
    box = Cell(tuple(map(tuple, CELL)), (True,) * 3) if cell else None
    bonds = [(3 * n, 3 * n + h) for n in range(3) for h in (1, 2)]
    return ManyBodyPotential(("O", "H", "H") * 3, (), {"two": two}, near=near, cell=box, bonds=bonds)


def test_pairs_across_the_cell_count_as_those_in_vacuum() -> None:
    nmer, switching = make("D1E2_D1E2"), Switching((0, 3), 4.0, 5.0)
    places = np.array([[0.5, 3.0, 3.0], [3.5, 3.0, 3.0], [-2.4, 3.2, 3.0]])
    x = (places[:, None] + BENT).reshape(-1, 3)
    training = np.concatenate([BENT, BENT + np.array([3.0, 0.0, 0.0])])
    training = training + np.random.default_rng(1).normal(scale=0.1, size=(40, 6, 3))
    model = with_members(potential(nmer, switching), 4, 3)
    model = replace(model, ranges=training_ranges(nmer, switching, training))
    moved = x.copy()
    moved[6:] += CELL[0]
    moved[1] -= CELL[2]  # one atom alone at another image
    vacuum, periodic = waters(model, cell=False), waters(model, cell=True)
    expected = np.asarray(model.deviations(np.stack([x[:6], np.concatenate([x[:3], x[6:]])]))).sum(axis=0)
    u = float(np.sqrt(np.mean(expected**2)))
    assert vacuum.uncertainty(x) == pytest.approx(u, rel=1e-10)
    assert periodic.uncertainty(moved) == pytest.approx(u, rel=1e-10)
    assert vacuum.extrapolates(x) is periodic.extrapolates(moved) is False
    closer = CELL - np.array([[0.9, 0.0, 0.0], [0.0] * 3, [0.0] * 3])
    assert periodic.extrapolates(x, vectors=closer) is False  # the third water is near at its own place
    moved[1] += CELL[2] - closer[2]
    assert periodic.extrapolates(moved, vectors=closer) is True  # and is pushed nearer by the smaller cell
    (found,) = periodic.extrapolations(moved, vectors=closer)
    assert found.nmer == "two" and found.atoms == (0, 1, 2, 6, 7, 8) and found.mean < found.limit
    assert periodic.uncertainty(moved, closer) != pytest.approx(u, rel=0.01)
