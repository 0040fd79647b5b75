"""A fit of three bodies vanishes when any one of them leaves, or says that it does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import nmer
from nmer.cli.main import main
from potentials.pip.potential import Potential
from recipes.schema.recipe import Fitting, NMerModel
from storage.imported import nmer_of
from storage.xyz import Labelled, read_labelled
from tasks.fitting.fit import fit_potential, low_degrees
from tasks.fitting.vanishing import energy_apart

SYMMETRY = "A1_B1C2_B1C2"
SWITCHING = {"atoms": [0, 1, 4], "r_in": 5.5, "r_out": 7.5}


@pytest.fixture(scope="module")
def trimers(reference_data: Callable[[str], Path]) -> Labelled:
    """Return 300 published configurations of K+(H2O)2 with their 3-body energies."""
    return read_labelled(reference_data("cases") / "k-water-water.xyz", 1)


@pytest.fixture(scope="module")
def model(trimers: Labelled) -> NMerModel:
    return nmer_of(trimers, SYMMETRY)


def apart(potential: Potential, positions: np.ndarray) -> float:
    """Return the largest energy with any one body 200 A away in any of six directions, kcal/mol."""
    largest = 0.0
    for part in potential.nmer.slices:
        for direction in [*np.eye(3), *-np.eye(3)]:
            moved = positions.copy()
            moved[:, part] += 200.0 * direction
            energy, gradient = potential.energy_and_gradient(moved)
            largest = max(largest, float(np.abs(energy).max()), float(np.abs(gradient).max()))
    return largest


def test_nmer_fit_as_a_user_would(
    reference_data: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = reference_data("cases") / "k-water-water.xyz"
    words = [
        "fit",
        "--train",
        str(path),
        "--column",
        "1",
        "--symmetry",
        SYMMETRY,
        "--degree",
        "3",
        "--starts",
        "2",
    ]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "163 terms" in told and "note: the potential has no switching and ends only as its variables" in told
    summary = json.loads((tmp_path / "out" / "fit.json").read_text())
    assert summary["train_rmsd"] < 0.06 and any("no switching" in w for w in summary["warnings"])
    found = nmer.load(tmp_path / "out" / "potential.h5")
    assert isinstance(found, Potential)
    positions = read_labelled(path, 1).positions
    assert np.abs(found.energy(positions)).max() > 1.0
    assert apart(found, positions) < 1e-6
    swapped = positions[:, [0, 4, 5, 6, 1, 2, 3]]
    assert np.abs(found.energy(swapped) - found.energy(positions)).max() < 1e-12


@pytest.mark.parametrize("forms", [("exp0", "exp0"), ("coul", "coul"), ("exp", "coul0"), ("gau", "gau0")])
def test_it_vanishes_whatever_the_variables(trimers: Labelled, model: NMerModel, forms: tuple[str, str]) -> None:
    settings = Fitting(degree=2, starts=1, max_iterations=20, variables={"intra": forms[0], "inter": forms[1]})
    found = fit_potential(model.build(""), trimers.positions, trimers.energy, settings)
    assert apart(found.potential, trimers.positions) < 1e-6


def test_with_a_switching_it_is_zero_and_nothing_is_said(trimers: Labelled, model: NMerModel) -> None:
    settings = Fitting(degree=3, starts=1, max_iterations=20, switching=SWITCHING)
    found = fit_potential(model.build(""), trimers.positions, trimers.energy, settings)
    assert apart(found.potential, trimers.positions) == 0.0
    assert not any("switching and ends" in warning for warning in found.warnings)
    assert found.train_rmsd < 0.15


def test_terms_that_stay_are_said_loudly(trimers: Labelled, model: NMerModel) -> None:
    for settings, remedy in (
        (Fitting(degree=2, terms="all", starts=1), "terms = 'intermolecular' keeps only terms that join all"),
        (
            Fitting(degree=2, optimizer="fixed", k=1e-3, k_bounds=(1e-4, 1.0), starts=1),
            "raise fitting.k_bounds, or set fitting.switching",
        ),
    ):
        found = fit_potential(model.build(""), trimers.positions, trimers.energy, settings)
        (note,) = [w for w in found.warnings if "no switching" in w]
        assert "DOES NOT VANISH" in note and remedy in note and "\n" not in note
        assert energy_apart(found.potential, trimers.positions) > 1e-3


def test_too_low_a_degree_is_refused_and_nothing_written(
    reference_data: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = reference_data("cases") / "k-water-water.xyz"
    words = ["fit", "--train", str(path), "--column", "1", "--symmetry", SYMMETRY, "--degree", "1"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    assert "it takes 2 distances to join 3 fragments; allowed: degree 2 or more" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_tune_says_that_there_is_no_switching(
    reference_data: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = reference_data("cases") / "k-water-water.xyz"
    words = ["tune", "--train", str(path), "--column", "1", "--symmetry", SYMMETRY, "--degrees", "2"]
    assert main([*words, "--gammas", "5e-4", "--delta-es", "40", "--json"]) == 0
    (note,) = json.loads(capsys.readouterr().out)["notes"]
    assert "no switching" in note


def test_the_preliminary_terms_have_the_lowest_degree_there_is(
    model: NMerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Degree 1 joins nothing: the search for few terms ends at degree 2, and not at all of them."""
    monkeypatch.setattr("tasks.fitting.fit.PRELIMINARY_TERMS", 5)
    assert low_degrees(Fitting(degree=3).build_basis(model.build(""))).n_terms == 13
