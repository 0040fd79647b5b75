"""A trial of levels: its labels, and how the error of what is fitted for a level falls with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import Fitting
from tasks.fitting.fit import low_degrees, make_problem
from tasks.fitting.level_curves import FEWEST, FOLDS, RIDGES, Curve, learning_curves
from tasks.fitting.search import search

LONGEST = 4
"""Largest number of levels of a chain."""

MOST_FOR_K = 2000
"""Largest number of labels that the non-linear parameters are fitted to."""

Told = Callable[[int], None]


@dataclass(frozen=True)
class TrialLevel:
    """A candidate level and its labels in the trial.

    Attributes
    ----------
    name, title
        Name of the protocol, and its level of theory.
    energy
        (configurations,), n-body energies, kcal/mol, for a single molecule of any zero; nan without a label.
    seconds
        CPU time of a label that is computed.
    """

    name: str
    title: str
    energy: Floats
    seconds: float


@dataclass(frozen=True)
class Trial:
    """A trial: the configurations and the candidate levels, the cheapest first and the top last.

    Attributes
    ----------
    nmer, positions
        The n-mer, and (configurations, atoms, 3), Angstrom.
    levels
        The candidates.
    settings
        The recipe's fit.
    baseline
        (configurations,), V_phys that the first level's fit is over, kcal/mol; None without.
    unknown_zero
        Whether the zeros of the energies are not known, and are fitted.
    held
        Pairs (label, other level) of names: labels of the first hold those of the second, which then cost nothing.
    """

    nmer: NMer
    positions: Floats
    levels: tuple[TrialLevel, ...]
    settings: Fitting
    baseline: Floats | None = None
    unknown_zero: bool = False
    held: frozenset[tuple[str, str]] = frozenset()

    def common(self, upper: int, lower: int | None) -> Ints:
        """Return the configurations that have labels of one level, or of two."""
        known = np.isfinite(self.levels[upper].energy)
        if lower is not None:
            known = known & np.isfinite(self.levels[lower].energy)
        return np.flatnonzero(known)

    def chains(self) -> list[tuple[int, ...]]:
        """Return every chain that ends at the top, of at most `LONGEST` levels, the shortest first."""
        below = range(len(self.levels) - 1)
        most = min(LONGEST, len(self.levels))
        return [(*some, len(below)) for size in range(most) for some in combinations(below, size)]


@dataclass(frozen=True)
class Step:
    """What is fitted for a level of a chain, and how its error falls.

    Attributes
    ----------
    upper, lower
        Names of the level and of the one below; None: the energies themselves.
    labels
        Labels that the curves are from.
    rms
        Root mean square of what is fitted, kcal/mol.
    curves
        One for each degree and ridge parameter.
    """

    upper: str
    lower: str | None
    labels: int
    rms: float
    curves: tuple[Curve, ...]

    @property
    def most(self) -> int:
        """Largest number of labels that a fit was made to."""
        return max(int(curve.counts[-1]) for curve in self.curves)

    @property
    def fewest(self) -> int:
        """Smallest number of labels that a fit was made to."""
        return min(int(curve.counts[0]) for curve in self.curves)

    def expected(self, count: Floats) -> Floats:
        """Return the error of the best fit with numbers of labels, kcal/mol."""
        return np.asarray(np.min([curve.expected(count) for curve in self.curves], axis=0))

    def best(self, count: int) -> Curve:
        """Return the curve of the best fit for a number of labels."""
        at = np.array([float(count)])
        return min(self.curves, key=lambda curve: float(curve.expected(at)[0]))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "level": self.upper,
            "below": self.lower,
            "labels": self.labels,
            "rms": self.rms,
            "curves": [
                {
                    "degree": curve.degree,
                    "terms": curve.terms,
                    "gamma": curve.gamma,
                    "counts": curve.counts.tolist(),
                    "errors": curve.errors.tolist(),
                    "low": np.percentile(curve.drawn, 16, axis=0).tolist(),
                    "high": np.percentile(curve.drawn, 84, axis=0).tolist(),
                    "power": curve.power,
                }
                for curve in self.curves
            ],
        }


def common_parameters(trial: Trial) -> Floats:
    """Return the non-linear parameters of all fits: of the level with the most labels, the first of equals."""
    sizes = [len(trial.common(number, None)) for number in range(len(trial.levels))]
    number = int(np.argmax(sizes))
    rows, settings = trial.common(number, None), trial.settings
    part = rows[np.random.default_rng(settings.seed).permutation(len(rows))[:MOST_FOR_K]]
    energy, below = _target(trial, number, None, part)
    shift = float(np.min(energy if below is None else energy - below)) if trial.unknown_zero else 0.0
    one = settings.model_copy(update={"max_terms": None})
    problem = make_problem(trial.nmer, trial.positions[part], energy - shift, one, baseline=below)
    problem = replace(problem, basis=low_degrees(problem.basis))
    start, bounds = settings.first_start(problem.basis), settings.parameter_bounds(problem.basis)
    return search(problem, start, bounds, settings.max_iterations, settings.optimizer).k


def pairs_of(trial: Trial) -> list[tuple[int, int | None]]:
    """Return each level with each that may be below it in a chain, or None."""
    return [(upper, lower) for upper in range(len(trial.levels)) for lower in (None, *range(upper))]


def _target(trial: Trial, upper: int, lower: int | None, rows: Ints) -> tuple[Floats, Floats | None]:
    """Return the energies of a level, and what its fit subtracts."""
    energy = trial.levels[upper].energy[rows]
    if lower is not None:
        return energy, trial.levels[lower].energy[rows]
    return energy, None if trial.baseline is None else trial.baseline[rows]


def learned(
    trial: Trial, upper: int, lower: int | None, degrees: Sequence[int], parameters: Floats, told: Told
) -> Step:
    """Return the learning curves of a level over another, or of its own energies.

    Parameters
    ----------
    trial
        The trial.
    upper, lower
        Numbers of the level and of the one below; None: none.
    degrees, parameters
        Degrees of the fits, and their non-linear parameters.
    told
        Called with the number of divisions done.

    Raises
    ------
    InputError
        If there are too few labels.
    """
    rows = trial.common(upper, lower)
    names = [trial.levels[number].name for number in (upper, lower) if number is not None]
    if len(rows) < FOLDS * FEWEST:
        raise InputError(
            f"{len(rows)} configurations of the trial have usable labels of {' and '.join(names)}; "
            f"{FOLDS * FEWEST} are needed: raise --trial"
        )
    energy, below = _target(trial, upper, lower, rows)
    curves = learning_curves(
        trial.nmer,
        trial.positions[rows],
        energy,
        below,
        trial.settings,
        degrees,
        parameters,
        trial.unknown_zero,
        told,
        RIDGES,
    )
    left = energy if below is None else energy - below
    left = left - left.mean() if trial.unknown_zero else left
    rms = float(np.sqrt(np.mean(left**2)))
    return Step(names[0], names[1] if lower is not None else None, len(rows), rms, tuple(curves))
