"""V_phys in a cell: against a plain Ewald sum, central differences of positions and cell, and large cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.integrate import quad

from potentials.errors import InputError, PolarizationError
from potentials.physics.dispersion import damping
from potentials.physics.model import PhysicsPotential
from potentials.physics.periodic.model import PeriodicPhysics
from potentials.physics.periodic.tail import switched, tail
from potentials.physics.topology import Topology
from tests.potentials.physics.boxes import box
from tests.potentials.physics.chains import parameters
from tests.potentials.physics.ewald import energies, pairwise

CELLS = {
    "cube": np.eye(3) * 12.4,
    "slanted": np.array([[14.0, 0.0, 0.0], [4.0, 13.5, 0.0], [-3.5, 4.5, 13.2]]),
}
TIGHT = {"cutoff": 6.0, "switching": 1.5, "accuracy": 1e-7}
LOOSE = {"cutoff": 6.0, "switching": 1.5, "accuracy": 1e-4}


@cache
def system(name: str, solute: str = "AceAlaNme", waters: int = 12) -> tuple[PeriodicPhysics, np.ndarray]:
    vectors = CELLS[name]
    symbols, topology, types, positions = box(solute, waters, vectors)
    model = PeriodicPhysics(symbols, topology, types, parameters(types), vectors, **TIGHT)
    return model, positions


def loose(model: PeriodicPhysics, vectors: np.ndarray, **more: object) -> PeriodicPhysics:
    return PeriodicPhysics(model.symbols, model.topology, model.types, model.parameters, vectors, **LOOSE, **more)


@pytest.mark.parametrize("name", CELLS)
def test_energies_are_those_of_a_plain_sum(name: str) -> None:
    model, positions = system(name)
    found = model.evaluate(positions[None])
    one, two = energies(model.topology, model.types, model.parameters, positions, CELLS[name])
    np.testing.assert_allclose(found.shares["electrostatics"][0], one, rtol=1e-6)
    np.testing.assert_allclose(found.shares["polarization"][0], two, rtol=1e-6)


@pytest.mark.parametrize("name", CELLS)
def test_gradient_and_virial_are_those_of_a_plain_sum(name: str) -> None:
    """Central differences of the plain sum along random directions of the atoms, and of the cell."""
    model, positions = system(name, "", 8)
    vectors, rng = CELLS[name], np.random.default_rng(1)
    found = model.evaluate(positions[None])
    bare = PeriodicPhysics(
        model.symbols, model.topology, model.types, parameters(model.types, c6=0.0, epsilon=0.0), vectors, **TIGHT
    ).evaluate(positions[None])
    assert found.energy[0] != bare.energy[0]

    def plain(places: np.ndarray, cell: np.ndarray) -> float:
        return sum(energies(model.topology, model.types, model.parameters, places, cell, digits=14))

    h = 1e-3
    direction = rng.normal(size=positions.shape)
    slope = _central(lambda t: plain(positions + t * direction, vectors), h)
    np.testing.assert_allclose((bare.gradient[0] * direction).sum(), slope, rtol=1e-6)
    for _ in range(2):
        strain = rng.normal(size=(3, 3))

        def strained(t: float, strain: np.ndarray = strain) -> float:
            matrix = np.eye(3) + t * strain
            return plain(positions @ matrix.T, vectors @ matrix.T)

        np.testing.assert_allclose((bare.virial[0] * strain).sum(), _central(strained, h), rtol=1e-6)
    np.testing.assert_allclose(bare.virial[0], bare.virial[0].T, rtol=0, atol=1e-7)


def _central(function: Callable[[float], float], h: float) -> float:
    """Return the derivative at 0 by five points."""
    one, two = (function(k * h) - function(-k * h) for k in (1, 2))
    return (8 * one - two) / (12 * h)


@pytest.mark.parametrize("name", CELLS)
def test_gradient_and_virial_are_those_of_the_energy(name: str) -> None:
    """Also of a coarse mesh: the gradient is that of the energy on the mesh, not of the exact one."""
    model, positions = system(name)
    coarse = replace(model.settings, spacing=0.5)
    object.__setattr__(model := loose(model, CELLS[name]), "settings", coarse)
    object.__setattr__(model._sums, "settings", coarse)
    found, rng, h = model.evaluate(positions[None]), np.random.default_rng(2), 3e-4
    scale = 1e-7 * np.linalg.norm(found.gradient)

    def slope(positions: np.ndarray, vectors: np.ndarray) -> float:
        a, b, c, d = model.evaluate(positions, vectors).energy
        return float((8 * (a - b) - (c - d)) / (12 * h))

    steps = h * np.array([1, -1, 2, -2])[:, None, None]
    for _ in range(2):
        direction = rng.normal(size=positions.shape)
        got = slope(positions + steps * direction, CELLS[name])
        np.testing.assert_allclose((found.gradient[0] * direction).sum(), got, rtol=1e-6, atol=scale)
    for entry in range(9):
        strain = np.zeros((3, 3))
        strain.flat[entry] = 0.3
        turned = (np.eye(3) + steps * strain).transpose(0, 2, 1)
        got = slope(positions @ turned, CELLS[name] @ turned)
        np.testing.assert_allclose((found.virial[0] * strain).sum(), got, rtol=1e-6, atol=scale)


def test_a_large_cell_is_no_cell() -> None:
    """What the images do decreases with the volume: twice the volume, half of it."""
    symbols, topology, types, positions = box("AceAlaNme", 8, np.eye(3) * 12.4)
    expected = PhysicsPotential(symbols, topology, types, parameters(types)).evaluate(positions[None])
    shares, gradients = [], []
    for volume in (1.0, 2.0):
        vectors = np.eye(3) * 160.0 * volume ** (1 / 3)
        model = PeriodicPhysics(symbols, topology, types, parameters(types), vectors, 60.0, accuracy=1e-5)
        found = model.evaluate(positions[None])
        shares.append([found.shares[name][0] - expected.shares[name][0] for name in found.shares])
        gradients.append(found.gradient[0] - expected.gradient[0])
    assert np.abs(shares).max() < 5e-3 and np.abs(gradients).max() < 5e-3
    np.testing.assert_allclose(2 * np.array(shares[1]) - shares[0], 0, atol=1e-4)
    np.testing.assert_allclose(2 * gradients[1] - gradients[0], 0, atol=1e-4)


def test_dispersion_and_repulsion_beyond_the_cutoff() -> None:
    """A short cut-off and its tail against a long direct sum; the tail assumes that the system is uniform."""
    vectors = np.eye(3) * 15.7
    symbols, topology, types, positions = box("", 125, vectors)
    model = PeriodicPhysics(symbols, topology, types, parameters(types), vectors, 7.8, switching=1.5)
    found = model.evaluate(positions[None]).shares
    near = pairwise(topology, types, model.parameters, positions, vectors, 6.3)[0]
    far = pairwise(topology, types, model.parameters, positions, vectors, 15.0)
    row = model.parameters.rows(types)
    rest = -2 / 3 * np.pi / 15.7**3 / 15.0**3 * model.parameters.pair_c6[np.ix_(row, row)].sum()
    assert abs(found["dispersion"][0] - far[0] - rest) < 0.04 * abs(far[0] + rest - near)
    np.testing.assert_allclose(found["repulsion"][0], far[1], rtol=1e-4)


def test_the_tail_is_the_integral() -> None:
    _, _, types, _ = box("", 4, np.eye(3) * 12.4)
    chosen = parameters(types)
    row = chosen.rows(types)
    part = np.arange(12) < 3
    found = tail(chosen, row, part, 5.0, 6.5)

    def integral(pair: Callable[[float], float]) -> float:
        near, far = (quad(lambda r: pair(r) * (1 - float(switched(np.array(r), 5.0, 6.5))) * r * r, *ends)[0]
                     for ends in ((5.0, 6.5), (6.5, np.inf)))  # fmt: skip
        return near + far

    dispersion = repulsion = 0.0
    for i in range(12):
        for j in range(12):
            if part[i] and part[j]:
                continue
            a, b = row[i], row[j]
            width = chosen.pair_damping[a, b]
            dispersion -= 2 * np.pi * integral(lambda r: damping(width * r)[0] * chosen.pair_c6[a, b] / r**6)  # noqa: B023
            repulsion += 2 * np.pi * integral(lambda r: chosen.pair_r12[a, b] / r**12)  # noqa: B023
    np.testing.assert_allclose(found, (dispersion, repulsion), rtol=1e-7)


def test_any_image_of_the_atoms_and_any_origin() -> None:
    model, positions = system("slanted")
    model, rng = loose(model, CELLS["slanted"]), np.random.default_rng(3)
    wrapped = positions + rng.integers(-2, 3, size=positions.shape) @ CELLS["slanted"]
    moved = positions + np.array([3.1, -7.7, 20.3])
    found = model.evaluate(np.array([positions, wrapped, moved]))
    np.testing.assert_allclose(found.energy, found.energy[0], rtol=1e-4)
    np.testing.assert_allclose(found.energy[1], found.energy[0], rtol=1e-12)
    np.testing.assert_allclose(found.gradient[1], found.gradient[0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.gradient[2], found.gradient[0], rtol=0, atol=3e-3)


def test_excluded_pairs_have_no_charges_at_any_distance() -> None:
    """A molecule whose 1-mer is longer than the cut-off: pairs without charges beyond it are taken out as well."""
    vectors = np.eye(3) * 14.0
    places = np.array([[1.0 + 1.1 * k, 2.0, 3.0] for k in range(7)])
    types = ("ch:H", "ch:C", "ch:H", "ch:C", "ch:H", "ch:C", "ch:H")
    bonds = tuple((k, k + 1) for k in range(6))
    charges = np.array([0.1, -0.4 / 3])
    chosen = parameters(types, polarizability=0.3)
    object.__setattr__(chosen, "charge", np.where(np.char.endswith(chosen.types, "C"), charges[1], charges[0]))
    for onemers in ((0,) * 7, (0, 0, 0, 0, 1, 1, 1)):
        topology = Topology(7, bonds, onemers)
        model = PeriodicPhysics(
            ("H", "C", "H", "C", "H", "C", "H"), topology, types, chosen, vectors, 5.0, accuracy=1e-6
        )
        found = model.evaluate(places[None]).shares
        one, two = energies(topology, types, chosen, places, vectors)
        np.testing.assert_allclose(found["electrostatics"][0], one, rtol=0, atol=1e-6)
        np.testing.assert_allclose(found["polarization"][0], two, rtol=0, atol=1e-6)


def frames(positions: np.ndarray, count: int) -> np.ndarray:
    rng = np.random.default_rng(4)
    width, period, phase = (rng.uniform(*r, size=positions.shape) for r in ((-0.07, 0.07), (10, 50), (0, 6.3)))
    time = 0.5 * np.arange(count)[:, None, None]
    return positions + width * np.sin(2 * np.pi * time / period + phase)


def test_a_trajectory_is_its_configurations() -> None:
    """The list of pairs is kept, the dipoles start from the past; one atom is wrapped on the way."""
    vectors = np.eye(3) * 15.7
    symbols, topology, types, positions = box("", 120, vectors)
    model = PeriodicPhysics(symbols, topology, types, parameters(types), vectors, 7.0)
    steps = frames(positions, 8)
    steps[3:, 5] += vectors[1]
    expected = model.evaluate(steps)
    trajectory = model.trajectory()
    tight = model.trajectory(1e-10)
    counts = []
    for n, step in enumerate(steps):
        found = trajectory.evaluate(step[None])
        counts.append(trajectory.iterations)
        np.testing.assert_allclose(found.energy[0], expected.energy[n], rtol=0, atol=1e-4)
        np.testing.assert_allclose(found.gradient[0], expected.gradient[n], rtol=0, atol=2e-3)
        found = tight.evaluate(step[None])
        np.testing.assert_allclose(found.energy[0], expected.energy[n], rtol=1e-10)
        np.testing.assert_allclose(found.gradient[0], expected.gradient[n], rtol=0, atol=1e-6)
    assert trajectory.lists == 1
    assert max(counts[4:]) < counts[0]
    far = steps[-1] + np.array([2.0, 0, 0]) * (np.arange(len(positions)) // 3 % 2)[:, None]
    np.testing.assert_allclose(tight.energy(far), model.energy(far), rtol=1e-10)
    assert tight.lists == 2
    smaller = tight.evaluate(steps[-1:] * 0.97, vectors * 0.97)
    np.testing.assert_allclose(
        smaller.energy, model.evaluate(steps[-1:] * 0.97, vectors * 0.97).energy, rtol=1e-10
    )


def test_a_cell_that_grows_gets_more_mesh_points() -> None:
    model, positions = system("slanted")
    vectors = 1.4 * CELLS["slanted"]
    grown = loose(model, vectors).evaluate(positions[None])
    found = loose(model, CELLS["slanted"]).evaluate(positions[None], vectors)
    np.testing.assert_allclose(found.energy, grown.energy, rtol=1e-10)
    np.testing.assert_allclose(found.gradient, grown.gradient, rtol=0, atol=1e-8)


def test_threads_change_nothing() -> None:
    model, positions = system("slanted")
    one, other = (loose(model, CELLS["slanted"], threads=k).evaluate(positions[None]) for k in (1, 3))
    np.testing.assert_allclose(other.energy, one.energy, rtol=1e-12)
    np.testing.assert_allclose(other.gradient, one.gradient, rtol=0, atol=1e-9)
    np.testing.assert_allclose(other.virial, one.virial, rtol=0, atol=1e-9)


@pytest.mark.parametrize("solute", ["", "AceAlaNme"])
def test_all_without_the_waters_is_the_difference_of_two(solute: str) -> None:
    vectors = CELLS["slanted"]
    model, positions = system("slanted", "AceAlaNme")
    first = 22 if solute else 22 + 3 * 4
    chosen = [*range(first, len(positions))]
    model = loose(model, vectors)
    difference = loose(model, vectors, without=chosen)
    part = PeriodicPhysics(
        [model.symbols[a] for a in chosen], model.topology.part(chosen), [model.types[a] for a in chosen],
        model.parameters, vectors, **LOOSE,
    )  # fmt: skip
    whole, alone = model.evaluate(positions[None]), part.evaluate(positions[None, chosen])
    found = difference.evaluate(positions[None])
    for name in found.shares:
        np.testing.assert_allclose(found.shares[name], whole.shares[name] - alone.shares[name], rtol=0, atol=1e-7)
    expected = whole.gradient[0].copy()
    expected[chosen] -= alone.gradient[0]
    np.testing.assert_allclose(found.gradient[0], expected, rtol=0, atol=1e-7)
    np.testing.assert_allclose(found.virial[0], whole.virial[0] - alone.virial[0], rtol=0, atol=1e-6)


def test_what_is_refused() -> None:
    symbols, topology, types, positions = box("", 8, np.eye(3) * 12.4)
    good = parameters(types)
    with pytest.raises(InputError, match=r"the cell is 12\.400 A wide.* 9 A.*at least twice"):
        PeriodicPhysics(symbols, topology, types, good, np.eye(3) * 12.4)
    model = PeriodicPhysics(symbols, topology, types, good, np.eye(3) * 12.4, 6.0)
    with pytest.raises(InputError, match="at least twice"):
        model.evaluate(positions[None], np.eye(3) * 11.9)
    charged = parameters(types, charge=0.1)
    with pytest.raises(InputError, match=r"a charge of 2\.4 e; allowed in a periodic cell: 0"):
        PeriodicPhysics(symbols, topology, types, charged, np.eye(3) * 12.4, 6.0)
    soft = parameters(types, polarizability=10.0)
    with pytest.raises(InputError, match="damping of a polarizability of 10 A\\^3 reaches"):
        PeriodicPhysics(symbols, topology, types, soft, np.eye(3) * 12.4, 6.0)
    same = positions.copy()
    same[4] = same[20] + np.array([12.4, 0, 0])
    with pytest.raises(InputError, match="atoms 4 and 20 are in one place"):
        model.evaluate(same[None])


def test_a_polarization_catastrophe_names_its_atoms() -> None:
    symbols, topology, types, positions = box("", 8, np.eye(3) * 12.4)
    bare = parameters(types, thole_charge=1e6, thole_dipole=1e6, polarizability=1.4)
    model = PeriodicPhysics(symbols, topology, types, bare, np.eye(3) * 12.4, 6.0)
    with pytest.raises(
        PolarizationError, match=r"polarization catastrophe: .* no stable solution; atoms"
    ) as error:
        model.evaluate(positions[None])
    i, j = error.value.atoms
    assert i // 3 == j // 3
