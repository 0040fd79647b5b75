"""Parameters from end to end, for water, whose density takes seconds."""

from dataclasses import replace

import numpy as np
import pytest

from potentials.errors import InputError
from recipes.chemistry.molecules import chain, from_smiles
from tasks.physics import densities
from tasks.physics.d4 import d4_dispersion
from tasks.physics.derive import derive_parameters, hidden_types
from tasks.physics.geometries import conformations
from tasks.physics.repulsion import lennard_jones
from tasks.physics.samples import Sample, samples, samples_of_family

WATER = Sample(replace(from_smiles("O"), name="water"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("densities")


@pytest.fixture(scope="module")
def water(folder):
    return derive_parameters([WATER], folder=folder)


def of(derived, kind):
    n = derived.parameters.types.index(kind)
    return {name: getattr(derived.parameters, name)[n] for name in ("charge", "c6", "polarizability", "epsilon")}


def test_water(water) -> None:
    oxygen, hydrogen = of(water, "water:O"), of(water, "water:H")
    assert oxygen["charge"] + 2 * hydrogen["charge"] == pytest.approx(0, abs=1e-12)
    assert 0.3 < hydrogen["charge"] < 0.4
    assert oxygen["polarizability"] == pytest.approx(0.769, rel=5e-3)
    (residual,) = water.facts["residuals"]
    assert residual["polarizability"] == pytest.approx(1.453, rel=1e-2)  # of the molecule, by Thole's model
    assert residual["dipole"] == pytest.approx(1.85, abs=0.05)
    assert residual["dipole_error"] < 0.08 and residual["potential_error"] < 0.2
    assert (oxygen["epsilon"], hydrogen["epsilon"]) == (pytest.approx(0.152, abs=1e-3), 0)


def test_a_density_is_computed_once(water, folder, monkeypatch) -> None:
    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr(densities, "compute_density", refuse)
    again = derive_parameters([WATER], folder=folder)
    assert again.parameters.digest == water.parameters.digest
    assert again.facts == water.facts


def test_the_rehearsal_has_the_charges_and_the_polarizability_of_xtb_and_the_c6_of_d4(water, folder) -> None:
    found = derive_parameters([WATER], "gfn2-xtb", folder=folder)
    (residual,) = found.facts["residuals"]
    assert residual["dipole"] == pytest.approx(2.3, abs=0.1)
    assert residual["dipole_error"] < 0.05
    assert residual["polarizability"] == pytest.approx(0.373, rel=5e-3)  # GFN2-xTB's; experiment 1.45
    assert residual["polarizability"] == pytest.approx(residual["polarizability_of_level"], rel=1e-3)
    ratios = found.parameters.polarizability / water.parameters.polarizability
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-12)
    np.testing.assert_array_equal(found.parameters.vdw_radius, water.parameters.vdw_radius)
    total = sum(d4_dispersion(np.array([8, 1, 1]), conformations(WATER.molecule, 1)[0].positions, 0, "d4")[0])
    assert total.sum() / 13.779 == pytest.approx(44.5, rel=1e-2)
    assert of(found, "water:O")["c6"] < total.sum()


def test_d4s_takes_its_own_polarizabilities(water, folder) -> None:
    found = derive_parameters([WATER], folder=folder, dispersion="d4s")
    assert (found.parameters.dispersion_polarizability != water.parameters.dispersion_polarizability).all()
    np.testing.assert_array_equal(found.parameters.polarizability, water.parameters.polarizability)
    np.testing.assert_array_equal(found.parameters.vdw_radius, water.parameters.vdw_radius)


def test_ahidden_types_neighbour_has_the_mean() -> None:
    rows = {"ch3@C:H": [1.0, 4.0], "ch3@N:H": [3.0, 0.0], "conh:O": [7.0, 7.0]}
    assert hidden_types(rows) == {"ch3:H": [2.0, 2.0]}


def test_lennard_jones_parameters_are_ff14sb_s_or_none() -> None:
    amide, remarks = lennard_jones(from_smiles("CC(=O)NC"))
    assert amide[2] == (pytest.approx(0.21, abs=1e-4), pytest.approx(1.6612, abs=1e-4)) and not remarks
    both, remarks = lennard_jones(from_smiles("O.CCO"))
    assert [one is None for one in both[:4]] == [False, True, True, True]
    assert len(remarks) == 1 and "no repulsion" in remarks[0]


def test_conformations_are_the_same_again() -> None:
    one, two = (conformations(chain("AceAlaNme"), 5) for _ in range(2))
    assert [g.name for g in one[:2]] == ["AceAlaNme alpha", "AceAlaNme extended"]
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.positions, b.positions)


def test_short_chains_have_the_types_of_any_chain() -> None:
    from recipes.chemistry.atom_types import type_molecule

    known = {t for s in samples_of_family("polyalanine") for t in type_molecule(s.molecule)[0].types}
    assert set(type_molecule(chain("AceAla9Nme"))[0].types) <= known
    mixed = {t for s in samples([chain("AceGly3ValNme")]) for t in type_molecule(s.molecule)[0].types}
    assert set(type_molecule(chain("AceGly3ValNme"))[0].types) <= mixed


def test_what_cannot_be_derived_is_refused(folder) -> None:
    with pytest.raises(InputError, match="allowed: pbe0/aug-cc-pvdz, gfn2-xtb"):
        derive_parameters([WATER], "mp2", folder=folder)
    with pytest.raises(InputError, match="allowed: xdm, d4, d4s"):
        derive_parameters([WATER], folder=folder, dispersion="mbd")
    with pytest.raises(InputError, match="odd number of electrons"):
        derive_parameters([Sample(from_smiles("[OH]"))], folder=folder)
    with pytest.raises(InputError, match="smaller molecules"):
        samples([from_smiles("C" * 30)])
