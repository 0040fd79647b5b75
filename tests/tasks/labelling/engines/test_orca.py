"""ORCA's inputs, outputs, and runs: without ORCA, which is licensed, on output of its documented layout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from potentials.errors import InputError
from recipes.protocols import find_protocol
from tasks.labelling.engines.interface import Job
from tasks.labelling.engines.orca import OrcaEngine, write_input
from tasks.labelling.engines.registry import get_engine
from tasks.labelling.execution.runner import Limits, run_label
from tasks.labelling.execution.scratch import sweep_scratch
from tests.conftest import ROOT, until

FILES = Path(__file__).parent / "orca"
GOOD = (FILES / "good.out").read_text()
ATOMS = (("O", (0.0, 0.0, 0.1173)), ("H", (0.0, 0.7572, -0.4692)), ("H", (0.0, -0.7572, -0.4692)))
DIMER = Job(
    "A in AB",
    (*(s for s, _ in ATOMS), "He"),
    (*(x for _, x in ATOMS), (0.2, 0.3, 2.6)),
    (3,),
    0,
    "DLPNO-CCSD(T)",
    "aug-cc-pVTZ",
    memory=4.0,
)
ION = Job("A", ("F",), ((0.0, 0.0, 0.0),), (), -1, "DLPNO-CCSD(T)", "aug-cc-pVTZ", frozen_core=False, memory=1.0)

FAKE = """#!{python}
# Does what it is told in `behave` beside it: prints an output, hangs, fills the memory, or dies.
import json, os, pathlib, subprocess, sys, time
assert pathlib.Path(sys.argv[1]).is_file(), "no such input"
given = pathlib.Path(sys.argv[1]).read_text()
if "NoIter" in given:
    print("Program Version 5.0.4 -  RELEASE  -")
    sys.exit(0)
told = json.loads(pathlib.Path(__file__).with_name("behave").read_text())
pathlib.Path("job.gbw").write_bytes(b"0" * 1000)
print(told["output"], flush=True)
if told["helper"]:  # as ORCA starts orca_mdci
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
time.sleep(told["sleep"])
fill = bytearray(int(told["memory"] * 2**30))
for page in range(0, len(fill), 4096):
    fill[page] = 1
