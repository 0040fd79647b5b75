"""The README is executed: its two commands, its command line, and its lines of Python.

Every day over the tiny recipe; those marked slow run the README's own job, with real CCSD(T) labels.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
CONSOLE = [line for kind, text in BLOCKS if kind == "console" for line in text.splitlines()]
PYTHON = [text for kind, text in BLOCKS if kind == "python"]


def environment(work: Path) -> dict[str, str]:
    folder = str(Path(sys.executable).parent)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "NMER_STORE": str(work / "nmer-store")}


def make_would_run(target: str) -> str:
    """Return the last command of a make target once the environment is there."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    words = ["make", "--dry-run", "--no-print-directory", "--assume-old=.venv/.ready", target]
    done = subprocess.run(words, cwd=ROOT, env=clean, capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


def ran(words: list[str], work: Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        words, cwd=work, env=environment(work), capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, (words, done.stderr)
    return done


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Run what `make demo` runs once the environment is there: the main job, with real CCSD(T) labels."""
    work = tmp_path_factory.mktemp("demo")
    words = make_would_run("demo").split()
    assert words[0].endswith("bin/nmer")
    return work, ran(["nmer", *words[1:]], work, 1500).stdout.splitlines()


@pytest.fixture(
    scope="module", params=["tiny", pytest.param("demo", marks=[pytest.mark.slow, pytest.mark.timeout(1600)])]
)
def job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """Return a folder whose store has a run's versions, the recipe's words, and its name."""
    if request.param == "demo":
        return request.getfixturevalue("demo")[0], "ch3-water --preset smoke", "ch3-water"
    work = tmp_path_factory.mktemp("tiny")
    shutil.copytree(request.getfixturevalue("tiny_run")[0], work / "nmer-store")
    return work, str(request.getfixturevalue("tiny_recipe")), "tiny-water"


def test_the_readme_has_the_two_commands() -> None:
    assert CONSOLE[:2] == ["make demo", "make test"]
    assert make_would_run("test").endswith("-m pytest -n 2 --dist loadfile")


@pytest.mark.slow
@pytest.mark.timeout(1600)
def test_demo_prints_what_the_readme_says(demo: tuple[Path, list[str]]) -> None:
    """The README shows the result's lines; figures may differ in the last digits between machines."""
    printed = demo[1]
    assert printed[0] == f"ch3-water@1 is released: 82 terms, in {demo[0] / 'nmer-store'}"
    shown = [line.strip() for kind, text in BLOCKS if kind == "text" for line in text.splitlines()]
    for line in printed[1:3]:
        head = line.strip().split("RMSD")[0]
        assert any(s.startswith(head) for s in shown), f"the README does not show '{head}'"


def test_every_command_of_the_readme_runs(job: tuple[Path, str, str]) -> None:
    work, recipe, name = job
    commands = [line for line in CONSOLE if line.startswith("nmer ")]
    assert len(commands) >= 8
    for line in commands:
        words = line.replace("ch3-water --preset smoke", recipe).replace("ch3-water@", f"{name}@").split()
        done = ran(words, work)
        assert done.stdout, words
        if line.startswith("nmer run"):
            assert "everything is there already" in done.stderr


def test_three_lines_of_python_get_a_potential(job: tuple[Path, str, str]) -> None:
    work, _, name = job
    assert len([line for line in PYTHON[0].splitlines() if line]) == 3
    script = PYTHON[0].replace("ch3-water@", f"{name}@") + "\nprint(round(energy, 6), gradient.shape)\n"
    assert ran([sys.executable, "-c", script], work).stdout.strip().endswith("(8, 3)")
