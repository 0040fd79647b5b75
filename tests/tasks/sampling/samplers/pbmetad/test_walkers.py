"""Walkers in LAMMPS: force field, callback, windows, caps, kill and resume, explosions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import psutil
import pytest
from distributed import Client

from deploy.cluster import DASK_SETTINGS, local_cluster
from potentials.errors import StageError
from potentials.nmers.nmer import NMer
from potentials.units import KB_2010, KCAL
from recipes.load import load_recipe
from recipes.schema.recipe import Sampling
from storage.records import Pool
from tasks.bias.kernel import CAPACITY, HILLS, LENGTH, RING, STRIDE, apply_bias
from tasks.bias.specification import window_bias
from tasks.progress import ProgressLine
from tasks.sampling.engine import install_bias, install_python_bias, run, run_recorded, simulation
from tasks.sampling.frames import com_distance
from tasks.sampling.pool import sample_pool
from tasks.sampling.samplers.pbmetad.segments import read_state, segments
from tasks.sampling.samplers.pbmetad.walker import run_walker, segment_with_retries, start_state
from tasks.sampling.samplers.pbmetad.walkers import frames_so_far, run_walkers, walkers
from tests.conftest import until

NMER = load_recipe("ch3-water").build_nmer()
SMALL = Sampling(temperatures=(300, 700), windows=((0, 4), (4, 7)), frames=402, equilibration=0.1, stride=10)


def test_every_water_is_tip4p(tmp_path: Path) -> None:
    """Two waters: nine pairs of charges at H, H, M, and one Lennard-Jones pair."""
    x = NMER.positions[5:] - NMER.positions[5]
    one, two = (replace(NMER.fragments[1], positions=tuple(map(tuple, x + s))) for s in ([0, 0, 0], [0, 0.3, 3.0]))
    dimer = NMer("two-waters", (one, two), "A1B2_A1B2")
    places = dimer.positions.reshape(2, 3, 3).copy()
    for water in places:
        middle = (water[1] + water[2]) / 2 - water[0]
        water[0] += 0.147144 * middle / np.linalg.norm(middle)
    charges = np.array([-2, 1, 1]) * 0.5564
    distances = np.linalg.norm(places[0][:, None] - places[1][None], axis=-1)
    ratio = (3.1644 / np.linalg.norm([0, 0.3, 3.0])) ** 6
    expected = 332.06371 * (np.outer(charges, charges) / distances).sum()
    expected += 4 * 93.2 * 0.0019872043 * (ratio**2 - ratio)
    parts = []
    for nmer in (dimer, NMer("a", (one,), "A1B2"), NMer("b", (two,), "A1B2")):
        with simulation(nmer, tmp_path / "data", temperature=300, timestep=0.5, damping=100, seed=1) as program:
            run(program, 0, first=True)
            parts.append(program.get_thermo("pe"))
    assert parts[0] - parts[1] - parts[2] == pytest.approx(expected, abs=5e-4)


def test_the_compiled_callback_is_bitwise_the_python_one(tmp_path: Path) -> None:
    ends = []
    for compiled in (True, False):
        buffer = window_bias(
            NMER, SMALL.bias.model_copy(update={"pace": 20, "height": 0.5}), 500.0, (0.0, 4.0)
        ).buffer()
        force = np.empty((NMER.natoms, 3))

        def python(step: int, x: np.ndarray, buffer: np.ndarray = buffer, force: np.ndarray = force) -> np.ndarray:
            apply_bias(buffer, step, np.ascontiguousarray(x[: NMER.natoms]), force)
            return force

        with simulation(NMER, tmp_path / "data", temperature=500, timestep=0.5, damping=100, seed=3) as program:
            install_bias(program, buffer) if compiled else install_python_bias(program, python)
            run(program, 400, first=True)
            run(program, 200)
            ends.append((program.numpy.extract_atom("x")[: NMER.natoms].copy(), buffer))
    np.testing.assert_array_equal(ends[0][0], ends[1][0])
    np.testing.assert_array_equal(ends[0][1], ends[1][1])
    assert ends[0][1][HILLS] == 30 * 20


def test_a_pool_has_its_frames_in_their_windows_with_exact_caps(tmp_path: Path) -> None:
    pool = sample_pool(NMER, SMALL, tmp_path)
    assert len(pool) == 402
    for temperature in SMALL.temperatures:
        for window, (lower, upper) in enumerate(SMALL.windows):
            chosen = (pool.temperature == temperature) & (pool.window == window)
            assert chosen.sum() in (100, 101)
            assert (pool.com_distance[chosen] >= lower).all() and (pool.com_distance[chosen] < upper).all()
    caps = np.linalg.norm(pool.positions[:, 1] - pool.positions[:, 0], axis=1)
    assert np.abs(caps - 1.14).max() < 1e-12
    assert len(np.unique(pool.positions.reshape(len(pool), -1), axis=0)) == len(pool)
    assert pool.cvs.shape == (402, 20) and pool.cv_names[0] == "distance 0-1"
    assert pool.energy[pool.temperature == 700].mean() > pool.energy[pool.temperature == 300].mean()


def test_nine_walkers_on_a_cluster_give_bitwise_the_pool_of_one_process(tmp_path: Path) -> None:
    settings = SMALL.model_copy(
        update={
            "temperatures": (300.0, 500.0, 700.0),
            "windows": ((0.0, 4.0), (4.0, 7.0), (7.0, 10.0)),
            "frames": 905,
        }
    )
    here = sample_pool(NMER, settings, tmp_path / "here")
    stream = StringIO()
    with (
        local_cluster(2, tmp_path / "dask") as address,
        Client(address) as client,
        ProgressLine("sampling", 905, "frames", stream) as progress,
    ):
        there = sample_pool(NMER, settings, tmp_path / "there", client, progress)
    assert progress.done == 905 and stream.getvalue().count("905 of 905 frames, 0 failed, 0 left") == 1
    for name in Pool.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name))
    cells = list(zip(here.temperature, here.window, here.seed, strict=True))
    assert cells == sorted(cells)
    assert sorted({c: cells.count(c) for c in cells}.values()) == [100] * 4 + [101] * 5


def test_frames_beyond_either_soft_wall_are_left_out(tmp_path: Path) -> None:
    """A narrow window with soft walls: the water passes both of them many times."""
    soft = SMALL.bias.model_copy(update={"wall_kappa": 10.0})
    settings = SMALL.model_copy(
        update={"temperatures": (500.0,), "windows": ((4.5, 5.5),), "frames": 400, "stride": 50.0, "bias": soft}
    )
    pool = sample_pool(NMER, settings, tmp_path)
    assert len(pool) == 400
    assert pool.com_distance.min() >= 4.5 and pool.com_distance.max() < 5.5
    assert pool.com_distance.min() < 4.6 and pool.com_distance.max() > 5.4
    looked = read_state(segments(tmp_path / "walker-0000")[-1][0]).looked
    assert looked > 500  # one segment of 500 was not enough


def test_each_segment_has_its_own_reproducible_noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.sampling.samplers.pbmetad.walker.SEGMENT", 5)
    one, two = walkers(NMER, SMALL, tmp_path)[:2]
    one.folder.mkdir()
    start = start_state(one)
    ends = [
        segment_with_retries(replace(walker, folder=one.folder), number, start, 5).end.x
        for walker, number in ((one, 0), (one, 0), (one, 1), (replace(one, seed=two.seed), 0))
    ]
    np.testing.assert_array_equal(ends[0], ends[1])
    assert all(np.abs(ends[0] - other).max() > 1e-3 for other in ends[2:])


def test_the_line_moves_with_every_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.sampling.samplers.pbmetad.walker.SEGMENT", 40)
    walker = walkers(NMER, SMALL.model_copy(update={"frames": 400}), tmp_path)[0]
    seen: list[int] = []
    assert run_walker(walker, lambda: seen.append(frames_so_far(tmp_path))) == ""
    assert len(seen) == len(segments(walker.folder)) >= 3
    assert seen == sorted(seen) and 0 < seen[0] <= 40 and seen[-1] == 100


def test_a_single_fragment_has_no_windows(tmp_path: Path) -> None:
    methyl = NMer("methyl", NMER.fragments[:1], "A1B1C3")
    pool = sample_pool(methyl, SMALL.model_copy(update={"frames": 30}), tmp_path)
    assert len(walkers(methyl, SMALL, tmp_path)) == 2
    assert len(pool) == 30 and not pool.window.any() and not pool.com_distance.any()
    assert sorted(set(pool.temperature)) == [300, 700] and pool.cvs.shape == (30, 10)


@pytest.mark.parametrize("shift", [3.6, 0.0])
@pytest.mark.parametrize("window", [(0.0, 4.0), (4.0, 7.0), (7.0, 10.0)])
def test_a_walker_starts_in_its_window(shift: float, window: tuple[float, float], tmp_path: Path) -> None:
    """Also if both fragments are centred at the origin."""
    parts = []
    for part, up in zip(NMER.slices, (0.0, shift), strict=True):
        centre = np.average(NMER.positions[part], axis=0, weights=NMER.masses[part])
        parts.append(NMER.positions[part] - centre + [0.0, 0.0, up])
    fragments = (replace(f, positions=tuple(map(tuple, x))) for f, x in zip(NMER.fragments, parts, strict=True))
    moved = NMer("moved", tuple(fragments), NMER.symmetry)
    settings = SMALL.model_copy(update={"windows": (window,)})
    start = start_state(walkers(moved, settings, tmp_path)[0])
    assert com_distance(moved, start.x[None])[0] == pytest.approx(window[1] - 0.3, abs=1e-9)


SAMPLE = """
import sys
from pathlib import Path
from recipes.load import load_recipe
from recipes.schema.recipe import Sampling
from tasks.sampling.samplers.pbmetad import walker
from tasks.sampling.pool import sample_pool
walker.SEGMENT = 40
sample_pool(load_recipe("ch3-water").build_nmer(), Sampling.model_validate_json(sys.argv[1]), Path(sys.argv[2]))
"""


def test_kill_9_and_resume_give_bitwise_the_same_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.sampling.samplers.pbmetad.walker.SEGMENT", 40)
    settings = SMALL.model_copy(update={"windows": ((0.0, 4.0),), "frames": 800})
    undisturbed = sample_pool(NMER, settings, tmp_path / "whole")
    killed = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", SAMPLE, settings.model_dump_json(), str(killed)])
    assert until(lambda: len(segments(killed / "walker-0000")) >= 3)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = sum(count for n in (0, 1) for _, count in segments(killed / f"walker-{n:04d}"))
    assert 0 < before < 800
    resumed = sample_pool(NMER, settings, killed)
    for name in Pool.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(resumed, name), getattr(undisturbed, name))


def test_a_walker_continues_after_the_death_of_its_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker is killed after new frames; with Dask's limit of no failures each would end the sampling."""
    monkeypatch.setitem(DASK_SETTINGS, "distributed.scheduler.allowed-failures", 0)
    settings = SMALL.model_copy(update={"temperatures": (300.0,), "windows": ((0.0, 4.0),), "frames": 4000})
    scratch, killed, over = tmp_path / "scratch", list[int](), threading.Event()

    def kill() -> None:
        kept = 0
        while len(killed) < 3 and not over.wait(0.01):
            if frames_so_far(scratch) > kept:
                for worker in psutil.Process().children(recursive=True):
                    if "spawn_main" in " ".join(worker.cmdline()) and worker.pid not in killed:
                        worker.kill()
                        while psutil.pid_exists(worker.pid):  # psutil's wait would take the exit status from Dask
                            time.sleep(0.01)
                        killed.append(worker.pid)
                kept = frames_so_far(scratch)  # what it wrote until it was dead

    killer = threading.Thread(target=kill)
    with local_cluster(1, tmp_path / "dask") as address, Client(address) as client:
        killer.start()
        try:
            (frames,) = run_walkers(NMER, settings, scratch, client)
        finally:
            over.set()
            killer.join(timeout=60)
    assert len(killed) == 3 and len(frames.positions) == 4000


