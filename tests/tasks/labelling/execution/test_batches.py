"""Labels that share a process: what one of them does to its neighbours, which is nothing."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from recipes.engines import LabelCost
from storage.spool import read_spool, spool_files
from tasks.labelling.engines.interface import Job
from tasks.labelling.execution import worker
from tasks.labelling.execution.dispatch import batch_size, batches, labels_together
from tasks.labelling.execution.runner import Limits, run_labels
from tasks.labelling.execution.worker import LabelTask, LabelWork, run_task
from tasks.labelling.protocol import protocol_of
from tests.tasks.labelling.execution.test_dispatch import DIMER, distances
from tests.tasks.labelling.instant.instant import DEADLY, DEADLY_ONCE, GREEDY, HANGING, PROGRAM, SETTINGS, SLOW

pytestmark = pytest.mark.usefixtures("instant")
LIMITS = Limits(timeout=20.0, memory=1.0)


def jobs(values: list[float]) -> list[list[Job]]:
    """Return the jobs of helium-neon labels at some distances, Angstrom."""
    protocol = protocol_of(DIMER, SETTINGS)
    return [protocol.jobs(xyz, protocol.parts, 1.0) for xyz in distances(values)]


def run(values: list[float], folder: Path, limits: Limits = LIMITS) -> list[list[tuple[str, str]]]:
    """Return the (part, status) of each label, in the order in which they ended."""
    found: list[list[tuple[str, str]]] = [[] for _ in values]
    scratch = folder / "scratch"
    for group in run_labels("instant", jobs(values), limits, scratch):
        for place, entry in group:
            found[place].append((entry["part"], entry["status"]))
    assert not list(scratch.iterdir())
    return found


GOOD = [("AB", "ok"), ("A", "ok"), ("B", "ok")]


def test_many_labels_come_from_one_process(tmp_path: Path) -> None:
    found = run([3.0 + 0.01 * n for n in range(300)], tmp_path)
    assert found == [GOOD] * 300


def test_each_misbehaviour_costs_only_its_own_label(tmp_path: Path) -> None:
    found = run([3.0, DEADLY, 3.1, GREEDY, 3.2, HANGING, 3.3], tmp_path, Limits(timeout=2.0, memory=0.3))
    bad = [[("AB", "failed")], [("AB", "out-of-memory")], [("AB", "timeout")]]
    assert found == [GOOD, bad[0], GOOD, bad[1], GOOD, bad[2], GOOD]


@pytest.mark.parametrize(("limits", "status"), [((20.0, 0.3), "out-of-memory"), ((1.5, 3.0), "timeout")])
def test_programs_that_an_engine_starts_are_within_its_limits(
    tmp_path: Path, limits: tuple[float, float], status: str
) -> None:
    assert run([3.0, PROGRAM, 3.1], tmp_path, Limits(*limits)) == [GOOD, [("AB", status)], GOOD]
    alive = [p.pid for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or [])]
    assert not alive, "the program is gone, although it had left the process group"


def test_a_label_is_not_blamed_for_what_happened_before_it(tmp_path: Path) -> None:
    assert run([3.0, DEADLY_ONCE, 3.1, DEADLY_ONCE + 1, 3.2], tmp_path / "a") == [GOOD] * 5
    # at the head of its process there is nobody else to blame, but somebody may have killed it from outside
    assert run([DEADLY_ONCE + 2, 3.0], tmp_path / "b") == [GOOD] * 2
    assert run([DEADLY, 3.0], tmp_path / "c") == [[("AB", "failed")], GOOD]


def test_the_time_limit_is_that_of_each_label(tmp_path: Path) -> None:
    values = [SLOW + n for n in range(60)]
    start = time.monotonic()
    assert run(values, tmp_path, Limits(timeout=1.0, memory=1.0)) == [GOOD] * 60
    assert time.monotonic() - start > 0.6  # many within a limit that is not theirs together


def test_what_a_label_has_is_not_computed_again_after_a_crash(tmp_path: Path) -> None:
    both = jobs([3.0, 3.1])
    crash = jobs([DEADLY_ONCE + 3])[0][0]
    both[1][2] = replace(crash, part="B")
    groups = list(run_labels("instant", both, LIMITS, tmp_path))
    ended = [(place, entry["part"], entry["status"]) for group in groups for place, entry in group]
    assert ended == [(place, part, "ok") for place in (0, 1) for part in ("AB", "A", "B")]


def task(values: list[float], folder: Path) -> LabelTask:
    labels = tuple(LabelWork(f"c{n}", tuple(one)) for n, one in enumerate(jobs(values)))
    return LabelTask(labels, "p", "instant", "He + Ne", LIMITS, folder / "spool", folder / "scratch")


def test_every_part_is_a_line_of_the_spool(tmp_path: Path) -> None:
    finished = run_task(task([3.0, DEADLY, 3.1], tmp_path))
    (path,) = spool_files(tmp_path / "spool")
    lines = read_spool(path).entries
    assert list(lines) == finished.entries and finished.error is None
    assert finished.seen is not None and (finished.seen.file, finished.seen.start) == (path.name, 0)
    assert finished.seen.end == path.stat().st_size
    assert Counter(line["configuration"] for line in lines) == {"c0": 3, "c1": 1, "c2": 3}
    assert {line["system"] for line in lines} == {"He + Ne"}
    again = run_task(task([3.2], tmp_path))
    assert again.seen is not None and again.seen.start == finished.seen.end


def test_a_spool_that_cannot_be_written_loses_nothing_that_was_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, entries: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(worker, "open_spools", {})
    monkeypatch.setattr("storage.spool.SpoolWriter.extend", full)
    finished = run_task(task([3.0, HANGING], tmp_path))
    assert isinstance(finished.error, OSError) and finished.seen is None
    assert [entry["part"] for entry in finished.entries] in (["AB"], ["AB", "A"], ["AB", "A", "B"])
    assert not list((tmp_path / "scratch").iterdir())


def test_labels_that_take_less_than_the_start_of_a_process_share_it() -> None:
    assert [labels_together(4, LabelCost(seconds, 1.0)) for seconds in (0.0, 0.1, 2.0, 60.0)] == [200, 100, 5, 4]
    assert labels_together(1, LabelCost(0.1, 1.0)) == 1, "labels of this engine share no process"
    assert labels_together(200, LabelCost(5.0, 1.0)) == 200
    assert labels_together(4, None) == 4


def test_groups_grow_once_it_is_known_what_a_label_costs() -> None:
    known: list[LabelCost | None] = [None, None, LabelCost(0.1, 1.0)]

    def measured() -> LabelCost | None:
        return known.pop(0) if len(known) > 1 else known[0]

    wanted = [str(n) for n in range(500)]
    groups = list(batches(wanted, 4, 2, measured))
    assert [name for group in groups for name in group] == wanted
    assert [len(group) for group in groups] == [4, 4, 4, 100, 100, 100, 100, 88]
    assert [len(group) for group in batches(wanted[:9], 1, 2, measured)] == [1] * 9


def test_every_core_has_its_share_of_a_small_run() -> None:
    assert batch_size(1, 40_000, 16) == 1
    assert batch_size(200, 40_000, 16) == 200
    assert batch_size(200, 120, 16) == 8
    assert batch_size(200, 3, 16) == 1
    assert batch_size(200, 100, 0) == 100
    assert batch_size(200, 0, 4) == 1
