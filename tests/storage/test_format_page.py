"""The code of docs/format.md reads our files where nothing of ours can be imported."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis
from potentials.pip.potential import Potential
from recipes.schema.recipe import FragmentModel, NMerModel
from storage.contents import (
    dataset_from_version,
    potential_columns,
    potential_facts,
    potential_of_file,
)
from storage.store import Store
from storage.version import write_version
from tests.conftest import ROOT
from tests.contracts import test_exports_of_three_bodies as three_bodies
from tests.contracts.test_exporters import KINDS, potential_file
from tests.storage.bundled import RECIPE, small_family

PAGE = (ROOT / "docs" / "format.md").read_text()
CODE = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))

WITHOUT_US = """
for room in ("nmer", "flows", "deploy", "tasks", "storage", "recipes", "potentials"):
    try:
        __import__(room)
    except ImportError:
        continue
    raise SystemExit(room + " can be imported")
"""
SAVE = """
np.savez("found.npz", positions=positions, energy=energy, training=training,
         predicted=potential_energy("potential.h5", np.load("asked.npy")))
"""


def run_page(folder: Path) -> dict[str, np.ndarray]:
    """Run the page's code where the packages are, but not our own: an editable install is a .pth file."""
    packages = Path(h5py.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-S", "-c", WITHOUT_US + CODE + SAVE],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(packages), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "positions" in done.stdout and "Angstrom" in done.stdout
    return dict(np.load(folder / "found.npz"))


def compare(dataset: Path, potential: Path, folder: Path) -> None:
    shutil.copy(dataset, folder / "dataset.h5")
    shutil.copy(potential, folder / "potential.h5")
    model = potential_of_file(potential)
    asked = model.nmer.positions + np.random.default_rng(1).normal(scale=0.1, size=(20, model.nmer.natoms, 3))
    far = np.linspace(0, 4, 20)[:, None, None] * np.array([0.0, 0.0, 1.0])
    asked[:, model.nmer.slices[-1]] += far if len(model.nmer.fragments) > 1 else 0.0
    np.save(folder / "asked.npy", asked)
    found, expected = run_page(folder), np.asarray(model.energy(asked))
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(found["predicted"], expected, rtol=1e-9, atol=1e-10 * np.abs(expected).max())
    with h5py.File(dataset) as file:
        for name in ("positions", "energy"):
            np.testing.assert_array_equal(found[name], file[name][()])
        assert found["training"].sum() == (file["split"][()] == 0).sum() > 0


@pytest.mark.parametrize("kind", [kind for kind, (_, _, options, _, _) in KINDS.items() if not options.lone_pairs])
def test_the_page_evaluates_a_potential(kind: str, tmp_path: Path) -> None:
    store = small_family(tmp_path / "store")
    compare(store.resolve("dataset:toy@1").path, potential_file(kind, tmp_path), tmp_path)


def test_the_page_exchanges_like_fragments(tmp_path: Path) -> None:
    water = RECIPE.nmer.fragments[1]
    lines = [line.split() for line in water.geometry.strip().splitlines()]
    geometry = "\n".join(f"{s} {float(x) + 2.9} {y} {float(z) + 0.2}" for s, x, y, z in lines)
    model = NMerModel(symmetry="A1B2_A1B2", fragments=(water, water.model_copy(update={"geometry": geometry})))
    nmer = model.build("water-water")
    basis, rng = Basis.build(nmer, 3), np.random.default_rng(4)
    k, coefficients = rng.uniform(0.3, 1.5, len(basis.pair_names)), rng.normal(size=basis.n_terms)
    potential = Potential(nmer, 3, "all", k, coefficients)
    columns, facts = potential_columns(potential), potential_facts(potential, model)
    path = tmp_path / "dimer.h5"
    write_version(path, "potential", "water-water", 1, "0" * 64, columns=columns, recipe="", inputs=[], engines={},
                  facts=facts)  # fmt: skip
    compare(small_family(tmp_path / "store").resolve("dataset:toy@1").path, path, tmp_path)


@pytest.mark.parametrize("keys", [(0, 1, 4), (0, (2, 3), (5, 6))])
def test_the_page_knows_the_switching_of_three_fragments(
    keys: tuple[int | tuple[int, ...], ...], tmp_path: Path
) -> None:
    ion = FragmentModel(name="F-", geometry="F -2.4 0.3 0.2", bonds=(), charge=-1)
    near = RECIPE.nmer.fragments[1]
    lines = [line.split() for line in near.geometry.strip().splitlines()]
    waters = [
        near.model_copy(update={"geometry": "\n".join(f"{s} {float(x) + d} {y} {z}" for s, x, y, z in lines)})
        for d in (0.0, 2.9)
    ]
    model = NMerModel(symmetry="A1_B1C2_B1C2", fragments=(ion, *waters))
    nmer = model.build("ion")
    basis, rng = Basis.build(nmer, 2, "intermolecular"), np.random.default_rng(4)
    k, c = rng.uniform(0.3, 0.9, len(basis.pair_names)), rng.normal(scale=9.0, size=basis.n_terms)
    potential = Potential(nmer, 2, "intermolecular", k, c, Switching(keys, 3.5, 9.0))
    factor = potential.switching.evaluate(nmer.positions[None])[0] if potential.switching else 0.0
    assert 0.0 < factor < 1.0
    path = three_bodies.written(potential, tmp_path / "three.h5", model)
    compare(small_family(tmp_path / "store").resolve("dataset:toy@1").path, path, tmp_path)


def test_the_page_reads_the_oldest_store(tmp_path: Path) -> None:
    store = Store(shutil.copytree(Path(__file__).parent / "store-format-1", tmp_path / "store"))
    dataset = store.resolve("dataset:tiny-water@1")
    assert len(dataset_from_version(dataset)) == 13
    compare(dataset.path, store.resolve("tiny-water@1").path, tmp_path)


def test_the_page_names_every_array_and_every_root_attribute(tmp_path: Path) -> None:
    for version in small_family(tmp_path).versions():
        with h5py.File(version.path) as file:
            for name in (*file, *file.attrs):
                assert f"`{name}`" in PAGE, f"docs/format.md does not name {name} of a {version.kind}"
