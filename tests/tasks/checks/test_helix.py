"""Folds of chains: figures do not depend on the zero of the energy; what is measured is what is drawn."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from recipes.chemistry.molecules import read_molecule
from tasks.checks.helix import CHECK, HelixOptions, chain_conformations, fold_errors
from tasks.checks.interface import nobody
from tasks.checks.reference import reference
from tasks.checks.subject import Subject
from tests.nmer.polyalanine import store_of

FOLDS = ["alpha", "3-10", "extended", "mixed"]


def test_errors_do_not_depend_on_the_zero_of_the_energy() -> None:
    error = np.array([3.0, 1.0, -1.0, 5.0])
    found = fold_errors(error, FOLDS)
    assert found == pytest.approx({"sd": np.sqrt(5.0), "largest": 3.0, "alpha": 4.0, "3-10": 2.0})
    assert fold_errors(error + 700.0, FOLDS) == pytest.approx(found)
    twice = fold_errors(np.array([3.0, 1.0, -1.0, 5.0, 5.0, 1.0, 1.0, 0.0]), FOLDS * 2)
    assert twice["alpha"] == pytest.approx(4.0 - 0.0) and twice["3-10"] == pytest.approx(1.0)


def test_the_folds_of_a_short_chain_are_compared_with_the_reference(tmp_path: Path) -> None:
    pytest.importorskip("tblite")
    subject = Subject.of_family("polyalanine", store_of(tmp_path / "store"), ["AceAla2Nme"])
    assert CHECK.applies(subject) == ""
    options = HelixOptions(conformations=7, force_fields=())
    found = CHECK.measure(subject, options, nobody)
    molecule = read_molecule("AceAla2Nme")
    folds, positions = chain_conformations(molecule, 7)
    error = np.asarray(subject.sum_of(molecule).energy(positions)) - reference().energies(molecule, positions)
    values = {one.name: one.value for one in found.results}
    assert values["ala2-sd"] == pytest.approx(error.std(), abs=1e-5)
    expected = error[folds.index("alpha")] - error[folds.index("extended")]
    assert values["ala2-alpha"] == pytest.approx(expected, abs=1e-5)
    (plot,) = CHECK.draw(found)
    rows = list(csv.DictReader(io.StringIO(plot.csv)))
    assert [row["fold"] for row in rows] == folds and plot.png.startswith(b"\x89PNG")
    drawn = np.array([float(row["sum_kcal_per_mol"]) - float(row["reference_kcal_per_mol"]) for row in rows])
    assert drawn - drawn[2] == pytest.approx(error - error[2], abs=1e-3)


def test_a_family_without_chains_is_not_checked(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store")
    assert "no test molecule of two" in CHECK.applies(Subject.of_family("polyalanine", store, ["AceAlaNme"]))
