"""Fit a PIP: several starts of the non-linear parameters, chosen by validation, refitted to all training data."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from potentials.basis import Basis
from potentials.molecule import NMer
from potentials.pip import design_matrix, morse
from potentials.potential import Potential
from potentials.switching import Switching
from recipes.schema import Fitting
from storage.records import Floats
from tasks.fitting.projection import Problem
from tasks.fitting.ridge import weights
from tasks.progress import ProgressLine

FIRST_START = 1.0
"""All k of the first start, 1/Angstrom; the others are drawn at random within the bounds."""


@dataclass(frozen=True)
class FitResult:
    """What a fit found.

    Attributes
    ----------
    potential
        The potential.
    objective
        Weighted sum of squares with the ridge term, on the whole training set.
    validation
        Weighted RMSD on the validation split for each start, kcal/mol.
    warnings
        One sentence for each thing a careful reader should know.
    seconds
        CPU time.
    """

    potential: Potential
    objective: float
    validation: tuple[float, ...]
    warnings: tuple[str, ...]
    seconds: float


def fit_potential(
    nmer: NMer, positions: Floats, energy: Floats, settings: Fitting, progress: ProgressLine | None = None
) -> FitResult:
    """Fit a potential to training data; the test set is never seen.

    Parameters
    ----------
    nmer
        The n-mer.
    positions
        (n, atoms, 3), Angstrom.
    energy
        (n,), n-body energies, kcal/mol.
    settings
        The recipe's fitting section.
    progress
        Counts the starts.
    """
    began = time.process_time()
    basis = Basis.build(nmer, settings.degree, settings.terms)
    switching = None
    factor = np.ones(len(energy))
    if settings.switching is not None:
        switching = Switching(settings.switching.atoms, settings.switching.r_in, settings.switching.r_out)
        factor = switching.evaluate(positions)[0]
    whole = Problem(basis, positions, energy, factor, weights(energy, settings.delta_e), settings.gamma)

    rng = np.random.default_rng(settings.seed)
    held = np.zeros(len(energy), dtype=bool)
    held[rng.permutation(len(energy))[: max(1, round(settings.validation_fraction * len(energy)))]] = True
    part = _subset(whole, ~held)
    best, scores = np.empty(0), []
    for number in range(settings.starts):
        start = _start(number, len(basis.pair_names), settings, rng)
        k, _ = part.minimize(start, settings.k_bounds, settings.max_iterations)
        scores.append(_validation_error(part, _subset(whole, held), k))
        if scores[-1] == min(scores):
            best = k
        if progress is not None:
            progress.update(done=number + 1)
    k, objective = whole.minimize(best, settings.k_bounds, settings.max_iterations)
    potential = Potential(nmer, settings.degree, settings.terms, k, whole.coefficients(k, final=True), switching)
    found = _warnings(basis, k, len(energy), settings)
    return FitResult(potential, objective, tuple(scores), found, time.process_time() - began)


def _start(number: int, kinds: int, settings: Fitting, rng: np.random.Generator) -> Floats:
    low, high = settings.k_bounds
    if number == 0:
        return np.full(kinds, np.clip(FIRST_START, low, high))
    return np.exp(rng.uniform(np.log(low), np.log(high), kinds))


def _subset(problem: Problem, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Problem:
    return Problem(
        problem.basis,
        problem.positions[chosen],
        problem.energy[chosen],
        problem.factor[chosen],
        problem.weight[chosen],
        problem.gamma,
    )


def _validation_error(train: Problem, held: Problem, k: Floats) -> float:
    """Return the weighted RMSD on held-out data of the coefficients fitted to the rest."""
    predicted = design_matrix(held.basis, morse(held.basis, k, held.positions)[0]) @ train.coefficients(k)
    square = (held.factor * predicted - held.energy) ** 2
    return float(np.sqrt(held.weight @ square / held.weight.sum()))


def _warnings(basis: Basis, k: Floats, count: int, settings: Fitting) -> tuple[str, ...]:
    low, high = settings.k_bounds
    at_bound = [
        f"{name} = {value:.3g}"
        for name, value in zip(basis.pair_names, k, strict=True)
        if min(value - low, high - value) < 1e-6 * (high - low)
    ]
    found = []
    if at_bound:
        found.append(
            f"k (1/A) at its bound [{low:g}, {high:g}]: {', '.join(at_bound)}; the data do not decide it, or "
            "fitting.k_bounds is too narrow"
        )
    if count < 2 * basis.n_terms:
        found.append(
            f"{count} training configurations for {basis.n_terms} terms: the ridge decides much of the fit; "
            "raise selection.train or lower fitting.degree"
        )
    return tuple(found)
