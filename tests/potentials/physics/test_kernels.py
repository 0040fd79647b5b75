"""The compiled V_phys equals the formulas in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from tests.potentials.physics.chains import model
from tests.potentials.physics.plain import shares_and_gradient


@pytest.mark.parametrize("name", ["AceAlaNme", "AceAla3Nme", "AceAla9Nme"])
def test_energies_and_gradient_are_those_of_the_formulas(name: str) -> None:
    """Shaken, and shrunk so that many pairs are damped."""
    potential, positions = model(name)
    shaken = positions * np.array([1.0, 0.9, 0.8])[:, None, None]
    shaken += np.random.default_rng(2).normal(scale=0.1, size=shaken.shape)
    found = potential.evaluate(shaken)
    for n, one in enumerate(shaken):
        shares, gradient = shares_and_gradient(potential, one)
        np.testing.assert_allclose([share[n] for share in found.shares.values()], shares, rtol=1e-12, atol=1e-9)
        np.testing.assert_allclose(found.gradient[n], gradient, rtol=1e-10, atol=1e-7)
        np.testing.assert_allclose(found.energy[n], sum(shares), rtol=1e-12, atol=1e-9)
        np.testing.assert_allclose(found.virial[n], gradient.T @ one, rtol=1e-9, atol=1e-6)
