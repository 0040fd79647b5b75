"""Along a trajectory the dipoles start from the past, and the energies are those of each configuration alone."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.errors import InputError
from tests.potentials.physics.chains import in_water, model

POTENTIAL, PLACES = model("AceAla9Nme")


def frames(count: int, step: float = 0.5) -> np.ndarray:
    """Return positions of atoms that swing by 0.04 A with periods of 10 to 50 fs, every `step` fs."""
    rng = np.random.default_rng(4)
    width, period, phase = (rng.uniform(*r, size=PLACES.shape) for r in ((-0.07, 0.07), (10, 50), (0, 6.3)))
    time = step * np.arange(count)[:, None, None]
    return PLACES + width * np.sin(2 * np.pi * time / period + phase)


def test_energies_and_gradients_are_those_of_each_configuration() -> None:
    steps = frames(12)
    energy, gradient = POTENTIAL.energy_and_gradient(steps)
    trajectory = POTENTIAL.trajectory()
    for n, one in enumerate(steps):
        found = trajectory.energy_and_gradient(one)
        assert abs(found[0] - energy[n]) < 1e-6
        np.testing.assert_allclose(found[1], gradient[n], rtol=0, atol=2e-3)
    tight = POTENTIAL.trajectory(1e-9)
    np.testing.assert_allclose(tight.energy_and_gradient(steps)[1], gradient, rtol=0, atol=1e-6)


def test_the_past_saves_iterations() -> None:
    trajectory = POTENTIAL.trajectory()
    steps = frames(10)
    counts = []
    for one in steps:
        trajectory.energy(one)
        counts.append(trajectory.iterations)
    assert max(counts[4:]) <= counts[0] - 3
    trajectory.forget()
    trajectory.energy(steps[-1])
    assert trajectory.iterations >= counts[0] - 1


def test_two_trajectories_share_nothing() -> None:
    steps = frames(6)
    one, other = POTENTIAL.trajectory(), POTENTIAL.trajectory()
    alone = [POTENTIAL.trajectory().energy(steps)]
    mixed = []
    for place in steps:
        mixed.append(one.energy(place))
        other.energy(place[::-1] * 1.1)
    np.testing.assert_array_equal(mixed, alone[0])


def test_after_an_error_the_past_is_forgotten() -> None:
    trajectory = POTENTIAL.trajectory()
    steps = frames(4)
    first = trajectory.energy(steps[0])
    bad = steps[1].copy()
    bad[5] = bad[9]
    with pytest.raises(InputError, match="atoms 5 and 9 are in one place"):
        trajectory.energy(bad)
    assert trajectory.energy(steps[0]) == first


def test_the_topology_of_a_large_system_is_small() -> None:
    """Exclusions are lists: some tens of pairs an atom, not a matrix."""
    topology = in_water("AceAlaNme", 1600)[0].topology
    assert topology.natoms > 4800
    for begins, others in (topology.uncharged, topology.unrepelled):
        assert len(begins) == topology.natoms + 1 and len(others) < 2 * topology.natoms
