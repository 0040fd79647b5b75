"""Compiled code is kept where that is possible, and no command fails where it is not."""

from __future__ import annotations

import ast
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOMS, ROOT, sources

EVALUATE = """
import numpy as np
from potentials.nmers.switching import Switching
x = np.zeros((1, 2, 3)); x[0, 0, 0] = 5.0
print(Switching((0, 1), 4.0, 6.0).evaluate(x)[0][0])
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an installation that numba cannot write to, not even as root: its folders' caches are files."""
    house = tmp_path_factory.mktemp("installed")
    for room in ROOMS:
        shutil.copytree(ROOT / room, house / room, ignore=shutil.ignore_patterns("__pycache__"))
        for folder in [house / room, *(p for p in (house / room).rglob("*") if p.is_dir())]:
            (folder / "__pycache__").write_text("")
    return house


def run(house: Path, temporary: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run Python with nothing to write to but a temporary folder."""
    nowhere = "/dev/null/x"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NMER_", "NUMBA_"))} | {
        "PYTHONPATH": str(house), "HOME": nowhere, "XDG_CACHE_HOME": nowhere, "NUMBA_CACHE_DIR": nowhere,
        "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-P", *words],
        cwd=temporary,
        env=environment | more,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_folder_of_the_users_own_takes_the_place(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "-c", EVALUATE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0.5\n", "")
    (folder,) = tmp_path.iterdir()
    assert folder.name == f"nmer-numba-{os.getuid()}" and stat.S_IMODE(folder.stat().st_mode) == 0o700
    kept = {path: path.stat().st_mtime_ns for path in folder.rglob("*.nb?")}
    assert len(kept) >= 2
    again = run(installed, tmp_path, "-c", EVALUATE)
    assert (again.returncode, again.stdout, again.stderr) == (0, "0.5\n", "")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.nb?")} == kept  # it was read, not made anew


def test_commands_work(installed: Path, tmp_path: Path) -> None:
    for words in (["protocols"], ["plan", "ch3-water", "--preset", "smoke"], ["show", "ch3-water", "--cvs"]):
        done = run(installed, tmp_path, "-m", "nmer.cli.main", *words)
        assert done.returncode == 0 and done.stdout and "numba" not in done.stderr, done.stderr


@pytest.mark.parametrize("kind", ["link", "file", "open to others"])
def test_a_folder_that_is_not_only_the_users_is_not_taken(kind: str, installed: Path, tmp_path: Path) -> None:
    """Compiled code is run as it is found; one remark, in children too, and everything works without."""
    folder, elsewhere = tmp_path / f"nmer-numba-{os.getuid()}", tmp_path / "elsewhere"
    elsewhere.mkdir()
    if kind == "link":
        folder.symlink_to(elsewhere)
    elif kind == "file":
        folder.write_text("")
    else:
        folder.mkdir()
        folder.chmod(0o777)
    child = (
        f"import subprocess, sys; {EVALUATE.strip()!r}; subprocess.run([sys.executable, '-P', '-c', {EVALUATE!r}])"
    )
    done = run(installed, tmp_path, "-c", f"{EVALUATE}\n{child}")
    assert done.returncode == 0 and sorted(done.stdout.split()) == ["0.5", "0.5"]
    assert done.stderr.count("note: compiled code cannot be kept") == 1 and done.stderr.count("\n") == 1
    assert not list(elsewhere.iterdir()) and (not folder.is_dir() or not list(folder.iterdir()))


@pytest.mark.parametrize("damage", [b"", b"numba", b"\x80\x05X\xff\xff\xff\x7f"])
def test_a_damaged_cache_is_made_anew(damage: bytes, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert run(ROOT, tmp_path, "-c", EVALUATE, NUMBA_CACHE_DIR=str(cache)).stdout == "0.5\n"
    kept = list(cache.rglob("*_switch*.nb?"))
    assert kept
    for path in kept:
        path.write_bytes(damage)
    done = run(ROOT, tmp_path, "-c", EVALUATE, NUMBA_CACHE_DIR=str(cache))
    assert (done.returncode, done.stdout, done.stderr) == (0, "0.5\n", "")
    assert any(path.read_bytes() != damage for path in cache.rglob("*_switch*.nbi"))


def test_a_function_for_c_is_compiled_without_a_cache(installed: Path, tmp_path: Path) -> None:
    done = run(
        installed,
        tmp_path,
        "-c",
        "from tasks.bias.kernel import lammps_callback as f; print(f.address > 0)",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_nothing_else_asks_numba_for_a_cache() -> None:
    for path, text in sources().items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module == "numba":
                names = {alias.name for alias in node.names}
                assert not names & {"njit", "jit", "cfunc", "vectorize", "guvectorize"}, path


def test_code_of_a_function_called_from_another_file_is_not_used_after_a_change(tmp_path: Path) -> None:
    head = "from potentials.compiled import njit\n"
    inner, outer = tmp_path / "inner_of_it.py", tmp_path / "outer_of_it.py"
    outer.write_text(
        f"{head}from inner_of_it import add\n@njit(cache=True)\ndef twice(x):\n    return 2 * add(x)\n"
    )
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from outer_of_it import twice; print(twice(1))"
    for step in (1, 10):
        inner.write_text(f"{head}@njit(cache=True)\ndef add(x):\n    return x + {step}\n")
        done = run(ROOT, tmp_path, "-c", program, NUMBA_CACHE_DIR=str(tmp_path / "cache"))
        assert (done.stdout, done.stderr) == (f"{2 * (1 + step)}\n", "")
    assert list((tmp_path / "cache").rglob("*twice*.nbc"))
