"""Polarizabilities with which V_phys polarizes as the labels do."""

from dataclasses import replace

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.units import BOHR
from recipes.chemistry.atom_types import type_molecule
from recipes.chemistry.molecules import from_smiles
from tasks.physics.charges import Observed
from tasks.physics.geometries import conformations
from tasks.physics.induction import Induction, isotropic
from tasks.physics.levels import FACTORS
from tasks.physics.response import as_observed
from tasks.xtb import ACCURACY, METHOD, polarizability

NUMBERS = {"H": 1, "C": 6, "N": 7, "O": 8}
XDM = {"H": 0.44, "C": 1.37, "N": 1.0, "O": 0.77}


def observed(smiles: str, count: int = 1) -> list[Observed]:
    molecule = from_smiles(smiles)
    typed, topology = type_molecule(molecule)
    numbers = np.array([NUMBERS[s] for s in molecule.symbols])
    none = np.zeros(3)
    return [
        Observed(
            f"{smiles} {n}", typed.types, topology, place.positions, none, np.zeros((3, 3)),
            np.zeros(len(numbers)), polarizability=polarizability(numbers, place.positions, 0),
        )
        for n, place in enumerate(conformations(molecule, count))
    ]  # fmt: skip


def of_atoms(places: list[Observed]) -> dict[str, float]:
    return {kind: XDM[kind.rpartition(":")[2][0]] for one in places for kind in one.types}


def modelled(one: Observed, alpha: dict[str, float]) -> float:
    atoms = np.array([alpha[kind] for kind in one.types])
    return isotropic(Induction(one.topology, one.positions, atoms, FACTORS).molecular_polarizability)


def test_xtb_s_polarizability_is_the_curvature_of_its_energy_in_a_field() -> None:
    from tblite.interface import Calculator

    molecule = from_smiles("NC=O")
    x = conformations(molecule, 1)[0].positions
    numbers = np.array([NUMBERS[s] for s in molecule.symbols])
    found = polarizability(numbers, x, 0)
    np.testing.assert_array_equal(found, found.T)
    way, size = np.array([0.6, 0.0, 0.8]), 4e-3

    def energy(field):
        calculator = Calculator(METHOD, numbers, x / BOHR, 0.0)
        calculator.set("verbosity", 0)
        calculator.set("accuracy", ACCURACY)
        calculator.add("electric-field", (field * way).tolist())
        return float(calculator.singlepoint().get("energy"))

    curvature = -(energy(size) - 2 * energy(0.0) + energy(-size)) / size**2 * BOHR**3
    assert way @ found @ way == pytest.approx(curvature, rel=1e-3)


def test_molecules_that_share_types_have_one_factor_and_the_sum_that_was_observed() -> None:
    amides, water = observed("CC(=O)NC", 2), observed("O")
    places = [*amides, *water]
    before = of_atoms(places)
    after = as_observed(places, before, FACTORS)
    for members in (amides, water):
        ratios = {after[kind] / before[kind] for one in members for kind in one.types}
        assert max(ratios) == pytest.approx(min(ratios), rel=1e-12) and max(ratios) < 0.9
        wanted = sum(isotropic(one.polarizability) for one in members)
        assert sum(modelled(one, after) for one in members) == pytest.approx(wanted, rel=1e-3)
    assert after["water:O"] / before["water:O"] < 0.5 * after["conh:O"] / before["conh:O"]


def test_what_is_not_known_stays_what_it_is() -> None:
    (amide,) = observed("CC(=O)NC")
    before = of_atoms([amide]) | {"water:O": 0.7}
    assert as_observed([replace(amide, polarizability=None)], before, FACTORS) == before
    assert as_observed([amide], before, FACTORS)["water:O"] == 0.7


def test_a_rigid_molecule_has_no_polarizability_and_one_that_is_too_soft_is_refused() -> None:
    (water,) = observed("O")
    before = of_atoms([water])
    rigid = replace(water, polarizability=np.zeros((3, 3)))
    assert set(as_observed([rigid], before, FACTORS).values()) == {0.0}
    with pytest.raises(InputError, match="50 Angstrom\\^3; allowed: that of 3 times"):
        as_observed([replace(water, polarizability=50 * np.eye(3))], before, FACTORS)
