"""The command that improves potentials: what it refuses, and that it survives being killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from storage.contents import potential_from_version
from storage.store import Store
from tasks.improving.record import read_turns
from tests.conftest import call, spooled
from tests.tasks.improving.pool import improvable_store


def test_mistakes_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path / "store", create=True)
    here = ("--store", store.path)
    said = {
        ("improve", "polyalanin", *here): "is neither a family (polyalanine, polyalanine-water, water) nor",
        ("improve", "ch3@1", *here): "'ch3@1' is not in the store",
        ("improve", "ch3@1", "--molecule", "AceAlaNme", *here): "--molecule is for a family",
        ("improve", "polyalanine", "--turns", "0", *here): "--turns is 0; allowed: 1 or more",
        ("improve", "polyalanine", "--budget", "0", *here): "--budget is 0; allowed: core-hours above 0",
        ("improve", "polyalanine", "--budget", "nan", *here): "--budget is nan; allowed: core-hours above 0",
        ("improve", "polyalanine", "--picks", "0", *here): "--picks: input should be greater than or equal to 1",
        ("improve", "polyalanine", "--temperature", "1", *here): "--temperatures",
        ("improve", "polyalanine", "--replicas", "1", *here): "greater than or equal to 2",
        ("improve", "polyalanine", "--store", tmp_path / "none"): "there is no store at",
    }
    for words, sentence in said.items():
        code, out, error = call(capsys, *words)
        assert code == 2 and not out, words
        assert sentence in error and len(error.splitlines()) == 1, error
    assert not any((store.path / name).exists() for name in ("turns", "scratch", "reports"))


@pytest.mark.slow
def test_a_command_that_is_killed_again_and_again_computes_nothing_twice(tmp_path: Path) -> None:
    store, _ = improvable_store(tmp_path / "store")
    whole, _ = improvable_store(tmp_path / "whole")
    options = ["--turns", "2", "--picks", "30", "--judged", "20", "--json"]

    def words(where: Path) -> list[str]:
        return [str(Path(sys.executable).with_name("nmer")), "improve", "ch3@1", *options, "--store", str(where)]

    done = subprocess.run(words(whole.path), capture_output=True, text=True, check=False)
    kept = any(turn["kept"] for turn in json.loads(done.stdout)["turns"])
    assert done.returncode == (0 if kept else 1), done.stderr
    kills = 0
    for count in (5, 30, 60):  # labels in the spool, beyond those of the potential
        before = len(spooled(store.path))
        process = subprocess.Popen(words(store.path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(spooled(store.path)) < before + count:
            time.sleep(0.02)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills >= 2
    again = subprocess.run(words(store.path), capture_output=True, text=True, check=False)
    assert again.returncode == done.returncode, again.stderr
    assert max(Counter(spooled(store.path)).values()) == 1
    assert sorted(spooled(store.path)) == sorted(spooled(whole.path))
    one, two = (read_turns(Store(path), "ch3") for path in (store.path, whole.path))
    assert [turn.version.key for turn in one] == [turn.version.key for turn in two] and len(one) == 2
    refs = [[v.ref for v in Store(path).versions()] for path in (store.path, whole.path)]
    assert refs[0] == refs[1]
    for turn in one:
        for ref in turn.accepted:
            both = [potential_from_version(Store(p).resolve(ref), "candidate") for p in (store.path, whole.path)]
            assert (both[0].coefficients == both[1].coefficients).all()
