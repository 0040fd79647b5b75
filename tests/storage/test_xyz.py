"""Labelled configurations of other programs: what is read, what is refused, what becomes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from potentials.errors import InputError
from recipes.load import load_recipe
from storage.contents import dataset_from_version
from storage.imported import import_dataset, nmer_of
from storage.store import Store
from storage.xyz import UNITS, read_labelled

PLAIN = """3
 -5.25  -1.5
O 0.0 0.0 0.1
h 0.0 0.8 -0.5
H 0.0 -0.8 -0.5

3
-4.0 2.5
O 0.0 0.0 0.2
H 0.0 0.8 -0.5
H 0.0 -0.8 -0.5
"""


def text(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "data.xyz"
    path.write_text(content)
    return path


def test_the_second_number_is_the_energy_unless_told(tmp_path: Path) -> None:
    found = read_labelled(text(tmp_path, PLAIN))
    assert found.symbols == ("O", "H", "H") and found.gradient is None
    np.testing.assert_array_equal(found.energy, [-1.5, 2.5])
    np.testing.assert_array_equal(found.positions[1, 0], [0.0, 0.0, 0.2])
    np.testing.assert_array_equal(read_labelled(tmp_path / "data.xyz", 1).energy, [-5.25, -4.0])
    one = text(tmp_path, PLAIN.replace(" -5.25  -1.5", "7").replace("-4.0 2.5", "8"))
    np.testing.assert_array_equal(read_labelled(one).energy, [7.0, 8.0])


@pytest.mark.parametrize("unit", ["eV", "kcal/mol", None])
def test_extended_xyz_has_units_and_forces(tmp_path: Path, unit: str | None) -> None:
    path = tmp_path / "data.extxyz"
    frames = []
    for number in (1.0, 2.0):
        atoms = Atoms("OH2", positions=[[0, 0, 0.1 * number], [0, 0.8, -0.5], [0, -0.8, -0.5]])
        atoms.calc = SinglePointCalculator(atoms, energy=number, forces=np.full((3, 3), 0.5 * number))
        atoms.info |= {} if unit is None else {"energy_unit": unit}
        frames.append(atoms)
    write(path, frames, format="extxyz")
    found = read_labelled(path)
    factor = UNITS[unit or "eV"]
    np.testing.assert_allclose(found.energy, [factor, 2 * factor])
    assert found.gradient is not None
    np.testing.assert_allclose(found.gradient[1], np.full((3, 3), -factor))
    assert found.symbols == ("O", "H", "H")


def test_a_named_energy_comes_before_the_total_one(tmp_path: Path) -> None:
    path = tmp_path / "data.extxyz"
    atoms = Atoms("He2", positions=[[0, 0, 0], [0, 0, 3.0]])
    atoms.info |= {"energy": -5.0, "nbody_energy": -0.5, "energy_unit": "kcal/mol"}
    write(path, [atoms], format="extxyz")
    np.testing.assert_array_equal(read_labelled(path).energy, [-0.5])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no configurations"),
        ("three\n1.0\n", r"line 1: 'three' is not a number of atoms"),
        ("3\n1.0\nO 0 0 0\n", r"line 1: 3 atoms are announced and 1 follow"),
        (PLAIN.replace("O 0.0 0.0 0.2", "O 0.0 zero 0.2"), r"configuration 2: a line is not 'element x y z'"),
        (
            PLAIN.replace("O 0.0 0.0 0.2", "N 0.0 0.0 0.2"),
            r"configuration 2 has the atoms N H H; the first has O H H",
        ),
        (PLAIN.replace("-4.0 2.5", "low"), r"configuration 2: the comment 'low' is not energies"),
        (PLAIN.replace("-4.0 2.5", ""), r"configuration 2 has 0 energies in its comment"),
        (PLAIN.replace("-4.0 2.5", "nan"), r"configuration 2: a number is not finite"),
        (PLAIN.replace("O ", "Qq "), r"'Qq' is not the symbol of an element"),
        (
            "2\nProperties=species:S:1:pos:R:3 x=1\nHe 0 0 0\nHe 0 0 3\n",
            "configuration 1 has no energy; allowed names",
        ),
        ("2\nProperties=species:S:1:pos:R:3 energy=1 energy_unit=J\nHe 0 0 0\nHe 0 0 3\n", "energy_unit is 'J'"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_labelled(text(tmp_path, content))


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="configuration 1 has 2 energies in its comment; column 3 is not one"):
        read_labelled(text(tmp_path, PLAIN), 3)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_labelled(tmp_path / "none.xyz")


def test_the_symmetry_says_what_the_fragments_are(tmp_path: Path) -> None:
    data = read_labelled(text(tmp_path, PLAIN))
    model = nmer_of(data, "A1B2")
    assert [f.name for f in model.fragments] == ["OH2"]
    np.testing.assert_allclose(model.build("water").positions, data.positions[0])
    assert [f.name for f in nmer_of(data, "A1_B2", (-2, 2)).fragments] == ["O", "H2"]
    for symmetry, message in {
        "A1B3": "describes 4 atoms; the file's configurations have 3: O H H",
        "A2B1": "unlike atoms",
        "AB": "is not readable",
    }.items():
        with pytest.raises(InputError, match=message):
            nmer_of(data, symmetry)
    with pytest.raises(InputError, match="1 charges are given for 2 fragments"):
        nmer_of(data, "A1_B2", (0,))


def test_imported_data_are_a_dataset_and_twice_the_same_one(tmp_path: Path) -> None:
    path, store = text(tmp_path, PLAIN), Store(tmp_path / "store", create=True)
    data = read_labelled(path)
    model = nmer_of(data, "A1B2")
    first, again = (import_dataset(store, "water", model, data, data, [path]) for _ in range(2))
    assert first == again and first.ref == "dataset:water@1"
    back = dataset_from_version(first)
    np.testing.assert_array_equal(back.energy, [-1.5, 2.5, -1.5, 2.5])
    np.testing.assert_array_equal(back.split, [0, 0, 1, 1])
    np.testing.assert_array_equal(back.positions[:2], data.positions)
    assert list(first.attributes()["facts"]["imported"]) == ["data.xyz"]
    assert import_dataset(store, "water", model, data, None, [path]).ref == "dataset:water@2"
    assert load_recipe("ch3-water").nmer != model
