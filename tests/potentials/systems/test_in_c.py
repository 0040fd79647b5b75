"""A sum through its C function: what Python computes, and an error where C has no number."""

from __future__ import annotations

import ctypes
import pickle
from copy import copy, deepcopy
from functools import cache

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.physics.model import PhysicsPotential
from potentials.pip.potential import Potential
from potentials.systems.cell import Cell
from potentials.systems.manybody import ManyBodyPotential
from recipes.chemistry.atom_types import type_molecule
from recipes.chemistry.fragmentation import fragment_molecule
from recipes.load import load_recipe
from tests.potentials.physics.chains import embedded, parameters


@cache
def chain(physics: bool) -> tuple[ManyBodyPotential, np.ndarray]:
    """Return Ace-Ala-Nme with random PIPs of degree 2, as if fitted over V_phys, and its geometry."""
    molecule, rng = embedded("AceAlaNme"), np.random.default_rng(1)
    places = [place for one in fragment_molecule(molecule) for place in one.placements]
    potentials = {}
    for name in dict.fromkeys(place.nmer for place in places):
        nmer = load_recipe(name).build_nmer()
        empty = load_recipe(name).fitting.build_basis(nmer).up_to(2)
        k, coefficients = np.full(len(empty.pair_names), 0.8), rng.normal(size=empty.n_terms)
        rules = load_recipe(name).fitting.basis_options()
        potentials[name] = Potential(nmer, 2, "all", k, coefficients, options=rules)
    typed, topology = type_molecule(molecule)
    below = PhysicsPotential(molecule.symbols, topology, typed.types, parameters(typed.types))
    model = ManyBodyPotential(
        molecule.symbols, places, potentials, [below] if physics else [], onemers=list(potentials)
    )
    return model, np.array(molecule.positions)


@pytest.mark.parametrize("physics", [True, False])
def test_a_trajectory_is_what_single_configurations_are(physics: bool) -> None:
    model, x = chain(physics)
    steps, rng = model.trajectory(), np.random.default_rng(2)
    address, data = steps.c_address()
    function = ctypes.CFUNCTYPE(ctypes.c_double, *(ctypes.c_void_p,) * 4)(address)
    for _ in range(4):
        x = x + rng.normal(scale=0.02, size=x.shape)
        expected = model.evaluate(x[None])
        for found in (steps.evaluate(x[None]), steps.evaluate(x[None])):
            assert found.energy[0] == pytest.approx(expected.energy[0], abs=1e-7)
            np.testing.assert_allclose(found.gradient, expected.gradient, atol=1e-3 if physics else 1e-10)
            np.testing.assert_allclose(found.virial, expected.virial, atol=1e-3 if physics else 1e-10)
            assert list(found.shares) == list(expected.shares)
            for name, value in expected.shares.items():
                np.testing.assert_allclose(found.shares[name], value, atol=1e-7)
        gradient, virial = np.empty_like(x), np.empty((3, 3))
        energy = function(data, x.ctypes.data, gradient.ctypes.data, virial.ctypes.data)
        assert energy == pytest.approx(expected.energy[0], abs=1e-7)
        np.testing.assert_allclose(gradient, expected.gradient[0], atol=1e-3 if physics else 1e-10)


def test_what_has_no_energy_is_not_a_number_in_c_and_an_error_in_python() -> None:
    model, x = chain(True)
    steps = model.trajectory()
    energy = steps.energy(x)
    torn = x.copy()
    torn[1] = torn[0]
    address, data = steps.c_address()
    function = ctypes.CFUNCTYPE(ctypes.c_double, *(ctypes.c_void_p,) * 4)(address)
    gradient, virial = np.empty_like(x), np.empty((3, 3))
    assert np.isnan(function(data, torn.ctypes.data, gradient.ctypes.data, virial.ctypes.data))
    with pytest.raises(InputError, match="atoms 0 and 1 are in one place"):
        steps.energy(torn)
    assert steps.energy(x) == pytest.approx(energy, abs=1e-7)


def test_a_sum_that_needs_python_says_so() -> None:
    model, _ = chain(True)

    class Spring:
        def energy_and_gradient(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return np.zeros(len(positions)), np.zeros_like(positions)

    place = [p for p in fragment_molecule(embedded("AceAlaNme"))[0].placements]
    one = {place[0].nmer: model.potentials[place[0].nmer]}
    cell = Cell(((30.0, 0.0, 0.0), (0.0, 30.0, 0.0), (0.0, 0.0, 30.0)), (True,) * 3)
    for other in (
        ManyBodyPotential(model.symbols, place, one, [Spring()], onemers=list(one)),
        ManyBodyPotential(model.symbols, place, one, onemers=list(one), cell=cell),
    ):
        with pytest.raises(InputError, match="C evaluates a sum in vacuum"):
            other.c_address()
        assert np.isfinite(other.trajectory().energy(chain(True)[1]))


@pytest.mark.parametrize("along", [False, True])
def test_a_sum_goes_to_other_processes_and_is_copied(along: bool) -> None:
    model, x = chain(True)
    steps = model.trajectory() if along else model
    expected = steps.energy(x)
    for other in (pickle.loads(pickle.dumps(steps)), deepcopy(steps), copy(steps)):
        assert other.energy(x) == pytest.approx(expected, abs=1e-7)
        assert other is not steps and other.symbols == steps.symbols
