"""Fits with levels: the sum is the joint solution, and its uncertainty is that of independent parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.pip.basis import Basis
from potentials.pip.evaluation import design_matrix, morse
from potentials.pip.potential import Potential
from potentials.pip.ranges import training_ranges
from recipes.schema.recipe import Fitting, SwitchingModel
from tasks.fitting.baseline import Baseline
from tasks.fitting.difference import parts_of
from tasks.fitting.fit import fit_potential
from tasks.fitting.levels import LevelData, LevelsFit, fit_levels
from tasks.fitting.ridge import weights
from tasks.fitting.summed import sum_of
from tests.tasks.fitting.surfaces import charged
from tests.tasks.fitting.test_fit import NMER, shaken

FIRST, TOP, TEST = shaken(300, 1), np.arange(0, 300, 5), shaken(400, 2)
SETTINGS = Fitting(
    degree=2,
    gamma=1e-3,
    starts=1,
    max_iterations=10,
    ensemble=64,
    switching=SwitchingModel(atoms=(0, 5), r_in=4.0, r_out=6.5),
)
FEWER = SETTINGS.model_copy(update={"degree": 1, "gamma": 3e-3, "validation_fraction": 0.2})


def above(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A second level: the same surface with slightly steeper walls, and a smooth term besides."""
    energy, gradient = charged(positions, 3.3e4)
    arrow = positions[:, 0] - positions[:, 5]
    distance = np.linalg.norm(arrow, axis=1)
    pull = (-0.8 * 2.0 * np.exp(-0.8 * distance) / distance)[:, None] * arrow
    gradient[:, 0] += pull
    gradient[:, 5] -= pull
    return energy + 2.0 * np.exp(-0.8 * distance), gradient


def levels(with_gradient: bool = False, fewer: Fitting = FEWER) -> list[LevelData]:
    low, high = charged(FIRST), above(FIRST[TOP])
    slopes = (low[1], high[1]) if with_gradient else (None, None)
    beneath = low[1][TOP] if with_gradient else None
    return [
        LevelData("low", FIRST, low[0], None, slopes[0], None, SETTINGS),
        LevelData("high", FIRST[TOP], high[0], low[0][TOP], slopes[1], beneath, fewer),
    ]


