"""The fit: gradients, solvers, planted answers, and real coupled-cluster data."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.errors import InputError, StageError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis
from potentials.pip.evaluation import design_matrix, morse
from potentials.pip.potential import Potential
from recipes.load import load_recipe
from recipes.schema.recipe import Fitting, SwitchingModel
from tasks.fitting.fit import fit_potential
from tasks.fitting.normal import Normal, solve_equations
from tasks.fitting.projection import Problem
from tasks.fitting.ridge import solve_qr, weights
from tests.numerical import slopes_of

NMER = load_recipe("ch3-water").build_nmer()
RECIPE_NMER = load_recipe("ch3-water").nmer


def shaken(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    positions = NMER.positions + rng.normal(scale=0.15, size=(count, NMER.natoms, 3))
    positions[:, 5:, 2] += rng.uniform(-0.5, 4.0, (count, 1))
    return positions


def solve_normal(design: np.ndarray, target: np.ndarray, gamma: float) -> np.ndarray:
    found = solve_equations(Normal(design.T @ design, design.T @ target, float(target @ target)), gamma)
    assert found is not None
    return found


def test_weights_fall_with_the_energy() -> None:
    np.testing.assert_allclose(weights(np.array([-5.0, 35.0, 75.0]), 40.0), [1.0, 1 / 4, 1 / 9])


def test_projected_gradient_is_the_derivative() -> None:
    positions = shaken(150, 0)
    rng = np.random.default_rng(3)
    energy = rng.normal(size=150)
    factor = Switching((0, 5), 4.0, 7.0).evaluate(positions)[0]
    basis = Basis.build(NMER, 2, "intermolecular")
    problem = Problem(basis, positions, energy, factor, weights(energy, 40.0), 5e-2)
    k = rng.uniform(0.5, 2.0, len(basis.pair_names))
    gradient = problem.objective(k)[1]
    slopes = slopes_of(lambda other: problem.objective(other)[0], k, axes=1)
    assert slopes == pytest.approx(gradient, rel=1e-4, abs=1e-6)


def test_both_solvers_agree_and_satisfy_the_normal_equations() -> None:
    rng = np.random.default_rng(0)
    design, target = rng.normal(size=(300, 40)), rng.normal(size=300)
    design[:, 7] = design[:, 6] * (1 + 1e-9)  # nearly dependent
    qr = solve_qr(design, target, 5e-4)
    assert np.abs(design @ (solve_normal(design, target, 5e-4) - qr)).max() < 1e-7
    assert np.abs(design.T @ (design @ qr - target) + 5e-4**2 * qr).max() < 1e-8
    twice = np.hstack([design, design])
    assert solve_equations(Normal(twice.T @ twice, twice.T @ target, 1.0), 0.0) is None


@pytest.mark.parametrize("gamma", [5e-4, 1e-6])
def test_both_solvers_agree_with_the_singular_values(gamma: float) -> None:
    """On a real design, whose columns nearly depend on each other."""
    positions = shaken(400, 6)
    basis = Basis.build(NMER, 2, "intermolecular")
    design = design_matrix(basis, morse(basis, np.full(len(basis.pair_names), 0.8), positions)[0])
    target = np.random.default_rng(7).normal(size=400)
    u, s, vt = np.linalg.svd(design, full_matrices=False)
    assert s[0] / s[-1] > 1e4
    exact = vt.T @ (s / (s**2 + gamma**2) * (u.T @ target))
    assert np.abs(design @ (solve_qr(design, target, gamma) - exact)).max() < 1e-9
    assert np.abs(design @ (solve_normal(design, target, gamma) - exact)).max() < (1e-7 if gamma > 1e-4 else 1e-3)


def test_a_planted_potential_is_found() -> None:
    """A halide and water: k and coefficients come back, not only the energies."""
    halide = Fragment("F-", ("F",), ((0.0, 0.0, 0.0),), (), (), -1)
    nmer = NMer("planted", (halide, NMER.fragments[1]), "A1_B1C2")
    rng = np.random.default_rng(5)
    k = np.array([0.9, 1.3, 0.7, 1.1])
    terms = Basis.build(nmer, 2, "intermolecular").n_terms
    planted = Potential(
        nmer,
        2,
        "intermolecular",
        k,
        rng.uniform(5, 30, terms) * rng.choice([-1, 1], terms),
        Switching((0, 1), 5, 7),
    )
    positions = nmer.positions + rng.normal(scale=0.3, size=(900, 4, 3))
    positions[:, 1:, 2] += rng.uniform(-1.5, 4.0, (900, 1))
    train, test = positions[:800], positions[800:]
    settings = Fitting(
        degree=2,
        gamma=1e-7,
        starts=4,
        max_iterations=500,
        switching=SwitchingModel(atoms=(0, 1), r_in=5.0, r_out=7.0),
    )
    result = fit_potential(nmer, train, planted.energy(train), settings)
    assert np.abs(result.potential.energy(test) - planted.energy(test)).max() < 1e-4
    np.testing.assert_allclose(result.k, k, atol=1e-3)
    np.testing.assert_allclose(result.potential.coefficients, planted.coefficients, rtol=1e-2)


def test_the_start_is_chosen_by_validation_and_the_same_seed_gives_the_same_fit() -> None:
    train = shaken(120, 1)
    energy = np.exp(-np.linalg.norm(train[:, 0] - train[:, 5], axis=1)) * 100
    settings = Fitting(degree=1, starts=3, max_iterations=3)
    first, second = (fit_potential(NMER, train, energy, settings) for _ in range(2))
    np.testing.assert_array_equal(first.potential.coefficients, second.potential.coefficients)
    assert first.validation == second.validation and len(set(first.validation)) == 3
    alone = fit_potential(NMER, train, energy, settings.model_copy(update={"starts": 1}))
    assert alone.validation == first.validation[:1]
    chosen = int(np.argmin(first.validation))
    assert chosen != 0  # otherwise the next line could not fail
    assert not np.array_equal(first.k, alone.k)


def test_the_errors_are_those_of_the_potential() -> None:
    train = shaken(300, 1)
    energy = 30 * np.exp(-np.linalg.norm(train[:, 0] - train[:, 5], axis=1) / 2) + train[:, 3, 0]
    result = fit_potential(NMER, train, energy, Fitting(degree=1, starts=1))
    error = result.potential.energy(train) - energy
    assert result.train_rmsd == pytest.approx(np.sqrt(np.mean(error**2)))
    assert result.train_max == pytest.approx(np.abs(error).max())
    weight = weights(energy, 40.0)
    ridge = 5e-4**2 * (result.potential.coefficients @ result.potential.coefficients)
    assert result.objective == pytest.approx(weight @ error**2 + ridge, rel=1e-8)
    assert result.train_weighted_rmsd == pytest.approx(np.sqrt(weight @ error**2 / weight.sum()))


def test_configurations_beyond_the_switch_count_only_in_the_error() -> None:
    train, energy = shaken(60, 1), np.zeros(60)
    energy[:] = 10 * np.exp(-np.linalg.norm(train[:, 0] - train[:, 5], axis=1))
    far = train[:20] + np.where(np.arange(NMER.natoms) >= 5, 20.0, 0.0)[:, None]
    settings = Fitting(degree=1, starts=1, switching=SwitchingModel(atoms=(0, 5), r_in=9.0, r_out=10.0))
    result = fit_potential(
        NMER, np.concatenate([train, far]), np.concatenate([energy, np.full(20, 0.5)]), settings
    )
    np.testing.assert_array_equal(result.potential.energy(far), 0.0)
    assert result.train_max >= 0.5
    few = fit_potential(NMER, np.concatenate([train[:5], far]), np.full(25, 0.5), settings)
    assert any("5 training configurations within the switching radius (of 25)" in w for w in few.warnings)


def test_what_the_data_cannot_decide_is_said() -> None:
    train = shaken(60, 1)
    result = fit_potential(NMER, train, np.ones(60), Fitting(degree=2, starts=1, max_iterations=5))
    assert any("60 training configurations for 82 terms" in w for w in result.warnings)
    assert any("still moving after 5 iterations" in w for w in result.warnings)


def test_a_k_at_its_bound_is_said() -> None:
    train = shaken(200, 1)
    steep = 100 * np.exp(-3.0 * np.linalg.norm(train[:, 0] - train[:, 5], axis=1))
    result = fit_potential(NMER, train, steep, Fitting(degree=1, starts=1, k_bounds=(0.5, 1.5)))
    assert any("at its bound [0.5, 1.5]" in w and "A-D inter = 1.5" in w for w in result.warnings)


def test_the_k_of_a_bond_of_one_length_is_not_complained_of() -> None:
    """A cap's own bond: whatever its k is, the variable is one number."""
    methyl = NMer("ch3", NMER.fragments[:1], "A1B1C3")
    train = methyl.place_caps(methyl.positions + np.random.default_rng(0).normal(scale=0.1, size=(200, 5, 3)))
    steep = 100 * np.exp(-3.0 * np.linalg.norm(train[:, 0] - train[:, 2], axis=1))
    result = fit_potential(methyl, train, steep, Fitting(degree=1, terms="all", starts=1, k_bounds=(0.5, 1.0)))
    said = " ".join(result.warnings)
    assert "at its bound [0.5, 1]" in said and "A-B intra" not in said


def test_training_data_that_do_not_fit_are_refused() -> None:
    train, settings = shaken(9, 1), Fitting(degree=1, starts=1)
    with pytest.raises(InputError, match=r"shape \(9, 7, 3\) and energies \(9,\); allowed: \(n, 8, 3\)"):
        fit_potential(NMER, train[:, :7], np.ones(9), settings)
    with pytest.raises(InputError, match=r"energies \(8,\)"):
        fit_potential(NMER, train, np.ones(8), settings)
    with pytest.raises(InputError, match="not finite"):
        fit_potential(NMER, train, np.full(9, np.nan), settings)
    with pytest.raises(StageError, match="1 training configurations"):
        fit_potential(NMER, train[:1], np.ones(1), settings)
