"""Recordings of PLUMED on alanine dipeptide with inputs as users write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nmer.cli.main import main
from potentials.errors import InputError
from tasks.bias.driver import BiasedTrajectory, drive
from tasks.bias.hills_file import write_hills
from tasks.bias.plumed_input import parse_plumed

Data = Callable[[str], Path]
FOLDERS = (
    "metad-1d-plain",
    "metad-2d-grid",
    "metad-2d-no-grid",
    "pbmetad-no-grid",
    "pbmetad-default-bins",
    "pbmetad-grid-spacing",
    "walls-on-torsions",
    "periodic-box",
    "wide-hills-even-grid",
)

HEAD = """\
UNITS LENGTH=A ENERGY=kcal/mol TIME=fs
phi: TORSION ATOMS=2,4,5,7 NOPBC
d1: DISTANCE ATOMS=3,10 NOPBC
"""


def recorded(data: Path, text: str, positions: np.ndarray | None = None) -> BiasedTrajectory:
    """Apply an input to the recorded trajectory."""
    trajectory = np.load(data / "trajectory.npz")
    x = trajectory["positions"] if positions is None else positions
    plumed = parse_plumed(text, "plumed.dat")
    return drive(plumed, x, trajectory["masses"], trajectory["steps"], 1.0)


@pytest.mark.parametrize("name", FOLDERS)
def test_the_bias_command_agrees_with_plumed(name: str, reference_data: Data, tmp_path: Path) -> None:
    """Bias, forces, printed values, and HILLS files with PLUMED's own names and heads."""
    data = reference_data("plumed-dipeptide")
    trajectory, reference = np.load(data / "trajectory.npz"), np.load(data / name / "reference.npz")
    arrays = {key: trajectory[key] for key in ("positions", "masses", "steps")}
    arrays |= {key: reference[key] for key in ("positions", "box") if key in reference}
    np.savez(tmp_path / "trajectory.npz", **arrays)
    words = ["bias", "--plumed", str(data / name / "plumed.dat"), "--trajectory", str(tmp_path / "trajectory.npz")]
    assert main([*words, "--out", str(tmp_path / "out.npz"), "--hills", str(tmp_path / "hills")]) == 0
    with np.load(tmp_path / "out.npz") as found:
        assert np.abs(found["bias"] - reference["bias"]).max() < 1e-10
        assert np.abs(found["forces"] - reference["forces"]).max() < 1e-10
        assert np.abs(reference["forces"]).max() > 1.0
        for column, label in enumerate(reference["columns"]):
            if label != "time":
                np.testing.assert_allclose(found[label], reference["colvar"][:, column], rtol=1e-11, atol=1e-11)
    files = sorted(path.name for path in (data / name).glob("H*"))
    assert sorted(path.name for path in (tmp_path / "hills").iterdir()) == files
    for file in files:
        ours, theirs = (where / file for where in (tmp_path / "hills", data / name))
        np.testing.assert_allclose(np.loadtxt(ours), np.loadtxt(theirs), rtol=1e-11, atol=1e-12)
        heads = [[line for line in path.read_text().splitlines() if line[0] == "#"] for path in (ours, theirs)]
        assert heads[0] == heads[1]


def test_wide_hills_even_grid_is_the_sum_of_its_hills(reference_data: Data) -> None:
    """A hill ends in a step of 0.2 %, which a grid of 0.03 rad makes a slope: hence not nearer than 3e-4."""
    data = reference_data("plumed-dipeptide")
    text = (data / "wide-hills-even-grid" / "plumed.dat").read_text()
    gridless = text.replace("GRID_MIN=-pi,-pi GRID_MAX=pi,pi GRID_BIN=200,200 ", "")
    assert len(gridless) < len(text)
    assert np.abs(recorded(data, text).bias - recorded(data, gridless).bias).max() < 3e-4


@pytest.mark.parametrize(
    "grid", ["", "GRID_MIN=-pi GRID_MAX=pi GRID_BIN=200", "GRID_MIN=-pi GRID_MAX=pi GRID_BIN=201"]
)
@pytest.mark.parametrize("sigma", [0.8, 0.9, 1.0, 2.0])
def test_wide_hills_are_the_plain_periodic_sum(sigma: float, grid: str, reference_data: Data) -> None:
    """PLUMED adds points of hills above 0.889 rad twice, on any grid."""
    data = reference_data("plumed-dipeptide")
    action = f"pb: PBMETAD ARG=phi SIGMA={sigma} HEIGHT=0.24 PACE=4 BIASFACTOR=8 TEMP=300 FILE=H {grid}\n"
    text = HEAD + action + "PRINT ARG=phi\n"
    found = recorded(data, text)
    phi, frames, plain = found.printed["phi"], np.arange(400), np.zeros(400)
    for step, centre, _, height, gamma in found.hills["H"]:
        z2 = 0.5 * (np.angle(np.exp(1j * (phi - centre))) / sigma) ** 2
        plain += np.where((frames > step) & (z2 < 6.25), height * (gamma - 1) / gamma * np.exp(-z2), 0.0)
    assert plain.max() > 2.0
    assert np.abs(found.bias - plain).max() < (1e-3 if grid else 1e-11)
    notes = parse_plumed(text, "plumed.dat").notes
    assert len(notes) == bool(grid and sigma > 0.889)
    assert all("PLUMED adds some grid points twice" in note for note in notes)


