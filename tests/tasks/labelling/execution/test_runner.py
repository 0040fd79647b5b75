"""The process of a label: its limits, its death, and what is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tasks.labelling.engines.interface import Job
from tasks.labelling.execution.process import child_environment
from tasks.labelling.execution.runner import Limits, run_label
from tasks.labelling.execution.scratch import sweep_scratch
from tests.conftest import ROOT

WIDE = Limits(timeout=120.0, memory=3.0)
QUICK = Job("AB", ("He",), ((0.0, 0.0, 0.0),), (), 0, "HF", "sto-3g", memory=1.0)
RING = tuple((4.0 * i, 1.0 * (i % 3), 0.7 * (i % 5)) for i in range(30))
LONG = Job("A in AB", ("Ne",) * 30, RING, (), 0, "CCSD(T)", "aug-cc-pVDZ", memory=3.0)
"""More than a minute."""
LASTING = replace(LONG, part="AB", symbols=("Ne",) * 3, positions=RING[:3])
"""Seconds."""
GREEDY = Job("A in AB", ("Ne",) * 10, RING[:10], (), 0, "HF", "aug-cc-pVDZ", memory=16.0)
"""More than a GiB within seconds."""


def children() -> list[psutil.Process]:
    """Return the labels' processes of this test process; others may be testing beside it."""
    alive = [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]
    return [p for p in alive if "tasks.labelling.execution.child" in p.cmdline()]


def test_results_come_in_order_and_nothing_is_left(tmp_path: Path) -> None:
    entries = list(run_label("pyscf", [QUICK, replace(QUICK, part="B in AB", symbols=("Ne",))], WIDE, tmp_path))
    assert [(e["part"], e["status"]) for e in entries] == [("AB", "ok"), ("B in AB", "ok")]
    assert entries[0]["energy"] == pytest.approx(-2.8077839575, abs=1e-8)
    assert 0.3 < entries[0]["cpu_seconds"] < 60 and 0.05 < entries[0]["memory"] < 1.0
    assert entries[1]["cpu_seconds"] < entries[0]["cpu_seconds"]  # the start is counted once
    assert not list(tmp_path.iterdir())
    assert not children()


def test_the_rest_of_a_failed_label_is_not_computed(tmp_path: Path) -> None:
    bad = replace(QUICK, charge=1)
    entries = list(run_label("pyscf", [bad, replace(QUICK, part="B in AB")], WIDE, tmp_path))
    assert [(e["part"], e["status"]) for e in entries] == [("AB", "failed")]


def test_timeout_keeps_what_was_done(tmp_path: Path) -> None:
    entries = list(run_label("pyscf", [QUICK, LONG], Limits(timeout=10.0, memory=3.0), tmp_path))
    assert [(e["part"], e["status"]) for e in entries] == [("AB", "ok"), ("A in AB", "timeout")]
    assert entries[1]["reason"] == "took longer than 10 s"
    assert not children()
    assert not list(tmp_path.iterdir())


def test_out_of_memory_ends_as_such(tmp_path: Path) -> None:
    entries = list(run_label("pyscf", [QUICK, GREEDY], Limits(timeout=60.0, memory=0.25), tmp_path))
    assert [(e["part"], e["status"]) for e in entries] == [("AB", "ok"), ("A in AB", "out-of-memory")]
    assert entries[1]["reason"] == "used more than 0.25 GiB"
    assert not list(tmp_path.iterdir())


@contextmanager
def killing(times: int) -> Iterator[list[int]]:
    """Kill labels' processes that are at work, one after the other."""
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while len(killed) < times and not over.wait(0.01):
            with suppress(psutil.Error):
                for process in children():
                    if process.pid not in killed and sum(process.cpu_times()[:2]) > 0.5:
                        process.send_signal(signal.SIGKILL)
                        killed.append(process.pid)

    other = threading.Thread(target=kill)
    other.start()
    yield killed
    over.set()
    other.join(timeout=60)


def test_a_label_whose_process_is_killed_is_tried_once_more(tmp_path: Path) -> None:
    with killing(1) as killed:
        entries = list(run_label("pyscf", [QUICK, LASTING], WIDE, tmp_path))
    assert len(killed) == 1
    assert [(e["part"], e["status"]) for e in entries] == [(QUICK.part, "ok"), (LASTING.part, "ok")]


def test_a_label_whose_process_is_killed_again_has_failed(tmp_path: Path) -> None:
    with killing(2) as killed:
        (entry,) = run_label("pyscf", [LONG], WIDE, tmp_path)
    assert len(killed) == 2
    assert (entry["part"], entry["status"]) == ("A in AB", "failed")
    assert "SIGKILL" in entry["reason"]


@pytest.mark.parametrize("begun", [True, False])
def test_a_batch_system_that_asks_every_process_to_end_makes_no_failed_label(tmp_path: Path, begun: bool) -> None:
    asked: list[int] = []
    over = threading.Event()

    def ask() -> None:
        while not asked and not over.is_set():
            with suppress(psutil.Error):
                for process in children():
                    if begun == (sum(process.cpu_times()[:2]) > 0.5):
                        process.send_signal(signal.SIGTERM)
                        asked.append(process.pid)

    other = threading.Thread(target=ask)
    other.start()
    entries = list(run_label("pyscf", [LASTING if begun else QUICK], WIDE, tmp_path))
    over.set()
    other.join(timeout=60)
    assert asked and [(e["part"], e["status"]) for e in entries] == [("AB", "ok")]


def test_an_unknown_engine_is_a_failed_label_with_the_last_words(tmp_path: Path) -> None:
    (entry,) = list(run_label("gamess", [QUICK], WIDE, tmp_path))
    assert entry["status"] == "failed"
    assert "exit code 1" in entry["reason"] and "gamess" in entry["reason"]


def test_giving_up_ends_the_process(tmp_path: Path) -> None:
    running = run_label("pyscf", [QUICK, LONG], WIDE, tmp_path)
    next(running)
    assert len(children()) == 1
    running.close()
    assert not children()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the process looks for its parent once a second")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_process_dies_with_its_parent_and_its_scratch_is_swept(tmp_path: Path, how: signal.Signals) -> None:
    code = (
        "import sys, pathlib\n"
        "from tests.tasks.labelling.execution.test_runner import LONG, QUICK, WIDE\n"
        "from tasks.labelling.execution.runner import run_label\n"
        "for entry in run_label('pyscf', [QUICK, LONG], WIDE, pathlib.Path(sys.argv[1])):\n"
        "    print(entry['part'], flush=True)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, env=environment, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"AB\n"
    mine = psutil.Process(parent.pid).children()
    assert len(mine) == 1
    parent.send_signal(how)
    parent.communicate(timeout=30)
    _, alive = psutil.wait_procs(mine, timeout=10)
    assert not alive
    assert list(tmp_path.iterdir())
    sweep_scratch(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_of_the_same_name_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = tmp_path / "tasks" / "labelling"
    stranger.mkdir(parents=True)
    (stranger / "child.py").write_text("raise SystemExit('the wrong house')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (entry,) = list(run_label("pyscf", [QUICK], WIDE, tmp_path / "scratch"))
    assert entry["status"] == "ok", entry
    assert child_environment(tmp_path)["PYTHONSAFEPATH"] == "1"
