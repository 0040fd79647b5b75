"""Charges: constraints, induction, and geometries that decide little."""

from dataclasses import replace

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.physics.model import PhysicsPotential
from potentials.physics.parameters import COLUMNS, PhysicsParameters
from potentials.units import COULOMB
from recipes.chemistry.atom_types import type_molecule
from recipes.chemistry.molecules import chain, from_smiles
from tasks.physics import charges as module
from tasks.physics.charges import Observed, fit_charges
from tasks.physics.geometries import conformations
from tasks.physics.induction import Induction, traceless
from tasks.xtb import multipoles

FACTORS = (0.4, 0.055, 0.5)
ALPHA = {"C": 1.4, "H": 0.43, "N": 1.0, "O": 0.8}
NUMBERS = {"H": 1, "C": 6, "N": 7, "O": 8}


def alpha_of(types):
    return {t: ALPHA[t.split(":")[1][0]] for t in types}


@pytest.fixture(scope="module")
def dipeptide():
    molecule = chain("AceAlaNme")
    typed, topology = type_molecule(molecule)
    return molecule, typed.types, topology, [g.positions for g in conformations(molecule, 6)]


def made_up(types, topology):
    """Charges of types that are neutral in each 1-mer."""
    names = sorted(set(types))
    q = dict(zip(names, np.random.default_rng(1).normal(0, 0.3, len(names)), strict=True))
    for heavy, light, count in (("ch3@C:C", "ch3@C:H", 3), ("ch3@N:C", "ch3@N:H", 3), ("ch3@ch:C", "ch3@ch:H", 3)):
        q[heavy] = -count * q[light]
    q["ch:C"] = -q["ch:H"]
    q["conh:C"] = -sum(q[t] for t in ("conh:O", "conh:N", "conh:H"))
    return q


def test_charges_that_made_the_dipoles_and_potentials_are_found_again(dipeptide, monkeypatch) -> None:
    _, types, topology, places = dipeptide
    wanted, alpha = made_up(types, topology), alpha_of(types)
    q, points = np.array([wanted[t] for t in types]), np.random.default_rng(2).normal(0, 1, (150, 3))
    points *= 9 / np.linalg.norm(points, axis=1)[:, None]
    observed = []
    for x in places:
        model = Induction(topology, x, np.array([alpha[t] for t in types]), FACTORS)
        around = model.potential(points) @ q
        dipole, quadrupole = model.dipole @ q, model.quadrupole @ q
        observed.append(Observed("one", types, topology, x, dipole, quadrupole, q, points, around))
    assert fit_charges(observed, alpha, FACTORS).values == pytest.approx(wanted, abs=1e-9)  # as the prior is right
    monkeypatch.setattr(module, "THRESHOLD", 1e-9)
    monkeypatch.setattr(module, "STIFFNESS", 0.0)
    found = fit_charges([replace(one, prior=np.zeros(len(types))) for one in observed], alpha, FACTORS)
    assert found.values == pytest.approx(wanted, abs=1e-8)
    assert max(r["quadrupole_error"] for r in found.residuals) < 1e-6


def test_every_1mer_is_neutral(dipeptide) -> None:
    molecule, types, topology, places = dipeptide
    numbers = np.array([NUMBERS[s] for s in molecule.symbols])
    observed = []
    for x in places:
        one = multipoles(numbers, x, 0)
        observed.append(Observed("one", types, topology, x, one.dipole, one.quadrupole, one.charges))
    found = fit_charges(observed, alpha_of(types), FACTORS)
    q = np.array([found.values[t] for t in types])
    totals = np.bincount(topology.onemers, weights=q)
    np.testing.assert_allclose(totals, 0, atol=1e-12)
    assert all(one["dipole_error"] < 0.15 * one["dipole"] + 0.3 for one in found.residuals)


