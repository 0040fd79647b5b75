"""Figures of fitting, printed and never judged: pytest -m benchmark -s benchmarks."""

from __future__ import annotations

import resource
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from potentials.arrays import Floats
from potentials.pip.basis import Basis
from potentials.pip.evaluation import morse
from recipes.load import load_recipe
from recipes.schema.recipe import Fitting
from tasks.fitting.fit import fit_potential
from tasks.fitting.forward import choose_terms
from tasks.fitting.normal import normal_equations

pytestmark = pytest.mark.benchmark
NMER = load_recipe("ch3-water").build_nmer()


def surface(count: int, seed: int) -> tuple[Floats, Floats]:
    """Return configurations of a dimer and energies that no polynomial fits exactly."""
    rng = np.random.default_rng(seed)
    positions = NMER.positions + rng.normal(scale=0.1, size=(count, NMER.natoms, 3))
    positions[:, 5:, 2] += rng.uniform(-0.3, 5.0, (count, 1))
    between = np.linalg.norm(positions[:, :5, None] - positions[:, None, 5:], axis=-1)
    charge = np.outer([-0.4, 0.1, 0.1, 0.1, 0.1], [-0.8, 0.4, 0.4])
    energy = (charge * 332.0 / between + 3e4 * np.exp(-3.6 * between)).sum(axis=(1, 2))
    return positions, energy


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@pytest.mark.timeout(1800)
def test_a_fit_of_the_papers_size() -> None:
    """43,000 configurations, 710 terms, 12 non-linear parameters, five starts, one thread."""
    positions, energy = surface(43_000, 0)
    fit_potential(NMER, positions[:500], energy[:500], Fitting(degree=2, starts=1, max_iterations=2))  # compiled
    with threadpool_limits(1):
        before, wall = cpu(), time.perf_counter()
        result = fit_potential(NMER, positions, energy, Fitting(degree=3, starts=5))
        seconds, wall = cpu() - before, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        f"\n43,000 x {len(result.potential.coefficients)}: {seconds:.1f} CPU-s, {wall:.1f} s, peak {peak:.2f} GiB"
    )
    print(f"training RMSD {result.train_rmsd:.4f} kcal/mol, starts {np.round(result.validation, 4)}")


@pytest.mark.timeout(1800)
def test_choosing_2871_terms() -> None:
    """10,000 configurations, the 8,000 or so terms of degree 4, one thread."""
    positions, energy = surface(10_000, 1)
    basis = Basis.build(NMER, 4, "intermolecular")
    x = morse(basis, np.ones(len(basis.pair_names)), positions)[0]
    with threadpool_limits(1):
        marks = [time.process_time()]
        normal = normal_equations(basis, x, np.ones(len(x)), energy)
        marks.append(time.process_time())
        chosen = choose_terms(normal, 5e-4, 2871)
        marks.append(time.process_time())
    first, second = np.diff(marks)
    print(f"\n10,000 x {basis.n_terms}: normal equations {first:.1f} CPU-s, choice {second:.1f} CPU-s")
    for count in (100, 300, 1000, 2871):
        count = min(count, len(chosen.order))
        print(f"{count:5d} terms: rms {np.sqrt(max(chosen.objective[count], 0.0) / len(x)):.5f} kcal/mol")
