"""Force-field types and charges that a recipe gives."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pydantic import ValidationError

from nmer.cli.main import main
from potentials.errors import InputError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from recipes.load import load_recipe
from recipes.schema.sampling import AtomType, Sampling
from storage.keys import pool_key
from tasks.sampling.engine import force_function
from tasks.sampling.force_field import check_force_field, nmer_parameters
from tasks.sampling.force_fields.ff14sb import ff14sb_system
from tasks.sampling.force_fields.parameters import Given
from tests.tasks.sampling.openmm_reference import OpenMM

DIMER = load_recipe("ch3-water").build_nmer()
METHANOL = Fragment(
    "methanol",
    ("C", "O", "H", "H", "H", "H"),
    (
        (-0.047, 0.664, 0.0),
        (-0.047, -0.758, 0.0),
        (-1.094, 0.976, 0.0),
        (0.438, 1.071, 0.889),
        (0.438, 1.071, -0.889),
        (0.872, -1.053, 0.0),
    ),
    ((0, 1), (0, 2), (0, 3), (0, 4), (1, 5)),
)
SERINE = (  # C-beta and its hydroxyl as in serine's side chain, made neutral
    AtomType(atoms=(0,), type="protein-2C", charge=0.1166),
    AtomType(atoms=(1,), type="protein-OH", charge=-0.6497),
    AtomType(atoms=(2, 3, 4), type="protein-H1", charge=0.0352),
    AtomType(atoms=(5,), type="protein-HO", charge=0.4275),
)


def test_a_given_charge_is_kept_and_the_other_caps_share_the_rest() -> None:
    terms = nmer_parameters(DIMER, "ff14SB", [AtomType(atoms=(0,), charge=-0.3)])
    before = nmer_parameters(DIMER, "ff14SB")
    assert terms.charges[0] == -0.3
    assert terms.charges[2:] == before.charges[2:]
    assert sum(terms.charges[:5]) == pytest.approx(0.0, abs=1e-12)
    assert terms.types == before.types
    own_cap = [AtomType(atoms=(0,), charge=-0.26), AtomType(atoms=(1,), charge=0.0791)]
    assert nmer_parameters(DIMER, "ff14SB", own_cap).charges[1] == pytest.approx(0.0791, abs=1e-12)


def test_lammps_computes_given_types_as_openmm_does() -> None:
    ethane = load_recipe("ch-ch3").build_nmer()
    methyl = tuple(a for a, kind in enumerate(nmer_parameters(ethane, "ff14SB").types) if kind == "protein-HC")
    given = [AtomType(atoms=methyl, type="protein-H1"), AtomType(atoms=(0,), charge=-0.1)]
    per_atom = tuple(
        Given("protein-H1" if a in methyl else None, -0.1 if a == 0 else None) for a in range(ethane.natoms)
    )
    positions = ethane.positions + np.random.default_rng(5).normal(scale=0.08, size=(ethane.natoms, 3))
    with force_function(ethane, "ff14SB", given) as evaluate:
        energy = evaluate(positions)[0]
    with force_function(ethane, "ff14SB") as evaluate:
        other = evaluate(positions)[0]
    reference = OpenMM(ff14sb_system(ethane.fragments[0], per_atom))
    assert energy == pytest.approx(reference(positions)[0], abs=1e-5)
    assert abs(energy - other) > 1e-3


def test_with_all_types_given_another_molecule_has_a_force_field() -> None:
    nmer = NMer("methanol", (METHANOL,))
    with pytest.raises(InputError, match="methanol"):
        check_force_field(nmer, "ff14SB")
    terms = nmer_parameters(nmer, "ff14SB", SERINE)
    assert terms.types[:2] == ["protein-2C", "protein-OH"]
    positions = np.array(METHANOL.positions) + np.random.default_rng(6).normal(scale=0.05, size=(6, 3))
    per_atom = tuple(
        next(Given(t.type, t.charge) for t in SERINE if atom in t.atoms) for atom in range(METHANOL.natoms)
    )
    with force_function(nmer, "ff14SB", SERINE) as evaluate:
        expected, _ = OpenMM(ff14sb_system(METHANOL, per_atom))(positions)
        assert evaluate(positions)[0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (AtomType(atoms=(1,), type="HX"), "ff14SB has no type 'HX'; allowed: .*protein-HC"),
        (AtomType(atoms=(5,), charge=-0.8), "names an atom of water"),
        (AtomType(atoms=(0, 1), charge=-0.4), r"charges of fragment 'CH3-' add up to -0.6\d\d; allowed: \+0"),
        (AtomType(atoms=(1,), type="protein-O"), "type 'protein-O' is of O, and atom 1 of fragment 'CH3-' is H"),
        (AtomType(atoms=(1,), type="protein-H5"), "no parameters for protein-CT-protein-H5"),
    ],
)
def test_impossible_types_and_charges_are_refused(given: AtomType, says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_force_field(DIMER, "ff14SB", [given])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (AtomType(atoms=(1,), type="140x"), "OPLS-AA has no type '140x'"),
        (AtomType(atoms=(1,), type="236"), "OPLS-AA has no parameters for"),
    ],
)
def test_impossible_types_of_opls_aa_are_refused(given: AtomType, says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_force_field(DIMER, "OPLS-AA", [given])
    same = nmer_parameters(DIMER, "OPLS-AA", [AtomType(atoms=(2,), type="140")])
    assert same == nmer_parameters(DIMER, "OPLS-AA")


def test_each_force_field_has_its_own() -> None:
    both = ("ff14SB", "OPLS-AA")
    with pytest.raises(ValidationError, match="must name its force_field; allowed: ff14SB, OPLS-AA"):
        Sampling(force_field=both, atom_types=(AtomType(atoms=(1,), type="140"),))
    with pytest.raises(ValidationError, match="names atom 1 twice for ff14SB"):
        Sampling(atom_types=(AtomType(atoms=(1,), charge=0.1), AtomType(atoms=(1,), charge=0.2)))
    with pytest.raises(ValidationError, match="GFN2-xTB has no types"):
        Sampling(force_field="GFN2-xTB", atom_types=(AtomType(atoms=(1,), charge=0.1),))
    with pytest.raises(ValidationError, match="needs a type, a charge, or both"):
        AtomType(atoms=(1,))
    given = AtomType(atoms=(0,), charge=-0.3, force_field="OPLS-AA")
    assert nmer_parameters(DIMER, "ff14SB", [given]) == nmer_parameters(DIMER, "ff14SB")
    assert nmer_parameters(DIMER, "OPLS-AA", [given]).charges[0] == -0.3


def test_a_pool_with_other_types_is_another_pool() -> None:
    recipe = load_recipe("ch3-water", "smoke")
    sampling = recipe.sampling.model_copy(update={"atom_types": (AtomType(atoms=(0,), charge=-0.3),)})
    assert pool_key(recipe.model_copy(update={"sampling": sampling})) != pool_key(recipe)


def test_show_prints_types_and_charges(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "ch3-water", "--force-field", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [r["type"] for r in rows] == ["protein-CT", *["protein-HC"] * 4, "OW", "HW", "HW"]
    assert sum(r["charge"] for r in rows) == pytest.approx(0.0, abs=1e-9)
    assert main(["show", "ch3-water", "--force-field"]) == 0
    assert "protein-CT     -0.1825" in capsys.readouterr().out
