"""Alanine dipeptide's grid: torsions where they are asked for, figures that add up, a picture."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from nmer.cli.main import main
from tasks.checks.ramachandran import PHI, PSI, Scan, gfn2_xtb, grid_geometries, scan_plot
from tests.storage.family import family


def torsion(x: np.ndarray, atoms: tuple[int, ...]) -> np.ndarray:
    a, b, c, d = (x[:, n] for n in atoms)
    axis = (c - b) / np.linalg.norm(c - b, axis=1, keepdims=True)
    first, last = a - b, d - c
    first, last = (v - (v * axis).sum(axis=1, keepdims=True) * axis for v in (first, last))
    y = (np.cross(axis, first) * last).sum(axis=1)
    return np.degrees(np.arctan2(y, (first * last).sum(axis=1)))


def test_the_torsions_are_on_the_grid_and_the_rest_is_relaxed() -> None:
    pytest.importorskip("tblite")
    molecule, phi, psi, positions = grid_geometries(90)
    assert len(phi) == 16 and set(phi) == set(psi) == {-180.0, -90.0, 0.0, 90.0}
    for atoms, wanted in ((PHI, phi), (PSI, psi)):
        off = (torsion(positions, atoms) - wanted + 180.0) % 360.0 - 180.0
        assert np.abs(off).max() < 1.0
    assert [molecule.symbols[a] for a in PHI] == ["C", "N", "C", "C"]
    assert [molecule.symbols[a] for a in PSI] == ["N", "C", "C", "N"]
    energy = gfn2_xtb(molecule, positions)
    assert 5.0 < energy.max() - energy.min() < 60.0


def test_figures_do_not_depend_on_the_zero_of_either_energy() -> None:
    rng = np.random.default_rng(0)
    grid = np.arange(16.0)
    reference = rng.uniform(0, 25, 16)
    predicted = reference + rng.normal(size=16)
    first, again = (Scan.of(grid, grid, reference + a, predicted + b) for a, b in ((0, 0), (-500, 30)))
    assert first.as_dict() == pytest.approx(again.as_dict())
    error = predicted - reference
    assert first.rmsd() == pytest.approx(error.std())
    low = reference - reference.min() < 10.0
    assert first.rmsd(high=10.0) == pytest.approx(np.sqrt(np.mean((error - error.mean())[low] ** 2)))
    drawn = scan_plot(first)
    assert len(list(csv.DictReader(io.StringIO(drawn.csv)))) == 16
    assert drawn.png.startswith(b"\x89PNG")


def test_a_store_without_the_potentials_is_told_which(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ramachandran", "--store", str(family(tmp_path / "store").path)]) == 2
    assert "has no potentials of ch3, conh, ch, ch3-conh" in capsys.readouterr().err
    assert main(["ramachandran", "--step", "7"]) == 2
    assert "--step is 7; allowed: a divisor of 360" in capsys.readouterr().err
