"""The learning curve: the whole training set gives the potential's own errors, small parts larger ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from potentials.nmers.switching import Switching
from potentials.pip.potential import Potential
from recipes.load import load_recipe
from recipes.schema.fitting import Fitting
from storage.records import TEST, TRAIN, Dataset
from storage.store import Store
from tasks.fitting.fit import fit_potential
from tasks.fitting.learning import fitted_again, learning_curve
from tasks.metrics import errors
from tests.storage.family import family

NMER = load_recipe("ch3-water").build_nmer()
SETTINGS = Fitting(degree=2, optimizer="fixed", ensemble=0, gamma=1e-3, delta_e=30.0)


def dataset(count: int = 240, seed: int = 0) -> Dataset:
    """Return labels of a surface that the terms describe, and of noise that they do not."""
    rng = np.random.default_rng(seed)
    positions = NMER.positions + rng.normal(scale=0.15, size=(count, NMER.natoms, 3))
    known = Potential(NMER, 2, "intermolecular", np.full(12, 1.0), rng.normal(size=82))
    energy = np.asarray(known.energy(positions)) + rng.normal(scale=0.02, size=count)
    split = np.where(np.arange(count) % 6 == 5, TEST, TRAIN)
    empty = np.full((count, 1), np.nan)
    names = tuple(f"c{n}" for n in range(count))
    return Dataset(positions, split, energy, empty, ("E",), empty, empty, empty[:, 0], empty, names)


def test_the_whole_set_gives_the_errors_of_the_potential() -> None:
    data = dataset()
    train = data.part(TRAIN)
    potential = fit_potential(NMER, train.positions, train.energy, SETTINGS).potential
    curve = fitted_again(potential, data, SETTINGS)
    assert [point.configurations for point in curve] == [25, 50, 100, 200]
    predicted = np.asarray(potential.energy(data.positions))
    for part, found in ((TRAIN, curve[-1].train), (TEST, curve[-1].test)):
        wanted = errors(predicted[data.split == part], data.energy[data.split == part])
        assert found.count == wanted.count and found.rmsd == pytest.approx(wanted.rmsd, rel=1e-6)
        assert found.largest == pytest.approx(wanted.largest, rel=1e-6)
    tests = [point.test.rmsd for point in curve]
    assert tests[0] > 1.3 * tests[-1] and tests[-1] < 0.05
    assert curve[0].train.count == 25 and curve[0].train.rmsd < curve[-1].train.rmsd


def test_a_switched_potential_is_fitted_as_it_was() -> None:
    data = dataset()
    switched = replace(Potential(NMER, 2, "intermolecular", np.full(12, 1.0), np.ones(82)),
                       switching=Switching((0, 5), 3.4, 3.9))  # fmt: skip
    factor = switched.switching.evaluate(data.positions)[0] if switched.switching else np.ones(1)
    assert factor.min() < 0.1 and factor.max() > 0.9
    data = replace(data, energy=data.energy * factor)
    curve = fitted_again(switched, data, SETTINGS)
    assert curve[-1].test.rmsd < 0.05


def test_a_stored_potential_has_a_curve_without_its_pool_as_well(tmp_path: Path) -> None:
    store = family(tmp_path / "store")
    version = store.resolve("tiny-water@1")
    curve = learning_curve(store, version)
    count = int((store.resolve("dataset:tiny-water@1").column("split") == TRAIN).sum())
    assert curve[-1].configurations == count and len(curve) > 1
    verdict = store.verdict(version)
    assert verdict is not None
    remove_pool(store)
    assert [point.configurations for point in learning_curve(store, version)] == [p.configurations for p in curve]


def remove_pool(store: Store) -> None:
    """Remove the pool's file as a full disk's owner would."""
    path = store.versions("pool")[0].path
    path.chmod(0o644)
    path.unlink()
