"""A fit that its labels do not determine comes to places where no simulation may; a sound fit does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recipes.load import load_recipe
from recipes.schema.fitting import Fitting
from recipes.schema.gates import GATES
from storage.records import Dataset
from tasks.fitting.fit import fit_potential
from tasks.metrics import errors
from tasks.validation.bodies import Surroundings
from tasks.validation.gates.holes import advice, depth
from tasks.validation.gates.interface import Candidate
from tasks.validation.reach import Effort
from tasks.validation.whole import Whole
from tests.tasks.validation.surfaces import Springs, hole, quiet, sampled

NMER = load_recipe("ch3").build_nmer()
POSITIONS = sampled(NMER, 120)
ENERGY = np.asarray(Springs(NMER).energy_and_gradient(POSITIONS)[0]) + np.random.default_rng(5).normal(0, 0.5, 120)
"""Labels with errors of 0.5 kcal/mol."""

FINE = errors(np.zeros(3), np.full(3, 0.1))
QUICK = Effort(walkers=8, steps=80, stages=40, relaxations=6)


def labels(nmer_positions: np.ndarray, energy: np.ndarray) -> Dataset:
    unknown = np.full(len(energy), np.nan)
    return Dataset(
        positions=nmer_positions,
        split=np.zeros(len(energy), dtype=np.int64),
        energy=energy,
        sub_energies=np.empty((len(energy), 0)),
        sub_names=(),
        t1=unknown,
        t2=unknown,
        cpu_seconds=unknown,
        ids=tuple(map(str, range(len(energy)))),
        d1=unknown,
    )


def fitted(degree: int, gamma: float) -> Candidate:
    settings = Fitting(terms="all", degree=degree, gamma=gamma, optimizer="fixed", k=1.0, ensemble=0, delta_e=40.0)
    potential = fit_potential(NMER, POSITIONS, ENERGY, settings).potential
    around = Surroundings(Whole(potential), 0.0)
    return Candidate(potential, FINE, FINE, 1.0, POSITIONS, None, labels(POSITIONS, ENERGY), None, around, QUICK)


def reached(candidate: Candidate) -> np.ndarray:
    """Return where the way to the worst place fell below the lowest energy, (1, atoms, 3)."""
    onset = candidate.places[0].onset
    assert onset is not None
    return onset[None]


def test_a_bad_fit_is_caught_and_a_good_one_passes() -> None:
    limit = GATES.get("holes").limit
    assert depth(fitted(2, 5e-4)) < limit
    bad = fitted(5, 1e-10)
    predicted = np.asarray(bad.potential.energy(POSITIONS))
    assert np.abs(predicted - ENERGY).max() < 0.1  # its own labels say nothing
    assert depth(bad) > limit and "ch3" in advice(bad)


@pytest.mark.parametrize("begins", [1.5, 4.0])
def test_the_advice_names_the_distance_to_sample(begins: float) -> None:
    nmer = load_recipe("conh-ch-conh").build_nmer()
    positions = sampled(nmer, 40)
    whole = Whole(quiet(nmer), (), (Springs(nmer, (1, 11), hole(begins, 0.3, 60.0)),))
    data = labels(positions, np.zeros(40))
    candidate = Candidate(quiet(nmer), FINE, FINE, 1.0, positions, None, data, None, Surroundings(whole), QUICK)
    said, shortest = advice(candidate), np.linalg.norm(positions[:, 1] - positions[:, 11], axis=1).min()
    low, high = 0.75 * shortest, 1.05 * shortest
    assert said.startswith("a simulation of conh-ch-conh comes to contact of atoms by O1..H11 at ")
    assert f"data end at {shortest:.2f} A: sample this distance of conh-ch-conh between" in said
    assert said.endswith(f"between {low:.1f} and {high:.1f} A at 700 K")
    more = labels(np.concatenate([positions, reached(candidate)]), np.zeros(41))
    inside = replace(candidate, dataset=more, positions=more.positions)
    inside.__dict__["places"] = candidate.places
    assert "within the range of its data: add labels of conh-ch-conh" in advice(inside)
