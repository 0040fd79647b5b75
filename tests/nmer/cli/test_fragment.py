"""`nmer fragment`: the n-mers of a chain as a table, as JSON, and as pictures."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from recipes.families import FAMILIES
from tests.conftest import call


def test_fragment_lists_3_and_5_and_6(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "fragment", "AceAla9Nme", "--json")
    found = json.loads(out)
    assert code == 0 and found["molecule"] == "AceAla9Nme" and found["atoms"] == 102
    assert [sum(n["order"] == order for n in found["nmers"]) for order in (1, 2, 3)] == [3, 5, 6]
    by_name = {n["name"]: n for n in found["nmers"]}
    assert by_name["ch3"]["count"] == 11 and by_name["ch-conh-ch"]["count"] == 8
    one = by_name["ch3-conh"]
    assert one["symmetry"] == "A1B3C1D1E1F1G1" and one["caps"] == [8] and len(one["parts"]) == 2
    (place,) = one["occurrences"]
    assert place["lengths"][8] == 1.09 and place["anchors"][8] == place["atoms"][6]
    table = call(capsys, "fragment", "AceAla9Nme")[1]
    assert "3 kinds of 1-mer, 5 of 2-mer, 6 of 3-mer" in table and "CHHH CONH*" in table
    assert call(capsys, "fragment", "--help")[1].count("Example: nmer fragment") == 1


def test_fragment_draws_each(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    code, out, _ = call(capsys, "fragment", "CCC", "--draw", "--out", str(folder), "--json")
    assert code == 0
    paths = [Path(n["picture"]) for n in json.loads(out)["nmers"]]
    assert sorted(paths) == sorted(folder.iterdir()) and len(paths) == 4
    for path in paths:
        image = matplotlib.image.imread(path)
        assert image.shape[:2] == (400, 520)
        orange = np.abs(image[..., :3] - np.array([0.98, 0.80, 0.45])).max(axis=-1) < 0.02
        assert orange.any() == (path.stem != "ch2-ch3-ch3" and path.stem != "ch3-ch2-ch3")


def test_fragment_refuses_in_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "afile").write_text("x")
    for words, expected in (
        (("CCO",), "O2 (counted from 0) belong to no 1-mer"),
        (("AceXyzNme",), "residue 'Xyz' is unknown"),
        (("CCC", "--draw", "--out", str(tmp_path / "afile")), "cannot write into"),
        (("CCC", "--write", str(tmp_path / "afile")), "give another folder with --write"),
        (("CCC", "--water"), "--water needs --write"),
        (("CCC", "--baseline", "physics:x"), "--baseline needs --write"),
        (("CCC", "--write", str(tmp_path / "new"), "--baseline", "mine"), "physics:NAME"),
        (("CCC", "--write", str(tmp_path / "new"), "--baseline", 'physics:a"b'), "physics:NAME"),
    ):
        code, out, err = call(capsys, "fragment", *words)
        assert code == 2 and not out and expected in err and err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["afile"]


def test_fragment_writes_what_is_missing_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "own"
    code, out, _ = call(capsys, "fragment", "CCC", "--write", folder, "--water", "--json")
    facts = json.loads(out)
    files = {row["name"]: Path(row["file"]) for row in facts["files"]}
    assert code == 0 and sorted(files.values()) == sorted(folder.iterdir())
    lacking = {n["name"] for n in facts["nmers"] if n["recipe"] is None}
    assert set(files) == lacking | {"ch2-water"} and lacking == {"ch2", "ch2-ch3", "ch3-ch2-ch3"}
    for name, file in files.items():
        assert call(capsys, "show", file)[0] == 0
        code, out, _ = call(capsys, "plan", file, "--preset", "smoke", "--store", tmp_path / "s")
        assert code == 0 and f"{name}, preset smoke" in out
    before = {path: path.read_bytes() for path in folder.iterdir()}
    files["ch2"].unlink()
    code, out, err = call(capsys, "fragment", "CCC", "--write", folder)
    assert (code, out) == (2, "") and "not overwritten" in err and "2 files" in err and err.count("\n") == 1
    assert not files["ch2"].exists() and all(path.read_bytes() == before[path] for path in folder.iterdir())
    code, out, _ = call(capsys, "fragment", "AceAla2Nme", "--write", tmp_path / "none")
    assert code == 0 and "nothing was written" in out and not (tmp_path / "none").exists()


def test_fragment_names_pairs_that_have_a_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "fragment", "AceAla3Nme")
    assert code == 0 and "3 conh-conh-pair" in out
    pairs = {p["name"]: p for p in json.loads(call(capsys, "fragment", "AceAla3Nme", "--json")[1])["pairs"]}
    assert pairs["conh-conh-pair"] == {"name": "conh-conh-pair", "count": 3, "recipe": "conh-conh-pair"}
    assert all(p["recipe"] is None for name, p in pairs.items() if name != "conh-conh-pair")


def test_fragment_writes_all_n_mers_over_one_baseline(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ("fragment", "AceAla2Nme", "--write", tmp_path / "own", "--baseline", "physics:mine")
    code, out, _ = call(capsys, *words)
    assert code == 0 and "next: nmer physics mine --molecule AceAla2Nme" in out
    assert sorted(path.stem for path in (tmp_path / "own").iterdir()) == sorted(FAMILIES["polyalanine"])
