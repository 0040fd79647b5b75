"""The fit: gradients, solvers, planted answers, and real coupled-cluster data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from potentials.basis import Basis
from potentials.molecule import Fragment, NMer
from potentials.potential import Potential
from potentials.switching import Switching
from recipes.load import load_recipe
from recipes.schema import Fitting
from recipes.schema import Switching as SwitchingModel
from tasks.fitting.fit import fit_potential
from tasks.fitting.projection import Problem
from tasks.fitting.ridge import solve_normal, solve_qr, weights

NMER = load_recipe("ch3-water").build_nmer()


def shaken(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    positions = NMER.positions + rng.normal(scale=0.15, size=(count, NMER.natoms, 3))
    positions[:, 5:, 2] += rng.uniform(-0.5, 4.0, (count, 1))
    return positions


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
    for t in range(len(k)):
        step = np.zeros_like(k)
        step[t] = 1e-5
        slope = (problem.objective(k + step)[0] - problem.objective(k - step)[0]) / 2e-5
        assert slope == pytest.approx(gradient[t], rel=1e-4, abs=1e-6)


def test_both_solvers_agree_and_satisfy_the_normal_equations() -> None:
    rng = np.random.default_rng(0)
    design, target = rng.normal(size=(300, 40)), rng.normal(size=300)
    design[:, 7] = design[:, 6] * (1 + 1e-9)  # nearly dependent
    qr = solve_qr(design, target, 5e-4)
    assert np.abs(design @ (solve_normal(design, target, 5e-4) - qr)).max() < 1e-7
    assert np.abs(design.T @ (design @ qr - target) + 5e-4**2 * qr).max() < 1e-8
    assert np.isfinite(solve_normal(design, target, 0.0)).all()


def test_a_planted_potential_is_found() -> None:
    rng = np.random.default_rng(5)
    k = rng.uniform(0.6, 1.6, 12)
    planted = Potential(NMER, 1, "intermolecular", k, rng.normal(scale=20.0, size=6), Switching((0, 5), 6.0, 8.0))
    train, test = shaken(800, 1), shaken(100, 2)
    settings = Fitting(
        degree=1,
        gamma=1e-6,
        starts=3,
        max_iterations=400,
        switching=SwitchingModel(atoms=(0, 5), r_in=6.0, r_out=8.0),
    )
    result = fit_potential(NMER, train, planted.energy(train), settings)
    assert np.abs(result.potential.energy(test) - planted.energy(test)).max() < 0.02
    inter = [i for i, name in enumerate(result.potential.basis.pair_names) if "inter" in name]
    np.testing.assert_allclose(result.potential.k[inter], k[inter], atol=0.1)


def test_the_same_seed_gives_the_same_fit_and_more_starts_never_hurt_validation() -> None:
    train = shaken(120, 1)
    energy = np.exp(-np.linalg.norm(train[:, 0] - train[:, 5], axis=1)) * 100
    settings = Fitting(degree=1, starts=3, switching=None)
    first, second = (fit_potential(NMER, train, energy, settings) for _ in range(2))
    np.testing.assert_array_equal(first.potential.coefficients, second.potential.coefficients)
    assert len(first.validation) == 3


def test_what_the_data_cannot_decide_is_said() -> None:
    train = shaken(60, 1)
    result = fit_potential(NMER, train, np.ones(60), Fitting(degree=2, starts=1, max_iterations=5))
    assert any("60 training configurations for 82 terms" in w for w in result.warnings)


def read_xyz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    lines, at, positions, energy = path.read_text().splitlines(), 0, [], []
    while at < len(lines):
        end = at + 2 + int(lines[at])
        energy.append(float(lines[at + 1].split()[0]))
        positions.append([[float(w) for w in line.split()[1:4]] for line in lines[at + 2 : end]])
        at = end
    return np.array(positions), np.array(energy)


def test_coupled_cluster_data_of_methane(reference_data: Callable[[str], Path]) -> None:
    folder = reference_data("ch4-1b")
    train, energy = read_xyz(folder / "train.xyz")
    test, reference = read_xyz(folder / "test.xyz")
    places = tuple((float(x), float(y), float(z)) for x, y, z in train[0])
    methane = Fragment("CH4", ("C", "H", "H", "H", "H"), places, ((0, 1), (0, 2), (0, 3), (0, 4)))
    nmer = NMer("ch4", (methane,), "A1B4")
    result = fit_potential(nmer, train, energy, Fitting(degree=5, terms="all", starts=2))
    assert result.potential.basis.n_terms == 207
    error = result.potential.energy(test) - reference
    overall, low = np.sqrt(np.mean(error**2)), np.sqrt(np.mean(error[reference < 30] ** 2))
    print(f"CH4, 207 terms: test RMSD {overall:.4f}, below 30 kcal/mol {low:.4f}, {result.seconds:.1f} CPU-s")
    assert overall <= 0.206 and low <= 0.068
