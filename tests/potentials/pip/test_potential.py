"""A potential's energy and gradient: invariance, finite differences, switching, dynamics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms, units
from ase.md.verlet import VelocityVerlet

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis
from potentials.pip.evaluation import CHUNK, FEW, design_matrix, morse
from potentials.pip.potential import Potential
from recipes.load import load_recipe
from tests.numerical import slopes_of

NMER = load_recipe("ch3-water").build_nmer()
RNG = np.random.default_rng(1)
SHAKEN = NMER.positions + RNG.normal(scale=0.2, size=(40, NMER.natoms, 3))


def make(degree: int = 3, switching: Switching | None = None) -> Potential:
    rng = np.random.default_rng(2)
    kinds, terms = 12, {2: 82, 3: 710}[degree]
    return Potential(
        NMER, degree, "intermolecular", rng.uniform(0.5, 2.0, kinds), rng.normal(size=terms), switching
    )


def test_exchanging_equivalent_atoms_changes_nothing() -> None:
    potential = make()
    energy, gradient = potential.energy_and_gradient(SHAKEN)
    for order in ([0, 1, 3, 4, 2, 5, 6, 7], [0, 1, 2, 4, 3, 5, 7, 6], [0, 1, 4, 2, 3, 5, 7, 6]):
        other_energy, other_gradient = potential.energy_and_gradient(SHAKEN[:, order])
        assert np.abs(other_energy - energy).max() < 1e-12
        assert np.abs(other_gradient - gradient[:, order]).max() < 1e-12
    cap_is_no_hydrogen = potential.energy(SHAKEN[:, [0, 2, 1, 3, 4, 5, 6, 7]])
    assert np.abs(cap_is_no_hydrogen - energy).max() > 1e-3


def test_exchanging_identical_fragments_changes_nothing() -> None:
    water = NMER.fragments[1]
    pair = NMer("pair", (water, water), "A1B2_A1B2")
    basis = Basis.build(pair, 3)
    rng = np.random.default_rng(4)
    potential = Potential(pair, 3, "all", rng.uniform(0.5, 2.0, 5), rng.normal(size=basis.n_terms))
    positions = rng.normal(scale=1.5, size=(30, 6, 3))
    energy, gradient = potential.energy_and_gradient(positions)
    for order in ([3, 4, 5, 0, 1, 2], [0, 2, 1, 3, 4, 5], [3, 5, 4, 0, 1, 2]):
        other_energy, other_gradient = potential.energy_and_gradient(positions[:, order])
        assert np.abs(other_energy - energy).max() < 1e-12
        assert np.abs(other_gradient - gradient[:, order]).max() < 1e-12
    hydrogens_between = potential.energy(positions[:, [0, 1, 5, 3, 4, 2]])
    assert np.abs(hydrogens_between - energy).max() > 1e-3


@pytest.mark.parametrize("switching", [None, Switching((0, 5), 3.0, 4.4)])
def test_gradient_is_the_derivative(switching: Switching | None) -> None:
    potential = make(switching=switching)
    gradient = potential.energy_and_gradient(SHAKEN)[1]
    assert np.abs(slopes_of(potential.energy, SHAKEN, 1e-4) - gradient).max() < 1e-6
    assert np.abs(gradient.sum(axis=1)).max() < 1e-10  # no net force


def test_energy_is_the_design_matrix_times_the_coefficients() -> None:
    """Two independent evaluations: the Euler form, and the sum of each orbit's monomials."""
    potential = make()
    x, _ = morse(potential.basis, potential.k, SHAKEN)
    np.testing.assert_allclose(
        design_matrix(potential.basis, x) @ potential.coefficients, potential.energy(SHAKEN), atol=1e-12
    )
    first_term_orbit = x[:, potential.basis.rows[0][potential.basis.term[0] == 0, 0]].sum(axis=1)
    np.testing.assert_allclose(design_matrix(potential.basis, x)[:, 0], first_term_orbit, atol=1e-15)


@pytest.mark.parametrize("degree", [2, 3])
def test_one_and_many_agree(degree: int) -> None:
    """One configuration, a few, a chunk, and a chunk with a rest go different ways to the same numbers."""
    potential = make(degree, Switching((0, 5), 3.0, 5.0))
    energy, gradient = potential.energy_and_gradient(SHAKEN)
    assert len(SHAKEN) > FEW
    few = potential.energy_and_gradient(SHAKEN[:FEW])
    np.testing.assert_allclose(few[0], energy[:FEW], atol=1e-12)
    np.testing.assert_allclose(few[1], gradient[:FEW], atol=1e-12)
    many = potential.energy_and_gradient(np.tile(SHAKEN, (4, 1, 1)))
    assert len(many[0]) > CHUNK and len(many[0]) % CHUNK
    np.testing.assert_allclose(many[0], np.tile(energy, 4), atol=1e-12)
    np.testing.assert_allclose(many[1], np.tile(gradient, (4, 1, 1)), atol=1e-12)
    empty = potential.energy_and_gradient(SHAKEN[:0])
    assert empty[0].shape == (0,) and empty[1].shape == (0, NMER.natoms, 3)
    for i in (0, 7):
        one_energy, one_gradient = potential.energy_and_gradient(SHAKEN[i])
        assert one_energy == pytest.approx(energy[i], abs=1e-12)
        np.testing.assert_allclose(one_gradient, gradient[i], atol=1e-12)


