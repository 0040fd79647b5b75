"""Relaxation with held torsions: they are where they are asked for, and nothing else has a slope."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.arrays import Floats
from potentials.errors import InputError
from recipes.chemistry.molecules import read_molecule
from tasks.checks.internal import difference, model_hessian, torsion_rows, torsions, turned
from tasks.checks.reference import reference
from tasks.checks.relaxation import relaxed

DIPEPTIDE = read_molecule("AceAlaNme").embedded()
X = np.array(DIPEPTIDE.positions)
PHI, PSI = (1, 3, 4, 6), (3, 4, 6, 8)


def test_derivatives_of_torsions_are_those_of_differences() -> None:
    rows, step = torsion_rows(X, [PHI, PSI]), 1e-5
    found = np.empty_like(rows)
    for n in range(X.size):
        move = np.zeros(X.size)
        move[n] = step
        ahead, behind = (torsions(X + sign * move.reshape(X.shape), [PHI, PSI]) for sign in (1, -1))
        found[:, n] = np.radians(difference(ahead, behind)) / (2 * step)
    assert np.abs(found - rows).max() < 1e-8


def test_a_turn_changes_one_torsion_and_no_bond() -> None:
    moved = turned(X, DIPEPTIDE.bonds, PHI, 170.0)
    before, after = torsions(X, [PHI, PSI]), torsions(moved, [PHI, PSI])
    assert after == pytest.approx([170.0, before[1]])
    for i, j in DIPEPTIDE.bonds:
        assert np.linalg.norm(moved[i] - moved[j]) == pytest.approx(np.linalg.norm(X[i] - X[j]))
    ring = read_molecule("C1CCC1").embedded()
    with pytest.raises(InputError, match="bond of a ring"):
        turned(np.array(ring.positions), ring.bonds, (0, 1, 2, 3), 20.0)


def test_the_model_of_the_hessian_knows_no_rigid_motion() -> None:
    hessian = model_hessian(DIPEPTIDE.symbols, X)
    curvature = np.linalg.eigvalsh(hessian)
    assert np.sum(np.abs(curvature) < 1e-8) == 6 and curvature.min() > -1e-8
    spin = np.cross([0.0, 0.0, 1.0], X).ravel()
    assert np.abs(hessian @ spin).max() < 1e-8
    assert np.array_equal(hessian, hessian.T)


def test_the_bottom_of_a_well_is_found() -> None:
    """A molecule on springs to places: the minimum with a torsion held has a slope along this torsion alone."""

    def springs(x: Floats) -> tuple[float, Floats]:
        i, j = np.triu_indices(len(x), 1)
        start = np.linalg.norm(X[i] - X[j], axis=1)
        away = x[i] - x[j]
        length = np.linalg.norm(away, axis=1)
        pull = 20.0 * (length - start)[:, None] * away / length[:, None]
        gradient = np.zeros_like(x)
        np.add.at(gradient, i, pull)
        np.add.at(gradient, j, -pull)
        return float(10.0 * ((length - start) ** 2).sum()), gradient

    rough = X + np.random.default_rng(0).normal(scale=0.05, size=X.shape)
    free = relaxed(springs, DIPEPTIDE.symbols, rough)
    assert free.energy < 1e-4 and free.steepest < 0.02
    value = float(torsions(X, [PHI])[0]) + 12.0
    held = relaxed(springs, DIPEPTIDE.symbols, rough, [(PHI, value)], tolerance=0.001)
    assert torsions(held.positions, [PHI])[0] == pytest.approx(value, abs=1e-4)
    assert held.energy > 0.1 and held.steepest < 0.001
    slope, row = springs(held.positions)[1].ravel(), torsion_rows(held.positions, [PHI])[0]
    assert np.abs(slope).max() > 1.0
    assert np.abs(slope - row * (row @ slope) / (row @ row)).max() < 0.001


def test_gfn2_xtb_relaxes_with_both_torsions_held() -> None:
    pytest.importorskip("tblite")
    surface = reference().surface(DIPEPTIDE)
    start = turned(turned(X, DIPEPTIDE.bonds, PHI, -80.0), DIPEPTIDE.bonds, PSI, 70.0)
    found = relaxed(surface, DIPEPTIDE.symbols, start, [(PHI, -80.0), (PSI, 70.0)], tolerance=0.05)
    assert torsions(found.positions, [PHI, PSI]) == pytest.approx([-80.0, 70.0], abs=1e-4)
    assert found.steepest < 0.05 and found.evaluations < 100
    assert found.energy < surface(start)[0] - 5.0