@pytest.mark.parametrize(
    ("at", "upper", "lower"), [("3.0", 0.0, 2 * np.pi), ("-3.0", 2 * np.pi, 0.0), ("pi/2", 0.0, 0.0)]
)
def test_walls_on_a_torsion_use_the_nearest_image(
    at: str, upper: float, lower: float, reference_data: Data
) -> None:
    data = reference_data("plumed-dipeptide")
    for kind, sign in (("UPPER", 1), ("LOWER", -1)):
        found = recorded(data, HEAD + f"w: {kind}_WALLS ARG=phi AT={at} KAPPA=10\nPRINT ARG=phi,w.*\n")
        place = np.pi / 2 if at == "pi/2" else float(at)
        way = np.angle(np.exp(1j * (found.printed["phi"] - place)))
        np.testing.assert_allclose(found.bias, 10 * np.clip(sign * way, 0, None) ** 2, atol=1e-10)
        np.testing.assert_allclose(found.printed["w.force2"], (20 * np.clip(sign * way, 0, None)) ** 2, atol=1e-9)
        assert found.bias.max() < 10 * np.pi**2


def test_without_a_bias_factor_hills_keep_their_height(reference_data: Data, tmp_path: Path) -> None:
    data = reference_data("plumed-dipeptide")
    text = HEAD + "pb: PBMETAD ARG=phi SIGMA=0.3 HEIGHT=0.5 PACE=10 TEMP=300\n"
    found = recorded(data, text)
    table = found.hills["HILLS.phi"]
    np.testing.assert_allclose(table[:, 3:], [[0.5, 1.0]] * 39)
    write_hills(tmp_path / "h", table, found.heads["HILLS.phi"])
    assert (tmp_path / "h").read_text().splitlines()[3:5] == ["#! SET min_phi -pi", "#! SET max_phi pi"]


def test_a_family_is_named_by_the_first_of_its_own_line(reference_data: Data) -> None:
    """PLUMED's HILLS have the name of the first variable in PF, and hills are in the order of ARG."""
    data = reference_data("plumed-dipeptide")
    text = HEAD + "psi: TORSION ATOMS=4,5,7,9 NOPBC\npb: PBMETAD ARG=phi,d1,psi PF0=psi,phi PF1=d1 SIGMA=.2,.3 "
    found = recorded(data, text + "HEIGHT=.24 PACE=4 BIASFACTOR=8 TEMP=300\nPRINT ARG=*\n")
    assert found.heads == {"HILLS.PF0": (("psi", True),), "HILLS.PF1": (("d1", False),)}
    np.testing.assert_allclose(found.hills["HILLS.PF0"][:2, 1], [found.printed[n][4] for n in ("phi", "psi")])
    assert list(found.printed) == ["phi", "d1", "psi", "pb.bias"]


def test_two_biases_without_labels_add_up(reference_data: Data) -> None:
    data = reference_data("plumed-dipeptide")
    one = "PBMETAD ARG=phi SIGMA=0.3 HEIGHT=0.5 PACE=10 TEMP=300 BIASFACTOR=8 FILE=A\n"
    other = "PBMETAD ARG=d1 SIGMA=0.3 HEIGHT=0.2 PACE=7 TEMP=300 BIASFACTOR=8 FILE=B\n"
    wall = "UPPER_WALLS ARG=d1 AT=4 KAPPA=3\n"
    both = recorded(data, HEAD + one + other + wall)
    parts = [recorded(data, HEAD + part) for part in (one, other, wall)]
    np.testing.assert_allclose(both.bias, sum(part.bias for part in parts), atol=1e-12)
    np.testing.assert_allclose(both.forces, sum(part.forces for part in parts), atol=1e-11)
    assert sorted(both.hills) == ["A", "B"]


def test_a_variable_that_leaves_its_grid_is_named(reference_data: Data) -> None:
    data = reference_data("plumed-dipeptide")
    text = HEAD + "PBMETAD ARG=d1 SIGMA=.1 HEIGHT=1 PACE=4 TEMP=300 BIASFACTOR=8 GRID_MIN=1 GRID_MAX=4\n"
    with pytest.raises(InputError, match=r"^frame [0-9]+: 'd1' is 4\.[0-9]+ A, outside its grid of 1 to 4 A"):
        recorded(data, text)


def test_an_order_of_arg_that_plumed_treats_differently_is_noted(
    reference_data: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = reference_data("plumed-dipeptide")
    (tmp_path / "plumed.dat").write_text(
        HEAD + "PBMETAD ARG=d1,phi PF0=phi PF1=d1 SIGMA=.2,.2 HEIGHT=1 PACE=4 TEMP=300 BIASFACTOR=8\n"
    )
    words = ["bias", "--plumed", str(tmp_path / "plumed.dat"), "--trajectory", str(data / "trajectory.npz")]
    assert main([*words, "--out", str(tmp_path / "out.npz")]) == 0
    said = capsys.readouterr().out
    assert (
        "note: plumed.dat, line 4: PLUMED takes the periodicity of family PF0 from argument 1 of ARG, 'd1'" in said
    )
    with np.load(tmp_path / "out.npz") as saved:
        assert len(saved["notes"]) == 2