def test_switching_is_smooth_and_ends() -> None:
    switching = Switching((0, 1), 4.0, 6.0)

    def at(r: float) -> tuple[float, float]:
        positions = np.zeros((1, 2, 3))
        positions[0, 0, 0] = r
        factor, slope = switching.evaluate(positions)
        return float(factor[0]), float(slope[0, 0, 0])

    assert at(3.0) == (1.0, 0.0) and at(6.0) == (0.0, 0.0) and at(9.0) == (0.0, 0.0)
    assert at(5.0)[0] == pytest.approx(0.5)
    for r in (4.0, 4.001, 4.9, 5.999, 6.0):
        assert (at(r + 1e-6)[0] - at(r - 1e-6)[0]) / 2e-6 == pytest.approx(at(r)[1], abs=1e-5)


def test_nothing_is_felt_beyond_the_switch() -> None:
    potential = make(switching=Switching((0, 5), 8.0, 10.0))
    far = NMER.positions.copy()
    far[5:, 2] += 8.0
    energy, gradient = potential.energy_and_gradient(far)
    assert energy == 0.0 and not gradient.any()


@pytest.mark.parametrize("shape", [(3,), (7, 3), (2, 8, 2), (1, 2, 8, 3)])
def test_a_wrong_shape_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"allowed: \(8, 3\) or \(n, 8, 3\) in Angstrom"):
        make(2).energy(np.zeros(shape))


def test_numbers_that_are_not_finite_are_refused() -> None:
    broken = SHAKEN.copy()
    broken[3, 1, 2] = np.nan
    with pytest.raises(InputError, match="not finite"):
        make(2).energy(broken)


@pytest.mark.parametrize("wrong", ["CH4", [[1.0, 2.0, 3.0], [1.0]], None])
def test_what_is_no_array_of_numbers_is_refused(wrong: object) -> None:
    with pytest.raises(InputError, match=r"allowed: \(8, 3\) or \(n, 8, 3\) in Angstrom"):
        make(2).energy(wrong)


@pytest.mark.parametrize("switching", [None, Switching((0, 5), 8.0, 10.0)])
def test_atoms_in_one_place_are_named(switching: Switching | None) -> None:
    broken = SHAKEN.copy()
    broken[1, 5:] += 20.0  # beyond the switch, and still counted
    broken[3, 6] = broken[3, 2]
    with pytest.raises(InputError, match=r"atoms 2 and 6 are in one place \(configuration 3"):
        make(2, switching).energy_and_gradient(broken)


def test_a_potential_keeps_its_own_numbers() -> None:
    k, coefficients = np.ones(12), np.ones(82)
    potential = Potential(NMER, 2, "intermolecular", k, coefficients)
    before = potential.energy(NMER.positions)
    coefficients[:] = 2.0
    assert replace(potential).energy(NMER.positions) == before
    with pytest.raises(ValueError, match="read-only"):
        potential.coefficients[0] = 3.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": np.ones(11)}, "12 k and 82 coefficients; 11 and 82 were given"),
        ({"coefficients": np.full(82, np.nan)}, "coefficients hold a number that is not finite"),
        ({"switching": Switching((0, 8), 3.0, 4.0)}, "atoms from 0 to 7"),
        ({"terms": "inter"}, "allowed: all, intermolecular"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(make(2), **change)


@pytest.mark.parametrize(
    ("atoms", "radii"),
    [
        ((0, 0), (3.0, 4.0)),
        ((-1, 2), (3.0, 4.0)),
        ((0, 5), (4.0, 4.0)),
        ((0,), (3.0, 4.0)),
        ((0, ()), (3.0, 4.0)),
        ((0, (1, 0)), (3.0, 4.0)),
        ((0, (1, 1)), (3.0, 4.0)),
    ],
)
def test_a_switch_that_cannot_work_is_refused(
    atoms: tuple[int | tuple[int, ...], ...], radii: tuple[float, float]
) -> None:
    with pytest.raises(InputError, match="allowed"):
        Switching(atoms, *radii)


def test_calculator_conserves_energy_in_ase() -> None:
    potential = replace(make(2), coefficients=make(2).coefficients * 30)
    atoms = Atoms(NMER.symbols, NMER.positions)
    atoms.calc = potential.calculator()
    kcal = units.kcal / units.mol
    energy, gradient = potential.held().energy_and_gradient(NMER.positions)
    assert energy == potential.energy(NMER.positions)
    assert atoms.get_potential_energy() == pytest.approx(energy * kcal)
    np.testing.assert_allclose(atoms.get_forces(), -gradient * kcal, atol=1e-12)
    atoms.set_momenta(np.random.default_rng(0).normal(scale=0.05, size=(len(atoms), 3)))
    start = atoms.get_total_energy()
    drift = []
    dynamics = VelocityVerlet(atoms, timestep=0.1 * units.fs)
    dynamics.attach(lambda: drift.append(atoms.get_total_energy() - start))
    dynamics.run(200)
    exchanged = abs(atoms.get_potential_energy() - energy * kcal)
    assert exchanged > 1e-2  # the potential did something
    assert np.abs(drift).max() < 1e-3 * exchanged


def test_calculator_names_the_order_of_the_atoms() -> None:
    atoms = Atoms("OH2CH4", np.arange(24.0).reshape(8, 3))
    atoms.calc = make(2).calculator()
    with pytest.raises(InputError, match="allowed: C H H H H O H H, in this order"):
        atoms.get_potential_energy()


def test_a_potential_says_in_three_lines_what_it_is() -> None:
    first, second, third = repr(make(2, Switching((0, 5), 4.0, 6.0))).splitlines()
    assert NMER.name in first and NMER.symmetry in first
    assert "degree 2" in second and "from 4 to 6 A" in second
    assert third.strip() == "candidate"
