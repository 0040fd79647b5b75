"""Fit a PIP: several starts of the non-linear parameters, chosen by validation, refitted to all training data."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from potentials.basis import Basis
from potentials.errors import InputError, StageError
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
    train_rmsd, train_weighted_rmsd, train_max
        Errors of the potential on the whole training set: root mean square, the same with the fit's weights,
        and the largest; kcal/mol.
    warnings
        One sentence for each thing a careful reader should know.
    seconds
        CPU time.
    """

    potential: Potential
    objective: float
    validation: tuple[float, ...]
    train_rmsd: float
    train_weighted_rmsd: float
    train_max: float
    warnings: tuple[str, ...]
    seconds: float

    @property
    def k(self) -> Floats:
        """Non-linear parameter of each kind of distance, (kinds,), 1/Angstrom."""
        return self.potential.k


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

    Raises
    ------
    InputError
        If the arrays do not fit the n-mer or each other, or hold a number that is not finite.
    StageError
        If there are too few configurations to hold any back for validation.
    """
    began = time.process_time()
    _check(nmer, positions, energy)
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
    part, rest = whole.part(~held), whole.part(held)
    found, scores = [], []
    for number in range(settings.starts):
        start = _start(number, len(basis.pair_names), settings, rng)
        found.append(part.minimize(start, settings.k_bounds, settings.max_iterations).k)
        scores.append(_validation_error(part, rest, found[-1]))
        if progress is not None:
            progress.update(done=number + 1)
    best = found[int(np.argmin(scores))]
    k, objective, converged = whole.minimize(best, settings.k_bounds, settings.max_iterations)
    potential = Potential(nmer, settings.degree, settings.terms, k, whole.coefficients(k, final=True), switching)
    error = np.asarray(potential.energy(positions)) - energy
    return FitResult(
        potential=potential,
        objective=objective,
        validation=tuple(scores),
        train_rmsd=float(np.sqrt(np.mean(error**2))),
        train_weighted_rmsd=float(np.sqrt(whole.weight @ error**2 / whole.weight.sum())),
        train_max=float(np.abs(error).max()),
        warnings=_warnings(basis, k, factor, converged, settings),
        seconds=time.process_time() - began,
    )


def _check(nmer: NMer, positions: Floats, energy: Floats) -> None:
    if positions.shape != (len(energy), nmer.natoms, 3) or energy.ndim != 1:
        raise InputError(
            f"training positions have shape {positions.shape} and energies {energy.shape}; allowed: "
            f"(n, {nmer.natoms}, 3) in Angstrom and (n,) in kcal/mol"
        )
    if not (np.isfinite(positions).all() and np.isfinite(energy).all()):
        raise InputError("the training set holds a number that is not finite; leave failed labels out")
    if len(energy) < 2:
        raise StageError(
            f"{len(energy)} training configurations: a fit needs at least 2, one of them for validation; "
            "raise selection.train"
        )


def _start(number: int, kinds: int, settings: Fitting, rng: np.random.Generator) -> Floats:
    low, high = settings.k_bounds
    if number == 0:
        return np.full(kinds, np.clip(FIRST_START, low, high))
    return np.exp(rng.uniform(np.log(low), np.log(high), kinds))


def _validation_error(train: Problem, held: Problem, k: Floats) -> float:
    """Return the weighted RMSD on held-out data of the coefficients fitted to the rest."""
    predicted = design_matrix(held.basis, morse(held.basis, k, held.positions)[0]) @ train.coefficients(k)
    square = (held.factor * predicted - held.energy) ** 2
    return float(np.sqrt(held.weight @ square / held.weight.sum()))


def _warnings(basis: Basis, k: Floats, factor: Floats, converged: bool, settings: Fitting) -> tuple[str, ...]:
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
    inside = int(np.count_nonzero(factor))  # beyond the switch a configuration says nothing about coefficients
    if inside < 2 * basis.n_terms:
        within = "" if inside == len(factor) else f" within the switching radius (of {len(factor)})"
        found.append(
            f"{inside} training configurations{within} for {basis.n_terms} terms: the ridge decides much of the "
            "fit; raise selection.train or lower fitting.degree"
        )
    if not converged:
        found.append(
            f"the k were still moving after {settings.max_iterations} iterations; raise fitting.max_iterations"
        )
    return tuple(found)