def test_an_explosion_is_retried_and_then_named(tmp_path: Path) -> None:
    """An O-H bond of period 9 fs cannot be stepped with 16 fs, nor with 8, nor with 4."""
    wild = SMALL.model_copy(update={"timestep": 16.0, "windows": ((0.0, 4.0),), "frames": 40})
    with pytest.raises(StageError, match=r"2 of 2 walkers failed\. .*exploded 3 times.*lower sampling\.timestep"):
        sample_pool(NMER, wild, tmp_path)


def test_a_walker_continues_after_an_explosion_with_a_shorter_time_step(tmp_path: Path) -> None:
    """An O-H bond of period 9 fs cannot be stepped with 6 fs, nor with 3; with 1.5 it can."""
    settings = SMALL.model_copy(update={"timestep": 6.0, "stride": 30.0, "temperatures": (300.0,), "frames": 200})
    pool = sample_pool(NMER, settings, tmp_path)
    scales = [read_state(segments(tmp_path / f"walker-{n:04d}")[-1][0]).scale for n in (0, 1)]
    assert scales == [0.25, 0.25]
    assert len(pool) == 200 and np.isfinite(pool.positions).all()
    assert np.abs(np.linalg.norm(pool.positions[:, 6] - pool.positions[:, 5], axis=1) - 0.96).max() < 0.3


