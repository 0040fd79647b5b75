"""Minima of n-mers: found once, caps in place, compared with those of a sum that is right or wrong."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from potentials.evaluation import Evaluation
from potentials.nmers.nmer import NMer
from recipes.families import FAMILIES
from recipes.load import load_recipe
from tasks.checks.interface import nobody
from tasks.checks.minima import CHECK, MinimaOptions, rows_of, wholes
from tasks.checks.nmer_minima import binds_a_cap, minima_of, minimum, rmsd
from tasks.checks.reference import reference
from tasks.checks.subject import Subject
from tests.nmer.polyalanine import store_of

PAIR = load_recipe("conh-conh-pair").build_nmer()
BONDED = load_recipe("ch3-conh").build_nmer()
OPTIONS = MinimaOptions(tries=2, most=1)


def test_rmsd_is_that_after_superposition() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(7, 3))
    moved = Rotation.random(random_state=1).apply(x) + np.array([3.0, -2.0, 7.0])
    assert rmsd(x, moved) == pytest.approx(0.0, abs=1e-7)
    y = x + 0.1 * rng.normal(size=x.shape)
    turned = Rotation.random(random_state=2).apply(y)
    best, _ = Rotation.align_vectors(x - x.mean(axis=0), turned - turned.mean(axis=0))
    apart = x - x.mean(axis=0) - best.apply(turned - turned.mean(axis=0))
    assert rmsd(x, turned) == pytest.approx(np.sqrt((apart**2).sum() / 7))
    assert rmsd(x, -x) > 0.5  # a mirror image is another geometry


def test_minima_are_found_once_with_caps_at_their_lengths() -> None:
    pytest.importorskip("tblite")
    surface = reference().surface(PAIR)
    found = minima_of(PAIR, surface, 1, 2)
    energies = [point.energy for point in found]
    assert found and len({round(energy, 1) for energy in energies}) == len(found)
    for point in found:
        for cap, anchor, length in PAIR.caps:
            assert np.linalg.norm(point.positions[cap] - point.positions[anchor]) == pytest.approx(length)
        lower = minimum(PAIR, surface, point.positions)
        assert lower is not None and lower.energy == pytest.approx(point.energy, abs=0.01)
    far = np.array(PAIR.positions)
    far[PAIR.slices[1]] += 50.0
    assert not binds_a_cap(PAIR, far)
    cap = PAIR.caps[0][0]
    far[PAIR.slices[1]] += far[cap] - far[PAIR.slices[1]][0] + np.array([2.0, 0.0, 0.0])
    assert binds_a_cap(PAIR, far)


@dataclass
class Shifted:
    """GFN2-xTB in the place of a sum, with another zero and a bond pulled."""

    nmer: NMer
    pull: float = 0.0

    def evaluate(self, x: np.ndarray) -> Evaluation:
        energy, gradient = reference().surface(self.nmer)(x[0])
        i, j = self.nmer.bonds[0]
        along = x[0, i] - x[0, j]
        length = float(np.linalg.norm(along))
        gradient = gradient.copy()
        gradient[i] -= self.pull * along / length
        gradient[j] += self.pull * along / length
        return Evaluation(np.array([energy + 77.0 - self.pull * length]), gradient[None])


def test_a_right_sum_has_no_error_and_a_wrong_one_has_its_own() -> None:
    pytest.importorskip("tblite")
    (right,) = rows_of("ch3-conh", Shifted(BONDED), OPTIONS, reference())  # type: ignore[arg-type]
    assert right.kind == "bonded" and right.rmsd < 1e-3 and right.above == pytest.approx(0.0, abs=1e-3)
    (wrong,) = rows_of("ch3-conh", Shifted(BONDED, 40.0), OPTIONS, reference())  # type: ignore[arg-type]
    assert wrong.rmsd > 0.01 and wrong.above > 0.5


@pytest.mark.slow
def test_a_family_of_no_meaning_is_measured_and_drawn(tmp_path: Path) -> None:
    pytest.importorskip("tblite")
    store = store_of(tmp_path / "store", ["ch", "ch3", "conh", *FAMILIES["polyalanine"][3:]])
    subject = Subject.of_family("polyalanine", store, ["AceAlaNme"])
    every, notes = wholes(subject)
    assert "conh-ch-conh" in every and "conh" not in every and not notes
    found = CHECK.measure(subject, MinimaOptions(tries=1, most=1), nobody)
    rows = list(csv.DictReader(io.StringIO(CHECK.draw(found)[0].csv)))
    assert {row["nmer"] for row in rows} == set(every)
    assert all(float(row["reference_kcal_per_mol"]) == 0.0 for row in rows)  # bonded: above the lowest
    values = {one.name: one.value for one in found.results}
    lost = sum(np.isnan(float(row["rmsd_angstrom"])) for row in rows)
    assert values["lost"] == lost
