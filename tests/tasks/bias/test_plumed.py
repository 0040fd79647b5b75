"""The PLUMED reader and driver against what PLUMED itself recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nmer.cli.main import main
from potentials.errors import InputError
from tasks.bias.driver import drive
from tasks.bias.hills_file import write_hills
from tasks.bias.plumed_input import read_plumed
from tests.numerical import slopes_of

SMALL = """\
c: COM ATOMS=1-3   # a comment
d: DISTANCE ATOMS=c,4
t: TORSION ATOMS=1,2,3,4
PBMETAD ...
  LABEL=pb ARG=d,t PF0=d PF1=t
  SIGMA=0.02,0.3 GRID_MIN=0.0,-pi GRID_MAX=2.0,pi GRID_BIN=400,100
  PACE=1 HEIGHT=2.0 BIASFACTOR=8 TEMP=300 FILE=h0,h1
... PBMETAD
up: UPPER_WALLS ARG=d AT=0.15 KAPPA=500
lo: LOWER_WALLS ARG=d AT=0.30 KAPPA=100 EXP=4 EPS=0.5 OFFSET=0.01
PRINT ARG=d,t,pb.bias,up.bias,lo.bias FILE=COLVAR STRIDE=1
"""


def test_driver_agrees_with_plumed(reference_data: Callable[[str], Path], tmp_path: Path) -> None:
    folder = reference_data("plumed-methane-water")
    trajectory, reference = np.load(folder / "trajectory.npz"), np.load(folder / "reference.npz")
    plumed = read_plumed(folder / "plumed.dat")
    found = drive(plumed, trajectory["positions"], trajectory["masses"], trajectory["steps"], 25.0)
    assert np.abs(found.bias - reference["total_bias"]).max() < 1e-10
    assert np.abs(found.forces - reference["forces"]).max() < 1e-10
    assert sorted(found.hills) == [f"HILLS.PF{n}" for n in range(7)]
    for name, table in found.hills.items():
        write_hills(tmp_path / name, table, found.heads[name])
        ours, theirs = (np.loadtxt(where / name) for where in (tmp_path, folder))
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
        assert (tmp_path / name).read_text().splitlines()[:3] == (folder / name).read_text().splitlines()[:3]


def frames(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    start = np.array([[0.0, 0, 0], [1.5, 0, 0], [2.0, 1.4, 0], [3.2, 1.5, 0.9]])
    return start + rng.normal(scale=0.1, size=(count, 4, 3)), np.array([12.0, 1.0, 16.0, 14.0])


def test_default_units_centres_dihedrals_and_walls(tmp_path: Path) -> None:
    """PLUMED's own units (nm, kJ/mol); forces by finite differences of the last frame's bias."""
    path = tmp_path / "plumed.dat"
    path.write_text(SMALL)
    plumed = read_plumed(path)
    positions, masses = frames(30)
    found = drive(plumed, positions, masses, np.arange(30), 1.0)
    centre = np.average(positions[:, :3], axis=1, weights=masses[:3])
    distance = np.linalg.norm(positions[:, 3] - centre, axis=1)
    np.testing.assert_allclose(found.printed["d"], distance / 10, atol=1e-14)
    wall = 500 * np.clip(distance / 10 - 0.15, 0, None) ** 2
    np.testing.assert_allclose(found.printed["up.bias"], wall, atol=1e-10)
    low = 100 * np.clip((0.30 + 0.01 - distance / 10) / 0.5, 0, None) ** 4
    np.testing.assert_allclose(found.printed["lo.bias"], low, atol=1e-10)
    parts = found.printed["pb.bias"] + found.printed["up.bias"] + found.printed["lo.bias"]
    np.testing.assert_allclose(found.bias, parts / 4.184, atol=1e-10)
    assert found.printed["pb.bias"][-1] > 1.0

    def last_bias(moved: np.ndarray) -> float:
        path = np.concatenate([positions[:-1], moved[None]])
        return float(drive(plumed, path, masses, np.arange(30), 1.0).bias[-1])

    assert slopes_of(last_bias, positions[-1]) == pytest.approx(-found.forces[-1], rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("t: TORSION", "t: RMSD", "plumed.dat, line 3: action 'RMSD' is not supported; allowed: UNITS, RESTART"),
        ("BIASFACTOR=8", "BIASFACTOR=8 WALKERS_MPI", "line 4: keyword 'WALKERS_MPI' of PBMETAD is not supported"),
        ("PF0=d PF1=t", "PF0=d", "must contain every argument of ARG exactly once"),
        ("SIGMA=0.02,0.3", "SIGMA=0.02", "SIGMA=0.02 has 1 values; 2 are needed"),
        ("ARG=d AT", "ARG=q AT", "ARG=q is not a variable defined above; allowed: d, t"),
        ("ATOMS=1,2,3,4", "ATOMS=1,2,3", "TORSION needs a label and 4 atoms"),
        ("ATOMS=1-3 ", "ATOMS=1:3 ", "ATOMS=1:3 cannot be read"),
        ("PRINT ARG=d", "PRINT ARG=z", "PRINT ARG=z is not known"),
        ("... PBMETAD\n", "", "does not end with '...'"),
        ("c: COM", "UNITS LENGTH=inch\nc: COM", "LENGTH=inch is not supported; allowed: nm, A, Bohr"),
        ("HEIGHT=2.0", "HEIGHT=tall", "HEIGHT=tall is not a number"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(old: str, new: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "plumed.dat"
    assert old in SMALL
    path.write_text(SMALL.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        read_plumed(path)
    assert words in str(caught.value)


def test_the_bias_command_is_a_driver(
    reference_data: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = reference_data("plumed-methane-water"), tmp_path / "bias.npz"
    words = ["bias", "--plumed", str(folder / "plumed.dat"), "--trajectory", str(folder / "trajectory.npz")]
    words += ["--out", str(out), "--timestep", "25", "--hills", str(tmp_path / "hills"), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["hills"] == 2380
    reference = np.load(folder / "reference.npz")
    with np.load(out) as saved:
        assert np.abs(saved["bias"] - reference["total_bias"]).max() < 1e-10
        assert np.abs(saved["forces"] - reference["forces"]).max() < 1e-10
    assert len(list((tmp_path / "hills").iterdir())) == 7


def test_a_trajectory_that_does_not_fit_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plumed.dat").write_text(SMALL)
    np.savez(tmp_path / "few.npz", positions=np.zeros((2, 3, 3)), masses=np.ones(3))
    np.savez(tmp_path / "bare.npz", positions=np.zeros((2, 4, 3)))
    for name, expected in (("few", "names atom 4, but the trajectory has 3 atoms"), ("bare", "needs the arrays")):
        words = ["bias", "--plumed", str(tmp_path / "plumed.dat"), "--trajectory", str(tmp_path / f"{name}.npz")]
        assert main([*words, "--out", str(tmp_path / "out.npz")]) == 2
        assert expected in capsys.readouterr().err
        assert not (tmp_path / "out.npz").exists()
