"""Gates measure what they say, and catch a potential that is broken on purpose."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from potentials.pip.potential import Potential
from recipes.load import load_recipe
from recipes.schema.gates import Gates
from tasks.metrics import errors
from tasks.parity import energy_parity
from tasks.validation.gates.interface import Candidate, judge
from tasks.validation.report import Report, report_html

NMER = load_recipe("ch3-water").build_nmer()
RNG = np.random.default_rng(0)
PROBES = NMER.positions + RNG.normal(scale=0.1, size=(6, NMER.natoms, 3))
POTENTIAL = Potential(NMER, 2, "intermolecular", np.full(12, 1.0), RNG.normal(size=82))


def test_errors_are_the_usual_ones() -> None:
    found = errors(np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 2.0]))
    assert found.count == 3 and found.mae == pytest.approx(1.0) and found.largest == 2.0
    assert found.rmsd == pytest.approx(np.sqrt(5 / 3))
    assert errors(np.empty(0), np.empty(0)).as_dict()["rmsd"] is None


def test_the_report_shows_the_figures_and_escapes_text() -> None:
    reference, predicted, split = np.arange(4.0), np.arange(4.0) + 0.1, np.array([0, 0, 0, 1])
    train, test = errors(predicted[:3], reference[:3]), errors(predicted[3:], reference[3:])
    drawn = energy_parity("a title", reference, predicted, split, ("a", "b", "c", "d"), train, test)
    assert drawn.png.startswith(b"\x89PNG")
    rows = list(csv.DictReader(io.StringIO(drawn.csv)))
    assert [r["split"] for r in rows] == ["train", "train", "train", "test"]
    assert float(rows[2]["predicted_kcal_per_mol"]) == pytest.approx(2.1)
    gates = judge(Candidate(POTENTIAL, train, test, 1.0, PROBES), Gates.of(train_rmsd=0.05))
    report = Report(
        "x@1",
        "<b>title",
        "HF",
        "candidate",
        [("pool", "3 frames", "pool:x@1")],
        train,
        test,
        gates,
        ["a note"],
        drawn.png,
        "a = 1",
    )
    page = report_html(report)
    assert "&lt;b&gt;title" in page and ">0.1<" in page and 'class="failed"' in page and "a note" in page
    assert "candidate" in report_html(replace(report, notes=[]))
