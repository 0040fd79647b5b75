"""nmer system: what is read, solvated, written, and read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nmer.cli.main import main
from recipes.chemistry.systems import read_system


def facts(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["system", *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_dipeptide_in_water_is_written_and_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "dipeptide.pdb"
    made = facts(capsys, "AceAlaNme", "--water", "100", "--output", str(path))
    assert made["molecules"][1] == {"formula": "H2O", "atoms": 3, "count": 100} and made["file"] == str(path)
    assert made["nmers"]["water"] == 100 and made["nmers"]["conh-ch-conh"] == 1
    again = facts(capsys, str(path))
    same = ("atoms", "elements", "molecules", "nmers")
    assert {key: again[key] for key in same} == {key: made[key] for key in same}
    assert again["density"] == pytest.approx(made["density"], rel=1e-3)
    assert 2 * again["largest_cutoff"] == pytest.approx(again["cell"][0][0])
    assert len(read_system(path).molecules) == 101


def test_a_box_of_water_and_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "water.xyz"
    assert main(["system", "water", "--water", "64", "--out", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "192 atoms, 64 molecules, density 0.997 g/cm3, cut-offs up to 6.2" in shown
    assert facts(capsys, str(path))["molecules"] == [{"formula": "H2O", "atoms": 3, "count": 64}]
    assert main(["system", "CO"]) == 0  # methanol is none of the 1-mers
    assert "no n-mers" in capsys.readouterr().out


def test_bad_input_is_one_sentence_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = tmp_path / "there.pdb"
    there.write_text("x")
    new = tmp_path / "new.pdb"
    for words, message in (
        (("AceAlaNme", "--water", "50", "--padding", "5"), "--water and --padding are given"),
        (("AceAlaNme", "--water", "50", "--out", str(there)), "exists already"),
        (
            ("AceAlaNme", "--water", "50", "--out", "x.gro"),
            "--out is 'x.gro'; allowed: a file that ends with .pdb or .xyz",
        ),
        (("AceAlaNme", "--water", "5", "--out", str(new)), "waters or more"),
        (("AceXyzNme", "--water", "50"), "residue 'Xyz' is unknown"),
        ((str(tmp_path / "none.pdb"),), "does not exist"),
        ((str(tmp_path / "none.xyz"),), "cannot be read"),
    ):
        assert main(["system", *words]) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    assert there.read_text() == "x" and not new.exists()
