"""An engine in one file outside the project labels: by hand, and in a run with its workers and label processes."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ase import Atoms
from ase.io import write

from potentials.units import HARTREE
from recipes.load import load_recipe
from recipes.registry import PLUGINS
from storage.store import Store

TOY = '''
import math

from recipes.engines import LabelCost, Method
from recipes.registry import Need
from tasks.labelling.engines.interface import OK, Engine, Result


class ToyEngine(Engine):
    """Every pair of atoms repels by a hartree over the distance in Angstrom, whatever the elements."""

    name = "toy"
    title = "pairs that repel"
    methods = (Method("repulsion", "one over the distance", ("total",), (("pairs", "mp2"),), own_basis=True),)
    needs = (Need("math", "it comes with Python"),)
    papers = ("pip",)
    labels_per_process = 50

    @staticmethod
    def cost(labelling, jobs):
        return LabelCost(0.25, 0.125)

    def versions(self):
        return {"toy": "1.5"}

    def build(self, job):
        return [math.dist(a, b) for n, a in enumerate(job.positions) for b in job.positions[:n]]

    def execute(self, job, built):
        return {"total": sum(1.0 / distance for distance in built)}

    def parse(self, job, raw):
        details = {"electrons": 2, "frozen_orbitals": 0, "basis_functions": 1, "scf_converged": True}
        return Result(OK, energy=raw["total"], components=raw, details=details)


ENGINE = ToyEngine
'''

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def recipe(tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the tiny recipe with labels of the toy, whose file is in a folder of its own."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "toy.py").write_text(TOY)
    monkeypatch.setenv(PLUGINS, str(tmp_path / "plugins"))
    text = tiny_recipe.read_text()
    level = 'method = "HF"\nbasis = "sto-3g"\n'
    assert level in text
    path = tmp_path / "tiny-water.toml"
    path.write_text(text.replace(level, 'engine = "toy"\nmethod = "repulsion"\ncounterpoise = false\n'))
    return path


def test_a_run_and_labels_by_hand(recipe: Path, tmp_path: Path, nmer_command: Command) -> None:
    def call(*words: str) -> str:
        done = nmer_command(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    rows = {row["engine"]: row for row in json.loads(call("protocols", "--engines", "--json"))}
    assert (rows["toy"]["runs here"], rows["toy"]["methods"]) == ("yes", "repulsion")
    assert "a label: 0.25 CPU-s, 0.12 GiB (formula)" in call("plan", str(recipe))
    call("run", str(recipe), "--until", "labelling", "--store", "store")
    dataset = Store(tmp_path / "store").resolve("dataset:tiny-water@1")
    attributes = dataset.attributes()
    assert attributes["engines"]["toy"] == "1.5"
    assert "pairs: C. Moller" in attributes["citation"] and "engine toy: B. J. Braams" in attributes["citation"]
    energies, positions = dataset.column("energy")[:2], dataset.column("positions")[:2]
    between = [sum(1 / math.dist(a, b) for a in x[:5] for b in x[5:]) for x in positions]
    assert energies == pytest.approx([HARTREE * one for one in between], rel=1e-9)
    symbols = load_recipe("ch3-water").build_nmer().symbols
    write(tmp_path / "frames.xyz", [Atoms(symbols, x) for x in positions])
    found = json.loads(call("label", "frames.xyz", "--recipe", str(recipe), "--json"))
    assert [one["nbody_energy"] for one in found] == pytest.approx(energies, rel=1e-9)
