"""Trajectories in the store: written, read, verified, compared, bundled, cited, removed; and the kind `check`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from nmer.cli.main import main
from potentials.errors import InputError
from potentials.units import KB, KCAL
from storage.apart import Apart
from storage.bundle import read_bundle, write_bundle
from storage.canonical import digest
from storage.citations import citations
from storage.diff import difference
from storage.index import FILE
from storage.lineage import lineage, lineage_text
from storage.removal import remove
from storage.store import Store
from storage.trajectories import (
    Trajectory,
    read_trajectories,
    start_digest,
    trajectory_key,
    write_trajectory,
)
from storage.unbundle import take_in
from storage.verify.versions import Damage
from storage.verify.whole import files_of, verify
from storage.version import Column, Version
from tests.storage.family import FACTORS, family

SETTINGS = '[simulation]\nensemble = "nvt"\ntemperature = 300.0\nreplicas = 2\nseed = 3\n'
ENGINES = {"nmer": "0.1.0", "lammps": "2025.7.22"}


def some(replica: int = 0, frames: int = 5, **more: object) -> Trajectory:
    rng, masses = np.random.default_rng(abs(replica)), np.array([15.999, 1.008, 1.008])
    velocities, kinetic = rng.normal(size=(2, 3, 3)), 1.0 + rng.random(frames)
    for step, each in zip((2, 4), velocities, strict=True):  # as many as there are frames
        if step < frames:
            kinetic[step] = 0.5 * np.sum(masses[:, None] * each**2) / KCAL
    found = Trajectory(
        symbols=("O", "H", "H"),
        bonds=((0, 1), (0, 2)),
        masses=masses,
        steps=np.arange(frames) * 10,
        times=np.arange(frames) * 5.0,
        positions=rng.normal(size=(frames, 3, 3)),
        velocities=velocities,
        velocity_steps=np.array([20, 40]),
        energy=rng.normal(size=frames),
        kinetic=kinetic,
        temperature=2.0 * kinetic / (9 * KB),
        contributions={"corrections": rng.normal(size=frames), "V_phys": rng.normal(size=frames)},
        replica=replica,
        seed=3,
    )
    return replace(found, **more)  # type: ignore[arg-type]


START = start_digest(("O", "H", "H"), np.zeros((3, 3)))


def add_trajectory(
    store: Store, trajectories: Sequence[Trajectory], below: Version, settings: str = SETTINGS
) -> Version:
    inputs = [below]
    key = trajectory_key(settings, [v.key for v in inputs], START)
    facts = {"start": START, "papers": ["langevin"]}
    with store.writing():
        return write_trajectory(store, "water", key, trajectories, settings, inputs, ENGINES, facts)


def add(store: Store, trajectories: Sequence[Trajectory], settings: str = SETTINGS) -> Version:
    return add_trajectory(store, trajectories, store.resolve("tiny-water@1"), settings)


def add_check(store: Store, below: Version, name: str = "stability") -> Version:
    decided = {"check": name, "format": 1, "options": {}, "subject": below.key}
    with store.writing():
        return store.add(
            "check",
            "water",
            digest(decided),
            columns={"rmsd": Column(np.array([0.5]), "kcal/mol", "a figure", "measured")},
            recipe="",
            inputs=[below],
            engines={"nmer": "0.1.0"},
            facts={"decided_by": decided, "papers": ["mdtraj"]},
        )


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return family(tmp_path_factory.mktemp("sound") / "store").path


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> Store:
    return Store(shutil.copytree(sound, tmp_path / "store"))


def damages_of(store: Store) -> tuple[Damage, ...]:
    with Apart() as reader:
        return verify(store, lambda nmer, counterpoise: FACTORS, files_of(store, None, reader), reader).damages


def assert_same(one: Trajectory, other: Trajectory) -> None:
    for name, value in vars(one).items():
        found = getattr(other, name)
        if isinstance(value, dict):
            assert list(value) == list(found)
            for part in value:
                np.testing.assert_array_equal(found[part], value[part], strict=True)
        elif isinstance(value, np.ndarray):
            np.testing.assert_array_equal(found, value, strict=True)
        else:
            assert found == value, name


HILLS = np.array([[0.0, 10.0, 0.1, 0.3], [1.0, 12.0, 0.2, 0.3]])
CELLS = np.repeat(np.diag([8.0, 9.0, 10.0])[None], 5, axis=0)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"contributions": {}, "bonds": ()},
        {"vectors": CELLS[:1]},
        {"vectors": CELLS * np.linspace(1, 1.1, 5)[:, None, None]},
        {"bias": np.arange(5.0), "hills": HILLS},
        {"bias": np.arange(5.0), "hills": HILLS, "hill_counts": np.array([0, 0, 1, 1, 2])},
        {"outside": np.array([True, False, False, True, True])},
        {"hills": np.zeros((0, 5))},
    ],
)
def test_what_is_written_is_read(store: Store, more: dict[str, object]) -> None:
    short = {
        name: values[:3]
        if name in ("bias", "hill_counts", "outside") or (name == "vectors" and len(values) > 1)
        else values  # type: ignore[index, arg-type]
        for name, values in more.items()
    }
    hills = {"hills": HILLS[:1]} if "bias" in more else {}
    written = [some(0, **more), some(1, 3, **(short | hills)), some(3, **more)]
    version = add(store, written)
    assert version.ref == "trajectory:water@1" and version.path.parent.parent.name == "trajectories"
    for one, other in zip(written, read_trajectories(version), strict=True):
        assert_same(one, other)
    assert add(store, written) == version
    assert len(written[1]) == 3 and written[0].natoms == 3
    if "vectors" in more:
        np.testing.assert_array_equal(written[0].vectors_of(4), more["vectors"][-1])  # type: ignore[index]


@pytest.mark.parametrize("cell", [None, CELLS[:1], CELLS])
def test_replicas_that_were_stopped_at_once(store: Store, cell: np.ndarray | None) -> None:
    """A replica without frames or with a single one beside others, in vacuum and in cells of both kinds."""
    written = []
    for replica, frames in ((0, 0), (1, 5), (2, 1)):
        own = None if cell is None else cell if len(cell) == 1 else cell[:frames]
        none = {"velocities": np.zeros((0, 3, 3)), "velocity_steps": np.zeros(0, dtype=np.int64)}
        written.append(some(replica, frames, vectors=own, **(none if frames < 5 else {})))
    version = add(store, written)
    for one, other in zip(written, read_trajectories(version), strict=True):
        assert_same(one, other)
    assert not damages_of(store)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"energy": np.zeros(4)}, r"energy has the shape \(4,\); allowed: \(5,\)"),
        ({"positions": np.full((5, 3, 3), np.nan)}, "positions holds a number that is not finite"),
        ({"velocities": np.full((2, 3, 3), np.inf)}, "velocities holds a number that is not finite"),
        ({"steps": np.array([0, 10, 10, 20, 30])}, "steps do not ascend"),
        ({"vectors": CELLS[:2]}, r"vectors has the shape \(2, 3, 3\)"),
        ({"bonds": ((0, 3),)}, "a bond is not between"),
        ({"hills": np.zeros(4)}, "hills has the shape"),
        ({"outside": np.zeros(4, dtype=bool)}, "outside has the shape"),
        ({"contributions": {"a": np.zeros(2)}}, "contribution 'a'"),
        ({"bias": np.array([0.0, 1.0])}, "bias has the shape"),
        ({"replica": -1}, "0 or more"),
    ],
)
def test_what_cannot_be_is_refused(more: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        some(**more)


def test_replicas_are_of_one_system_and_the_key_is_that_of_the_content(store: Store) -> None:
    with pytest.raises(InputError, match="no replica"):
        add(store, [])
    with pytest.raises(InputError, match="other atoms, bonds or arrays"):
        add(store, [some(0), some(1, contributions={})])
    with pytest.raises(ValueError, match="key"), store.writing():
        write_trajectory(store, "water", "0" * 64, [some()], SETTINGS, [], ENGINES, {"start": START})
    with pytest.raises(InputError, match="a system cannot be called 'AceAlaNme'"), store.writing():
        write_trajectory(
            store, "AceAlaNme", trajectory_key("", [], START), [some()], "", [], ENGINES, {"start": START}
        )
    with pytest.raises(InputError, match="is a potential, not a trajectory"):
        read_trajectories(store.resolve("tiny-water@1"))
    assert not store.versions("trajectory")


def test_keys_are_of_settings_inputs_and_the_start() -> None:
    one = trajectory_key(SETTINGS, ["a", "b"], START)
    assert one == trajectory_key("# a comment\n" + SETTINGS, ["b", "a"], START)
    moved = start_digest(("O", "H", "H"), np.full((3, 3), 1e-12))
    other = {START, moved, start_digest(("O", "H", "H"), np.zeros((3, 3)), velocities=np.zeros((3, 3)))}
    assert len(other) == 3
    assert len({one, trajectory_key(SETTINGS, ["a"], START), trajectory_key(SETTINGS, ["a", "b"], moved)}) == 3
    assert one != trajectory_key(SETTINGS.replace("300.0", "310.0"), ["a", "b"], START)


def test_both_kinds_are_known_everywhere(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = add(store, [some(0), some(1)])
    two = add(store, [some(0), some(2)], SETTINGS.replace("300.0", "310.0"))
    check = add_check(store, one)
    assert not damages_of(store)
    found = difference(store, one, two)
    assert [row["key"] for row in found["recipe"]] == ["simulation.temperature"]
    assert found["made_from"] == [
        {"kind": "potential", "left": "tiny-water@1", "right": "tiny-water@1", "same": True}
    ]
    assert not found["same_frames"] and difference(store, one, one)["same_frames"]
    place = ["--store", str(store.path)]
    assert main(["diff", one.ref, two.ref, *place]) == 0
    assert "simulation.temperature" in capsys.readouterr().out
    assert main(["versions", "water", *place]) == 0
    said = capsys.readouterr().out
    assert "trajectory:water@2" in said and check.ref in said
    text = lineage_text(lineage(store, check))
    for part in (check.ref, one.ref, "tiny-water@1", "pool:tiny-water@1", "simulation.ensemble = nvt"):
        assert part in text
    cited = {c.subject for c in citations(check, store.find)}
    assert {"Langevin thermostat", "LAMMPS", "MB-nrg potentials", "mdtraj"} <= cited
    assert main(["tag", one.ref, "figure-3", *place]) == 0
    assert main(["get", "trajectory:water@figure-3", "--out", str(tmp_path / "got"), *place]) == 0
    assert (tmp_path / "got" / "trajectory-water@1.h5").is_file()
    assert main(["verify", check.ref, *place]) == 0

    bundle = write_bundle(store, check, tmp_path / "one.zip")
    other = Store(tmp_path / "other", create=True)
    with other.writing():
        take_in(read_bundle(bundle.path), other)
    assert_same(read_trajectories(other.resolve(one.ref))[1], some(1))
    assert other.resolve(check.ref).key == check.key
    assert other.verdict(other.resolve("tiny-water@1")) is not None

    with store.writing():
        with pytest.raises(InputError, match=r"tiny-water@1 stays, because .*trajectory:water"):
            remove(store, [store.resolve("tiny-water@1")])
        with pytest.raises(InputError, match="check:water@1 depends on it"):
            remove(other, [other.resolve(one.ref)])
        assert [gone.what for gone in remove(store, [two])] == [two.ref]
    assert Store(store.path).next_path("trajectory", "water").name == "3.h5"


def test_the_index_knows_every_kind(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add_check(store, add(store, [some()]))
    assert "trajectories/water/1.h5" in (store.path / FILE).read_text()
    monkeypatch.setattr("storage.index.look_at", lambda path: pytest.fail(f"{path} was opened"))
    assert {v.kind for v in Store(store.path).versions()} >= {"trajectory", "check", "potential"}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("energy", np.nan, "not finite"),
        ("velocities", np.nan, "not finite"),
        ("steps", 50, "ascend"),
        ("replica_frames", 4, "adds up to 9"),
    ],
)
def test_damage_is_found(store: Store, name: str, value: float, said: str) -> None:
    version = add(store, [some(0), some(1)])
    version.path.chmod(0o644)
    with h5py.File(version.path, "a") as file:
        file[name][(0,) * file[name].ndim] = value
        for thing in (file, *file.values()):  # as if it had been written so
            for seal in ("sha256", "content_sha256"):
                thing.attrs.pop(seal, None)
    found = damages_of(Store(store.path))
    assert found and all(d.file == "trajectories/water/1.h5" and said in d.problem for d in found)


def test_a_changed_setting_is_not_that_of_the_key(store: Store) -> None:
    version = add(store, [some()])
    version.path.chmod(0o644)
    with h5py.File(version.path, "a") as file:
        file.attrs["recipe"] = SETTINGS.replace("300.0", "310.0")
        for thing in (file, *file.values()):
            for seal in ("sha256", "content_sha256"):
                thing.attrs.pop(seal, None)
    (found,) = damages_of(Store(store.path))
    assert found.what == "key"