def test_induced_dipoles_are_those_of_the_potential(dipeptide) -> None:
    """-1/2 mu.E0 is the model's polarization energy."""
    molecule, types, topology, places = dipeptide
    q, alpha = made_up(types, topology), alpha_of(types)
    names = sorted(q)
    zero = np.zeros(len(names))
    rows = dict.fromkeys(COLUMNS, zero) | {
        "charge": np.array([q[t] for t in names]),
        "polarizability": np.array([alpha[t] for t in names]),
    }
    energy = PhysicsPotential(molecule.symbols, topology, types, PhysicsParameters(tuple(names), **rows)).evaluate
    values = np.array([q[t] for t in types])
    for x in places[:2]:
        model = Induction(topology, x, np.array([alpha[t] for t in types]), FACTORS)
        field = np.einsum("aij,j->ai", model.field, values)
        induced = np.einsum("aij,j->ai", model.induced, values)
        shares = energy(x[None]).shares
        assert -0.5 * COULOMB * (field * induced).sum() == pytest.approx(shares["polarization"][0], rel=1e-8)


def test_the_potential_far_away_is_that_of_the_dipole_and_the_quadrupole(dipeptide) -> None:
    _, types, topology, places = dipeptide
    q, alpha = made_up(types, topology), alpha_of(types)
    values = np.array([q[t] for t in types])
    model = Induction(topology, places[0], np.array([alpha[t] for t in types]), FACTORS)
    ways = np.random.default_rng(3).normal(size=(20, 3))
    ways /= np.linalg.norm(ways, axis=1)[:, None]
    far = 400.0
    expected = ways @ model.dipole @ values / far**2
    expected += np.einsum("pi,pj,ijq,q->p", ways, ways, model.quadrupole, values) / far**3
    np.testing.assert_allclose(model.potential(far * ways) @ values, expected, atol=30 / far**4)


def test_moments_of_xtb_move_as_moments_do() -> None:
    molecule = from_smiles("CO")
    x = conformations(molecule, 1)[0].positions
    numbers = np.array([NUMBERS[s] for s in molecule.symbols])
    shift = np.array([1.0, -2.0, 0.5])
    one, moved = multipoles(numbers, x, 0), multipoles(numbers, x + shift, 0)
    np.testing.assert_allclose(moved.dipole, one.dipole, atol=1e-6)
    change = np.outer(one.dipole, shift) + np.outer(shift, one.dipole)
    np.testing.assert_allclose(moved.quadrupole - one.quadrupole, traceless(change), atol=1e-5)


@pytest.fixture
def formamide():
    """Formamide with one hydrogen 1e-4 Angstrom out of the plane, and a dipole that is not in the plane either."""
    molecule = from_smiles("NC=O")
    typed, topology = type_molecule(molecule)
    x = np.array(
        [[-1.084, -0.159, 0], [0.163, 0.387, 0], [1.196, -0.246, 0], [-1.904, 0.421, 1e-4], [-1.177, -1.162, 0],
         [0.135, 1.494, 0]]
    )  # fmt: skip
    one = multipoles(np.array([NUMBERS[s] for s in molecule.symbols]), x, 0)
    dipole = one.dipole + np.array([0, 0, 0.01])
    return Observed("formamide", typed.types, topology, x, dipole, one.quadrupole, one.charges)


def test_a_nearly_planar_molecule_has_plain_charges(formamide) -> None:
    found = fit_charges([formamide], alpha_of(formamide.types), FACTORS)
    assert max(abs(q) for q in found.values.values()) < 1
    assert found.undecided > 0
    assert found.residuals[0]["dipole_error"] < 0.1
    assert sum(found.values[t] for t in formamide.types) == pytest.approx(0, abs=1e-12)


def test_charges_that_are_too_large_are_an_error(formamide, monkeypatch) -> None:
    monkeypatch.setattr(module, "THRESHOLD", 1e-12)
    monkeypatch.setattr(module, "STIFFNESS_OF_DIPOLES", 0.0)
    with pytest.raises(InputError, match=r"allowed: up to 1\.5"):
        fit_charges([formamide], alpha_of(formamide.types), FACTORS)


def test_a_charged_chain_is_refused(dipeptide) -> None:
    _, types, topology, places = dipeptide
    n = len(types)
    one = Observed("ion", types, topology, places[0], np.zeros(3), np.zeros((3, 3)), np.zeros(n), charge=1)
    with pytest.raises(InputError, match="neutral"):
        fit_charges([one], alpha_of(types), FACTORS)
