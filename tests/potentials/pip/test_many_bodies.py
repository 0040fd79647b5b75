"""Potentials of three bodies: they vanish when any one leaves, know no order of equal ones, and are smooth."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from potentials.nmers.nmer import NMer
from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis, BasisOptions
from potentials.pip.potential import Potential
from potentials.pip.sites import LonePairs
from potentials.pip.variables import FORMS, Forms
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.placement import Placement
from tests.numerical import slopes_of
from tests.potentials.pip.test_basis import make

WATERS = make("D1E2_D1E2_D1E2")
ION = make("A1_D1E2_D1E2")
PLAIN = BasisOptions()
RNG = np.random.default_rng(11)
CASES = {"waters": (WATERS, Switching((0, 3, 6), 4.0, 5.0)), "ion": (ION, Switching((0, 1, 4), 4.0, 5.0))}

BENT = np.array([[0.0, 0.0, 0.0], [0.76, 0.59, 0.0], [-0.76, 0.59, 0.0]])


def placed(nmer: NMer, size: float, count: int = 40) -> np.ndarray:
    """Return geometries of fragments at the corners of a triangle of a given side, shaken."""
    corners = size * np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.5, 0.75**0.5, 0.0]])
    parts = [corner + BENT[: f.natoms] for corner, f in zip(corners, nmer.fragments, strict=True)]
    return np.concatenate(parts) + RNG.normal(scale=0.15, size=(count, nmer.natoms, 3))


def potential(
    nmer: NMer, switching: Switching | None = None, options: BasisOptions = PLAIN, seed: int = 3
) -> Potential:
    rng = np.random.default_rng(seed)
    basis = Basis.build(nmer, 3, "intermolecular", options)
    count = len(basis.pair_names)
    shifts = len(basis.parameter_names) - count
    k, d = rng.uniform(0.4, 1.5, count), rng.uniform(1.0, 3.0, shifts)
    c = rng.normal(scale=50.0, size=basis.n_terms)
    return Potential(nmer, 3, "intermolecular", k, c, switching, options=options, d=d)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", CASES)
def test_the_polynomial_alone_vanishes_when_any_one_body_leaves(case: str, form: str) -> None:
    """Whatever the form of the variables within and between fragments, with lone pairs as well."""
    nmer, _ = CASES[case]
    waters = [part.start for part, f in zip(nmer.slices, nmer.fragments, strict=True) if f.natoms == 3]
    pairs = tuple(LonePairs((o, o + 1, o + 2)) for o in waters)
    for options in (BasisOptions(forms=Forms(form, form)), BasisOptions(lone_pairs=pairs)):
        model, positions = potential(nmer, options=options), placed(nmer, 3.0)
        assert np.abs(model.energy(positions)).max() > 0.1
        for part in nmer.slices:
            for direction in np.eye(3):
                away = positions.copy()
                away[:, part] += 200.0 * direction
                energy, gradient = model.energy_and_gradient(away)
                assert np.abs(energy).max() < 1e-6 and np.abs(gradient).max() < 1e-6


@pytest.mark.parametrize("case", CASES)
def test_switched_it_is_exactly_zero_when_any_one_body_is_beyond(case: str) -> None:
    nmer, switching = CASES[case]
    model, positions = potential(nmer, switching), placed(nmer, 3.0)
    assert np.abs(model.energy(positions)).min() > 0.0
    for part in nmer.slices:
        away = positions.copy()
        away[:, part] -= [0.0, 0.0, 5.5]
        energy, gradient = model.energy_and_gradient(away)
        assert not energy.any() and not gradient.any()


@pytest.mark.parametrize("size", [3.0, 4.5])
@pytest.mark.parametrize("case", CASES)
def test_equal_bodies_exchange(case: str, size: float) -> None:
    """In the region where all three factors of the switching act, too."""
    nmer, switching = CASES[case]
    model, positions = potential(nmer, switching), placed(nmer, size)
    factor = switching.evaluate(positions)[0]
    assert (factor == 1).all() if size == 3.0 else ((factor > 0) & (factor < 1)).sum() > 30
    energy, gradient = model.energy_and_gradient(positions)
    equal = [p for p, f in zip(nmer.slices, nmer.fragments, strict=True) if f.natoms == 3]
    first = [atom for p in nmer.slices if p not in equal for atom in range(p.start, p.stop)]
    tried = 0
    for order in permutations(equal):
        for turned in ([0, 1, 2], [0, 2, 1]):
            atoms = first + [
                p.start + turned[a] if n == 0 else p.start + a for n, p in enumerate(order) for a in range(3)
            ]
            other, slope = model.energy_and_gradient(positions[:, atoms])
            assert np.abs(other - energy).max() < 1e-12 * max(1.0, np.abs(energy).max())
            assert np.abs(slope - gradient[:, atoms]).max() < 1e-12 * max(1.0, np.abs(gradient).max())
            tried += 1
    assert tried == (12 if case == "waters" else 4)


@pytest.mark.parametrize("size", [3.0, 4.5, 4.9])
@pytest.mark.parametrize("case", [*CASES, "means"])
def test_the_gradient_is_the_derivative(case: str, size: float) -> None:
    nmer, switching = CASES.get(case, (WATERS, Switching((0, (4, 5), (6, 7, 8)), 4.0, 5.0)))
    model, positions = potential(nmer, switching), placed(nmer, size, 20)
    gradient = model.energy_and_gradient(positions)[1]
    h = 1e-4
    # within a step of the ends of the switching its second derivative jumps
    edge = np.abs(switching.distances(positions)[:, :, None] - [4.0, 5.0]).min(axis=(1, 2)) < 2 * h
    assert np.abs(slopes_of(model.energy, positions, h) - gradient)[~edge].max() < 1e-5
    assert np.abs(gradient.sum(axis=1)).max() < 1e-10  # no net force


def test_the_product_is_smooth_along_a_path() -> None:
    switching = Switching((0, 1, 2), 4.0, 6.0)
    path = np.linspace(3.0, 7.0, 4001)
    positions = np.zeros((len(path), 3, 3))
    positions[:, 1, 0] = path
    positions[:, 2, 1] = 0.9 * path
    factor, gradient = switching.evaluate(positions)
    along = gradient[:, 1, 0] + 0.9 * gradient[:, 2, 1]
    assert (np.diff(factor) <= 0).all() and factor[0] < 1 and not factor[-1]
    np.testing.assert_allclose(np.gradient(factor, path)[1:-1], along[1:-1], atol=2e-3)
    assert np.abs(np.diff(along)).max() < 5e-3  # no jump of the derivative
    r = switching.distances(positions)
    one = Switching((0, 1), 4.0, 6.0)
    product = np.prod(
        [one.evaluate(np.stack([np.zeros((len(d), 3)), d[:, None] * [1, 0, 0]], axis=1))[0] for d in r.T], axis=0
    )
    np.testing.assert_allclose(factor, product, atol=1e-14)


def test_a_key_of_two_atoms_knows_no_order_of_them() -> None:
    mean = Switching(((0, 1), 2), 3.0, 6.0)
    positions = RNG.normal(scale=2.5, size=(300, 3, 3))
    factor, gradient = mean.evaluate(positions)
    assert ((factor > 0) & (factor < 1)).sum() > 50
    other, slope = mean.evaluate(positions[:, [1, 0, 2]])
    np.testing.assert_allclose(other, factor, atol=1e-15)
    np.testing.assert_allclose(slope[:, [1, 0, 2]], gradient, atol=1e-15)


def test_a_sum_over_many_waters_counts_each_three_once() -> None:
    model = potential(WATERS, Switching((0, 3, 6), 4.0, 5.0))
    positions = np.concatenate([BENT + at for at in ([0, 0, 0], [3, 0, 0], [0, 3, 0], [40, 0, 0])])
    threes = [(0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)]
    placements = [
        Placement("three", tuple(3 * w + a for w in three for a in range(3)), (-1,) * 9, (0.0,) * 9)
        for three in threes
    ]
    whole = ManyBodyPotential(("O", "H", "H") * 4, placements, {"three": model})
    energy, gradient = whole.energy_and_gradient(positions)
    assert energy == pytest.approx(model.energy(positions[:9]), abs=1e-12) and energy != 0.0
    assert not gradient[9:].any()
    rolled = whole.energy(np.roll(positions.reshape(4, 3, 3), 1, axis=0).reshape(12, 3))
    assert rolled == pytest.approx(energy, abs=1e-11)


def test_two_bodies_are_as_before() -> None:
    """A pair is one factor: the number that one cosine gives."""
    pair = make("A1B1C3_D1E2")
    switching = Switching((0, 5), 3.0, 6.0)
    x = np.zeros((1, pair.natoms, 3))
    x[0, 5, 2] = 4.0
    factor, gradient = switching.evaluate(x)
    assert factor[0] == (1 + np.cos(np.pi / 3)) / 2
    assert gradient[0, 5, 2] == -np.sin(np.pi / 3) * np.pi / 6 == -gradient[0, 0, 2]
    assert not np.delete(gradient, [0, 5], axis=1).any()
    assert replace(switching).keys == ((0,), (5,)) and switching.highest == 5
