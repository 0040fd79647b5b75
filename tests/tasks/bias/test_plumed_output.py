"""The files that runs write for PLUMED, and PLUMED itself as the engine of the bias."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from recipes.load import load_recipe
from recipes.schema.sampling import Bias, CVFamilyModel, Sampling
from storage.keys import pool_key, stage_digest
from tasks.bias.cvs import cv_families
from tasks.bias.driver import drive
from tasks.bias.kernel import apply_bias
from tasks.bias.plumed_engine import PlumedBias, read_hill_files
from tasks.bias.plumed_input import read_plumed
from tasks.bias.plumed_output import hill_tables, plumed_input, write_hill_files
from tasks.bias.recording import Recording
from tasks.bias.specification import BiasSpec, window_bias
from tasks.sampling.engine import install_bias, run_recorded, simulation
from tasks.sampling.sampler import check_samplers
from tasks.sampling.samplers.pbmetad.segments import read_frames, read_hills
from tasks.sampling.samplers.pbmetad.walker import bias_spec, run_walker
from tasks.sampling.samplers.pbmetad.walkers import run_walkers, walkers, write_runs

NMER = load_recipe("ch3-water").build_nmer()
OWN = Bias(
    pace=20,
    height=0.5,
    families=(
        CVFamilyModel(variables=((1, 0, 5, 6), (1, 0, 5, 7)), name="tumbling", sigma=0.2),
        CVFamilyModel(variables=((0, 5),)),
        CVFamilyModel(variables=((2, 0, 5), (3, 0, 5), (4, 0, 5))),
    ),
)
"""CV families of a recipe, with a periodic one first."""


def test_families_of_the_recipe_replace_those_of_the_rule() -> None:
    found = cv_families(NMER, OWN.families)
    assert [(f.name, len(f.cvs), f.intermolecular, f.sigma) for f in found] == [
        ("tumbling", 2, True, 0.2),
        ("distance A-D", 1, True, None),
        ("angle C-A-D", 3, True, None),
    ]
    spec = window_bias(NMER, OWN, 300.0, (0.0, 4.0))
    assert [cv.atoms for cv in spec.cvs[:3]] == [(1, 0, 5, 6), (0, 5), (2, 0, 5)]
    assert spec.family == (0, 1, 2, 0, 2, 2)
    assert [g.sigma for g in spec.grids] == [0.2, OWN.sigma_intermolecular, OWN.sigma_angle]
    assert [g.periodic for g in spec.grids] == [True, False, False]


@pytest.mark.parametrize(("bias", "fragments"), [(Bias(), 1), (Bias(), 2), (OWN, 2)])
def test_plumed_dat_describes_the_same_bias(bias: Bias, fragments: int, tmp_path: Path) -> None:
    nmer = NMER if fragments == 2 else NMer("ch3", NMER.fragments[:1], "A1B1C3")
    spec = window_bias(nmer, bias, 500.0, (3.0, 4.0))
    (tmp_path / "plumed.dat").write_text(plumed_input(spec, 100))
    read = read_plumed(tmp_path / "plumed.dat")
    (found,) = read.biases
    assert (found.family, found.pace, found.height) == (spec.family, spec.pace, spec.height)
    assert (found.biasfactor, found.temperature) == (spec.biasfactor, 500.0)
    assert found.sigma == tuple(g.sigma for g in spec.grids)
    assert found.lower == tuple(g.lower for g in spec.grids) and found.upper == tuple(g.upper for g in spec.grids)
    assert found.bins == tuple(g.bins for g in spec.grids)
    assert found.files == tuple(f"HILLS.PF{n}" for n in range(len(spec.grids)))
    points = [tuple(a for p in v.points for a in p) for v in read.cvs if v.label in found.arguments]
    assert points == [cv.atoms for cv in spec.cvs]
    # the first arguments are one of each family: elsewhere PLUMED's periodicities are wrong
    assert found.family[: len(spec.grids)] == tuple(range(len(spec.grids)))
    walls = {(w.upper, w.at, w.kappa) for w in read.walls}
    assert walls == ({(True, 4.0, 500.0), (False, 3.0, 500.0)} if fragments == 2 else set())


@pytest.mark.parametrize("bias", [Bias(pace=10), OWN], ids=["by the rule", "own families"])
def test_a_run_and_its_plumed_dat_give_the_same_hills(bias: Bias, tmp_path: Path) -> None:
    """Every step of a run goes through `drive`, as `plumed driver` would read it: the hills are the run's own."""
    spec = window_bias(NMER, bias, 500.0, (0.0, 4.0))
    with simulation(NMER, tmp_path / "data", temperature=500, timestep=0.5, damping=100, seed=3) as program:
        recording = Recording(spec.buffer(), 0, NMER.natoms, 400, len(spec.cvs), 50)
        install_bias(program, recording.buffer)
        recording.keep_frames(0, 1)
        run_recorded(program, 400, 1)
    assert not recording.problem
    hills = recording.hills
    np.testing.assert_array_equal(hills[:, 0], np.arange(bias.pace, 401, bias.pace))
    hills[:, 0] *= 0.5
    (tmp_path / "plumed.dat").write_text(plumed_input(spec, 100))
    plumed = read_plumed(tmp_path / "plumed.dat")
    steps = np.arange(1, 401)
    found = drive(plumed, recording.positions, np.array(spec.masses), steps, 0.5)
    for name, table in zip(sorted(found.hills), hill_tables(spec, hills), strict=True):
        np.testing.assert_allclose(table, found.hills[name], rtol=1e-10, atol=1e-10)
    write_hill_files(tmp_path, spec, hills)
    np.testing.assert_array_equal(read_hill_files(tmp_path, spec)[:, 0], hills[:, 0])
    np.testing.assert_allclose(read_hill_files(tmp_path, spec), hills, rtol=1e-14)


