"""Sampling of three bodies: variables between all pairs, windows of the mean distance, walls that act on it."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from recipes.load import load_recipe, shipped_recipes
from recipes.schema.recipe import Bias, Sampling
from tasks.bias.cvs import cv_families
from tasks.bias.driver import drive
from tasks.bias.kernel import COM, WALL, apply_bias
from tasks.bias.plumed_engine import PlumedBias
from tasks.bias.plumed_input import read_plumed
from tasks.bias.plumed_output import plumed_input
from tasks.bias.specification import window_bias
from tasks.sampling.frames import com_distance
from tasks.sampling.plots import draw_pool
from tasks.sampling.pool import sample_pool
from tasks.sampling.samplers.pbmetad.walker import start_state
from tasks.sampling.samplers.pbmetad.walkers import walkers
from tests.numerical import slopes_of

RECIPE = load_recipe("water-water-water")
NMER = RECIPE.build_nmer()
MIXED = NMer("mixed", (load_recipe("ch3-water").build_nmer().fragments[0], *NMER.fragments[:2]))
SMALL = Sampling(
    temperatures=(300.0, 700.0), windows=((0, 3.5), (3.5, 4.5)), frames=120, equilibration=0.1, stride=25, seed=7
)


def distances(nmer: NMer, positions: np.ndarray) -> np.ndarray:
    """Return the distances of all pairs of centres of mass, (n, pairs)."""
    centres = [(positions[:, p] * nmer.masses[p][:, None]).sum(axis=1) / nmer.masses[p].sum() for p in nmer.slices]
    return np.stack([np.linalg.norm(a - b, axis=1) for a, b in combinations(centres, 2)], axis=1)


def shaken(nmer: NMer, count: int, size: float = 0.4) -> np.ndarray:
    rng = np.random.default_rng(5)
    x = np.repeat(nmer.positions[None], count, axis=0) + rng.normal(scale=0.1, size=(count, nmer.natoms, 3))
    for n, part in enumerate(nmer.slices):
        x[:, part] += [4.0 * n, 0.0, 0.0] if nmer is MIXED else 0.0
        x[:, part] += rng.normal(scale=size, size=(count, 1, 3))
    return x


def test_variables_lie_between_all_pairs_and_equal_ones_share_a_bias() -> None:
    found = {f.name: [cv.atoms for cv in f.cvs] for f in cv_families(NMER) if f.intermolecular}
    assert sorted(found["distance A-A"]) == [(0, 3), (0, 6), (3, 6)]
    assert len(found["angle A-A-B"]) == 12 and len(found) == 2
    mixed = {f.name: len(f.cvs) for f in cv_families(MIXED) if f.intermolecular}
    assert mixed["distance A-D"] == 2 and mixed["distance D-D"] == 1 and mixed["angle D-D-E"] == 4
    home = np.repeat(np.arange(3), [f.natoms for f in MIXED.fragments])
    pairs = {tuple(sorted({int(home[a]) for a in cv.atoms})) for f in cv_families(MIXED) for cv in f.cvs}
    assert pairs >= {(0, 1), (0, 2), (1, 2)}


@pytest.mark.parametrize("nmer", [NMER, MIXED], ids=["waters", "mixed"])
def test_the_distance_of_windows_is_the_mean_over_pairs(nmer: NMer) -> None:
    positions = shaken(nmer, 30)
    apart = distances(nmer, positions)
    found = com_distance(nmer, positions)
    np.testing.assert_allclose(found, apart.mean(axis=1), atol=1e-12)
    assert (apart.max(axis=1) <= 1.5 * found + 1e-12).all()  # by the triangle's inequality
    if nmer is NMER:
        exchanged = positions.reshape(30, 3, 3, 3)[:, [2, 0, 1]].reshape(30, 9, 3)
        np.testing.assert_allclose(com_distance(nmer, exchanged), found, atol=1e-12)


@pytest.mark.parametrize("window", [(0.0, 2.5), (6.0, 9.0), (0.0, 9.0)])
@pytest.mark.parametrize("nmer", [NMER, MIXED], ids=["waters", "mixed"])
def test_walls_act_on_the_mean_distance(nmer: NMer, window: tuple[float, float]) -> None:
    """Energy by its definition, forces by differences, without hills: the walls alone."""
    spec = window_bias(nmer, Bias(wall_kappa=30.0), 300.0, window)
    for x in shaken(nmer, 5):
        buffer, force = spec.buffer(), np.empty_like(x)
        energy = apply_bias(buffer, 0, x, force)
        mean = distances(nmer, x[None]).mean()
        beyond = max(mean - window[1], 0.0) if window[0] == 0.0 else min(mean - window[0], 0.0)
        assert buffer[COM] == pytest.approx(mean, abs=1e-12)
        assert energy == buffer[WALL] == pytest.approx(30.0 * beyond**2, abs=1e-10)
        assert (energy > 0.0) == (window != (0.0, 9.0))
        slopes = slopes_of(lambda moved: apply_bias(spec.buffer(), 0, moved, np.empty_like(moved)), x)
        np.testing.assert_allclose(force, -slopes, atol=1e-5)
        assert np.abs(force.sum(axis=0)).max() < 1e-9


@pytest.mark.parametrize("window", [(0.0, 2.5), (4.0, 6.0)])
def test_the_plumed_input_describes_the_same_walls(window: tuple[float, float], tmp_path: Path) -> None:
    spec = window_bias(NMER, Bias(pace=10), 300.0, window)
    path = tmp_path / "plumed.dat"
    path.write_text(plumed_input(spec, 100))
    third = repr(1 / 3)
    assert f"com: COMBINE ARG=com0,com1,com2 COEFFICIENTS={third},{third},{third} PERIODIC=NO" in path.read_text()
    assert "UPPER_WALLS ARG=com AT=" in path.read_text()
    positions, steps = shaken(NMER, 60), np.arange(60)
    found = drive(read_plumed(path), positions, NMER.masses, steps, 0.5)
    buffer, force = spec.buffer(), np.empty((9, 3))
    for n, x in enumerate(positions):
        assert apply_bias(buffer, n, x, force) == pytest.approx(found.bias[n], abs=1e-9)
        np.testing.assert_allclose(force, found.forces[n], atol=1e-8)
    np.testing.assert_allclose(found.printed["com"], com_distance(NMER, positions), atol=1e-12)
    lines = path.read_text()
    for old, new, message in (
        ("PERIODIC=NO", "PERIODIC=-1,1", "COMBINE needs a label, distances as ARG, and PERIODIC=NO"),
        ("COMBINE ARG=com0", "COMBINE ARG=a1", "COMBINE needs a label, distances"),
        ("COMBINE ARG=com0", "COMBINE ARG=com9", "ARG=com9 is not a variable defined above"),
    ):
        path.write_text(lines.replace(old, new))
        with pytest.raises(InputError, match=message):
            read_plumed(path)


@pytest.mark.parametrize("window", [(0.0, 2.5), (4.0, 6.0), (6.0, 9.0)])
def test_plumed_itself_gives_the_native_bias(window: tuple[float, float]) -> None:
    """Only where PLUMED_KERNEL leads to PLUMED: its COMBINE and its walls, hills and all."""
    if not os.environ.get("PLUMED_KERNEL"):
        pytest.skip("PLUMED_KERNEL is not set")
    spec = window_bias(NMER, Bias(pace=10), 300.0, window)
    buffer, force = spec.buffer(), np.empty((9, 3))
    with PlumedBias(spec, 0.5, np.empty((0, 1 + 2 * len(spec.cvs)))) as plumed:
        for step, x in enumerate(shaken(NMER, 60)):
            energy, theirs = apply_bias(buffer, step, x, force), plumed(step, x)
            assert plumed.energy == pytest.approx(energy, rel=1e-12, abs=1e-10)
            np.testing.assert_allclose(theirs, force, atol=1e-9)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("window", [(0.0, 4.0), (4.0, 6.0)])
def test_a_walker_starts_in_its_window(together: bool, window: tuple[float, float], tmp_path: Path) -> None:
    """Also if all fragments are centred at the origin."""
    nmer = NMER
    if together:
        centred = NMER.positions[:3] - np.average(NMER.positions[:3], axis=0, weights=NMER.masses[:3])
        one = replace(NMER.fragments[0], positions=tuple(map(tuple, centred.tolist())))
        nmer = NMer("together", (one,) * 3)
    start = start_state(walkers(nmer, SMALL.model_copy(update={"windows": (window,)}), tmp_path)[0])
    assert com_distance(nmer, start.x[None])[0] == pytest.approx(window[1] - 0.3, abs=1e-9)
    for part in nmer.slices:  # moved as wholes
        shape = start.x[part] - start.x[part.start]
        np.testing.assert_allclose(shape, nmer.positions[part] - nmer.positions[part.start], atol=1e-12)
    apart = distances(nmer, start.x[None])
    assert apart.min() > 0.5 * apart.mean()


def test_three_waters_are_sampled_in_their_windows(tmp_path: Path) -> None:
    pool = sample_pool(NMER, SMALL, tmp_path / "scratch")
    assert len(pool) == 120 and pool.cvs.shape == (120, 24)
    np.testing.assert_array_equal(pool.com_distance, com_distance(NMER, pool.positions))
    for number, (low, high) in enumerate(SMALL.windows):
        inside = pool.com_distance[pool.window == number]
        assert len(inside) == 60 and (inside >= low).all() and (inside < high).all()
    assert distances(NMER, pool.positions).max() < 1.5 * 4.5
    names = [plot.name for plot in draw_pool(NMER, SMALL, pool, "three waters")]
    assert names[:2] == ["com-distance", "energy"]


@pytest.mark.parametrize(
    ("scan", "message"),
    [
        ("{ axes = [{ lower = 3, upper = 4, points = 5 }] }", "an axis without atoms is for two fragments"),
        (
            "{ axes = [{ atoms = [0, 3], lower = 3, upper = 4, points = 5 }], orientations = 3 }",
            "orientations turns the second of two fragments, and here are 3",
        ),
    ],
)
def test_scans_without_a_meaning_for_three_fragments_are_refused(scan: str, message: str, tmp_path: Path) -> None:
    text = shipped_recipes()["water-water-water"].read_text()
    path = tmp_path / "mine.toml"
    path.write_text(text.replace("[sampling]", f'[sampling]\nsampler = ["pbmetad", "scan"]\nscan = {scan}', 1))
    with pytest.raises(InputError, match=message) as caught:
        load_recipe(str(path))
    assert "\n" not in str(caught.value)
