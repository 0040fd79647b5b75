"""Choosing terms one by one."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.pip.basis import Basis
from potentials.pip.evaluation import design_matrix, morse
from tasks.fitting import normal
from tasks.fitting.forward import choose_terms
from tasks.fitting.normal import Normal, normal_equations
from tests.tasks.fitting.test_fit import NMER, shaken

GAMMA = 5e-3


def plain(design: np.ndarray, target: np.ndarray) -> Normal:
    return Normal(np.asfortranarray(design.T @ design), design.T @ target, float(target @ target))


def best_objective(design: np.ndarray, target: np.ndarray) -> float:
    """The ridge objective of some columns, by another way: singular values of the stacked system."""
    stacked = np.vstack([design, GAMMA * np.eye(design.shape[1])])
    wanted = np.concatenate([target, np.zeros(design.shape[1])])
    c = np.linalg.lstsq(stacked, wanted, rcond=None)[0]
    return float(np.sum((stacked @ c - wanted) ** 2))


@pytest.fixture
def problem() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    design = rng.normal(size=(60, 12)) @ (np.eye(12) + 0.4 * rng.normal(size=(12, 12)))
    return design, design @ rng.normal(size=12) + 0.3 * rng.normal(size=60)


def test_each_term_is_the_one_that_lowers_the_objective_most(problem: tuple[np.ndarray, np.ndarray]) -> None:
    design, target = problem
    chosen = choose_terms(plain(design, target), GAMMA, 8)
    taken: list[int] = []
    for step in range(8):
        rest = [t for t in range(12) if t not in taken]
        objectives = [best_objective(design[:, [*taken, t]], target) for t in rest]
        assert rest[int(np.argmin(objectives))] == chosen.order[step]
        assert chosen.objective[step + 1] == pytest.approx(min(objectives), rel=1e-10)
        taken.append(int(chosen.order[step]))
        stacked = np.vstack([design[:, taken], GAMMA * np.eye(len(taken))])
        c = np.linalg.lstsq(stacked, np.concatenate([target, np.zeros(len(taken))]), rcond=None)[0]
        np.testing.assert_allclose(chosen.coefficients(step + 1), c, rtol=1e-8)


def test_a_planted_sparse_answer_is_found_and_then_nothing_more_is_gained() -> None:
    rng = np.random.default_rng(2)
    design = rng.normal(size=(400, 90))
    planted = rng.choice(90, 7, replace=False)
    target = design[:, planted] @ rng.uniform(1, 3, 7)
    chosen = choose_terms(plain(design, target), 1e-6, 90)
    assert set(chosen.order[:7]) == set(planted)
    assert chosen.objective[7] < 1e-8 < chosen.objective[6]


def test_terms_that_say_the_same_are_taken_once(problem: tuple[np.ndarray, np.ndarray]) -> None:
    design, target = problem
    doubled = np.hstack([design, design])
    chosen = choose_terms(plain(doubled, target), 0.0, 24)
    assert sorted(chosen.order % 12) == list(range(12))


def test_blocks_give_the_normal_equations_of_the_whole_design(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normal, "BLOCK", 17)
    basis = Basis.build(NMER, 2, "intermolecular")
    positions, rng = shaken(50, 3), np.random.default_rng(1)
    x = morse(basis, np.full(len(basis.pair_names), 0.9), positions)[0]
    scale, target = rng.uniform(0.1, 1.0, 50), rng.normal(size=50)
    told: list[int] = []
    found = normal_equations(basis, x, scale, target, told.append)
    design = design_matrix(basis, x) * scale[:, None]
    np.testing.assert_allclose(np.tril(found.matrix), np.tril(design.T @ design), rtol=1e-12)
    np.testing.assert_allclose(found.right, design.T @ target, rtol=1e-10)
    assert told == [17, 34, 50]


def test_too_many_candidates_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normal, "MOST_TERMS", 10)
    basis = Basis.build(NMER, 2, "intermolecular")
    with pytest.raises(InputError, match="82 terms are too many to fit or to choose from; allowed: 10"):
        normal_equations(basis, np.zeros((1, 28)), np.ones(1), np.ones(1))
