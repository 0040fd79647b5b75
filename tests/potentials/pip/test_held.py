"""Caps held at their length: exact gradients, minima, dynamics and frequencies of capped n-mers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.constraints import FixBondLengths
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from scipy.constants import speed_of_light

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis
from potentials.pip.held import CAP_SPRING
from potentials.pip.potential import Potential
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.placement import Placement
from recipes.load import load_recipe
from recipes.schema.fitting import Fitting
from tasks.fitting.fit import fit_potential
from tasks.labelling.engines.xtb import XtbEngine
from tasks.labelling.optimize import find_start
from tasks.xtb import Xtb
from tests.numerical import slopes_of

KCAL = units.kcal / units.mol
CAPPED = ["ch3", "ch", "conh", "ch3-water", "conh-water"]


@cache
def nmer(name: str) -> NMer:
    return load_recipe(name).build_nmer()


def toy(name: str, switching: Switching | None = None, members: int = 0) -> Potential:
    """Return a potential of degree 2 with coefficients that mean nothing."""
    basis = Basis.build(nmer(name), 2)
    rng = np.random.default_rng(4)
    k, coefficients = rng.uniform(0.5, 1.5, len(basis.pair_names)), rng.normal(size=basis.n_terms)
    ensemble = coefficients + rng.normal(size=(members, basis.n_terms)) if members else None
    return Potential(nmer(name), 2, "all", k, coefficients, switching, ensemble=ensemble)


def shaken(name: str, count: int = 5) -> np.ndarray:
    return nmer(name).positions + np.random.default_rng(5).normal(scale=0.2, size=(count, nmer(name).natoms, 3))


def moved(name: str, positions: np.ndarray, factor: float) -> np.ndarray:
    """Return positions with every cap at another distance from its anchor."""
    found = positions.copy()
    for cap, anchor, _ in nmer(name).caps:
        found[..., cap, :] = positions[..., anchor, :] + factor * (
            positions[..., cap, :] - positions[..., anchor, :]
        )
    return found


@pytest.mark.parametrize("name", CAPPED)
@pytest.mark.parametrize("factor", [0.2, 1.7, 2.5])
def test_only_the_direction_of_a_cap_counts(name: str, factor: float) -> None:
    held, positions = toy(name, members=3).held(), shaken(name)
    energy, gradient = held.energy_and_gradient(positions)
    other, slope = held.energy_and_gradient(moved(name, positions, factor))
    np.testing.assert_allclose(other, energy, atol=1e-11)
    caps = [cap for cap, _, _ in nmer(name).caps]
    np.testing.assert_allclose(slope[:, caps], gradient[:, caps] / factor, atol=1e-11)
    np.testing.assert_allclose(energy, held.potential.energy(nmer(name).place_caps(positions)), rtol=1e-14)
    np.testing.assert_allclose(
        held.uncertainty(moved(name, positions, factor)), held.uncertainty(positions), rtol=1e-11
    )


@pytest.mark.parametrize("name", CAPPED)
@pytest.mark.parametrize("spring", [0.0, CAP_SPRING])
@pytest.mark.parametrize("switching", [None, Switching((1, 0), 0.5, 2.0), Switching((2, 4), 1.0, 2.5)])
def test_the_gradient_is_the_derivative(name: str, spring: float, switching: Switching | None) -> None:
    """Also where a switching atom is a cap."""
    held, positions = toy(name, switching).held(spring), shaken(name)
    gradient = held.energy_and_gradient(positions)[1]
    np.testing.assert_allclose(gradient, slopes_of(held.energy, positions, 1e-4, order=4), atol=2e-7)
    assert np.abs(gradient.sum(axis=1)).max() < 1e-9  # no net force
    assert np.abs(np.cross(positions, gradient).sum(axis=1)).max() < 1e-9  # and no torque


def test_one_and_many_agree_and_bad_places_are_refused() -> None:
    held, positions = toy("conh").held(CAP_SPRING), shaken("conh", 70)
    energy, gradient = held.energy_and_gradient(positions)
    for n in (0, 66):
        value, slope = held.energy_and_gradient(positions[n])
        assert isinstance(value, float) and value == pytest.approx(np.asarray(energy)[n], abs=1e-11)
        np.testing.assert_allclose(slope, gradient[n], atol=1e-10)
    assert np.asarray(held.energy(positions[:0])).shape == (0,)
    positions[3, 4] = positions[3, 0]
    with pytest.raises(InputError, match=r"atoms 0 and 4 are in one place \(configuration 3"):
        held.energy(positions)
    with pytest.raises(InputError, match="positions have shape"):
        held.energy(np.zeros((5, 3)))
    for spring in (-1.0, np.nan, np.inf):
        with pytest.raises(InputError, match="spring of caps"):
            toy("conh").calculator(cap_spring=spring)


def test_the_sum_over_a_molecule_is_what_it_was() -> None:
    """It places caps itself and evaluates the polynomial there, to round-off."""
    potential, positions = toy("ch3"), shaken("ch3", 1)[0]
    place = Placement("ch3", (0, 1, 2, 3, 4), (-1, 0, -1, -1, -1), (0.0, 1.14, 0.0, 0.0, 0.0))
    molecule = ManyBodyPotential(("C", "N", "H", "H", "H"), [place], {"ch3": potential})
    energy, gradient = molecule.energy_and_gradient(positions)
    assert energy == pytest.approx(potential.energy(nmer("ch3").place_caps(positions)), rel=1e-13)
    held_energy, held_gradient = potential.held().energy_and_gradient(positions)
    assert energy == pytest.approx(held_energy, abs=1e-12)
    np.testing.assert_allclose(gradient, held_gradient, atol=1e-12)


def xtb_minimum(molecule: NMer) -> np.ndarray:
    return find_start(molecule, XtbEngine().cheap_surface(molecule)).positions


@pytest.fixture(scope="module")
def methyl() -> Potential:
    """Fit GFN2-xTB energies of the capped methyl, above its minimum with the cap at 1.14 A."""
    pytest.importorskip("tblite", reason="tblite is missing: pip install 'nmer[xtb]'")
    one = nmer("ch3")
    rng = np.random.default_rng(6)
    size = rng.uniform(0.0, 0.12, (300, 1, 1))
    positions = one.place_caps(one.positions + size * rng.normal(size=(300, 5, 3)))
    surface = Xtb(one)
    energy = np.array([surface(x)[0] for x in positions]) - surface(xtb_minimum(one))[0]
    settings = Fitting(degree=4, terms="all", gamma=1e-4, delta_e=40.0)
    return fit_potential(one, positions, energy, settings).potential


def methane(potential: Potential, **options: float) -> Atoms:
    """Return the n-mer out of shape, its cap at 1.3 A."""
    atoms = Atoms(potential.nmer.symbols, potential.nmer.positions)
    atoms.rattle(0.05, seed=3)
    atoms.set_distance(0, 1, 1.3, fix=0)
    atoms.calc = potential.calculator(**options)
    return atoms


def test_bfgs_ends_at_the_minimum_with_the_cap_at_its_length(methyl: Potential) -> None:
    """GFN2-xTB's minimum with the cap at 1.14 A is the right value: 0 kcal/mol by definition."""
    atoms = methane(methyl)
    assert BFGS(atoms, logfile=None).run(fmax=1e-4, steps=200)
    assert atoms.get_distance(0, 1) == pytest.approx(1.14, abs=1e-4)
    assert atoms.get_potential_energy() / KCAL == pytest.approx(0.0, abs=0.1)
    assert atoms.calc.results["cap_energy"] / KCAL < 1e-6
    right = xtb_minimum(methyl.nmer)
    expected = np.linalg.norm(right[2:] - right[0], axis=1)
    found = [atoms.get_distance(0, h) for h in (2, 3, 4)]
    np.testing.assert_allclose(found, expected, atol=5e-3)


