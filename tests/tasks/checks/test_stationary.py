"""Stationary points and frequencies: a sum that is the reference has no error, and another one has its own."""

from __future__ import annotations

import csv
import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from potentials.arrays import Floats
from potentials.errors import StageError
from storage.store import Store
from tasks.checks import frequencies, stationary
from tasks.checks.dipeptide import PHI, dipeptide, masses
from tasks.checks.frequencies import FrequencyOptions, compare
from tasks.checks.hessian import Stationary
from tasks.checks.interface import Findings
from tasks.checks.internal import torsion_rows, torsions
from tasks.checks.landmarks import landmarks
from tasks.checks.reference import reference
from tasks.checks.relaxed_grid import relaxed_grid
from tasks.checks.stationary import StationaryOptions
from tasks.sampling.force_fields.minimum import Modes
from tests.tasks.checks.mmff_reference import Mmff

LEVEL = Mmff("gfn2-xtb", reference().labelling)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with the surface and the points of MMFF94."""
    made = Store(tmp_path_factory.mktemp("surface") / "store", create=True)
    landmarks(LEVEL, 60, made)
    return made


class Tilted(Mmff):
    """MMFF94 with a term of phi: 0.5 kcal/mol times its cosine."""

    def energy_and_gradient(self, positions: Floats) -> tuple[Floats, Floats]:
        """Return energies and gradients of alanine dipeptide."""
        energy, gradient = super().energy_and_gradient(positions)
        phi = np.radians(torsions(positions, [PHI])[:, 0])
        rows = np.array([torsion_rows(x, [PHI])[0].reshape(x.shape) for x in positions])
        return energy + 0.5 * np.cos(phi), gradient - 0.5 * np.sin(phi)[:, None, None] * rows


def subject_of(store: Store, model: Mmff) -> Any:
    return SimpleNamespace(store=store, molecules=("AceAlaNme",), sum_of=lambda molecule, water=None: model)


def values(findings: Findings) -> dict[str, float | None]:
    return {one.name: one.value for one in findings.results}


def test_the_points_are_stationary_and_of_their_kinds(store: Store) -> None:
    found = landmarks(LEVEL, 60, store)
    names = [one.name for one in found]
    assert names[:2] == ["m1", "m2"] and "X" in names
    lowest = relaxed_grid(LEVEL, 60, store).energy.min()
    surface = LEVEL.surface(dipeptide())
    for one in found:
        energy, gradient = surface(one.point.positions)
        assert np.abs(gradient).max() < 2e-3 and energy == pytest.approx(one.point.energy)
        assert one.index == one.point.index == {"m": 0, "M": 2, "X": 1}[one.name[0]]
    assert found[0].point.energy <= lowest + 1e-6


def test_a_sum_that_is_the_reference_has_no_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (stationary, frequencies):
        monkeypatch.setattr(module, "reference", lambda *_: LEVEL)
    subject = subject_of(store, LEVEL)
    points = stationary.measure(subject, StationaryOptions(step=60, force_fields=()), lambda done, total: None)
    errors = values(points)
    assert errors["points-lost"] == 0.0
    assert max(errors["energy-error"] or 0, errors["energy-error-same-geometries"] or 0) < 1e-3
    assert errors["torsion-error"] is not None and errors["torsion-error"] < 0.5
    (plot,) = stationary.draw(points)
    rows = list(csv.DictReader(io.StringIO(plot.csv)))
    assert rows[0]["name"] == "m1" and float(rows[0]["sum_energy_kcal_per_mol"]) == 0.0
    options = FrequencyOptions(step=60, minima=("m1",), force_fields=())
    found = frequencies.measure(subject, options, lambda done, total: None)
    errors = values(found)
    assert errors["largest-m1"] is not None and errors["largest-m1"] < 0.5 and errors["alike-m1"] == 60.0
    assert errors["reference-rigid-modes-m1"] is not None and errors["reference-rigid-modes-m1"] < 5.0
    assert errors["reference-step-error-m1"] is not None and errors["reference-step-error-m1"] < 2.0
    (plot,) = frequencies.draw(found)
    assert len(list(csv.DictReader(io.StringIO(plot.csv)))) == 60 and plot.png.startswith(b"\x89PNG")
    with pytest.raises(StageError, match="has no m9 on this grid; it has m1"):
        frequencies.measure(subject, FrequencyOptions(step=60, minima=("m9",)), lambda done, total: None)


def test_an_error_of_a_sum_is_measured(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stationary, "reference", lambda *_: LEVEL)
    tilted = Tilted("gfn2-xtb", reference().labelling)
    options = StationaryOptions(step=60, force_fields=())
    found = stationary.measure(subject_of(store, tilted), options, lambda done, total: None)
    points = found.tables()["points"]
    cosine = np.cos(np.radians(points["reference_phi"].values))
    expected = 0.5 * (cosine - cosine[0])
    there = np.asarray(points["sum_energy_there"].values) - np.asarray(points["reference_energy"].values)
    assert there == pytest.approx(expected, abs=1e-3)
    assert values(found)["energy-error-same-geometries"] == pytest.approx(np.abs(expected[1:]).mean(), abs=1e-3)


def test_modes_are_matched_after_a_turn_and_an_exchange() -> None:
    rng = np.random.default_rng(2)
    vectors = np.linalg.qr(rng.normal(size=(66, 60)))[0].T.reshape(60, 22, 3)
    x = np.array(dipeptide().positions)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    curvature = np.sort(rng.uniform(1.0, 9.0, 60))
    swapped = np.arange(60)
    swapped[[4, 5]] = 5, 4
    one = Stationary(x, 0.0, 0.0, Modes(curvature, vectors))
    other = Stationary(x @ turn + 3.0, 0.0, 0.0, Modes(curvature, (vectors @ turn)[swapped]))
    found = compare(one, other)
    frequencies_of_other = other.modes.wavenumbers
    assert found.overlap == pytest.approx(np.ones(60)) and found.alike.all()
    assert found.matched == pytest.approx(frequencies_of_other[swapped])
    assert found.ordered == pytest.approx(frequencies_of_other) and len(masses()) == 22
