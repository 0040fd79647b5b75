"""nmer label FILE --recipe RECIPE: fragments, charges, and protocol of a recipe, against the public case."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nmer.cli.main import main
from potentials.units import HARTREE

RECIPE = """
format = 1
name = "iodide-water"

[[nmer.fragments]]
name = "I-"
bonds = []
charge = -1
geometry = "I 3.5 0.0 0.35"

[[nmer.fragments]]
name = "water"
bonds = [[0, 1], [0, 2]]
geometry = '''
O 0.0 0.0 0.0
H 0.9572 0.0 0.0
H -0.24 0.9266 0.0
'''

[labelling]
method = "MP2"
basis = "def2-SVP"
frozen_core = false

[fitting]
switching = { atoms = [0, 1], r_in = 8.0, r_out = 10.0 }

[presets.frozen.labelling]
frozen_core = true
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "iodide-water.toml"
    path.write_text(RECIPE)
    return path


def test_iodide_with_water_by_its_recipe(
    recipe: Path, reference_data: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every frame of the public case: the Hartree-Fock and the MP2 energy, kcal/mol."""
    lines = (reference_data("cases") / "iodide-water.xyz").read_text().splitlines()
    right = [dict(word.split("=") for word in comment.split()) for comment in lines[1::6]]
    path = tmp_path / "frames.xyz"
    path.write_text("\n".join(lines) + "\n")
    assert main(["label", str(path), "--recipe", str(recipe), "--json"]) == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert len(found) == len(right) == 5
    for one, energies in zip(found, right, strict=True):
        assert one["status"] == "ok"
        assert one["nbody_energy"] == pytest.approx(float(energies["mp2_all_electrons"]), abs=1e-4)
        fock = HARTREE * sum(part["coefficient"] * part["components"]["hf"] for part in one["parts"])
        assert fock == pytest.approx(float(energies["hf"]), abs=1e-4)
        assert [part["details"]["electrons"] for part in one["parts"]] == [36, 26, 10]
    progress = told.err.splitlines()
    assert len(set(progress)) == len(progress), "no line of progress is printed twice"


def test_a_preset_changes_the_protocol(
    recipe: Path, reference_data: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The core that psi4 freezes as well: 4s and 4p of iodine, 1s of oxygen."""
    lines = (reference_data("cases") / "iodide-water.xyz").read_text().splitlines()[:6]
    path = tmp_path / "first.xyz"
    path.write_text("\n".join(lines) + "\n")
    assert main(["label", str(path), "--recipe", str(recipe), "--preset", "frozen", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert [part["details"]["frozen_orbitals"] for part in one["parts"]] == [5, 4, 1]
    assert one["nbody_energy"] == pytest.approx(-8.37590, abs=1e-4)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--fragments", "1,3"), "leave out --fragments and --charges"),
        (("--charges", "-1,0"), "leave out --fragments and --charges"),
        (("--preset", "huge"), "huge"),
        (("--protocol", "nope"), "protocol 'nope' is unknown"),
        (("--memory", "0"), "must be above 0"),
        ((), "configuration 1 has the atoms O I H H; 'iodide-water' has I O H H, in this order"),
    ],
)
def test_what_does_not_fit_the_recipe_is_one_sentence(
    words: tuple[str, ...], message: str, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.xyz"
    path.write_text("4\n\nO 0 0 0\nI 3.5 0 0\nH 0.96 0 0\nH -0.24 0.93 0\n")
    assert main(["label", str(path), "--recipe", str(recipe), *words]) == 2
    told = capsys.readouterr()
    assert message in told.err and not told.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give --recipe RECIPE, or both --fragments"),
        (("--fragments", "1,3"), "give --recipe RECIPE, or both --fragments"),
        (("--protocol", "gfn2-xtb"), "give --recipe RECIPE, or both --fragments"),
        (("--preset", "smoke", "--fragments", "1,3", "--protocol", "gfn2-xtb"), "--preset needs --recipe"),
    ],
)
def test_without_a_recipe_both_others_are_needed(
    words: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "any.xyz"
    path.write_text("1\n\nHe 0 0 0\n")
    assert main(["label", str(path), *words]) == 2
    assert message in capsys.readouterr().err