def test_one_window_fails_and_the_other_is_finished(tmp_path: Path) -> None:
    """A water inside the carbon explodes at any time step; the other walker's frames are kept for a rerun."""
    settings = SMALL.model_copy(
        update={"temperatures": (300.0,), "windows": ((0.0, 0.05), (4.0, 7.0)), "frames": 200}
    )
    with pytest.raises(StageError, match=r"1 of 2 walkers failed\. 300 K, 0-0\.05 A, seed 2025: exploded 3 times"):
        sample_pool(NMER, settings, tmp_path)
    assert [len(segments(tmp_path / f"walker-{n:04d}")) for n in (0, 1)] == [0, 1]
    assert frames_so_far(tmp_path) == 100


def test_an_empty_window_says_what_to_change(tmp_path: Path) -> None:
    narrow = SMALL.model_copy(update={"temperatures": (700.0,), "windows": ((5.0, 5.0001),), "frames": 100})
    with pytest.raises(StageError, match=r"only \d+ of 100 frames lie in the window .* widen the window"):
        sample_pool(NMER, narrow, tmp_path)


def test_temperature_is_shared_by_all_elements_and_degrees_of_freedom(tmp_path: Path) -> None:
    """Equipartition under bias and walls, within statistical error.

    The velocities' mass-weighted covariance is kT times the unit matrix: each Cartesian degree of freedom has kT,
    and so has every combination of them (translation, rotation, each vibration), for nothing off the diagonal.
    """
    with simulation(NMER, tmp_path / "data", temperature=300, timestep=0.5, damping=50, seed=5) as program:
        buffer = window_bias(NMER, SMALL.bias, 300.0, (0.0, 4.0)).buffer()
        install_bias(program, buffer)
        run(program, 4000, first=True)
        samples = []
        for _ in range(4000):
            run(program, 100)
            v = program.numpy.extract_atom("v")[: NMER.natoms]
            samples.append((np.sqrt(NMER.masses)[:, None] * v).ravel())
    weighted = np.array(samples)
    kt = KB_2010 * 300 * KCAL  # u A^2/fs^2
    products = np.einsum("si,sj->sij", weighted, weighted) / kt
    blocks = products.reshape(40, 100, 24, 24).mean(axis=1)  # 5 ps each: independent
    mean, error = blocks.mean(axis=0), blocks.std(axis=0, ddof=1) / np.sqrt(40)
    off = np.abs(mean - np.eye(24)) / error
    assert off.max() < 5.5  # of 300 numbers
    assert np.abs(np.diag(mean) - 1).max() < 0.15
    for symbol in ("C", "H", "O"):
        ours = np.repeat([s == symbol for s in NMER.symbols], 3)
        each = np.diagonal(blocks, axis1=1, axis2=2)[:, ours].mean(axis=1)
        assert each.mean() == pytest.approx(1.0, abs=4 * each.std(ddof=1) / np.sqrt(40)), symbol


