"""Walkers that share hills: the bias of each is the sum of its own and of those that it has read so far."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from potentials.errors import InputError
from tasks.bias.hills_file import HillsReader, write_hills
from tasks.bias.metad import MetaDBias
from tasks.bias.metad_hills import from_table, to_table
from tasks.bias.shared_hills import SharedHills
from tests.tasks.bias.walker import CVS, HEADS, SETTINGS, STEPS, run


def plain_sum(hills: np.ndarray, s: np.ndarray) -> float:
    """The sum of stretched Gaussians, written independently of the kernel."""
    apart = np.angle(np.exp(1j * (s - hills[:, 2:-1]))) / np.array(SETTINGS.sigma)
    half = 0.5 * (apart**2).sum(axis=1)
    bell = (np.exp(-half) - np.exp(-6.25)) / (1 - np.exp(-6.25))
    return float((hills[:, -1] * np.where(half < 6.25, bell, 0.0)).sum())


def check_walkers(folder: Path, walkers: int) -> list[int]:
    """Check every checkpoint against the files; return how many hills each walker has of the others."""
    files = [HillsReader(folder / "hills" / f"HILLS.{n}", HEADS).more() for n in range(walkers)]
    written = [from_table(SETTINGS, table, n) for n, table in enumerate(files)]
    foreign = []
    for own in range(walkers):
        saved = np.load(folder / f"checkpoint{own}.npz")
        hills = saved["hills"]
        mine = hills[hills[:, 0] == own]
        np.testing.assert_allclose(mine[: len(written[own])], written[own], rtol=1e-14)
        due = np.arange(1, int(saved["done"]) * STEPS + 1)
        np.testing.assert_array_equal(mine[:, 1], due[due % SETTINGS.pace == 0])  # each once, none missing
        for other in set(range(walkers)) - {own}:
            theirs = hills[hills[:, 0] == other]
            np.testing.assert_allclose(theirs, written[other][: len(theirs)], rtol=1e-14)
            with (folder / "hills" / f"HILLS.{other}").open("rb") as file:
                rows = [r for r in file.read(int(saved["read"][other])).splitlines() if not r.startswith(b"#")]
            assert len(rows) == len(theirs)
        bias = MetaDBias(SETTINGS, CVS, 5, walker=own)
        bias.add(hills)
        for s in np.random.default_rng(own).uniform(-np.pi, np.pi, (20, 2)):
            assert bias.at(s)[0] == pytest.approx(plain_sum(hills, s), abs=1e-12)
        foreign.append(len(hills) - len(mine))
    return foreign


def test_walkers_in_turns_share_every_hill(tmp_path: Path) -> None:
    for segments in range(1, 6):
        for own in range(3):
            run(tmp_path, own, 3, segments)
    foreign = check_walkers(tmp_path, 3)
    per_segment = STEPS // SETTINGS.pace
    assert foreign == [8 * per_segment, 9 * per_segment, 10 * per_segment]


def test_walkers_that_are_killed(tmp_path: Path) -> None:
    """Two processes are killed at random times, and their last lines torn; each then goes on."""
    rng = np.random.default_rng(7)
    fork = multiprocessing.get_context("fork")  # the compiled code is there: a process starts at once
    run(tmp_path, 0, 2, 1)
    kills = 0
    for _ in range(5):
        running = [fork.Process(target=run, args=(tmp_path, n, 2, 100_000)) for n in range(2)]
        for process in running:
            process.start()
        before = [_size(tmp_path, n) for n in range(2)]
        until = time.monotonic() + 60
        while time.monotonic() < until and any(_size(tmp_path, n) <= before[n] for n in range(2)):
            time.sleep(0.02)
            assert all(process.is_alive() for process in running)
        time.sleep(float(rng.uniform(0, 0.3)))
        for process in running:
            process.kill()
            process.join()
            kills += process.exitcode == -signal.SIGKILL
        check_walkers(tmp_path, 2)
        torn = tmp_path / "hills" / f"HILLS.{rng.integers(2)}"
        content = torn.read_bytes()
        os.truncate(torn, len(content) - int(rng.integers(1, 60)))
    assert kills == 10
    done = [int(np.load(tmp_path / f"checkpoint{n}.npz")["done"]) for n in range(2)]
    for n in (0, 1, 0, 1):
        run(tmp_path, n, 2, max(done) + 2)
    assert min(check_walkers(tmp_path, 2)) > 0
    whole = tmp_path / "hills" / "HILLS.0"
    assert whole.read_bytes().endswith(b"\n")


def _size(folder: Path, number: int) -> int:
    path = folder / f"checkpoint{number}.npz"
    return path.stat().st_size if path.exists() else 0


def test_a_killed_walker_goes_on_bitwise(tmp_path: Path) -> None:
    """The checkpoint alone determines what a walker does until its next exchange."""
    for segments in (1, 2, 3):
        run(tmp_path / "a", 0, 1, segments)
    run(tmp_path / "b", 0, 1, 3)
    one, other = (np.load(tmp_path / name / "checkpoint0.npz") for name in "ab")
    for key in one.files:
        np.testing.assert_array_equal(one[key], other[key])
    files = [tmp_path / name / "hills" / "HILLS.0" for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("cut", [1, 30, 95, 130, 230])
def test_an_unfinished_line_waits_for_its_end(cut: int, tmp_path: Path) -> None:
    run(tmp_path / "whole", 0, 2, 1)
    content = (tmp_path / "whole" / "hills" / "HILLS.0").read_bytes()
    path = tmp_path / "HILLS.0"
    path.write_bytes(content[:-cut])
    reader = HillsReader(path, HEADS)
    first = reader.more()
    assert len(first) == content[:-cut].count(b"\n") - content.count(b"#")
    assert len(reader.more()) == 0
    path.write_bytes(content)
    both = np.concatenate([first, reader.more()])
    np.testing.assert_array_equal(both, HillsReader(path, HEADS).more())
    assert len(both) == 4


def test_the_clock_that_plumed_adds_for_walkers_is_not_used(tmp_path: Path) -> None:
    run(tmp_path, 0, 2, 1)
    plain = tmp_path / "hills" / "HILLS.0"
    lines = plain.read_text().splitlines()
    lines = [line + (" clock" if "FIELDS" in line else "" if line[0] == "#" else " 1795905600") for line in lines]
    (tmp_path / "clock").write_text("\n".join(lines) + "\n")
    np.testing.assert_array_equal(HillsReader(plain, HEADS).more(), HillsReader(tmp_path / "clock", HEADS).more())


@pytest.mark.parametrize("left", [0, 1, 40, 200, 300])
def test_a_head_or_line_that_is_cut_is_completed(left: int, tmp_path: Path) -> None:
    run(tmp_path, 0, 2, 1)
    path = tmp_path / "hills" / "HILLS.0"
    content = path.read_bytes()
    os.truncate(path, left)
    run(tmp_path, 0, 2, 1)  # nothing to run: only the file is completed
    assert path.read_bytes() == content


def test_hills_of_others_are_refused(tmp_path: Path) -> None:
    run(tmp_path / "a", 0, 2, 1)
    run(tmp_path / "b", 0, 2, 2)
    (tmp_path / "a" / "hills" / "HILLS.0").write_bytes((tmp_path / "b" / "hills" / "HILLS.0").read_bytes())
    with pytest.raises(InputError, match=r"HILLS.0' has other hills than walker 0, or"):
        run(tmp_path / "a", 0, 2, 2)
    table = to_table(SETTINGS, np.array([[0, 10.0, 0.1, 0.2, 0.5]]))
    write_hills(tmp_path / "c" / "hills" / "HILLS.1", table, (("phi", True), ("chi", True)))
    with pytest.raises(InputError, match=r"HILLS.1' has hills of the fields 'time phi chi "):
        run(tmp_path / "c", 0, 2, 1)
    with pytest.raises(InputError, match="walker 2 of 2; allowed: 0 to 1"):
        SharedHills(tmp_path / "d", HEADS, 2, 2)
