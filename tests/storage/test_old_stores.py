"""Stores that earlier releases wrote still open, later ones are refused by name, and nothing is ever executed.

``store-format-N`` is a store as the release with that format wrote it, and ``store-format-N.json`` the numbers
that the same release read in it.
"""

from __future__ import annotations

import ast
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import h5py
import numpy as np
import pytest

import nmer
from nmer.cli.main import main
from potentials.errors import InputError
from storage.citations import citations
from storage.configuration import configuration_ids
from storage.contents import (
    dataset_from_version,
    nmer_model,
    pool_from_version,
    selection_from_version,
)
from storage.ledger import Ledger
from storage.lineage import lineage
from storage.physics import write_physics
from storage.store import Store
from storage.version import KINDS
from tasks.improving.record import JudgedFrames, write_turn
from tests.conftest import sources

HERE = Path(__file__).parent


@pytest.fixture(params=sorted(p.name for p in HERE.glob("store-format-*") if p.is_dir()))
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(shutil.copytree(HERE / request.param, tmp_path / request.param))


def test_an_old_store_opens_and_its_numbers_are_what_they_were(old: Store) -> None:
    expected = json.loads((HERE / f"{old.path.name}.json").read_text())
    assert {v.ref: v.key for v in old.versions()} == expected["keys"]
    pool = pool_from_version(old.resolve("pool:tiny-water@1"))
    selection = selection_from_version(old.resolve("selection:tiny-water@1"))
    version = old.resolve("dataset:tiny-water@1")
    dataset = dataset_from_version(version)
    assert (len(pool), len(selection), len(dataset)) == (60, 13, 13)
    np.testing.assert_array_equal(selection.positions, pool.positions[selection.frame])
    assert dataset.energy.tolist() == expected["energy"]
    assert dataset.sub_energies.tolist() == expected["sub_energies"]
    assert (
        configuration_ids(nmer_model(version.attributes()).build(version.nmer), dataset.positions) == dataset.ids
    )
    potential = nmer.load("tiny-water@released", store=old.path)
    energy, gradient = potential.energy_and_gradient(dataset.positions)
    np.testing.assert_allclose(energy, expected["predicted"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(gradient[0], expected["gradient"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(old.resolve("validation:tiny-water@1").column("predicted"), energy, atol=1e-10)
    with Ledger.read(old.labels) as ledger:
        found = ledger.arrays(dataset.ids, expected["protocol"], dataset.sub_names)
    np.testing.assert_array_equal(found.energies, dataset.sub_energies)
    with Ledger.open(old.labels) as ledger:
        found = ledger.arrays(dataset.ids, expected["protocol"], dataset.sub_names)
    np.testing.assert_array_equal(found.energies, dataset.sub_energies)
    tree = lineage(old, old.resolve("tiny-water@1"))
    assert tree["inputs"][0]["inputs"][0]["inputs"][0]["ref"] == "pool:tiny-water@1"
    assert any(c.subject == "parallel-bias metadynamics" for c in citations(old.resolve("tiny-water@1"), old.find))


def test_work_goes_on_in_an_old_store(old: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = str(old.path / "reports" / "tiny-water@1" / "recipe.toml")
    assert main(["status", recipe, "--store", str(old.path), "--json"]) == 0
    assert [s["version"] for s in json.loads(capsys.readouterr().out)["stages"]][:2] == [
        "pool:tiny-water@1",
        "selection:tiny-water@1",
    ]
    assert main(["bundle", "tiny-water@1", "--out", str(tmp_path / "b.zip"), "--store", str(old.path)]) == 0
    assert main(["unbundle", str(tmp_path / "b.zip"), "--store", str(tmp_path / "new")]) == 0
    new = Store(tmp_path / "new")
    assert [v.key for v in new.versions()] == [v.key for v in old.versions()]
    assert new.status(new.resolve("tiny-water@1")) == "released"


@pytest.mark.parametrize("what", ["store", "version", "ledger"])
def test_what_is_newer_is_refused_in_one_sentence(
    what: str, old: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    if what == "store":
        (old.path / "nmer-store.json").write_text('{"nmer_store_format": 7}')
    elif what == "version":
        path = old.resolve("tiny-water@1").path
        path.chmod(0o644)
        with h5py.File(path, "r+") as file:
            file.attrs["nmer_format"] = 7
    else:
        with closing(sqlite3.connect(old.labels / "ledger.sqlite")) as database:
            database.execute("PRAGMA user_version = 7")
    recipe = str(old.path / "reports" / "tiny-water@1" / "recipe.toml")
    words = ["status", recipe] if what == "ledger" else ["versions"]
    assert main([*words, "--store", str(old.path)]) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said and "7" in said and "newer" in said
    assert {"store": "old", "version": "potentials/tiny-water/1.h5", "ledger": "ledger.sqlite"}[what] in (
        said.replace("store-format", "old")
    )


def test_an_array_of_objects_or_of_another_file_is_refused(old: Store) -> None:
    version = old.resolve("tiny-water@1")
    version.path.chmod(0o644)
    with h5py.File(version.path, "r+") as file:
        file["pickled"] = np.void(b"\x80\x04\x95 a pickle")
        file["reference"] = file["k"].ref
        file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/k")
        file.create_dataset("raw", (4,), dtype="u1", external=[("/etc/hostname", 0, 4)])
        file.create_group("group")
        file["record"] = np.zeros(2, dtype=[("a", "f8"), ("b", "i4")])
    for name in ("pickled", "reference", "elsewhere", "raw", "group", "record", "nothing"):
        with pytest.raises(InputError, match="not an array of numbers or strings of its own"):
            version.column(name)
        with pytest.raises(InputError, match="not an array of numbers or strings of its own"):
            version.rows(name, 0, 1)


FORBIDDEN = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib", "yaml", "jsonpickle"}


@pytest.mark.parametrize("room", ["storage", "recipes", "potentials"])
def test_nothing_that_is_stored_is_unpickled_or_executed(room: str) -> None:
    """A store may come from a stranger: what reads it knows numbers, strings, JSON and TOML, and no code."""
    for path, text in sources(room).items():
        for node in ast.walk(ast.parse(text)):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name.split(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [(node.module or "").split(".")[0]]
            assert not FORBIDDEN & set(names), f"{path} imports {names}"
            if isinstance(node, ast.Call):
                called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                own = isinstance(node.func, ast.Name)
                assert not (own and called in ("eval", "exec", "compile", "__import__")), f"{path}: {called}"
                assert "allow_pickle" not in {k.arg for k in node.keywords}, f"{path}: allow_pickle"
                plugins = path == "recipes/registry.py" and called == "exec_module"  # of NMER_PLUGINS
                assert plugins or called not in ("load_module", "exec_module", "read_pickle"), f"{path}: {called}"


def test_every_array_of_a_new_store_says_what_it_is(tmp_path: Path) -> None:
    from tests.storage.bundled import small_family
    from tests.storage.test_physics import derived
    from tests.storage.test_trajectories import add_check, add_trajectory, some

    store = small_family(tmp_path)
    with store.writing():
        write_physics(store, "toy", derived())
    add_check(store, add_trajectory(store, [some()], store.resolve("toy@1")))
    decided = {"name": "toy", "molecules": [], "settings": {}, "turn": 1}
    frames = JudgedFrames(np.zeros((2, 3, 3)), *np.zeros((3, 2)))
    with store.writing():
        write_turn(store, decided, {"kept": False}, {"toy": frames}, [store.resolve("toy@1")])
    assert {v.kind for v in store.versions()} == set(KINDS)
    for version in store.versions():
        with h5py.File(version.path) as file:
            for name, array in file.items():
                for attribute in ("unit", "meaning", "source"):
                    assert array.attrs[attribute] not in ("", "not stated"), f"{version.ref}: {name}.{attribute}"
            assert file.attrs["licence"] == "not stated"
            assert file.attrs["creator"].startswith("nmer ")
    cited = str(store.resolve("toy@1").attributes()["citation"])
    assert "parallel-bias metadynamics: " in cited and "CCSD: " in cited and "https://doi.org/" in cited
    assert len(cited.splitlines()) == len(set(cited.splitlines()))
    listed = [c.line() for c in citations(store.resolve("toy@1"), store.find)]
    assert sorted(cited.splitlines()) == sorted(listed)