time.sleep(told["sleep"] or (20.0 if fill else 0.0))
sys.exit(told["code"])
"""


@pytest.fixture
def fake_orca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an executable called orca first on the path; return the file that tells it what to do."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "orca"
    program.write_text(FAKE.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    OrcaEngine.version_of.cache_clear()
    return folder / "behave"


def behave(
    file: Path, output: str = GOOD, sleep: float = 0.0, memory: float = 0.0, code: int = 0, helper: bool = False
) -> None:
    told = {"output": output, "sleep": sleep, "memory": memory, "code": code, "helper": helper}
    file.write_text(json.dumps(told))


@pytest.mark.parametrize(("name", "job"), [("dimer", DIMER), ("ion", ION)])
def test_inputs_are_the_golden_ones(name: str, job: Job) -> None:
    assert write_input(job) == (FILES / f"{name}.inp").read_text()


def test_the_papers_keywords_come_from_the_named_protocol() -> None:
    labelling = find_protocol("orca-dlpno-aug-cc-pvtz")
    job = replace(DIMER, method=labelling.method, basis=labelling.basis)
    line = "! DLPNO-CCSD(T) aug-cc-pVTZ aug-cc-pVTZ/C RIJCOSX TightSCF TightPNO PModel"
    assert write_input(job).splitlines()[0] == line


def test_a_good_output_is_read() -> None:
    result = OrcaEngine().parse(DIMER, {"code": 0, "output": GOOD})
    assert (result.status, result.reason) == ("ok", "")
    assert result.energy == pytest.approx(-76.331123509, abs=2e-9)
    assert result.components == {"hf": -76.055469404, "ccsd": -0.268039084, "triples": -0.007615021}
    assert result.t1 == 0.006593126 and result.d1 is None and result.t2 is None
    assert result.triples_fraction == pytest.approx(0.007615021 / 0.275654105)
    assert result.details["electrons"] == 10 and result.details["frozen_orbitals"] == 1
    assert result.details["basis_functions"] == 92


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        (lambda t: t[: t.index("****ORCA")], "failed", "ORCA ended early, with exit code 1"),
        (lambda t: t[: t.index("COUPLED CLUSTER ENERGY")], "failed", "ORCA ended early"),
        (lambda t: "", "failed", "ORCA ended early"),
        (
            lambda t: t.replace("have converged", "have NOT converged"),
            "failed",
            "the coupled-cluster equations did not converge",
        ),
        (
            lambda t: t[: t.index("Frozen core")] + "SCF NOT CONVERGED AFTER 125 CYCLES\n",
            "failed",
            "the SCF did not converge",
        ),
        (
            lambda t: t[: t.index("****ORCA")] + "This wavefunction IS NOT FULLY CONVERGED!",
            "failed",
            "the SCF did not converge",
        ),
        (
            lambda t: t[: t.index("Triples")] + "Error (ORCA_MDCI): not enough memory for computing triples",
            "out-of-memory",
            "ORCA could not get memory",
        ),
        (
            lambda t: t[: t.index("Triples")] + "ORCA finished by error termination in MDCI",
            "failed",
            "error termination in MDCI",
        ),
        (
            lambda t: t.replace("E(CORR)(corrected)", "E(CORR)(something)"),
            "failed",
            "ORCA's output has no ccsd",
        ),
        (lambda t: t.replace("-0.007615021", "-0.107615021"), "failed", "do not add up"),
        (lambda t: t.replace("T1 diagnostic", "T1 of old"), "failed", "has no t1"),
    ],
)
def test_bad_outputs_have_no_energy(change: object, status: str, reason: str) -> None:
    output = change(GOOD)  # type: ignore[operator]
    result = OrcaEngine().parse(DIMER, {"code": 1, "output": output})
    assert (result.status, result.energy) == (status, None)
    assert reason in result.reason


def test_every_beginning_of_an_output_is_a_failed_label() -> None:
    end = GOOD.index("****ORCA TERMINATED NORMALLY****") + len("****ORCA TERMINATED NORMALLY****")
    for cut in range(0, end, 37):
        assert OrcaEngine().parse(DIMER, {"code": 0, "output": GOOD[:cut]}).energy is None


def test_the_executable_is_run_in_a_folder_of_its_own(fake_orca: Path, tmp_path: Path) -> None:
    behave(fake_orca)
    assert get_engine("orca").versions() == {"orca": "5.0.4"}
    scratch = tmp_path / "scratch"
    (entry,) = run_label("orca", [DIMER], Limits(60.0, 2.0), scratch)
    assert entry["status"] == "ok" and entry["energy"] == pytest.approx(-76.331123509, abs=2e-9)
    assert not list(scratch.iterdir())


@pytest.mark.parametrize(
    ("told", "limits", "status", "reason"),
    [
        ({"sleep": 30.0}, Limits(3.0, 2.0), "timeout", "took longer than 3 s"),
        ({"memory": 1.5}, Limits(60.0, 1.0), "out-of-memory", "used more than 1 GiB"),
        ({"output": "ORCA finished by error", "code": 25}, Limits(60.0, 2.0), "failed", "exit code 25"),
    ],
)
def test_limits_hold_for_the_program(
    told: dict[str, float], limits: Limits, status: str, reason: str, fake_orca: Path, tmp_path: Path
) -> None:
    behave(fake_orca, **told)  # type: ignore[arg-type]
    scratch = tmp_path / "scratch"
    (entry,) = run_label("orca", [DIMER], limits, scratch)
    assert entry["status"] == status and reason in entry["reason"]
    assert not list(scratch.iterdir())


def test_a_killed_worker_leaves_no_program_behind(fake_orca: Path, tmp_path: Path) -> None:
    behave(fake_orca, sleep=100.0, helper=True)
    scratch = tmp_path / "scratch"
    code = (
        "import pathlib, sys\n"
        "from tests.tasks.labelling.engines.test_orca import DIMER, Limits, run_label\n"
        "list(run_label('orca', [DIMER], Limits(100.0, 2.0), pathlib.Path(sys.argv[1])))\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", code, str(scratch)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    children = psutil.Process(worker.pid).children
    assert until(lambda: len(children(recursive=True)) == 3)  # the engine's process, the program, its helper
    family = children(recursive=True)
    worker.kill()
    worker.wait()
    _, alive = psutil.wait_procs(family[:2], timeout=10)
    assert not alive
    sweep_scratch(scratch)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    assert not list(scratch.iterdir())


def test_another_program_of_that_name_is_not_orca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = tmp_path / "orca"
    reader.write_text("#!/bin/sh\necho 43.1\n")
    reader.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    OrcaEngine.version_of.cache_clear()
    with pytest.raises(InputError, match=r"'.*orca' is another program of that name"):
        get_engine("orca")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        InputError, match=r"labelling\.engine 'orca' needs the program orca, which is not on the path"
    ):
        get_engine("orca")
