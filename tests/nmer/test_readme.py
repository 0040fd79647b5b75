"""The README is executed: its two commands, its command line, and its lines of Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
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


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Run what `make demo` runs once the environment is there: the main job, with real CCSD(T) labels."""
    work = tmp_path_factory.mktemp("demo")
    words = make_would_run("demo").split()
    assert words[0].endswith("bin/nmer")
    done = subprocess.run(
        ["nmer", *words[1:]],
        cwd=work,
        env=environment(work),
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return work, done.stdout.splitlines()


def test_the_readme_has_the_two_commands() -> None:
    assert CONSOLE[:2] == ["make demo", "make test"]
    assert make_would_run("test").endswith("-m pytest -n 2 --dist loadfile")


@pytest.mark.timeout(1600)
def test_demo_prints_what_the_readme_says(demo: tuple[Path, list[str]]) -> None:
    """The README shows the result's lines; figures may differ in the last digits between machines."""
    printed = demo[1]
    assert printed[0] == f"ch3-water@1 is released: 82 terms, in {demo[0] / 'nmer-store'}"
    shown = [line.strip() for kind, text in BLOCKS if kind == "text" for line in text.splitlines()]
    for line in printed[1:3]:
        head = line.strip().split("RMSD")[0]
        assert any(s.startswith(head) for s in shown), f"the README does not show '{head}'"


@pytest.mark.timeout(1600)
def test_every_command_of_the_readme_runs(demo: tuple[Path, list[str]]) -> None:
    work = demo[0]
    commands = [line for line in CONSOLE if line.startswith("nmer ")]
    assert len(commands) >= 8
    for line in commands:
        start = time.monotonic()
        done = subprocess.run(
            line.split(), cwd=work, env=environment(work), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0 and done.stdout, (line, done.stderr)
        if line.startswith("nmer run"):
            assert "everything is there already" in done.stderr
            assert time.monotonic() - start < 60


@pytest.mark.timeout(1600)
def test_three_lines_of_python_get_a_potential(demo: tuple[Path, list[str]]) -> None:
    work = demo[0]
    assert len([line for line in PYTHON[0].splitlines() if line]) == 3
    script = PYTHON[0] + "\nprint(round(energy, 6), gradient.shape)\n"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=work,
        env=environment(work),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("(8, 3)")
