"""Hessians and stationary points: analytic frequencies, a minimum and a saddle of ethane."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.arrays import Floats
from potentials.errors import StageError
from potentials.units import KCAL
from recipes.chemistry.molecules import Molecule, read_molecule
from tasks.checks.hessian import Stationary, hessian, rigid_frequencies, stationary_point
from tasks.checks.internal import torsions, turned
from tasks.checks.landmarks import extremes, named, passage
from tasks.checks.models import Model, reference_model
from tasks.checks.reference import reference
from tasks.sampling.force_fields.minimum import WAVENUMBER, Modes, modes_of
from tests.tasks.checks.mmff_reference import Mmff

STIFF = 1100.0
"""kcal/mol/Angstrom^2."""


def spring(positions: Floats) -> tuple[Floats, Floats]:
    """Two atoms on a spring of 1 Angstrom."""
    bond = positions[:, 1] - positions[:, 0]
    length = np.linalg.norm(bond, axis=1)
    pull = (STIFF * (length - 1.0) / length)[:, None] * bond
    return 0.5 * STIFF * (length - 1.0) ** 2, np.stack([-pull, pull], axis=1)


def test_a_spring_has_its_frequency_and_no_other() -> None:
    model, masses = Model("spring", "spring", spring), np.array([1.0, 16.0])
    x = np.array([[0.0, 0.0, 0.0], [0.6, 0.0, 0.8]])
    found = stationary_point(model, masses, x * 1.03)
    expected = np.sqrt(STIFF * KCAL * (1 / 1.0 + 1 / 16.0)) / WAVENUMBER
    assert found.modes.wavenumbers == pytest.approx([expected], rel=1e-4)
    assert found.index == 0 and np.linalg.norm(np.diff(found.positions, axis=0)) == pytest.approx(1.0, abs=1e-5)
    matrix = hessian(model, x, 1e-4)
    along = np.array([0.6, 0.0, 0.8])
    block = STIFF * np.outer(along, along)
    assert np.abs(matrix - np.block([[block, -block], [-block, block]])).max() < 1e-3
    assert np.abs(rigid_frequencies(matrix, masses)[:5]).max() < 1.0
    with pytest.raises(StageError, match="falls in 0 directions, not in 1"):
        stationary_point(model, masses, x, 1)


def masses_of(molecule: Molecule) -> Floats:
    return np.array([{"C": 12.011, "H": 1.008}[s] for s in molecule.symbols])


def test_ethane_has_a_minimum_and_a_saddle() -> None:
    molecule = read_molecule("CC").embedded()
    model, x = reference_model(Mmff("gfn2-xtb", reference().labelling), molecule), np.array(molecule.positions)
    atoms = (2, 0, 1, 5)
    low = stationary_point(model, masses_of(molecule), turned(x, molecule.bonds, atoms, 50.0))
    high = stationary_point(model, masses_of(molecule), turned(x, molecule.bonds, atoms, 10.0), 1)
    assert abs(abs(torsions(low.positions, [atoms])[0]) - 60.0) < 0.1
    assert abs(torsions(high.positions, [atoms])[0]) < 0.1
    assert (low.index, high.index) == (0, 1) and len(low.modes.curvature) == 18
    assert 2.0 < high.energy - low.energy < 4.0
    again = modes_of(hessian(model, low.positions, 0.002), masses_of(molecule), low.positions)
    assert again.wavenumbers == pytest.approx(low.modes.wavenumbers, abs=1.0)


def test_extremes_and_the_lowest_pass_of_a_periodic_surface() -> None:
    """Two minima at phi = -90 and 90; between them the barrier at phi = 0 is lower than that at 180."""
    angles = np.radians(np.arange(-180, 180, 10))
    phi, psi = (a.ravel() for a in np.meshgrid(angles, angles, indexing="ij"))
    energy = np.cos(2 * phi) - 0.5 * np.cos(phi) - np.cos(psi) + 0.1 * np.sin(phi)
    found = extremes(energy)
    assert np.degrees(phi[found]) == pytest.approx([-80.0, 80.0]) and np.degrees(psi[found]) == pytest.approx(
        [0, 0]
    )
    point = passage(energy, int(found[0]), int(found[1]))
    assert abs(np.degrees(phi[point])) <= 10.0 and np.degrees(psi[point]) == pytest.approx(0.0)
    assert energy[point] == pytest.approx(energy[np.isclose(psi, 0.0) & (np.abs(phi) < 1.0)].max())
    top = extremes(-energy)[0]
    assert abs(np.degrees(psi[top])) == pytest.approx(180.0) and abs(np.degrees(phi[top])) > 160.0


def test_points_are_named_in_the_order_of_their_energies() -> None:
    def point(energy: float, falling: int) -> Stationary:
        return Stationary(
            np.zeros((1, 3)), energy, 0.0, Modes(np.array([-1.0] * falling + [1.0]), np.zeros((1, 1, 3)))
        )

    found = named([point(3.0, 2), point(2.0, 0), point(9.0, 2), point(1.0, 0), point(5.0, 1)])
    assert [(one.name, one.point.energy) for one in found] == [
        ("m1", 1.0),
        ("m2", 2.0),
        ("M1", 3.0),
        ("M2", 9.0),
        ("X", 5.0),
    ]