def test_a_constraint_does_as_well(methyl: Potential) -> None:
    atoms = methane(methyl, cap_spring=0.0)
    atoms.set_distance(0, 1, 1.14, fix=0)
    atoms.set_constraint(FixBondLengths([(cap, anchor) for cap, anchor, _ in methyl.nmer.caps]))
    assert BFGS(atoms, logfile=None).run(fmax=1e-4, steps=200)
    assert atoms.get_distance(0, 1) == pytest.approx(1.14, abs=1e-6)
    assert atoms.get_potential_energy() / KCAL == pytest.approx(0.0, abs=0.1)


def test_dynamics_conserve_energy_and_keep_the_cap(methyl: Potential) -> None:
    atoms = methane(methyl)
    BFGS(atoms, logfile=None).run(fmax=1e-3, steps=200)
    rng = np.random.default_rng(1)
    atoms.set_momenta(rng.normal(size=(5, 3)) * np.sqrt(atoms.get_masses() * 300 * units.kB)[:, None])
    start, total, lengths = atoms.get_total_energy(), [], []
    dynamics = VelocityVerlet(atoms, timestep=0.25 * units.fs)
    dynamics.attach(lambda: total.append(atoms.get_total_energy() - start))
    dynamics.attach(lambda: lengths.append(atoms.get_distance(0, 1)))
    dynamics.run(4000)
    assert np.abs(total).max() / KCAL < 0.05
    assert abs(np.polyfit(np.arange(len(total)), total, 1)[0] * len(total)) / KCAL < 5e-3
    assert min(lengths) > 0.95 and max(lengths) < 1.35 and np.ptp(lengths) > 0.02
    assert np.mean(lengths) == pytest.approx(1.14, abs=0.01)


def frequencies(gradient: Callable[[np.ndarray], np.ndarray], positions: np.ndarray, masses: np.ndarray) -> Any:
    """Return wavenumbers from gradients in kcal/mol/A, imaginary ones negative, cm-1."""
    hessian = slopes_of(gradient, positions, 1e-3).reshape(positions.size, -1)
    weight = np.repeat(masses, 3) ** -0.5
    value = np.linalg.eigvalsh(0.5 * (hessian + hessian.T) * weight * weight[:, None]) * KCAL
    return np.sign(value) * np.sqrt(np.abs(value)) / (2 * np.pi) * units.s / (speed_of_light * 100)


def test_frequencies_are_those_of_a_molecule(methyl: Potential) -> None:
    """Against GFN2-xTB with the same spring: within 5 %; six are zero, none is imaginary."""
    one, atoms = methyl.nmer, methane(methyl)
    BFGS(atoms, logfile=None).run(fmax=1e-5, steps=300)
    held, surface = methyl.held(CAP_SPRING), Xtb(methyl.nmer)
    found = frequencies(lambda x: held.energy_and_gradient(x)[1], atoms.positions, one.masses)
    right = frequencies(
        lambda x: one.carry_caps(x, -surface(one.place_caps(x))[1]) + held.springs(x)[1],
        xtb_minimum(one),
        one.masses,
    )
    assert np.abs(found[:6]).max() < 30.0  # moving and turning
    np.testing.assert_allclose(found[6:], right[6:], rtol=0.05)
    assert found[6] > 1100.0 and found[10] < 1700.0 and found[11] > 2700.0 and found[14] < 3400.0
