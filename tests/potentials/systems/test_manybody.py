"""The sum over n-mers: caps in place, forces on both ends of their bonds, and nothing counted twice."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.units import kcal, mol

from potentials.errors import InputError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis
from potentials.pip.potential import Potential
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.placement import Placement, Placements
from tests.numerical import slopes_of

# ethane, cut into two CH3; each is closed with a cap at 1.14 A along the bond
ETHANE = np.array(
    [
        [0.0, 0.0, 0.0],
        [0.0, 0.0, 1.53],
        [1.02, 0.0, -0.39],
        [-0.51, 0.88, -0.36],
        [-0.51, -0.88, -0.4],
        [-1.02, 0.1, 1.9],
        [0.51, 0.9, 1.88],
        [0.51, -0.88, 1.91],
    ]
)
SYMBOLS = ("C", "C", *"HHHHHH")
METHYL = (
    Placement("ch3", (0, 2, 3, 4, 1), (-1, -1, -1, -1, 0), (0.0, 0.0, 0.0, 0.0, 1.14)),
    Placement("ch3", (1, 5, 6, 7, 0), (-1, -1, -1, -1, 1), (0.0, 0.0, 0.0, 0.0, 1.14)),
)
WHOLE = (Placement("ch3-ch3", tuple(range(8)), (-1,) * 8, (0.0,) * 8),)


def potential(nmer: NMer, degree: int, seed: int, switching: Switching | None = None) -> Potential:
    rng = np.random.default_rng(seed)
    basis = Basis.build(nmer, degree, "all")
    k = rng.uniform(0.5, 1.5, len(basis.pair_names))
    return Potential(nmer, degree, "all", k, rng.normal(scale=5.0, size=basis.n_terms), switching)


def methyl() -> NMer:
    places = tuple(tuple(float(x) for x in row) for row in Placements.of(METHYL[:1]).positions(ETHANE[None])[0, 0])
    fragment = Fragment("CH3", ("C", "H", "H", "H", "H"), places, ((0, 1), (0, 2), (0, 3), (0, 4)), (4,))  # type: ignore[arg-type]
    return NMer("ch3", (fragment,), "A1B3C1")


def ethane() -> NMer:
    bonds = ((0, 1), (0, 2), (0, 3), (0, 4), (1, 5), (1, 6), (1, 7))
    places = tuple(tuple(float(x) for x in row) for row in ETHANE)
    return NMer("ch3-ch3", (Fragment("C2H6", SYMBOLS, places, bonds),), "A2B6")  # type: ignore[arg-type]


POTENTIALS = {"ch3": potential(methyl(), 3, 1), "ch3-ch3": potential(ethane(), 2, 2)}
SHAKEN = ETHANE + np.random.default_rng(0).normal(scale=0.08, size=(5, 8, 3))


def total() -> ManyBodyPotential:
    return ManyBodyPotential(SYMBOLS, (*METHYL, *WHOLE), POTENTIALS)


def test_caps_lie_on_their_bonds_at_their_length() -> None:
    placed = Placements.of(METHYL).positions(SHAKEN)
    assert placed.shape == (5, 2, 5, 3)
    for n in range(5):
        for own, other, place in ((0, 1, placed[n, 0]), (1, 0, placed[n, 1])):
            bond = SHAKEN[n, other] - SHAKEN[n, own]
            np.testing.assert_allclose(place[4], SHAKEN[n, own] + 1.14 * bond / np.linalg.norm(bond), atol=1e-14)
    np.testing.assert_array_equal(placed[:, 0, :4], SHAKEN[:, [0, 2, 3, 4]])


def test_the_sum_is_that_of_its_parts() -> None:
    by_hand = np.zeros(5)
    for n, geometry in enumerate(SHAKEN):
        for placement in METHYL:
            place = Placements.of([placement]).positions(geometry[None])[0, 0]
            by_hand[n] += POTENTIALS["ch3"].energy(place)
        by_hand[n] += POTENTIALS["ch3-ch3"].energy(geometry)
    np.testing.assert_allclose(total().energy(SHAKEN), by_hand, rtol=1e-13)
    parts = total().energies(SHAKEN)
    np.testing.assert_allclose(sum(values.sum(axis=1) for values in parts.values()), by_hand, rtol=1e-13)
    assert total().counts == {"ch3": 2, "ch3-ch3": 1}


def test_the_gradient_is_exact_on_both_ends_of_a_cut_bond() -> None:
    model = total()
    gradient = model.energy_and_gradient(SHAKEN)[1]
    np.testing.assert_allclose(gradient, slopes_of(model.energy, SHAKEN), atol=2e-6)


def test_pulling_forces_back_keeps_force_and_torque() -> None:
    gradient = total().energy_and_gradient(SHAKEN)[1]
    np.testing.assert_allclose(gradient.sum(axis=1), 0.0, atol=1e-10)
    np.testing.assert_allclose(np.cross(SHAKEN, gradient).sum(axis=1), 0.0, atol=1e-10)


def test_one_geometry_and_a_batch_agree_and_ase_gets_electron_volts() -> None:
    model = total()
    energy, gradient = model.energy_and_gradient(SHAKEN)
    alone, slope = model.energy_and_gradient(SHAKEN[3])
    assert alone == pytest.approx(energy[3], rel=1e-14)  # type: ignore[index]
    np.testing.assert_allclose(slope, gradient[3], atol=1e-11)
    atoms = Atoms(SYMBOLS, positions=SHAKEN[3])
    atoms.calc = model.calculator()
    assert atoms.get_potential_energy() == pytest.approx(alone * kcal / mol)
    np.testing.assert_allclose(atoms.get_forces(), -slope * kcal / mol, atol=1e-12)


def test_terms_of_the_whole_come_on_top() -> None:
    spring = potential(ethane(), 1, 9)
    model = ManyBodyPotential(SYMBOLS, (*METHYL, *WHOLE), POTENTIALS, physics=[spring])
    np.testing.assert_allclose(model.energy(SHAKEN), total().energy(SHAKEN) + spring.energy(SHAKEN), rtol=1e-13)
    slope = spring.energy_and_gradient(SHAKEN)[1]
    expected = total().energy_and_gradient(SHAKEN)[1] + slope
    np.testing.assert_allclose(model.energy_and_gradient(SHAKEN)[1], expected, atol=1e-11)


def test_what_is_missing_or_does_not_fit_is_named_before_anything_is_computed() -> None:
    with pytest.raises(InputError, match="potentials are missing for the n-mers ch3; given are: ch3-ch3"):
        ManyBodyPotential(SYMBOLS, (*METHYL, *WHOLE), {"ch3-ch3": POTENTIALS["ch3-ch3"]})
    with pytest.raises(InputError, match="n-mer ch3 is for the atoms C C H H H H H H; the molecule has C H H H H"):
        ManyBodyPotential(SYMBOLS, METHYL, {"ch3": POTENTIALS["ch3-ch3"]})
    with pytest.raises(InputError, match=r"positions have shape \(7, 3\); allowed: \(8, 3\)"):
        total().energy(ETHANE[:7])
    with pytest.raises(InputError, match="not finite"):
        total().energy(np.full((8, 3), np.nan))


def test_a_sum_says_in_three_lines_what_it_is() -> None:
    first, second, third = repr(total()).splitlines()
    assert "8 atoms" in first and "3 occurrences of 2 n-mers" in first
    assert second.strip() == "ch3 2, ch3-ch3 1"
    assert third.count("candidate") == 2