def rows_of(data: LevelData, degree: int, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted rows and targets of a level, energies and then gradients by central differences of the terms."""
    basis = Basis.build(NMER, degree, "intermolecular")
    assert SETTINGS.switching is not None
    switching = SETTINGS.switching.build()

    def design(x: np.ndarray) -> np.ndarray:
        return np.asarray(switching.evaluate(x)[0][:, None] * design_matrix(basis, morse(basis, k, x)[0]))

    weight = weights(data.energy, 40.0)
    left = data.energy - (0.0 if data.below is None else data.below)
    rows, targets = np.sqrt(weight)[:, None] * design(data.positions), np.sqrt(weight) * left
    if data.gradient is None:
        return rows, targets
    slope = data.gradient - (0.0 if data.below_gradient is None else data.below_gradient)
    step, scale = 1e-4, np.sqrt(0.1 * weight)
    for atom in range(8):
        for axis in range(3):
            moved = [data.positions.copy() for _ in range(4)]
            for one, by in zip(moved, (-2, -1, 1, 2), strict=True):
                one[:, atom, axis] += by * step
            a, b, c, d = (design(one) for one in moved)
            rows = np.vstack([rows, scale[:, None] * ((a - d) + 8 * (c - b)) / (12 * step)])
            targets = np.concatenate([targets, scale * slope[:, atom, axis]])
    return rows, targets


@pytest.mark.parametrize("with_gradient", [False, True])
def test_the_sum_is_the_direct_solution_of_the_joint_problem(with_gradient: bool) -> None:
    """All rows of both levels in one matrix, with a column for each term of each level, solved as one."""
    data = levels(with_gradient)
    found = fit_levels(NMER, data)
    k = found.result.k
    (first, low), (second, high) = (rows_of(one, one.settings.degree, k) for one in data)
    m, n = first.shape[1], second.shape[1]
    ridge = np.diag([1e-3] * m + [3e-3] * n)
    matrix = np.block([[first, np.zeros((len(first), n))], [np.zeros((len(second), m)), second], [ridge]])
    exact = np.linalg.lstsq(matrix, np.concatenate([low, high, np.zeros(m + n)]), rcond=None)[0]
    assert (m, n) == (82, 6)
    predicted = np.asarray(found.result.potential.energy(TEST))
    assert SETTINGS.switching is not None
    factor = SETTINGS.switching.build().evaluate(TEST)[0]
    designs = [
        factor[:, None] * design_matrix(b, morse(b, k, TEST)[0])
        for b in (Basis.build(NMER, 2, "intermolecular"), Basis.build(NMER, 1, "intermolecular"))
    ]
    wanted = designs[0] @ exact[:m] + designs[1] @ exact[m:]
    np.testing.assert_allclose(predicted, wanted, atol=1e-6 if with_gradient else 1e-8)
    objective = np.sum((matrix @ exact - np.concatenate([low, high, np.zeros(m + n)])) ** 2)
    assert found.result.objective == pytest.approx(objective, rel=1e-6)


def test_the_sum_is_one_polynomial_equal_to_the_sum_of_two_potentials() -> None:
    found = fit_levels(NMER, levels())
    low, high = (level.potential for level in found.levels)
    first, second, whole = (p.evaluate(TEST) for p in (low, high, found.result.potential))
    np.testing.assert_allclose(whole.energy, first.energy + second.energy, atol=1e-10)
    np.testing.assert_allclose(whole.gradient, first.gradient + second.gradient, atol=1e-10)
    assert len(found.result.potential.coefficients) == 82 and found.result.potential.selected is None
    alone = fit_potential(NMER, FIRST, charged(FIRST)[0], SETTINGS)
    np.testing.assert_array_equal(low.coefficients, alone.potential.coefficients)
    np.testing.assert_array_equal(high.k, alone.potential.k)


def test_terms_of_any_degree_and_choice_add_up() -> None:
    """Chosen terms of one, a higher degree of the other, their union, and shifted variables."""
    forms = {"variables": {"intra": "exp", "inter": "exp0"}}
    few, more = (
        Fitting.model_validate(SETTINGS.model_dump() | forms | u)
        for u in ({"degree": 1}, {"degree": 2, "max_terms": 9, "optimizer": "fixed"})
    )
    data = [replace(one, settings=s) for one, s in zip(levels(), (few, more), strict=True)]
    found = fit_levels(NMER, data)
    low, high = (level.potential for level in found.levels)
    assert (len(low.coefficients), len(high.coefficients)) == (6, 9) and len(low.d) > 0
    union = set(range(6)) | set(high.selected or ())
    assert found.result.potential.selected == tuple(sorted(union)) and found.result.potential.degree == 2
    whole, parts = found.result.potential.evaluate(TEST), (low.evaluate(TEST), high.evaluate(TEST))
    np.testing.assert_allclose(whole.energy, sum(p.energy for p in parts), atol=1e-10)
    np.testing.assert_allclose(whole.gradient, sum(p.gradient for p in parts), atol=1e-10)
    np.testing.assert_allclose(
        found.result.potential.deviations(TEST), low.deviations(TEST) + high.deviations(TEST), atol=1e-10
    )


def test_the_weights_are_those_of_the_levels_own_energies() -> None:
    """With weights of the differences, which are all nearly alike, another difference would be fitted."""
    data = levels()
    found = fit_levels(NMER, data).levels[1].potential.coefficients
    top, k = data[1], fit_levels(NMER, data[:1]).result.k
    assert top.below is not None
    for energy, same in ((top.energy, True), (top.energy - top.below, False)):
        rows, targets = rows_of(replace(top, energy=energy, below=energy - (top.energy - top.below)), 1, k)
        c = np.linalg.solve(rows.T @ rows + 9e-6 * np.eye(6), rows.T @ targets)
        assert np.allclose(c, found, rtol=1e-6) == same


def test_the_errors_are_against_the_top_level() -> None:
    found, data = fit_levels(NMER, levels()), levels()
    error = np.asarray(found.result.potential.energy(FIRST[TOP])) - data[1].energy
    assert found.result.train_rmsd == pytest.approx(np.sqrt(np.mean(error**2)))
    assert found.result.train_max == pytest.approx(np.abs(error).max())
    direct = fit_potential(NMER, FIRST[TOP], data[1].energy, SETTINGS).potential
    truth = above(TEST)[0]
    rms = [np.sqrt(np.mean((np.asarray(p.energy(TEST)) - truth) ** 2)) for p in (found.result.potential, direct)]
    assert rms[0] < 0.7 * rms[1]
    np.testing.assert_array_equal(
        found.result.potential.ranges, training_ranges(NMER, found.result.potential.switching, FIRST)
    )


def test_each_level_says_its_errors() -> None:
    data = levels()
    low, high = fit_levels(NMER, data).levels
    assert (low.labels, high.labels, low.terms, high.terms) == (300, 60, 82, 6)
    assert data[1].below is not None
    difference = data[1].energy - data[1].below
    assert high.rms == pytest.approx(np.sqrt(np.mean(difference**2)))
    assert low.rms == pytest.approx(np.sqrt(np.mean(data[0].energy ** 2)))
    fitted = np.asarray(high.potential.energy(data[1].positions))
    assert high.train == pytest.approx(np.sqrt(np.mean((fitted - difference) ** 2)))
    test = above(TEST)[0] - charged(TEST)[0]
    error = np.asarray(high.potential.energy(TEST)) - test
    assert 1 / 3 < high.validation / np.sqrt(np.mean(error**2)) < 3  # steep walls: a few labels make most of it
    assert high.train < high.validation < high.rms


def test_labels_are_held_back_once_each_without_their_part() -> None:
    """The validation error from fits by another solver, without each of the parts."""
    data = levels()
    found = fit_levels(NMER, data)
    rows, targets = rows_of(data[1], 1, found.result.k)
    part = parts_of(60, 0.2, (SETTINGS.seed, 1))
    assert sorted(np.bincount(part)) == [12] * 5
    variance = np.empty(60)
    scale, held = np.sqrt(weights(data[1].energy, 40.0)), np.empty(60)
    for number in range(5):
        here = part == number
        normal = rows[~here].T @ rows[~here] + 9e-6 * np.eye(6)
        error = rows[here] @ np.linalg.solve(normal, rows[~here].T @ targets[~here]) - targets[here]
        held[here] = error / scale[here]
        variance[here] = np.einsum("ij,jk,ik->i", rows[here], np.linalg.inv(normal), rows[here])
    assert found.levels[1].validation == pytest.approx(np.sqrt(np.mean(held**2)), rel=1e-6)
    assert SETTINGS.switching is not None
    on = SETTINGS.switching.build().evaluate(FIRST[TOP])[0] >= 0.5
    assert 10 < on.sum() < 60
    assert found.levels[1].sigma == pytest.approx(
        np.sqrt(np.mean((scale * held)[on] ** 2 / variance[on])), rel=1e-6
    )


def test_the_variances_of_independent_levels_add_up() -> None:
    many = [replace(d, settings=d.settings.model_copy(update={"ensemble": 1000})) for d in levels()]
    found = fit_levels(NMER, many)
    low, high = (level.potential for level in found.levels)
    off = low.deviations(TEST), high.deviations(TEST)
    whole = np.asarray(found.result.potential.uncertainty(TEST))
    together = np.sqrt((off[0] ** 2).mean(axis=1) + (off[1] ** 2).mean(axis=1))
    inside = together > 1e-6
    assert inside.sum() > 100
    np.testing.assert_allclose(whole[inside], together[inside], rtol=0.15)
    alone = fit_potential(NMER, FIRST, many[0].energy, many[0].settings).potential
    np.testing.assert_array_equal(alone.uncertainty(TEST), low.uncertainty(TEST))


def test_the_joint_uncertainty_tells_the_size_of_the_errors() -> None:
    """Without switching, which would add an error where it is between 0 and 1 that no spread can tell."""
    ratios = []
    many, few = (s.model_copy(update={"switching": None}) for s in (SETTINGS, FEWER))
    for seed in range(6):
        first = shaken(300, 20 + seed)
        low, high = charged(first)[0], above(first)[0]
        data = [
            LevelData("low", first, low, None, None, None, many),
            LevelData("high", first[:60], high[:60], low[:60], None, None, few),
        ]
        potential = fit_levels(NMER, data).result.potential
        error = np.asarray(potential.energy(TEST)) - above(TEST)[0]
        ratios.append(np.sqrt(np.mean((error / np.asarray(potential.uncertainty(TEST))) ** 2)))
    assert 0.5 < np.exp(np.mean(np.log(ratios))) < 2.0


def test_the_first_level_may_stand_over_physics() -> None:
    """A baseline of the first level changes what is fitted there, and no difference."""
    data = levels()
    beneath = charged(FIRST, 0.0)
    found = fit_levels(NMER, data, baseline=Baseline(beneath[0], beneath[1]))
    plain = fit_potential(NMER, FIRST, data[0].energy, SETTINGS, baseline=beneath[0])
    np.testing.assert_array_equal(found.levels[0].potential.coefficients, plain.potential.coefficients)
    assert found.levels[0].rms == pytest.approx(np.sqrt(np.mean((data[0].energy - beneath[0]) ** 2)))


def test_three_levels() -> None:
    middle = np.arange(0, 300, 2)
    half = 0.5 * (charged(FIRST)[0] + above(FIRST)[0])
    low, high = charged(FIRST)[0], above(FIRST)[0]
    data = [
        LevelData("low", FIRST, low, None, None, None, SETTINGS),
        LevelData("middle", FIRST[middle], half[middle], low[middle], None, None, FEWER),
        LevelData("high", FIRST[middle][:40], high[middle][:40], half[middle][:40], None, None, FEWER),
    ]
    found = fit_levels(NMER, data)
    parts = [np.asarray(level.potential.energy(TEST)) for level in found.levels]
    np.testing.assert_allclose(found.result.potential.energy(TEST), sum(parts), atol=1e-10)
    assert [level.title for level in found.levels] == ["low", "middle", "high"]
    off = [level.potential.deviations(FIRST[TOP][:1]) for level in found.levels]
    assert abs(np.corrcoef(off[1][0], off[2][0])[0, 1]) < 0.5  # drawn each by itself, not from one seed


def test_one_level_is_the_fit_without_levels() -> None:
    alone = fit_levels(NMER, levels()[:1])
    plain = fit_potential(NMER, FIRST, charged(FIRST)[0], SETTINGS)
    np.testing.assert_array_equal(alone.result.potential.coefficients, plain.potential.coefficients)
    np.testing.assert_array_equal(alone.result.potential.ensemble, plain.potential.ensemble)
    assert alone.result.warnings == plain.warnings and len(alone.levels) == 1


def test_a_difference_that_is_not_explained_or_not_covered_is_said() -> None:
    data = levels()
    noise = np.random.default_rng(0).normal(size=60)
    assert data[1].below is not None
    loud = fit_levels(NMER, [data[0], replace(data[1], energy=data[1].below + noise)])
    assert any("level high: on labels held back, its fit leaves" in w for w in loud.result.warnings)
    assert any("raise levels.1.train" in w for w in loud.levels[1].warnings)
    near = np.argsort(FIRST[:, 5, 2])[:60]
    low, high = charged(FIRST[near])[0], above(FIRST[near])[0]
    found = fit_levels(NMER, [data[0], LevelData("high", FIRST[near], high, low, None, None, FEWER)])
    assert found.levels[1].outside > 0.2
    assert any("configurations are outside of the range of its 60" in w for w in found.result.warnings)
    every = LevelData("high", FIRST, above(FIRST)[0], data[0].energy, None, None, FEWER)
    whole = fit_levels(NMER, [data[0], every])
    assert whole.levels[1].outside == 0.0 and not any("outside" in w for w in whole.result.warnings)


def test_gradients_are_left_out_where_the_level_below_has_none_and_that_is_said() -> None:
    data = levels(with_gradient=True)
    both = fit_levels(NMER, data)
    assert both.levels[1].train_gradient is not None and both.result.train_gradient_rmsd is not None
    without = fit_levels(NMER, [data[0], replace(data[1], below_gradient=None)])
    assert without.levels[1].train_gradient is None
    assert any("its gradients are not fitted" in w for w in without.result.warnings)
    energies = fit_levels(NMER, [data[0], replace(data[1], gradient=None, below_gradient=None)])
    np.testing.assert_array_equal(
        without.levels[1].potential.coefficients, energies.levels[1].potential.coefficients
    )
    assert energies.result.train_gradient_rmsd is None


def test_levels_that_do_not_fit_together_are_refused() -> None:
    low, high = levels()
    with pytest.raises(InputError, match="at least one; none were given"):
        fit_levels(NMER, [])
    with pytest.raises(InputError, match="level 0, high, needs no energies of a level below"):
        fit_levels(NMER, [high, low])
    with pytest.raises(InputError, match="level 1, high, needs the energies of the level below"):
        fit_levels(NMER, [low, replace(high, below=None)])
    with pytest.raises(InputError, match=r"baseline has shape \(59,\); allowed: finite, \(60,\)"):
        fit_levels(NMER, [low, replace(high, below=low.energy[:59])])
    other = high.settings.model_copy(update={"switching": None})
    with pytest.raises(
        InputError, match=r"fitting.switching of level 1, high, is None; allowed: that of the first"
    ):
        fit_levels(NMER, [low, replace(high, settings=other)])


def test_only_potentials_of_the_same_kind_add_up() -> None:
    found: LevelsFit = fit_levels(NMER, levels())
    low, high = (level.potential for level in found.levels)
    others: list[Potential] = [
        replace(high, k=1.1 * high.k),
        replace(high, switching=None),
        replace(high, ensemble=None),
        replace(high, ensemble=high.ensemble[:9] if high.ensemble is not None else None),
    ]
    for other in others:
        with pytest.raises(InputError, match="add up to one polynomial only if"):
            sum_of([low, other])
    assert sum_of([low, high]).ranges is not None
