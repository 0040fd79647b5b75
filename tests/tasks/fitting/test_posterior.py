"""Leverage and the ensemble of a ridge fit."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.fitting.posterior import Posterior
from tasks.fitting.ridge import solve_qr

GAMMA = 0.3
RNG = np.random.default_rng(4)
DESIGN = RNG.normal(size=(200, 15)) * np.geomspace(1, 0.01, 15)
TRUE = RNG.normal(size=15)


def test_leverage_is_what_leaving_one_out_says() -> None:
    target = DESIGN @ TRUE + 0.1 * RNG.normal(size=200)
    fitted = DESIGN @ solve_qr(DESIGN, target, GAMMA)
    leverage = Posterior.of(DESIGN, GAMMA).leverage(DESIGN)
    assert ((leverage > 0) & (leverage < 1)).all()
    for out in (0, 57, 199):
        rest = np.arange(200) != out
        alone = DESIGN[out] @ solve_qr(DESIGN[rest], target[rest], GAMMA)
        # the residual without a point is its residual over one minus its leverage
        assert target[out] - alone == pytest.approx((target[out] - fitted[out]) / (1 - leverage[out]), rel=1e-8)


def test_members_have_the_posterior_mean_and_covariance() -> None:
    posterior = Posterior.of(DESIGN, GAMMA)
    draws = posterior.members(TRUE, 0.2, 20_000, seed=1)
    exact = 0.2**2 * np.linalg.inv(DESIGN.T @ DESIGN + GAMMA**2 * np.eye(15))
    np.testing.assert_allclose(draws.mean(axis=0), TRUE, atol=5 * np.sqrt(exact.diagonal().max() / 20_000))
    np.testing.assert_allclose(np.cov(draws.T), exact, atol=0.05 * exact.diagonal().max())
    np.testing.assert_array_equal(draws, posterior.members(TRUE, 0.2, 20_000, seed=1))
    rows = RNG.normal(size=(9, 15))
    spread = (rows @ (draws - TRUE).T).std(axis=1)
    np.testing.assert_allclose(spread, 0.2 * posterior.spread(rows), rtol=0.05)


def test_sigma_makes_held_out_errors_as_large_as_said() -> None:
    noise = 0.5
    target = DESIGN @ TRUE + noise * RNG.normal(size=200)
    posterior = Posterior.of(DESIGN, 1e-3)
    rows = RNG.normal(size=(4000, 15)) * np.geomspace(1, 0.01, 15)
    error = rows @ (solve_qr(DESIGN, target, 1e-3) - TRUE)
    sigma = posterior.sigma(rows, error)
    assert np.sqrt(np.mean((error / (sigma * posterior.spread(rows))) ** 2)) == pytest.approx(1.0)
    assert 0.3 < sigma < 0.8  # the noise, as well as 15 coefficients can tell


def test_an_indefinite_normal_matrix_is_no_error() -> None:
    twice = np.hstack([DESIGN, DESIGN])
    assert np.isfinite(Posterior.of(twice, 0.0).spread(twice)).all()
