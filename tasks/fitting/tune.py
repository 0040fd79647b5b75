"""Compare settings of a fit: degree, Gamma and dE by validation, and the learning curve.

The test set is not used. One random part of the training set is held back for all settings; errors on it are
unweighted root mean squares, so that settings with different weights can be compared. If gradients are fitted,
settings are compared by energies and gradients together, with the gradients' weight in the objective.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from potentials.arrays import Bools, Floats
from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from potentials.physics.nbody import PhysicsOfNMer
from recipes.schema.recipe import Fitting
from tasks.fitting.baseline import Baseline
from tasks.fitting.fit import low_degrees, make_problem
from tasks.fitting.forward import choose_terms
from tasks.fitting.projection import Problem
from tasks.fitting.search import search

HELD = 0.2
"""Fraction of the training set that is held back."""

FRACTIONS = (0.125, 0.25, 0.5, 1.0)
"""Fractions of the rest that the learning curve is fitted to."""

Told = Callable[[int], None]


@dataclass(frozen=True)
class Trial:
    """One setting and its errors.

    Attributes
    ----------
    degree, gamma, delta_e
        The setting.
    terms
        Number of terms.
    train_rmsd, validation_rmsd
        On the fitted and on the held-back configurations, kcal/mol.
    low_rmsd
        On the held-back configurations within the first settings' dE of the lowest energy, kcal/mol.
    gradient_rmsd
        Of a component of the gradients held back, kcal/mol/Angstrom; None where none are fitted.
    score
        The figure of comparison: sqrt of the mean of e^2 + gradient weight * |g|^2 on the held-back
        configurations, kcal/mol; without gradients, the validation RMSD.
    """

    degree: int
    gamma: float
    delta_e: float
    terms: int
    train_rmsd: float
    validation_rmsd: float
    low_rmsd: float
    gradient_rmsd: float | None
    score: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class LearningPoint:
    """One point of the learning curve: training configurations, and the errors as in `Trial`."""

    configurations: int
    train_rmsd: float
    validation_rmsd: float
    low_rmsd: float
    gradient_rmsd: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Split:
    """A training set: which configurations are held back, which of these are low in energy, and the baseline."""

    nmer: NMer
    positions: Floats
    energy: Floats
    held: Bools
    low: Bools
    gradient: Floats | None = None
    baseline: Baseline | Floats | None = None

    @classmethod
    def of(
        cls,
        nmer: NMer,
        positions: Floats,
        energy: Floats,
        settings: Fitting,
        gradient: Floats | None = None,
        baseline: PhysicsOfNMer | Baseline | Floats | None = None,
    ) -> Split:
        """Hold back a random part; raises InputError where there is too little to split."""
        if len(energy) < 20:
            raise InputError(
                f"{len(energy)} training configurations are too few to tune with; allowed: 20 or more"
            )
        held = np.zeros(len(energy), dtype=bool)
        held[np.random.default_rng(settings.seed).permutation(len(energy))[: round(HELD * len(energy))]] = True
        low = (energy <= energy.min() + settings.delta_e)[held]
        if isinstance(baseline, PhysicsOfNMer):
            baseline = Baseline.of(baseline, positions)
        return cls(nmer, positions, energy, held, low, gradient, baseline)

    def problem(self, settings: Fitting) -> Problem:
        """Return the least squares problem of the whole set."""
        return make_problem(self.nmer, self.positions, self.energy, settings, self.gradient, self.baseline)


def scan(
    split: Split,
    settings: Fitting,
    degrees: Sequence[int],
    gammas: Sequence[float],
    delta_es: Sequence[float],
    told: Told | None = None,
) -> list[Trial]:
    """Fit with every combination of settings; the best by validation comes first.

    The search for the non-linear parameters starts from those of the previous combination, so it takes only a few
    iterations.

    Parameters
    ----------
    split
        The training set.
    settings
        All other settings.
    degrees, gammas, delta_es
        The values to combine.
    told
        Called with the number of combinations done.
    """
    trials: list[Trial] = []
    for degree in degrees:
        k: Floats | None = None
        for delta_e in delta_es:
            for gamma in sorted(gammas, reverse=True):
                values = {"degree": degree, "gamma": gamma, "delta_e": delta_e, "max_terms": None}
                problem = split.problem(settings.model_copy(update=values))
                part, rest = problem.part(~split.held), problem.part(split.held)
                start = settings.first_start(problem.basis) if k is None else k
                k = search(
                    part,
                    start,
                    settings.parameter_bounds(part.basis),
                    settings.max_iterations,
                    settings.optimizer,
                ).k
                errors = _errors(part, rest, split.low, k)
                trials.append(Trial(degree, gamma, delta_e, problem.basis.n_terms, *errors))
                if told is not None:
                    told(len(trials))
    return sorted(trials, key=lambda trial: trial.score)


def learning_curve(split: Split, settings: Fitting, told: Told | None = None) -> list[LearningPoint]:
    """Fit to growing parts of the training set, tested on the held-back configurations.

    Parameters
    ----------
    split
        The training set.
    settings
        The fit's settings.
    told
        Called with the number of points done.
    """
    problem = split.problem(settings)
    rest, order = (
        problem.part(split.held),
        np.random.default_rng(settings.seed).permutation(np.flatnonzero(~split.held)),
    )
    k, points = settings.first_start(problem.basis), []
    for fraction in FRACTIONS:
        chosen = np.zeros(len(split.energy), dtype=bool)
        chosen[order[: max(2, round(fraction * len(order)))]] = True
        part = problem.part(chosen)
        k = search(part, k, settings.parameter_bounds(part.basis), settings.max_iterations, settings.optimizer).k
        points.append(LearningPoint(int(chosen.sum()), *_errors(part, rest, split.low, k)[:-1]))
        if told is not None:
            told(len(points))
    return points


def worth(points: Sequence[LearningPoint]) -> float:
    """Return the validation RMSD (kcal/mol) to expect with twice the configurations of the last point.

    It is extrapolated from the last two points as a power law, and is at most that of the last point.
    """
    (n0, e0), (n1, e1) = ((p.configurations, p.validation_rmsd) for p in points[-2:])
    power = min(0.0, np.log(e1 / e0) / np.log(n1 / n0))
    return float(e1 * 2.0**power)


class _Errors(NamedTuple):
    train_rmsd: float
    validation_rmsd: float
    low_rmsd: float
    gradient_rmsd: float | None
    score: float


def _errors(part: Problem, rest: Problem, low: Bools, k: Floats) -> _Errors:
    """Return the errors of a fit to one part on it and on the rest; see `Trial`."""
    coefficients = part.coefficients(k)
    train = part.residuals(k, coefficients).energy_rmsd()
    held = rest.residuals(k, coefficients)
    return _Errors(train, held.energy_rmsd(), _rms(held.energy[low]), held.gradient_rmsd(), held.score())


@dataclass(frozen=True)
class TermsPoint:
    """The errors, as in `Trial`, with a number of terms chosen by `tasks.fitting.forward`."""

    terms: int
    validation_rmsd: float
    low_rmsd: float
    gradient_rmsd: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def terms_curve(split: Split, settings: Fitting, told: Told | None = None) -> list[TermsPoint]:
    """Return the validation error with 1, 2, 4, ... chosen terms, up to `max_terms` or all of them.

    Parameters
    ----------
    split
        The training set.
    settings
        The fit's settings.
    told
        Called with the number of terms chosen.
    """
    problem = split.problem(settings.model_copy(update={"max_terms": None}))
    part, rest = problem.part(~split.held), problem.part(split.held)
    few = replace(part, basis=low_degrees(problem.basis))
    start = settings.first_start(problem.basis)
    k = search(few, start, settings.parameter_bounds(few.basis), settings.max_iterations, settings.optimizer).k
    most = min(settings.max_terms or part.basis.n_terms, part.basis.n_terms)
    chosen = choose_terms(part.normal(k), settings.gamma, most, told)
    points = []
    for count in chosen.counts():
        order = np.argsort(chosen.order[:count])
        few = replace(rest, basis=rest.basis.select(chosen.order[:count]))
        held = few.residuals(k, chosen.coefficients(count)[order])
        points.append(TermsPoint(count, held.energy_rmsd(), _rms(held.energy[split.low]), held.gradient_rmsd()))
    return points


def _rms(error: Floats) -> float:
    return float(np.sqrt(np.mean(error**2))) if len(error) else float("nan")
