"""The mesh against a sum over waves, radial functions against SciPy, and the extrapolation of dipoles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import erfc

from potentials.physics.periodic.mesh import NONE, Mesh
from potentials.physics.periodic.prediction import KEPT, extrapolate
from potentials.physics.periodic.screening import screened
from potentials.physics.periodic.threads import Runner
from tests.potentials.physics.ewald import waves

CELLS = {
    "long": (np.diag([14.0, 13.0, 11.0]), (50, 48, 40)),
    "slanted": (np.array([[14.0, 0.0, 0.0], [4.0, 13.5, 0.0], [-3.5, 4.5, 13.2]]), (54, 50, 45)),
}


@pytest.mark.parametrize("name", CELLS)
def test_the_mesh_is_the_sum_over_waves(name: str) -> None:
    vectors, points = CELLS[name]
    rng, n, kappa = np.random.default_rng(1), 40, 0.5
    positions = rng.uniform(-1, 2, size=(n, 3)) @ vectors
    charge, dipole = rng.normal(size=n), rng.normal(size=(n, 3))
    charge -= charge.mean()
    mesh = Mesh(n, points, kappa, Runner(1))
    mesh.place(np.ascontiguousarray((positions @ np.linalg.inv(vectors)).T), vectors)
    found, gradient, virial = np.empty((4, n)), np.zeros(3 * n), np.zeros((3, 3))
    flat = np.ascontiguousarray(dipole.T).ravel()
    mesh.pull(charge, flat, 1.0, found, gradient, virial)

    k = waves(vectors, kappa, 16)
    k2 = (k**2).sum(axis=1)
    factor = 8 * math.pi / abs(np.linalg.det(vectors)) * np.exp(-k2 / (4 * kappa**2)) / k2
    phase = np.exp(1j * positions @ k.T)
    structure = ((charge[:, None] + 1j * dipole @ k.T) * phase).sum(axis=0)
    along = factor * phase * structure.conj()
    potential, slope = along.real.sum(axis=1), -along.imag @ k
    bend = -np.einsum("ik,ka,kb->iab", along.real, k, k)
    force = charge[:, None] * slope + np.einsum("ib,iab->ia", dipole, bend)
    for got, expected in ((found[0], potential), (found[1:].T, slope), (gradient.reshape(3, n).T, force)):
        np.testing.assert_allclose(got, expected, rtol=0, atol=3e-5 * np.abs(expected).max())
    again = np.empty((4, n))
    mesh.potential(charge, NONE, again)
    mesh.potential(NONE, flat, found)
    np.testing.assert_allclose((again + found)[0], potential, rtol=0, atol=3e-6 * np.abs(potential).max())


def test_screened_functions_are_those_of_erfc() -> None:
    kappa = 0.38
    for r in np.geomspace(0.5, 16.0, 40):
        g = 2 * kappa / math.sqrt(math.pi) * math.exp(-((kappa * r) ** 2))
        b0 = erfc(kappa * r) / r
        b1 = (b0 + g) / r**2
        b2 = (3 * b1 + 2 * kappa**2 * g) / r**2
        b3 = (5 * b2 + 4 * kappa**4 * g) / r**2
        np.testing.assert_allclose(screened(r * r, 1 / r, kappa), (b0, b1, b2, b3), rtol=2e-13)


def test_dipoles_of_a_few_frequencies_are_extrapolated() -> None:
    rng = np.random.default_rng(2)
    amplitude, phase = rng.normal(size=(2, 2, 60))
    times = 0.3 * np.arange(KEPT + 1)[::-1]
    waves = [np.cos(f * times[:, None] + phase[k]) * amplitude[k] for k, f in enumerate((0.4, 1.1))]
    dipoles = 1.0 + waves[0] + waves[1]
    found = np.zeros(60)
    assert extrapolate(dipoles[1:].copy(), found)
    np.testing.assert_allclose(found, dipoles[0], rtol=0, atol=1e-8)
    assert extrapolate(rng.normal(size=(KEPT, 60)), found)
    assert np.isfinite(found).all()
    assert not extrapolate(np.zeros((KEPT, 60)), found)
