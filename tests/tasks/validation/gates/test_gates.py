"""Gates measure what they say, and catch a potential that is broken on purpose."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from potentials.pip.potential import Potential
from recipes.load import load_recipe
from tasks.metrics import errors
from tasks.parity import energy_parity

NMER = load_recipe("ch3-water").build_nmer()
RNG = np.random.default_rng(0)
PROBES = NMER.positions + RNG.normal(scale=0.1, size=(6, NMER.natoms, 3))
POTENTIAL = Potential(NMER, 2, "intermolecular", np.full(12, 1.0), RNG.normal(size=82))


def test_errors_are_the_usual_ones() -> None:
    found = errors(np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 2.0]))
    assert found.count == 3 and found.mae == pytest.approx(1.0) and found.largest == 2.0
    assert found.rmsd == pytest.approx(np.sqrt(5 / 3))
    assert errors(np.empty(0), np.empty(0)).as_dict()["rmsd"] is None


def test_the_plot_has_its_numbers_beside_it() -> None:
    reference, predicted, split = np.arange(4.0), np.arange(4.0) + 0.1, np.array([0, 0, 0, 1])
    train, test = errors(predicted[:3], reference[:3]), errors(predicted[3:], reference[3:])
    drawn = energy_parity("a title", reference, predicted, split, ("a", "b", "c", "d"), train, test)
    assert drawn.png.startswith(b"\x89PNG")
    rows = list(csv.DictReader(io.StringIO(drawn.csv)))
    assert [r["split"] for r in rows] == ["train", "train", "train", "test"]
    assert float(rows[2]["predicted_kcal_per_mol"]) == pytest.approx(2.1)