def test_recorded_frames_and_energies_belong_together(tmp_path: Path) -> None:
    """Each kept frame's energy is the force field's energy of just that geometry."""
    bias = window_bias(NMER, SMALL.bias, 500.0, (0.0, 4.0)).buffer()
    buffer = np.concatenate([bias, np.zeros(5 * 24)])
    buffer[LENGTH] = len(buffer)
    with simulation(NMER, tmp_path / "data", temperature=500, timestep=0.5, damping=100, seed=3) as program:
        install_bias(program, buffer)
        run(program, 130, first=True)
        buffer[[STRIDE, RING, CAPACITY]] = 20, len(bias), 5
        energy = run_recorded(program, 5, 20)
        last = program.numpy.extract_atom("x")[: NMER.natoms].copy()
    positions = buffer[len(bias) :].reshape(5, 8, 3)
    np.testing.assert_array_equal(positions[-1], last)
    with simulation(NMER, tmp_path / "data", temperature=500, timestep=0.5, damping=100, seed=3) as program:
        for x, expected in zip(positions, energy, strict=True):
            program.numpy.extract_atom("x")[: NMER.natoms] = x
            run(program, 0, first=True)
            assert program.get_thermo("pe") == pytest.approx(expected, abs=1e-9)
    assert np.ptp(energy) > 0.01


def test_a_store_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / 'Übung "von" $HOME, 水'
    folder.mkdir()
    for force_field in ("ff14SB", "GFN2-xTB"):
        settings = {"temperature": 300, "timestep": 0.5, "damping": 100, "seed": 1}
        with simulation(NMER, folder / "data", force_field=force_field, **settings) as program:
            run(program, 2, first=True)
    assert [path.name for path in folder.iterdir()] == ["data"]
