"""Trajectories in files of other programs: mdtraj, MDAnalysis and ASE read what the store has."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmer.cli.main import main
from potentials.errors import InputError
from potentials.units import EV
from storage.exchange.exporter import FORMATS, write_export
from storage.exchange.subject import subject_of
from storage.exchange.trajectory_subject import TrajectorySubject, lengths_and_angles
from storage.store import Store
from storage.trajectories import start_digest, trajectory_key, write_trajectory
from tests.contracts.test_exporters import trajectory_subject

mdtraj = pytest.importorskip("mdtraj")
analysis = pytest.importorskip("MDAnalysis")

CLOSE = {"dcd": 1e-5, "xtc": 0.0051}
"""Largest deviation of a position, Angstrom."""


def universe(*files: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return analysis.Universe(*map(str, files))


@pytest.mark.parametrize("name", CLOSE)
@pytest.mark.parametrize("cell", [True, False])
def test_mdtraj_and_mdanalysis_read_frames_cell_and_names(name: str, cell: bool, tmp_path: Path) -> None:
    subject, out = trajectory_subject(cell), tmp_path / "out"
    _, said = write_export(FORMATS.get(name), subject, out)
    assert said.startswith("read back: 8 frames")
    for one in subject.trajectories:
        positions, vectors = subject.frames(one)
        file = out / f"replica-{one.replica}.{name}"
        found = mdtraj.load(str(file), top=str(out / "topology.pdb"))
        np.testing.assert_allclose(10 * found.xyz, positions, rtol=1e-6, atol=CLOSE[name])
        named = mdtraj.load_pdb(str(out / "topology.pdb"), standard_names=False).topology
        expected = [(residue.name, atom) for residue in subject.residues for atom in residue.names]
        assert [(atom.residue.name, atom.name) for atom in named.atoms] == expected
        assert [a.serial - 1 for a in found.topology.atoms] == subject.order.tolist()
        bonds = {frozenset((a.serial - 1, b.serial - 1)) for a, b in found.topology.bonds}
        assert bonds == set(map(frozenset, one.bonds))
        assert len(found.topology.select("resname ALA and backbone")) == 8
        assert len(found.topology.select("water and name O")) == 2
        other = universe(out / "topology.pdb", file)
        assert len(other.trajectory) == len(one)
        assert len(other.select_atoms("resname ALA and backbone")) == 8
        assert len(other.select_atoms("name CA")) == 2
        assert {frozenset((int(a.id) - 1, int(b.id) - 1)) for a, b in other.bonds} == bonds
        begin = other.trajectory[0].time
        for n, expected in enumerate(positions):
            frame = other.trajectory[n]
            np.testing.assert_allclose(frame.positions, expected, rtol=1e-6, atol=CLOSE[name])
            assert frame.time - begin == pytest.approx(n * 0.01, rel=1e-4)
            if vectors is not None:
                np.testing.assert_allclose(frame.dimensions, lengths_and_angles(vectors)[n], rtol=1e-5)
        if vectors is not None:
            np.testing.assert_allclose(10 * found.unitcell_vectors, vectors, atol=1e-4)
        else:
            assert found.unitcell_vectors is None


def test_the_topology_is_that_of_the_first_frame(tmp_path: Path) -> None:
    subject = trajectory_subject()
    path = tmp_path / "it.pdb"
    path.write_text(subject.topology())
    found = mdtraj.load(str(path))
    positions, vectors = subject.frames(subject.trajectories[0])
    np.testing.assert_allclose(10 * found.xyz[0], positions[0], atol=6e-4)
    assert vectors is not None
    np.testing.assert_allclose(10 * found.unitcell_vectors[0], vectors[0], atol=5e-2)
    assert [residue.name for residue in found.topology.residues] == ["ACE", "ALA", "ALA", "NME", "HOH", "HOH"]
    far = replace(subject.trajectories[0], positions=subject.trajectories[0].positions - 2000)
    with pytest.raises(InputError, match="-999 to 9999"):
        replace(subject, trajectories=(far,)).topology()


def test_extended_xyz_has_energies_and_is_in_the_order_of_the_system(tmp_path: Path) -> None:
    from ase.io import read

    subject = trajectory_subject()
    one = replace(subject.trajectories[0], bias=np.arange(5.0))
    write_export(FORMATS.get("extxyz"), replace(subject, trajectories=(one,)), tmp_path / "out")
    frames = read(tmp_path / "out" / "replica-0.xyz", ":")
    for n, frame in enumerate(frames):
        assert tuple(frame.symbols) == one.symbols and frame.pbc.all()
        np.testing.assert_array_equal(frame.positions, one.positions[n])
        np.testing.assert_array_equal(frame.cell[:], one.vectors_of(n))
        assert frame.get_potential_energy() * EV == pytest.approx(one.energy[n], rel=1e-12)
        assert frame.info["bias_energy"] * EV == pytest.approx(n, rel=1e-12)
        assert (frame.info["step"], frame.info["time"]) == (one.steps[n], one.times[n])


def test_frames_that_are_not_equally_spaced_need_another_format(tmp_path: Path) -> None:
    subject = trajectory_subject()
    one = replace(subject.trajectories[0], steps=np.array([0, 10, 20, 30, 31]))
    with pytest.raises(InputError, match=r"not equally spaced.*allowed for such a trajectory: xtc, extxyz"):
        write_export(FORMATS.get("dcd"), replace(subject, trajectories=(one,)), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    write_export(FORMATS.get("xtc"), replace(subject, trajectories=(one,)), tmp_path / "out")


@pytest.mark.parametrize("name", [*CLOSE, "extxyz"])
def test_a_replica_without_frames(name: str, tmp_path: Path) -> None:
    subject = trajectory_subject()
    none: dict[str, Any] = {
        field: getattr(subject.trajectories[0], field)[:0]
        for field in ("steps", "times", "positions", "energy", "kinetic", "temperature", "vectors")
    }
    empty = replace(subject.trajectories[0], **none)
    files, _ = write_export(
        FORMATS.get(name), replace(subject, trajectories=(empty, subject.trajectories[1])), tmp_path / "a"
    )
    assert {path.stem for path in files} == {"replica-2"} | ({"topology"} if name != "extxyz" else set())
    with pytest.raises(InputError, match="has no frames"):
        write_export(FORMATS.get(name), replace(subject, trajectories=(empty,)), tmp_path / "b")


@pytest.mark.parametrize("name", CLOSE)
def test_what_reads_back_otherwise_is_not_left_behind(name: str, tmp_path: Path) -> None:
    subject = trajectory_subject()
    moved = replace(
        subject, trajectories=tuple(replace(t, positions=t.positions + 0.02) for t in subject.trajectories)
    )
    bad = replace(FORMATS.get(name), files=lambda _: FORMATS.get(name).files(subject))
    with pytest.raises(InputError, match="read back"):
        write_export(bad, moved, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nmer_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, subject = Store(tmp_path / "store", create=True), trajectory_subject()
    start = start_digest(["O"], np.zeros((1, 3)))
    with store.writing():
        write_trajectory(
            store, "toy", trajectory_key("", [], start), subject.trajectories, "", [], {}, {"start": start}
        )
    found = subject_of("trajectory:toy@1", store.path)
    assert isinstance(found, TrajectorySubject) and len(found.trajectories) == 2
    words = ["--store", str(store.path), "--out", str(tmp_path / "out")]
    assert main(["export", "trajectory:toy@1", "--format", "c", *words]) == 2
    assert "allowed for a trajectory: dcd, extxyz, xtc" in capsys.readouterr().err
    assert main(["export", "trajectory:toy@latest", "--format", "dcd", *words]) == 0
    assert "read back: 8 frames" in capsys.readouterr().out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "replica-0.dcd",
        "replica-2.dcd",
        "topology.pdb",
    ]
