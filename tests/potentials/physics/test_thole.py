"""The functions of one pair, against scipy."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gamma, gammainc, gammaincc

from potentials.physics.dispersion import damping
from potentials.physics.thole import charge_excess, decay, upper_gamma


def test_incomplete_gamma_function() -> None:
    u = np.concatenate([[0.0], np.geomspace(1e-8, 1.4999, 60), np.linspace(1.5, 40, 60)])
    found = np.array([upper_gamma(value) for value in u])
    np.testing.assert_allclose(found, gamma(0.75) * gammaincc(0.75, u), rtol=1e-13)


def test_what_damping_adds_to_the_potential_of_a_charge() -> None:
    u = np.concatenate([np.geomspace(1e-8, 1.0, 30), np.linspace(1, 40, 400)])
    found = [charge_excess(value) for value in u]
    np.testing.assert_allclose(found, u**0.25 * gamma(0.75) * gammaincc(0.75, u) - np.exp(-u), rtol=0, atol=2e-13)


def test_exponential() -> None:
    x = np.linspace(0, 40, 2001)
    np.testing.assert_allclose([decay(value) for value in x], np.exp(-x), rtol=1e-13)
    assert 1 + decay(1e300) == 1


def test_tang_toennies_function() -> None:
    """1 - e^-x times the series is the regularized lower incomplete gamma function."""
    x = np.linspace(0, 60, 601)
    f, slope = np.array([damping(value) for value in x]).T
    near = x <= 40  # farther away, the function is that of 40
    np.testing.assert_allclose(f[near], gammainc(7, x[near]), rtol=0, atol=1e-13)
    np.testing.assert_allclose(f[~near], 1, rtol=0, atol=1e-10)
    np.testing.assert_allclose(slope[near], (np.exp(-x) * x**7)[near] / math.factorial(6), rtol=1e-12, atol=1e-15)