SMALL = Sampling(temperatures=(500,), windows=((0, 4), (4, 7)), frames=40, equilibration=0.1, stride=25, seed=7)


def test_every_walker_writes_its_plumed_dat_and_hills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.sampling.samplers.pbmetad.walker.SEGMENT", 8)  # several segments a walker
    run_walkers(NMER, SMALL, tmp_path / "scratch")
    every = walkers(NMER, SMALL, tmp_path / "scratch")
    for _ in range(2):  # again: what is there is replaced
        write_runs(tmp_path / "plumed", every)
    assert sorted(p.name for p in (tmp_path / "plumed").iterdir()) == ["500K_0-4A_seed7", "500K_4-7A_seed8"]
    spec = bias_spec(every[0])
    folder = tmp_path / "plumed" / "500K_0-4A_seed7"
    read_plumed(folder / "plumed.dat")
    hills = read_hill_files(folder, spec)
    np.testing.assert_allclose(hills, read_hills(every[0].folder, spec), rtol=1e-14)
    # 0.1 ps and 24 frames of 25 fs are 1,400 steps; a hill every 200, at times of 100 fs
    np.testing.assert_allclose(hills[:, 0], 100.0 * np.arange(1, len(hills) + 1))
    assert len(hills) >= 5
    head = (folder / "HILLS.PF0").read_text().splitlines()[0]
    assert head == "#! FIELDS time d0 sigma_d0 height biasf"


def short_spec() -> BiasSpec:
    return window_bias(NMER, Bias(), 500.0, (0.0, 4.0))


