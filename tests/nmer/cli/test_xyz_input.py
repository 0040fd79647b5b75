"""xyz of other people on the command line: all commands read alike and say what they read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nmer
from nmer.cli.main import main
from storage.contents import dataset_from_version
from storage.store import Store
from storage.xyz import read_labelled
from storage.xyz_options import ReadOptions
from tasks.labelling.by_hand import read_configurations

Cases = Callable[[str], Path]


def told(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    assert main(list(map(str, words))) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("nmer: ") and err.count("\n") == 1
    return err


def test_ch4_hartree_is_refused_without_a_unit(
    reference_data: Cases, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = reference_data("cases") / "ch4-hartree.xyz"
    out, store = tmp_path / "out", tmp_path / "store"
    for words in (
        ("fit", "--degree", 3, "--out", out),
        ("tune", "--out", out),
        ("import", "ch4", "--store", store),
    ):
        err = refused(capsys, *words, "--train", file, "--symmetry", "A4B1")
        assert "ch4-hartree.xyz', -40.482809 to -40.480454, are far from 0" in err and "give --unit hartree" in err
    assert not out.exists() and not store.exists()


def test_ch4_hartree_is_fitted_with_its_gradients(
    reference_data: Cases, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = reference_data("cases") / "ch4-hartree.xyz"
    words = ("fit", "--train", file, "--symmetry", "A4B1", "--degree", 3, "--unit", "hartree", "--starts", 2)
    found = told(capsys, *words, "--out", tmp_path / "out")
    read = found["data"]["training"]
    assert read["gradients"].startswith("columns 5 to 7 read as gradients") and read["columns"] == "gradient"
    assert (read["energy_unit"], read["gradient_unit"]) == ("hartree", "hartree/bohr")
    assert read["zero"] == pytest.approx(-40.48280949) and "look like total energies" in read["zero_from"]
    assert any("relative to -40.48280949 hartree" in warning for warning in found["warnings"])
    assert json.loads((tmp_path / "out" / "fit.json").read_text())["data"] == found["data"]
    assert 1e-4 < found["train_rmsd"] < 0.1  # of 1.48 kcal/mol
    without = told(capsys, *words, "--columns", "ignore", "--out", tmp_path / "without")
    assert without["data"]["training"]["gradients"] == "" and without["data"]["training"]["ignored"]
    data = read_labelled(file, options=ReadOptions(unit="hartree"))
    assert data.gradient is not None
    error = {}
    for name in ("out", "without"):
        slopes = nmer.load(str(tmp_path / name / "potential.h5")).energy_and_gradient(data.positions)[1]
        error[name] = float(np.sqrt(np.mean((slopes - data.gradient) ** 2)))
    assert error["out"] < 0.4 and 2 * error["out"] < error["without"], error  # the gradients are rows of the fit
    assert main([*map(str, words)]) == 0
    out = capsys.readouterr().out
    assert "energy: the number in the comment, hartree (as --unit says)" in out and "note: the energies of" in out
    assert "gradients: columns 5 to 7 read as gradients" in out and "hartree/bohr" in out
    assert "columns said to be forces change with the energies as gradients do" in refused(
        capsys, *words, "--columns", "forces"
    )


def test_ch4_hartree_is_imported_from_its_lowest(
    reference_data: Cases, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, store = reference_data("cases") / "ch4-hartree.xyz", tmp_path / "store"
    words = ("import", "ch4", "--train", file, "--symmetry", "A4B1", "--unit", "Eh", "--store", store)
    found = told(capsys, *words)
    version = Store(store).resolve(found["ref"])
    energy = dataset_from_version(version).energy
    assert energy.min() == 0.0 and np.ptp(energy) == pytest.approx(1.47825, abs=1e-4)
    assert version.attributes()["facts"]["read"] == [found["data"]["training"]]
    assert main([*map(str, words)]) == 0
    assert "a dataset has no gradients; those of the file are not kept" in capsys.readouterr().out
    assert "--zero minimum is for one molecule" in refused(
        capsys, *words[:4], "--symmetry", "A4_B1", "--unit", "Eh", "--zero", "minimum"
    )


def test_k_water_water_says_which_number_was_taken(
    reference_data: Cases, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = reference_data("cases") / "k-water-water.xyz"
    words = ("fit", "--train", file, "--symmetry", "A1_B1C2_B1C2", "--degree", 2, "--starts", 1)
    second = told(capsys, *words, "--out", tmp_path / "out")
    assert second["data"]["training"]["energy"] == "number 2 of 2 in the comment"
    assert any("have two numbers, and the second was taken" in note for note in second["warnings"])
    assert any("the first is the lower one in 300 of 300" in note for note in second["warnings"])
    for choice in (("--energy", "first"), ("--column", 1)):
        first = told(capsys, *words, *choice, "--out", tmp_path / "out")
        assert first["data"]["training"]["energy"] == "number 1 of 2 in the comment"
        assert json.loads((tmp_path / "out" / "fit.json").read_text())["data"] == first["data"]
        assert not any("two numbers" in note for note in first["warnings"])
        assert first["by_energy"]["training"][0]["count"] == 300  # the 3-body energies span 5.1 kcal/mol
        assert first["train_rmsd"] < 0.3 < second["train_rmsd"]
    assert main([*map(str, words)]) == 0
    assert "note: the comments of 'k-water-water.xyz' have two numbers" in capsys.readouterr().out


def test_molecules_cut_by_a_box_give_the_fit_of_whole_ones(
    reference_data: Cases, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = read_labelled(reference_data("cases") / "k-water-water.xyz", 1)
    rows = np.array([[15.0, 0.0, 0.0], [6.0, 14.0, 0.0], [-5.0, 3.0, 16.0]])
    shift = np.random.default_rng(0).uniform(size=(len(data), 1, 3))
    places = data.positions @ np.linalg.inv(rows) + shift
    lattice = " ".join(map(str, rows.ravel()))

    def write(name: str, positions: Any, cell: str) -> Path:
        blocks = []
        for energy, x in zip(data.energy.tolist(), positions.tolist(), strict=True):
            lines = [f"{s} {a!r} {b!r} {c!r}" for s, (a, b, c) in zip(data.symbols, x, strict=True)]
            comment = f"Properties=species:S:1:pos:R:3 nbody_energy={energy!r} energy_unit=kcal/mol {cell}"
            blocks.append("\n".join(["7", comment, *lines, ""]))
        (tmp_path / name).write_text("".join(blocks))
        return tmp_path / name

    words = ("fit", "--symmetry", "A1_B1C2_B1C2", "--degree", 2, "--starts", 1, "--train")
    whole = told(capsys, *words, write("whole.xyz", data.positions, 'pbc="F F F"'))
    cut = write("cut.xyz", (places - np.floor(places)) @ rows, f'Lattice="{lattice}" pbc="T T T"')
    mended = told(capsys, *words, cut)
    assert mended["train_rmsd"] == pytest.approx(whole["train_rmsd"], rel=1e-4)
    assert "molecules put together by nearest images in" in mended["data"]["training"]["cell"]
    left = told(capsys, *words, cut, "--cell", "ignore")
    assert left["train_rmsd"] > 2 * mended["train_rmsd"]
    long = tmp_path / "long.xyz"
    long.write_text(cut.read_text().replace(lattice, "4.2 0 0 0 4.2 0 0 0 4.2"))
    assert "so its molecules cannot be made whole" in refused(capsys, *words, long)


SPELLINGS = {
    "byte order mark": lambda text: "\ufeff" + text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "Fortran": lambda text: text.replace("e+00", "D+00").replace("e-01", "D-01").replace("e-05", "D-05"),
    "numbered": lambda text: text.replace("K ", "K1 ").replace("O ", "O2 ").replace("H ", "H3 "),
    "atomic numbers": lambda text: text.replace("K ", "19 ").replace("O ", "8 ").replace("H ", "1 "),
    "lower case": lambda text: text.lower(),
    "tabs": lambda text: text.replace("    ", "\t"),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings_are_read_alike_by_all_commands(
    name: str, reference_data: Cases, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "".join((reference_data("cases") / "k-water-water.xyz").read_text().splitlines(True)[: 60 * 9])
    plain, spelt = tmp_path / "plain.xyz", tmp_path / "spelt.xyz"
    plain.write_text(text)
    spelt.write_bytes(SPELLINGS[name](text).encode())
    assert plain.read_bytes() != spelt.read_bytes()
    words = ("--symmetry", "A1_B1C2_B1C2", "--energy", "first", "--train")
    fits = [told(capsys, "fit", "--degree", 2, "--optimizer", "fixed", *words, path) for path in (plain, spelt)]
    assert fits[0]["train_rmsd"] == fits[1]["train_rmsd"]
    tuned = [
        told(capsys, "tune", "--degrees", 2, "--gammas", 5e-4, "--delta-es", 40, *words, path)["best"]
        for path in (plain, spelt)
    ]
    assert tuned[0] == tuned[1]
    keys = [told(capsys, "import", "k", *words, path, "--store", tmp_path / "s")["key"] for path in (plain, spelt)]
    assert keys[0] == keys[1]
    one, two = (read_configurations(path, (1, 3, 3), (1, 0, 0)) for path in (plain, spelt))
    assert one == two and len(one) == 60


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("H 0.5 0.5 0.9", "D 0.5 0.5 0.9", "line 4, configuration 1: 'D' is an isotope"),
        ("H 0.5 0.5 0.9", "X 0.5 0.5 0.9", "line 4, configuration 1: 'X' is a dummy or ghost atom"),
        ("H 0.5 0.5 0.9", "H 0.5 0,5 0.9", "line 4, configuration 1: a line is not 'element x y z': '0,5' is not"),
        ("H 0.5 0.5 0.9", "H 0.5 nan 0.9", "line 4, configuration 1: a number is not finite"),
        ("H 0.5 0.5 0.9\n", "", "line 1: 3 atoms are announced and 2 follow"),
        ("1.5", 'energy=1 pbc="T T T"', "line 2, configuration 1: pbc is 'T T T' and there is no Lattice"),
        ("1.5", 'energy=1 Lattice="1 2 3"', "line 2, configuration 1: Lattice is '1 2 3'; allowed: nine"),
    ],
)
def test_every_command_refuses_the_same_in_one_sentence(
    old: str, new: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "bad.xyz", tmp_path / "out"
    file.write_text("3\n1.5\nO 0.5 0.5 0.0\nH 0.5 0.5 0.9\nH 0.5 1.4 -0.3\n".replace(old, new))
    for words in (
        ("fit", "--train", file, "--symmetry", "A1B2", "--degree", 2, "--out", out),
        ("tune", "--train", file, "--symmetry", "A1B2", "--out", out),
        ("import", "w", "--train", file, "--symmetry", "A1B2", "--store", out),
        ("label", file, "--fragments", 3, "--protocol", "ccsd-t-cc-pvdz"),
        ("fragment", file),
    ):
        assert message in refused(capsys, *words)
    assert not out.exists()


def test_label_says_what_it_does_not_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "he.xyz"
    cell = 'Lattice="9 0 0 0 9 0 0 0 9"'
    file.write_text(f"2\nenergy=-5.5 {cell}\nHe1 0.5 0 0 1 2 3\n2 8.0 0 0 1 2 3\n")
    assert main(["label", str(file), "--fragments", "1,1", "--protocol", "ccsd-t-cc-pvdz", "--json"]) == 0
    out, err = capsys.readouterr()
    assert 0.5 < json.loads(out)[0]["nbody_energy"] < 20.0  # 1.5 A apart, not 7.5
    assert "numbers in the comments" in err and "columns of" in err and "put together by nearest images" in err


def test_a_molecule_that_a_box_has_cut_is_taken_apart_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from recipes.chemistry.molecules import read_molecule

    ethane = read_molecule("CC").embedded()
    assert ethane.positions is not None
    whole, cut = tmp_path / "whole.xyz", tmp_path / "cut.xyz"
    places = np.array(ethane.positions)
    for path, x, cell in ((whole, places, ""), (cut, places % 8.0, 'Lattice="8 0 0 0 8 0 0 0 8"')):
        rows = [f"{s} {a!r} {b!r} {c!r}" for s, (a, b, c) in zip(ethane.symbols, x.tolist(), strict=True)]
        path.write_text("\n".join(["8", cell, *rows, ""]))
    one, two = read_molecule(str(whole)), read_molecule(str(cut))
    assert one.bonds == two.bonds == ethane.bonds and two.positions is not None
    apart = np.array(two.positions) - places
    np.testing.assert_allclose(apart, np.broadcast_to(apart[0], apart.shape), atol=1e-9)
