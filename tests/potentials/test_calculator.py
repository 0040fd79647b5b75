"""The ASE calculator: units, stress and its sign, cells that change, and what is refused."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.calculator import PropertyNotImplementedError
from ase.filters import FrechetCellFilter, StrainFilter
from ase.io import read, write
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS

from potentials.calculator import UNIT, PotentialCalculator
from potentials.errors import InputError
from potentials.systems.cell import Cell
from tests.potentials.toys import Wells

CUBIC, ALL = np.diag([9.0, 9.0, 9.0]), (True, True, True)
SKEWED = np.array([[9.2, 0.0, 0.0], [1.1, 9.0, 0.0], [-0.8, 1.4, 9.5]])


def cell(vectors: np.ndarray = CUBIC, periodic: tuple[bool, bool, bool] = ALL) -> Cell:
    return Cell(tuple(map(tuple, vectors.tolist())), periodic)


def crystal(vectors: np.ndarray = CUBIC, shake: float = 0.15) -> Atoms:
    """Return 27 argon atoms on a lattice, shaken, some wrapped out of the cell."""
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) / 3
    rng = np.random.default_rng(4)
    places = (grid + rng.integers(-1, 2, grid.shape)) @ vectors + rng.normal(scale=shake, size=grid.shape)
    atoms = Atoms("Ar27", positions=places, cell=vectors, pbc=True)
    atoms.calc = Wells(atoms.get_chemical_symbols(), cell(vectors)).calculator()
    return atoms


@pytest.mark.parametrize("vectors", [CUBIC, SKEWED], ids=["cubic", "skewed"])
def test_stress_is_the_strain_derivative_of_the_energy_over_the_volume(vectors: np.ndarray) -> None:
    atoms = crystal(vectors)
    stress, step = atoms.get_stress(), 1e-5
    for component, (a, b) in enumerate([(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]):
        energies = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[a, b] += sign * step / 2
            strain[b, a] += sign * step / 2
            moved = atoms.copy()
            moved.calc = atoms.calc
            moved.set_cell(np.array(atoms.cell) @ strain, scale_atoms=True)
            energies.append(moved.get_potential_energy())
        slope = (energies[0] - energies[1]) / (2 * step) / atoms.get_volume()
        assert stress[component] == pytest.approx(slope, rel=1e-6, abs=1e-9)
    assert np.abs(stress).min() > 1e-5


def test_forces_energy_and_shares_are_in_electron_volts() -> None:
    atoms = crystal()
    model = atoms.calc.potential
    found = model.evaluate(atoms.positions[None])
    assert atoms.get_potential_energy() == pytest.approx(found.energy[0] * UNIT, rel=1e-14)
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
    assert atoms.calc.results["free_energy"] == atoms.calc.results["wells"] == atoms.get_potential_energy()
    np.testing.assert_allclose(atoms.get_forces(), -found.gradient[0] * UNIT, rtol=1e-13)
    moved = atoms.copy()
    moved.calc = atoms.calc
    moved.positions += np.array([3, -2, 1]) @ np.array(atoms.cell)
    assert moved.get_potential_energy() == pytest.approx(found.energy[0] * UNIT, rel=1e-12)


def test_filters_relax_a_cell_to_zero_pressure() -> None:
    for kind, only in (
        (FrechetCellFilter, {"hydrostatic_strain": True}),
        (StrainFilter, {"mask": [1, 1, 1, 0, 0, 0]}),
    ):
        atoms = crystal(CUBIC, 0.0)
        before = atoms.get_potential_energy()
        with BFGS(kind(atoms, **only), logfile=None) as optimizer:
            assert optimizer.run(fmax=1e-3, steps=200)
        assert atoms.get_potential_energy() < before - 1.0
        assert abs(atoms.get_stress()[:3].sum()) < 1e-4
        assert np.abs(np.array(atoms.cell) - CUBIC).max() > 0.1


def test_nve_in_a_cell_conserves_the_energy() -> None:
    atoms = crystal()
    spread = np.sqrt(200 * units.kB * atoms.get_masses())[:, None]
    atoms.set_momenta(spread * np.random.default_rng(1).normal(size=(27, 3)))
    start, kinetic = atoms.get_total_energy(), atoms.get_kinetic_energy()
    worst = 0.0
    with VelocityVerlet(atoms, 2 * units.fs) as run:
        for _ in range(20):
            run.run(20)
            worst = max(worst, abs(atoms.get_total_energy() - start))
    assert worst < 2e-3 * kinetic and abs(atoms.get_kinetic_energy() - kinetic) > 0.02 * kinetic


def test_a_copy_shares_the_potential_and_no_results(tmp_path: Path) -> None:
    atoms = crystal()
    energy = atoms.get_potential_energy()
    other = copy.deepcopy(atoms.calc)
    assert isinstance(other, PotentialCalculator) and other.potential is atoms.calc.potential
    assert other.results == {} and other.implemented_properties == atoms.calc.implemented_properties
    moved = atoms.copy()
    assert moved.calc is None
    moved.calc = other
    moved.rattle(0.1, seed=3)
    assert moved.get_potential_energy() != energy and atoms.calc.results["energy"] == energy
    forces = atoms.get_forces()
    forces[:] = 0.0
    assert np.abs(atoms.get_forces()).max() > 0.0
    for name in ("a.traj", "a.extxyz"):
        write(tmp_path / name, atoms)
        again = read(tmp_path / name)
        assert again.get_potential_energy() == pytest.approx(energy, abs=1e-7)
        np.testing.assert_allclose(again.get_stress(), atoms.get_stress(), atol=1e-7)


def test_a_molecule_in_vacuum_has_no_stress() -> None:
    atoms = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 2.7]], cell=np.eye(3))
    atoms.calc = Wells(("Ar", "Ar")).calculator()
    expected = 200 * (1 - (2.7 / 2.8) ** 2) ** 4 - 25 * (1 - (2.7 / 3.4) ** 2) ** 4
    assert atoms.get_potential_energy() == pytest.approx(expected * UNIT, rel=1e-12)
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_stress()


def test_periodicity_of_atoms_and_potential_must_agree() -> None:
    pair = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 2.7]], cell=CUBIC, pbc=(True, True, False))
    pair.calc = Wells(("Ar", "Ar"), cell()).calculator()
    with pytest.raises(InputError, match=r"not periodic along all vectors; the potential is periodic, pbc=True$"):
        pair.get_potential_energy()
    pair.calc = Wells(("Ar", "Ar")).calculator()
    with pytest.raises(InputError, match=r"the potential is for a molecule in vacuum, pbc=False$"):
        pair.get_potential_energy()
    pair.pbc = False
    assert pair.get_potential_energy() < 0
    pair.pbc, pair.calc = True, Wells(("Ar", "Ar"), cell()).calculator()
    for vectors, said in ((np.zeros((3, 3)), "vector is zero"), (np.diag([9.0, 9.0, np.nan]), "finite")):
        pair.cell[:] = vectors
        with pytest.raises(InputError, match=said):
            pair.get_potential_energy()
    pair.cell[:] = np.diag([6.7, 9.0, 9.0])
    with pytest.raises(InputError, match="shorter than twice the cut-off"):
        pair.get_potential_energy()
    with pytest.raises(InputError, match="along some cell vectors only"):
        Wells(("Ar", "Ar"), cell(periodic=(True, True, False))).calculator()
    crowd = Atoms("Ar100", positions=np.arange(300).reshape(-1, 3))
    crowd.calc = Wells(["Ar"] * 99 + ["Kr"]).calculator()
    with pytest.raises(InputError, match=r"the atoms are 100 atoms, Ar .* \.\.\.; allowed: 100 atoms"):
        crowd.get_potential_energy()
