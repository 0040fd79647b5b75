"""What V_phys must be whatever its parameters: derivatives, symmetries, and limits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from potentials.errors import InputError, PolarizationError
from potentials.physics import model as models
from potentials.physics.model import PhysicsPotential
from potentials.physics.topology import Topology
from potentials.units import COULOMB
from tests.potentials.physics.chains import in_water, model, parameters

CHAIN, PLACES = model("AceAla3Nme")
SMALL, FEW = in_water("AceAlaNme", 4)


def two_waters(apart: float, **changed: float) -> tuple[PhysicsPotential, np.ndarray]:
    """Return V_phys of two parallel waters whose oxygens lie on the x axis."""
    types = ("water:O", "water:H", "water:H") * 2
    bonds = ((0, 1), (0, 2), (3, 4), (3, 5))
    one = np.array([[0.0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]])
    potential = PhysicsPotential(
        "OHHOHH", Topology(6, bonds, (0, 0, 0, 1, 1, 1)), types, parameters(types, **changed)
    )
    return potential, np.concatenate([one, one + np.array([apart, 0, 0])])


@pytest.mark.parametrize("damping", [0.055, 0.3])
def test_gradient_and_virial_are_derivatives(damping: float) -> None:
    """Central differences; the virial is the derivative with respect to a strain of the positions."""
    potential, positions = in_water("AceAlaNme", 4, thole_dipole=damping)
    found, h = potential.evaluate(positions[None]), 1e-4
    change = np.random.default_rng(0).normal(size=(6, *positions.shape))
    high, low = potential.energy(positions + h * change), potential.energy(positions - h * change)
    expected = np.einsum("nai,ai->n", change, found.gradient[0])
    np.testing.assert_allclose((high - low) / (2 * h), expected, rtol=0, atol=3e-6)
    for i, j in ((0, 0), (0, 1), (2, 1)):
        strain = np.zeros((3, 3))
        strain[i, j] = h
        stretched = np.array([positions + sign * positions @ strain.T for sign in (1, -1)])
        high, low = potential.energy(stretched)
        np.testing.assert_allclose((high - low) / (2 * h), found.virial[0, i, j], rtol=0, atol=2e-5)


def test_moved_and_turned() -> None:
    turn = Rotation.from_euler("xyz", [0.3, 1.1, -2.0]).as_matrix()
    energy, gradient = CHAIN.energy_and_gradient(PLACES)
    moved = CHAIN.energy_and_gradient(PLACES @ turn.T + [30.0, -20.0, 7.0])
    np.testing.assert_allclose(moved[0], energy, rtol=0, atol=1e-9)
    np.testing.assert_allclose(moved[1], gradient @ turn.T, rtol=0, atol=1e-8)
    np.testing.assert_allclose(gradient.sum(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.cross(PLACES, gradient).sum(axis=0), 0, atol=1e-8)


def test_like_atoms_may_be_exchanged() -> None:
    """The hydrogens of a water, and two waters."""
    order = np.arange(len(FEW))
    order[-6:] = order[[-3, -1, -2, -6, -5, -4]]
    energy, gradient = SMALL.energy_and_gradient(FEW)
    other = SMALL.energy_and_gradient(FEW[order])
    np.testing.assert_allclose(other[0], energy, rtol=0, atol=1e-9)
    np.testing.assert_allclose(other[1], gradient[order], rtol=0, atol=1e-8)


def test_conjugate_gradients_give_the_direct_solution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "DIRECT", 1000)
    direct = CHAIN.evaluate(PLACES[None])
    monkeypatch.setattr(models, "DIRECT", 0)
    iterated = CHAIN.evaluate(PLACES[None])
    np.testing.assert_allclose(iterated.energy, direct.energy, rtol=0, atol=1e-10)
    np.testing.assert_allclose(iterated.gradient, direct.gradient, rtol=0, atol=1e-7)
    assert abs(direct.shares["polarization"][0]) > 1


def test_a_batch_is_its_configurations() -> None:
    batch = PLACES + np.random.default_rng(1).normal(scale=0.05, size=(4, *PLACES.shape))
    energy, gradient = CHAIN.energy_and_gradient(batch)
    for n, one in enumerate(batch):
        alone = CHAIN.energy_and_gradient(one)
        assert alone[0] == energy[n] and (alone[1] == gradient[n]).all()
    assert CHAIN.energy(batch[:0]).shape == (0,)


def test_atoms_without_polarizability() -> None:
    """None is polarizable: the charges alone, and no induced dipole."""
    rigid, positions = two_waters(3.0, polarizability=0.0)
    found = rigid.evaluate(positions[None])
    q = np.array([-0.66, 0.33, 0.33])
    d = np.linalg.norm(positions[:3, None] - positions[None, 3:], axis=2)
    np.testing.assert_allclose(found.shares["electrostatics"], COULOMB * (np.outer(q, q) / d).sum(), rtol=1e-12)
    assert found.shares["polarization"][0] == 0


def test_far_away_two_waters_are_two_dipoles() -> None:
    """The energy of two dipoles, and of each one's polarizability, 0.5 to 3 A^3, in the other's field."""
    apart = 200.0
    potential, positions = two_waters(apart, c6=0.0, epsilon=0.0)
    found = potential.evaluate(positions[None])
    dipole = 2 * 0.33 * 0.59
    np.testing.assert_allclose(found.energy[0], COULOMB * dipole**2 / apart**3, rtol=1e-3)
    induced = -COULOMB * (dipole / apart**3) ** 2  # of two polarizabilities of 1 A^3
    assert 3 * induced < found.shares["polarization"][0] < 0.5 * induced


@pytest.mark.parametrize("direct", [0, 1000])
def test_a_polarization_catastrophe_names_the_atoms(direct: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly without damping, two waters' atoms that come too near polarize one another without bound."""
    monkeypatch.setattr(models, "DIRECT", direct)
    potential, positions = two_waters(4.0, thole_dipole=50.0, thole_charge=50.0, polarizability=0.15)
    near = np.array([positions, positions])
    near[1, 5] = near[1, 1] + [0.3, 0.3, 0.3]
    with pytest.raises(
        PolarizationError, match=r"configuration 1 .*atoms 1 \(H\) and 5 \(H\) are 0.520 A"
    ) as error:
        potential.energy(near)
    assert error.value.atoms == (1, 5)


def test_atoms_in_one_place_are_refused() -> None:
    together = PLACES.copy()
    together[17] = together[3]
    with pytest.raises(InputError, match="atoms 3 and 17 are in one place"):
        CHAIN.energy(together)
