"""Scans of a water: it stays rigid on its line, minima are found, and an error that is planted is reported."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from potentials.errors import InputError
from recipes.chemistry.molecules import read_molecule
from recipes.families import FAMILIES
from tasks.checks.approach import HOH, NEAR, OH, best_approach, sites
from tasks.checks.interface import nobody
from tasks.checks.scans import Scans, compared, minima
from tasks.checks.subject import Subject
from tasks.checks.water_scans import CHECK, WaterScanOptions
from tests.nmer.polyalanine import store_of

DIPEPTIDE = read_molecule("AceAlaNme").embedded()
PLACE = np.array(DIPEPTIDE.positions)
X = 1.4 + 0.1 * np.arange(47)


def test_sites_are_the_atoms_of_both_peptide_groups() -> None:
    found = sites(DIPEPTIDE)
    assert [one.name for one in found] == ["O1-Hw", "H1-Ow", "O2-Hw", "H2-Ow"]
    assert [DIPEPTIDE.symbols[one.atom] for one in found] == ["O", "H", "O", "H"]
    assert [
        (one.atom, one.bonded) in DIPEPTIDE.bonds or (one.bonded, one.atom) in DIPEPTIDE.bonds for one in found
    ]
    with pytest.raises(InputError, match="no peptide group"):
        sites(read_molecule("CCO"))


@pytest.mark.parametrize("number", range(4))
def test_the_water_is_rigid_and_its_hydrogen_bond_is_straight(number: int) -> None:
    site = sites(DIPEPTIDE)[number]
    line = best_approach(site, PLACE, lambda x: -np.linalg.norm(x[:, site.bonded] - x[:, -3], axis=1))
    placed = line.positions(PLACE, X)
    assert np.abs(placed[:, :22] - PLACE).max() == 0.0
    oxygen, first, second = np.moveaxis(placed[:, 22:], 1, 0)
    for hydrogen in (first, second):
        assert np.linalg.norm(hydrogen - oxygen, axis=1) == pytest.approx(OH)
    cosine = ((first - oxygen) * (second - oxygen)).sum(axis=1) / OH**2
    assert np.degrees(np.arccos(cosine)) == pytest.approx(HOH)
    contact = first if site.accepts else oxygen
    assert np.linalg.norm(contact - PLACE[site.atom], axis=1) == pytest.approx(X)
    away = oxygen - PLACE[site.atom]
    unit = away / np.linalg.norm(away, axis=1, keepdims=True)
    assert np.abs(unit - unit[0]).max() < 1e-12  # on one line
    assert (
        line.direction @ (PLACE[site.atom] - PLACE[site.bonded]) > 0.9
    )  # this energy prefers the bond's own line


def test_the_direction_of_the_lowest_energy_is_taken() -> None:
    site, seen = sites(DIPEPTIDE)[0], []
    wanted = PLACE[site.atom] + np.array([0.0, 3.0, 0.0])

    def energies(x: np.ndarray) -> np.ndarray:
        found = ((x[:, -3] - wanted) ** 2).sum(axis=1)
        seen.extend(found)
        return found

    line = best_approach(site, PLACE, energies)
    assert energies(line.positions(PLACE, np.array([NEAR])))[0] == min(seen)


def morse(depth: float, place: float) -> np.ndarray:
    return depth * ((1 - np.exp(-1.8 * (X - place))) ** 2 - 1)


def test_minima_are_found_between_the_points() -> None:
    (lowest,) = minima(X, morse(6.3, 1.934))
    assert lowest.distance == pytest.approx(1.934, abs=2e-3) and lowest.energy == pytest.approx(-6.3, abs=2e-3)
    assert minima(X, 1.0 / X) == []
    assert sorted(m.distance for m in minima(X, np.cos(4 * X))) == pytest.approx([2.356, 3.927, 5.498], abs=1e-2)


def test_a_wrong_depth_a_lost_minimum_and_a_hole_are_reported() -> None:
    names = [("C5", "O1-Hw"), ("C5", "H1-Ow"), ("C5", "O2-Hw")]
    right = np.concatenate([morse(6, 1.9), morse(5, 2.0), morse(4, 2.2)])
    wrong = np.concatenate([morse(6, 1.9), morse(7, 2.1), 3.0 / X])
    wrong[0] = -40.0  # where the reference has risen
    right[0] = 30.0
    scanned = Scans(
        [c for c, _ in names for _ in X],
        [s for _, s in names for _ in X],
        np.tile(X, 3),
        right,
        {"sum": wrong, "ff14SB": right},
        np.zeros(len(right)),
    )
    results, table, missing = compared(scanned)
    values = {one.name: one.value for one in results}
    assert not missing and values["lost"] == 1.0 and values["ff14sb-lost"] == 0.0
    assert values["depth-largest"] == pytest.approx(2.0, abs=0.01)
    assert next(r.meaning for r in results if r.name == "depth-largest").count("C5 H1-Ow") == 1
    assert values["position-largest"] == pytest.approx(0.1, abs=0.01)
    assert values["contact"] == -40.0 and values["ff14sb-rmsd"] == 0.0
    assert np.isnan(np.asarray(table["minima.sum-energy"].values)[2])


def test_a_scan_of_a_family_and_its_picture(tmp_path: Path) -> None:
    pytest.importorskip("tblite")
    pytest.importorskip("packmol")
    names = (*FAMILIES["polyalanine"], *FAMILIES["polyalanine-water"])
    subject = Subject.of_family("polyalanine-water", store_of(tmp_path / "store", names), ["AceAlaNme"])
    assert CHECK.applies(subject) == ""
    options = WaterScanOptions(conformations=("C5",), longest=5.0, spacing=0.4, force_fields=())
    found = CHECK.measure(subject, options, nobody)
    rows = list(csv.DictReader(io.StringIO(CHECK.draw(found)[0].csv)))
    assert len(rows) == 4 * 10
    energy = np.array([float(row["reference_kcal_per_mol"]) for row in rows]).reshape(4, 10)
    assert (energy.min(axis=1) < -1.5).all() and (np.abs(energy[:, -1]) < 2.0).all()  # each site binds a water
    assert found.facts["reference"] == "GFN2-xTB"
    with pytest.raises(InputError, match="conformation 'C8' is unknown; allowed: C5, pPII"):
        CHECK.measure(subject, WaterScanOptions(conformations=("C8",)), nobody)
    with pytest.raises(ValueError, match="'ff99' is not a force field; allowed: ff14SB, ff19SB"):
        WaterScanOptions(force_fields=("ff99",))


def test_a_family_without_water_is_not_scanned(tmp_path: Path) -> None:
    subject = Subject.of_family("polyalanine", store_of(tmp_path / "store"), ["AceAlaNme"])
    assert CHECK.applies(subject) == "its sums have no water"
