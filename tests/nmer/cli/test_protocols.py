"""nmer protocols and nmer label: energies of an xyz file, by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nmer.cli.main import main
from potentials.units import HARTREE
from recipes.load import load_recipe
from recipes.protocols import protocols, with_protocol

HELIUM = """2
two helium atoms
He 0.0 0.0 0.0
He 0.0 0.0 3.0
2
nearer
He 0.0 0.0 0.0
He 0.0 0.0 2.0
"""


@pytest.fixture
def helium(tmp_path: Path) -> Path:
    path = tmp_path / "helium.xyz"
    path.write_text(HELIUM)
    return path


def test_labels_of_a_file_as_json(helium: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["label", str(helium), "--fragments", "1,1", "--protocol", "ccsd-t-cc-pvdz", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["configuration"] for one in found] == [1, 2]
    for one in found:
        assert one["status"] == "ok" and one["reason"] == "" and one["cpu_seconds"] > 0.1
        assert [part["name"] for part in one["parts"]] == ["AB", "A in AB", "B in AB"]
        total = sum(part["coefficient"] * part["energy"] for part in one["parts"])
        assert one["nbody_energy"] == pytest.approx(HARTREE * total, abs=1e-9)
        assert one["nbody_energy_hartree"] == pytest.approx(total, abs=1e-12)
        for part in one["parts"]:
            assert part["energy"] == pytest.approx(sum(part["components"][c] for c in ("hf", "ccsd", "triples")))
            assert part["memory"] > 0.01 and part["t2"] > 0.0
    assert 0.5 < found[1]["nbody_energy"] < 1.5 and abs(found[0]["nbody_energy"]) < 0.05


def test_labels_of_a_file_for_people_and_a_single_molecule(
    helium: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["label", str(helium), "--fragments", "2", "--protocol", "ccsd-t-cc-pvdz"]) == 0
    out = capsys.readouterr().out
    assert "CCSD(T)/cc-pVDZ" in out and "configuration 2: " in out and "kcal/mol" in out and "CPU-s" in out
    assert out.count("  A ") == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--fragments", "1,2", "--protocol", "gfn2-xtb"),
            "configuration 1 has 2 atoms; --fragments 1,2 adds up to 3",
        ),
        (("--fragments", "1,x", "--protocol", "gfn2-xtb"), "--fragments is '1,x'; it takes whole numbers"),
        (
            ("--fragments", "1,1", "--protocol", "gfn2-xbt"),
            "protocol 'gfn2-xbt' is unknown (did you mean 'gfn2-xtb'?)",
        ),
        (("--fragments", "1,1", "--protocol", "gfn2-xtb", "--charges", "0"), "--charges has 1 numbers"),
        (("--fragments", "1,1", "--protocol", "gfn2-xtb", "--timeout", "0"), "must be above 0"),
    ],
)
def test_bad_words_are_one_sentence(
    words: tuple[str, ...], message: str, helium: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["label", str(helium), *words]) == 2
    assert message in capsys.readouterr().err


def test_an_unreadable_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.xyz"
    path.write_text("three\nnothing\n")
    assert main(["label", str(path), "--fragments", "1,1", "--protocol", "ccsd-t-cc-pvdz"]) == 2
    assert "bad.xyz' cannot be read as xyz" in capsys.readouterr().err


def test_protocols_say_what_runs_here_and_what_the_others_need(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["protocols", "--json"]) == 0
    found = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(found) == list(protocols())
    assert found["ccsd-t-cc-pvdz"]["runs_here"]
    assert all(row["runs_here"] or row["needs"] for row in found.values())
    assert found["composite-aug-cc-pvtz"]["level"] == "MP2/aug-cc-pVTZ + [FNO-CCSD(T*) - MP2]/aug-cc-pVDZ"
    assert main(["protocols"]) == 0
    assert "level of theory" in capsys.readouterr().out


def test_a_protocol_takes_the_place_of_a_recipes_own_and_leaves_its_flags() -> None:
    recipe = load_recipe("ch3-water", "smoke")
    strict = recipe.model_copy(update={"labelling": recipe.labelling.model_copy(update={"max_t1": 0.015})})
    changed = with_protocol(strict, "gfn2-xtb")
    assert (changed.labelling.engine, changed.labelling.max_t1) == ("xtb", 0.015)
    assert with_protocol(recipe, None) is recipe
