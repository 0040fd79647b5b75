"""METAD of a PLUMED input along a trajectory: restarts and walkers, also against PLUMED itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from potentials.errors import InputError
from tasks.bias.driver import BiasedTrajectory, drive
from tasks.bias.hills_file import write_hills
from tasks.bias.plumed_engine import PlumedRun
from tasks.bias.plumed_input import parse_plumed

Data = Callable[[str], Path]
HEAD = """\
UNITS LENGTH=A ENERGY=kcal/mol TIME=fs
phi: TORSION ATOMS=2,4,5,7 NOPBC
psi: TORSION ATOMS=4,5,7,9 NOPBC
d: DISTANCE ATOMS=3,10 NOPBC
"""
MT = "mt: METAD ARG=phi,psi SIGMA=0.2,0.3 HEIGHT=0.24 PACE=4 BIASFACTOR=8 TEMP=300 FMT=%24.16e "
GRID = "GRID_MIN=-pi,-pi GRID_MAX=pi,pi GRID_BIN=90,91 "
WALKERS = "WALKERS_N=3 WALKERS_ID={} WALKERS_DIR={} WALKERS_RSTRIDE={} "


@pytest.fixture
def frames(reference_data: Data) -> Any:
    return np.load(reference_data("plumed-dipeptide") / "trajectory.npz")


def driven(frames: Any, text: str, part: slice, folder: Path) -> BiasedTrajectory:
    """Apply an input to a part of the recorded trajectory."""
    plumed = parse_plumed(text, "plumed.dat")
    x, steps = frames["positions"][part], frames["steps"][part]
    return drive(plumed, x, frames["masses"], steps, 1.0, folder=folder)


def write(found: BiasedTrajectory, folder: Path) -> None:
    for name, table in found.hills.items():
        write_hills(folder / Path(name).name, table, found.heads[name])


@pytest.mark.parametrize("grid", ["", GRID])
def test_a_restart_goes_on(grid: str, frames: Any, tmp_path: Path) -> None:
    """The second part has the bias of the whole, and writes only its own hills."""
    whole = driven(frames, HEAD + MT + grid, slice(None), tmp_path)
    first = driven(frames, HEAD + MT + grid, slice(0, 198), tmp_path)
    write(first, tmp_path)
    then = driven(frames, HEAD + "RESTART\n" + MT + grid, slice(198, None), tmp_path)
    np.testing.assert_allclose(then.bias, whole.bias[198:], atol=1e-12)
    np.testing.assert_allclose(then.forces, whole.forces[198:], atol=1e-11)
    both = np.concatenate([first.hills["HILLS"], then.hills["HILLS"]])
    np.testing.assert_allclose(both, whole.hills["HILLS"], rtol=1e-12)
    fresh = driven(frames, HEAD + MT + grid, slice(198, None), tmp_path)
    assert np.abs(fresh.bias - then.bias).max() > 0.5


def others(frames: Any, folder: Path) -> None:
    """Write the hills of walkers 1 and 2: of other parts of the trajectory."""
    folder.mkdir()
    for number, part in ((1, slice(100, 200)), (2, slice(300, 350))):
        found = driven(frames, HEAD + MT + WALKERS.format(number, folder, 500), part, folder)
        assert list(found.hills) == [f"{folder}/HILLS.{number}"]
        write(found, folder)


@pytest.mark.parametrize("stride", [1, 7, 500])
def test_walkers_have_the_hills_of_the_others(stride: int, frames: Any, tmp_path: Path) -> None:
    """Those that are there are read at the first step that is due, which is step 0."""
    others(frames, tmp_path / "all")
    found = driven(frames, HEAD + MT + WALKERS.format(0, tmp_path / "all", stride), slice(0, 90), tmp_path)
    hills = [np.loadtxt(tmp_path / "all" / f"HILLS.{n}") for n in (1, 2)]
    assert [len(table) for table in hills] == [24, 12]
    mine = found.hills[f"{tmp_path}/all/HILLS.0"]
    printed = driven(frames, HEAD + "PRINT ARG=phi,psi\n", slice(0, 90), tmp_path).printed
    for n in range(90):
        every = np.concatenate([mine[mine[:, 0] < n], *(hills if n else [])])
        s = np.array([printed["phi"][n], printed["psi"][n]])
        apart = np.angle(np.exp(1j * (s - every[:, 1:3]))) / [0.2, 0.3]
        half = 0.5 * (apart**2).sum(axis=1)
        bell = np.where(half < 6.25, (np.exp(-half) - np.exp(-6.25)) / (1 - np.exp(-6.25)), 0.0)
        assert found.bias[n] == pytest.approx((every[:, -2] * 7 / 8 * bell).sum(), abs=1e-11)


def test_a_restart_needs_the_hills_of_every_walker(frames: Any, tmp_path: Path) -> None:
    others(frames, tmp_path / "all")
    text = HEAD + MT + "RESTART=YES " + WALKERS.format(0, "all", 5)
    with pytest.raises(
        InputError, match=r"all/HILLS\.0' is missing; RESTART needs the HILLS file of every walker"
    ):
        driven(frames, text, slice(None), tmp_path)


def plumed_itself(frames: Any, text: str, part: slice) -> tuple[np.ndarray, np.ndarray]:
    """Return bias and forces of PLUMED."""
    if not os.environ.get("PLUMED_KERNEL"):
        pytest.skip("PLUMED_KERNEL is not set")
    bias, forces = [], []
    with PlumedRun(tuple(frames["masses"]), 1.0, False) as plumed:
        plumed.begin(text)
        for step, x in zip(frames["steps"][part], frames["positions"][part], strict=True):
            forces.append(plumed(int(step), x).copy())
            bias.append(plumed.energy)
            assert not plumed.problem
        plumed.close()
    return np.array(bias), np.array(forces)


PLUMED_TEXTS = {
    "three variables": MT.replace("phi,psi", "phi,psi,d").replace("0.2,0.3", "0.3,0.3,0.2"),
    "three variables on a grid": MT.replace("phi,psi", "phi,psi,d").replace("0.2,0.3", "0.3,0.3,0.2")
    + "GRID_MIN=-pi,-pi,1 GRID_MAX=pi,pi,12 GRID_BIN=60,61,80 ",
    "a distance on a default grid": MT.replace("phi,psi", "d").replace("0.2,0.3", "0.2")
    + "GRID_MIN=1 GRID_MAX=9 ",
    "a restart": MT + "RESTART=YES ",
    "walkers": MT + GRID + WALKERS,
    "walkers that restart": MT + WALKERS + "RESTART=YES ",
}


@pytest.mark.parametrize("case", PLUMED_TEXTS)
def test_plumed_itself_has_the_same_bias(case: str, frames: Any, tmp_path: Path) -> None:
    """Only where PLUMED_KERNEL leads to PLUMED."""
    text, part = HEAD + PLUMED_TEXTS[case].format(0, tmp_path / "all", 6), slice(None)
    write(driven(frames, HEAD + MT, slice(0, 198), tmp_path), tmp_path)
    others(frames, tmp_path / "all")
    text += "" if "WALKERS_N" in text else f"FILE={tmp_path}/HILLS "
    if "restart" in case:
        part = slice(198, None)
        (tmp_path / "all" / "HILLS.0").write_bytes((tmp_path / "HILLS").read_bytes())
    ours = driven(frames, text, part, tmp_path)
    bias, forces = plumed_itself(frames, text, part)
    np.testing.assert_allclose(ours.bias, bias, atol=1e-10)
    np.testing.assert_allclose(ours.forces, forces, atol=1e-9)
    assert np.abs(bias).max() > 1.0
