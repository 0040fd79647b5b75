"""Commands about an installation: doctor, completion."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from nmer.cli.options import Json, StorePath
from nmer.cli.output import print_json, print_rows
from nmer.cli.packages import required
from potentials.errors import InputError

LEAST_DISK = 2.0
"""GB below which a run can fill the disk: the pool and the labels of one n-mer, with their temporary files."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    topic, name
        What was checked.
    state
        ``ok``; ``note``: something optional is missing; ``problem``: something has to be changed.
    found
        The value found: a version, a folder, a number with its unit.
    advice
        What to change; empty if nothing.
    """

    topic: str
    name: str
    state: str
    found: str
    advice: str = ""


def doctor(*, store: StorePath = None, json: Json = False) -> int:
    """Check packages, engines, threads, disk, caches and batch systems, and suggest changes.

    A note names something optional that is missing, and how to install it. A problem makes commands fail or slow;
    the exit code is then 1. No engine is run.

    Examples
    --------
    nmer doctor
    """
    findings = [*_python(), *_packages(), *_engines(), *_threads(), *_folders(store), *_caches(), *_machines()]
    problems = sum(one.state == "problem" for one in findings)
    code = 1 if problems else 0
    if json:
        return print_json({"problems": problems, "findings": [asdict(one) for one in findings]}, code)
    print_rows(map(vars, findings), {"topic": "topic", "what": "name", "state": "state", "found": "found"})
    for state in ("note", "problem"):
        for one in findings:
            if one.state == state and one.advice:
                print(f"{state}: {one.name}: {one.advice}")
    print(f"{problems} problems" if problems else "no problem was found")
    return code


def _python() -> Iterator[Finding]:
    yield Finding("Python", "python", "ok", f"{platform.python_version()}, {sys.executable}")
    yield Finding("Python", "platform", "ok", platform.platform())


def _packages() -> Iterator[Finding]:
    """Yield the version of nmer and of each package that it needs, and the missing packages of each extra."""
    yield Finding("packages", "nmer", "ok", version("nmer"))
    missing: dict[str, list[str]] = {}
    for package, extra in required().items():
        try:
            yield Finding("packages", package, "ok", version(package))
        except PackageNotFoundError:
            missing.setdefault(extra, []).append(package)
    for extra, packages in missing.items():
        install = f"pip install 'nmer[{extra}]'" if extra else "pip install nmer"
        state = "note" if extra else "problem"
        yield Finding("packages", extra or "nmer", state, f"without {', '.join(packages)}", install)


def _engines() -> Iterator[Finding]:
    from recipes.engines import ENGINES
    from tasks.labelling.engines.registry import new_engine

    for engine in map(new_engine, ENGINES.names()):
        if (lacking := engine.available()) is not None:
            yield Finding("engines", engine.name, "note", "not installed", lacking)
        else:
            yield Finding(
                "engines", engine.name, "ok", ", ".join(f"{k} {v}" for k, v in engine.versions().items())
            )


def _threads() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("threads", "cores", "ok", f"{cores} of {os.cpu_count()} that this process may use")
    for name in THREADS:
        if (value := os.environ.get(name)) is None:
            continue
        if value.isdigit() and 1 <= int(value) <= cores:
            yield Finding("threads", name, "ok", value)
        else:
            advice = f"set {name} to a number from 1 to {cores}, or unset it: workers set their own threads"
            yield Finding("threads", name, "problem", value, advice)


def _folders(store: str | None) -> Iterator[Finding]:
    from storage.file_system import is_network, kind_of
    from storage.store import default_store

    for name, folder, setting in (
        ("store", Path(store or default_store()), "give another folder with --store or NMER_STORE"),
        ("temporary folder", Path(tempfile.gettempdir()), "set TMPDIR to another folder"),
    ):
        whole = folder.absolute()
        there = next(path for path in (whole, *whole.parents) if path.exists())
        free, kind = shutil.disk_usage(there).free / 1e9, kind_of(there)
        found = f"{folder}: {free:.0f} GB free{f', {kind}' if kind else ''}"
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            yield Finding("disk", name, "problem", found, f"it cannot be written to; {setting}")
        elif free < LEAST_DISK:
            yield Finding("disk", name, "problem", found, f"less than {LEAST_DISK:g} GB is free; {setting}")
        elif name == "store" and is_network(kind):
            advice = "labels are written more slowly than on a local disk; see docs/machines.md"
            yield Finding("disk", name, "note", found, advice)
        else:
            yield Finding("disk", name, "ok", found)


def _caches() -> Iterator[Finding]:
    """Yield the folders of compiled code and of Prefect's database."""
    from deploy.environment import prefect_home
    from potentials.compiled import cache_folder

    compiled = "each command compiles its code again; set NUMBA_CACHE_DIR to a folder that only you can write to"
    for name, folder, advice in (
        ("numba", cache_folder(), compiled),
        ("Prefect", prefect_home(), "set PREFECT_HOME to a folder"),
    ):
        if folder is None:
            yield Finding("caches", name, "problem", "no folder can be written to", advice)
        else:
            yield Finding("caches", name, "ok", str(folder))


def _machines() -> Iterator[Finding]:
    """Yield each machine profile, and what it needs; a missing batch system is a note, not a problem."""
    from deploy.needs import what_is_missing
    from deploy.profiles import machine_files, read_machine

    for name, path in machine_files().items():
        try:
            lacking = what_is_missing(read_machine(path))
        except ValueError as error:
            yield Finding("machines", name, "problem", str(path), f"the profile is invalid: {error}")
        else:
            yield Finding("machines", name, "note" if lacking else "ok", str(path), lacking or "")


def completion(
    shell: Literal["bash", "zsh", "fish", "powershell"] | None = None,
    *,
    out: Path | None = None,
    json: Json = False,
) -> int:
    """Install completion of commands and options for your shell; restart the shell afterwards.

    Without --out, the shell's start file is changed too if it has to name the file.

    Parameters
    ----------
    shell
        Default: the current shell.
    out
        File to write; default: the shell's own place for it.

    Examples
    --------
    nmer completion bash
    """
    from cyclopts.completion import ShellDetectionError

    from nmer.cli.main import application

    try:
        path = application().install_completion(shell=shell, output=out, add_to_startup=out is None)
    except ShellDetectionError:
        raise InputError(
            "your shell is not recognized; name it: nmer completion bash, zsh, fish, or powershell"
        ) from None
    if json:
        return print_json({"file": str(path)})
    print(path)
    return 0