@pytest.mark.parametrize(
    ("kernel", "words"), [(None, "the variable is not set"), ("/no/libplumedKernel.so", "cannot be loaded")]
)
def test_a_missing_plumed_is_one_sentence(kernel: str | None, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("plumed")
    monkeypatch.delenv("PLUMED_KERNEL", raising=False)
    if kernel:
        monkeypatch.setenv("PLUMED_KERNEL", kernel)
    with pytest.raises(InputError, match=f"needs PLUMED itself: set PLUMED_KERNEL .*{words}"):
        PlumedBias(short_spec(), 0.5, np.empty((0, 41)))


DOUBLED = """
import sys
from pathlib import Path
from recipes.load import load_recipe
from recipes.schema.sampling import Sampling
from tasks.sampling.samplers.pbmetad import walker
from tasks.sampling.samplers.pbmetad.walkers import walkers
walker.SEGMENT = 16
settings = Sampling(engine="plumed", temperatures=(500,), windows=((0, 50),), frames=32, equilibration=0.2,
                    stride=25, seed=7)
one, = walkers(load_recipe("ch3-water").build_nmer(), settings, Path(sys.argv[1]))
print(walker.run_walker(one))
"""


def test_the_adapter_calls_plumed_in_the_required_order(tmp_path: Path) -> None:
    """PLUMED cannot be installed here: a double of its kernel, with PLUMED's own wrapper, records the calls."""
    pytest.importorskip("plumed")
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    source, library = Path(__file__).with_name("plumed_double.c"), tmp_path / "double.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    log, scratch = tmp_path / "log", tmp_path / "scratch"
    environment = {**os.environ, "PLUMED_KERNEL": str(library), "PLUMED_DOUBLE_LOG": str(log)}
    done = subprocess.run(
        [sys.executable, "-c", DOUBLED, scratch], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
    commands = log.read_text().splitlines()
    runs = [n for n, line in enumerate(commands) if line == "finalize"]
    assert len(runs) == 2
    first, second = commands[: runs[0]], commands[runs[0] + 1 : runs[1]]
    for needed in ("setMDLengthUnits 0.1", "setMDEnergyUnits 4.184", "setMDTimeUnits 0.001", "setTimestep 0.5"):
        assert first.index(needed) < first.index("init")
    assert "setRestart 0" in first and "setRestart 1" in second
    for calls, begin, end, between in ((first, 0, 1200, 400), (second, 1200, 2000, 1200)):
        steps = [int(line.split()[1]) for line in calls if line.startswith("setStep")]
        done = [line for line in calls if line.startswith("performCalc")]
        once = [step for step, what in zip(steps, done, strict=True) if what == "performCalc"]
        assert once == list(range(begin, end + 1))
        # where a run begins LAMMPS asks again for the step of the last one's end: no second hill there
        assert [step for step, what in zip(steps, done, strict=True) if what != "performCalc"] == [between]
    spec = short_spec()
    hills = read_hills(scratch / "walker-0000", spec)  # PLUMED would leave out the second hill at 600 fs
    np.testing.assert_allclose(hills[:, 0], [100, 200, 300, 400, 500, 600, 600, 700, 800, 900, 1000])
    np.testing.assert_allclose(hills[:, 1], 1.5)
    np.testing.assert_allclose(hills[:, 2], 0.5 * 0.9)


def test_plumed_itself_gives_the_native_bias() -> None:
    """Only where PLUMED_KERNEL leads to PLUMED: bias and forces along a run, hills and all."""
    if not os.environ.get("PLUMED_KERNEL"):
        pytest.skip("PLUMED_KERNEL is not set")
    spec = replace(window_bias(NMER, OWN, 500.0, (0.0, 4.0)), pace=20)
    x = NMER.positions + np.random.default_rng(0).normal(scale=0.05, size=(200, NMER.natoms, 3))
    buffer, force = spec.buffer(), np.empty((NMER.natoms, 3))
    with PlumedBias(spec, 0.5, np.empty((0, 1 + 2 * len(spec.cvs)))) as plumed:
        for step, frame in enumerate(x):
            for _ in range(1 + (step % 30 == 0)):  # every third time where a hill was just added
                energy = apply_bias(buffer, step, frame, force)
                theirs = plumed(step, frame)
                assert plumed.energy == pytest.approx(energy, abs=1e-10)
                np.testing.assert_allclose(theirs, force, atol=1e-9)
        assert len(plumed.finish()) == 9


def test_a_walker_of_plumed_itself_is_the_native_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where PLUMED_KERNEL leads to PLUMED. Two segments, and an equilibration that ends at a hill's step."""
    if not os.environ.get("PLUMED_KERNEL"):
        pytest.skip("PLUMED_KERNEL is not set")
    monkeypatch.setattr("tasks.sampling.samplers.pbmetad.walker.SEGMENT", 16)
    hills, frames = [], []
    for engine in ("native", "plumed"):
        settings = Sampling(
            engine=engine, temperatures=(500,), windows=((0, 7),), frames=32, equilibration=0.2, stride=25, seed=7
        )
        (one,) = walkers(NMER, settings, tmp_path / engine)
        assert run_walker(one) == ""
        hills.append(read_hills(one.folder, bias_spec(one)))
        frames.append(read_frames(one.folder, NMER.natoms)[0])
    assert len(hills[0]) == 10
    assert np.abs(hills[0][2] - hills[1][2]).max() < 1e-11  # the first one after the equilibration
    assert np.abs(hills[0] - hills[1]).max() < 1e-9 and np.abs(frames[0] - frames[1]).max() < 1e-9


def test_plumed_as_the_engine_refuses_hills_wider_than_the_period() -> None:
    wide = Bias(families=(CVFamilyModel(variables=((1, 0, 5, 6),), sigma=1.0),))
    spec = window_bias(NMER, wide, 500.0, (0.0, 4.0))
    with pytest.raises(InputError, match="cannot have torsion hills of 1 rad"):
        PlumedBias(spec, 0.5, np.empty((0, 3)))
    with pytest.raises(InputError, match="cannot have torsion hills of 1 rad"):
        check_samplers(NMER, Sampling(engine="plumed", bias=wide))


@pytest.mark.parametrize(
    ("sampling", "new"),
    [
        ({}, False),
        ({"engine": "plumed"}, True),
        ({"bias": Bias(sigma_angle=0.9)}, True),  # 28 points
        ({"bias": Bias(sigma_angle=1.0)}, False),  # 25 points
        ({"bias": Bias(sigma_angle=0.8)}, False),  # narrower than the period
        ({"bias": Bias(sigma_angle=0.9, families=OWN.families[1:])}, False),  # no torsion
        ({"bias": Bias(families=(CVFamilyModel(variables=((1, 0, 5, 6),), sigma=3.2),))}, True),
        ({"bias": Bias(sigma_angle=0.9), "sampler": "normal-modes"}, False),
    ],
)
def test_pools_of_which_the_frames_changed_have_a_new_key(sampling: dict[str, object], new: bool) -> None:
    recipe = load_recipe("ch3-water")
    settings = Sampling(**sampling)
    sections = [recipe.nmer.content(), settings.content()]
    old = stage_digest("sampling", 1, sections, [])
    assert (pool_key(recipe.model_copy(update={"sampling": settings})) != old) == new
    grids = window_bias(NMER, settings.bias, 300.0, (0.0, 4.0)).grids
    if any(grid.wraps and grid.points % 2 == 0 for grid in grids):
        assert new or settings.sampler == "normal-modes"


def test_a_bias_needs_a_grid_for_each_family() -> None:
    """A specification cut to some variables is cut to their grids as well."""
    spec = short_spec()
    cut = replace(spec, cvs=spec.cvs[:7], family=spec.family[:7], grids=spec.grids[:7])
    assert plumed_input(cut, 100).count("PF") == 14
    with pytest.raises(ValueError, match="do not fit 10 grids"):
        replace(spec, cvs=spec.cvs[:7], family=spec.family[:7])
