"""Fit of a potential with levels: the cheapest at full size, and each difference to the next on fewer labels.

The potential is the sum. All levels have the non-linear parameters of the first, so that the fit of a difference
is linear and the sum is one polynomial over the union of the terms. The levels' least squares problems share no
coefficient: together they are one problem whose matrix has a block for each level, and which is solved exactly by
solving each. Their errors are taken as independent: the ensemble of the sum is the sum of the levels' deviations,
each drawn by itself and scaled by its own validation.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from potentials.physics.nbody import PhysicsOfNMer
from potentials.pip.potential import Potential
from potentials.pip.ranges import training_ranges
from recipes.schema.recipe import Fitting
from tasks.fitting.baseline import Baseline, checked, remainder
from tasks.fitting.difference import fit_difference, parts_of
from tasks.fitting.fit import fit_potential, make_problem
from tasks.fitting.residuals import Residuals
from tasks.fitting.result import FitResult
from tasks.fitting.ridge import weights
from tasks.fitting.summed import sum_of
from tasks.fitting.vanishing import notes_on_the_end
from tasks.progress import ProgressLine

EXPLAINED = 0.5
"""Fraction of a difference's root mean square that its validation error may be before a warning."""

OUTSIDE = 0.05
"""Fraction of the first level's configurations that may be outside of a level's range before a warning."""

SHARED = ("terms", "rules", "variables", "lone_pairs", "switching", "ensemble")
"""Settings that the fits of all levels must have in common for their sum to be one potential."""


@dataclass(frozen=True)
class LevelData:
    """The training labels of one level.

    Attributes
    ----------
    title
        What the level is, for example ``FNO-CCSD(T)/cc-pVDZ``.
    positions
        (n, atoms, 3), Angstrom.
    energy
        (n,), n-body energies of this level, kcal/mol.
    below
        (n,), those of the level below at the same configurations; None for the first level.
    gradient, below_gradient
        (n, atoms, 3), kcal/mol/Angstrom; None where there are none.
    settings
        The settings of this level's fit.
    """

    title: str
    positions: Floats
    energy: Floats
    below: Floats | None
    gradient: Floats | None
    below_gradient: Floats | None
    settings: Fitting


@dataclass(frozen=True)
class FittedLevel:
    """The fit of one level.

    Attributes
    ----------
    title, labels
        The level, and its number of training labels.
    terms
        Number of terms of its fit.
    rms
        Root mean square of what is fitted, kcal/mol: the differences from the level below; for the first level the
        energies, less V_phys where there is one.
    train, validation
        Root mean square error of its fit to its labels, and on labels held back from it; kcal/mol, unweighted.
    train_gradient
        Root mean square error of a component of its gradients, kcal/mol/Angstrom; None where none are fitted.
    weighted
        The validation error with the weights of the fit, kcal/mol.
    objective
        Weighted sum of squares with the ridge term.
    sigma
        Scale of its uncertainty, kcal/mol.
    leverage
        Largest leverage of one of its labels.
    outside
        Fraction of the first level's configurations that are outside of the range of this level's.
    potential
        The fit of this level alone, with its ensemble; that of a further level is of the difference.
    warnings
        One sentence for each problem.
    seconds
        CPU time of the fit.
    """

    title: str
    labels: int
    terms: int
    rms: float
    train: float
    validation: float
    train_gradient: float | None
    weighted: float
    objective: float
    sigma: float
    leverage: float
    outside: float
    potential: Potential
    warnings: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class LevelsFit:
    """The result of a fit with levels.

    Attributes
    ----------
    result
        Of the sum. Its training errors are against the top level's labels, its validation errors are roots of sums
        of squares over the levels; leverages, sigma, the starts and the curve of terms are those of the first.
    levels
        Of each level, the first one first.
    """

    result: FitResult
    levels: tuple[FittedLevel, ...]


def fit_levels(
    nmer: NMer,
    data: Sequence[LevelData],
    progress: ProgressLine | None = None,
    baseline: PhysicsOfNMer | Baseline | Floats | None = None,
    groups: Floats | None = None,
) -> LevelsFit:
    """Fit a potential with levels; test sets are not used.

    Parameters
    ----------
    nmer
        The n-mer.
    data
        The training labels of each level, the first one first. The weights of a difference are those of its own
        level's energies.
    progress
        Progress line that counts the starts of the first level's fit.
    baseline, groups
        Of the first level; see `fit_potential`. With V_phys the sum is a potential over it.

    Raises
    ------
    InputError
        If arrays do not fit the n-mer or each other, or hold a number that is not finite; if energies of the level
        below are missing; or if settings differ that must not.
    StageError
        If a level has too few configurations to hold any back.
    """
    _check(data)
    first = data[0]
    base = fit_potential(
        nmer, first.positions, first.energy, first.settings, progress, first.gradient, baseline, groups
    )
    below = Baseline.of(baseline, first.positions) if isinstance(baseline, PhysicsOfNMer) else baseline
    levels = [_first_level(first, base, below)]
    for number, level in enumerate(data[1:], start=1):
        levels.append(_level(nmer, level, base.potential, first.positions, number))
    if len(levels) == 1:
        return LevelsFit(base, tuple(levels))
    potential = sum_of([level.potential for level in levels])
    top, kept = data[-1], notes_on_the_end(base.potential, first.positions)
    notes = [note for note in base.warnings if note not in kept]
    notes += [f"level {level.title}: {note}" for level in levels[1:] for note in level.warnings]
    found = potential.evaluate(top.positions)
    with_gradient = top.gradient is not None and top.settings.gradient_weight > 0
    gradient = found.gradient - top.gradient if top.gradient is not None and with_gradient else None
    errors, weight = Residuals(found.energy - top.energy, gradient), weights(top.energy, top.settings.delta_e)
    result = replace(
        base,
        potential=potential,
        objective=base.objective + sum(level.objective for level in levels[1:]),
        validation_energy=_together([base.validation_energy, *(level.weighted for level in levels[1:])]),
        validation_rmsd=_together([level.validation for level in levels]),
        validation_gradient=None,
        train_rmsd=errors.energy_rmsd(),
        train_weighted_rmsd=errors.energy_rmsd(weight),
        train_max=float(np.abs(errors.energy).max()),
        train_gradient_rmsd=errors.gradient_rmsd(),
        warnings=(*notes, *notes_on_the_end(potential, first.positions)),
        seconds=sum(level.seconds for level in levels),
    )
    return LevelsFit(result, tuple(levels))


def _first_level(data: LevelData, found: FitResult, baseline: Baseline | Floats | None) -> FittedLevel:
    left = remainder(data.energy, None, baseline)[0]
    return FittedLevel(
        title=data.title,
        labels=len(data.energy),
        terms=len(found.potential.coefficients),
        rms=_rms(left),
        train=found.train_rmsd,
        validation=found.validation_rmsd,
        train_gradient=found.train_gradient_rmsd,
        weighted=found.validation_energy,
        objective=found.objective,
        sigma=found.sigma,
        leverage=float(found.leverage.max()),
        outside=0.0,
        potential=found.potential,
        warnings=found.warnings,
        seconds=found.seconds,
    )


def _level(nmer: NMer, data: LevelData, first: Potential, covered: Floats, number: int) -> FittedLevel:
    """Fit the difference of a level from the one below.

    Parameters
    ----------
    nmer, data
        The n-mer and the labels.
    first
        The first level's potential, whose non-linear parameters stay.
    covered
        (n, atoms, 3), the first level's configurations, Angstrom.
    number
        Which level it is, from 1.
    """
    began, settings, k = time.process_time(), data.settings, first.parameters
    assert data.below is not None
    warnings, gradient = [], data.gradient
    if gradient is not None and data.below_gradient is None:
        gradient = None
        warnings.append("its gradients are not fitted, because the level below has none")
    below = Baseline(data.below, data.below_gradient)
    problem = make_problem(nmer, data.positions, data.energy, settings, gradient, below)
    fraction, seed = settings.validation_fraction, (settings.seed, number)
    parts = int(parts_of(len(data.energy), fraction, seed).max()) + 1
    with ProgressLine(f"level {number}", parts, "validations") as line:
        found = fit_difference(problem, k, fraction, settings.max_terms, seed, line.update)
    ensemble = None
    if settings.ensemble:
        ensemble = found.posterior.members(found.coefficients, found.sigma, settings.ensemble, (*seed, 1))
    basis, switching, kinds = found.problem.basis, first.switching, len(first.k)
    potential = Potential(
        nmer,
        settings.degree,
        settings.terms,
        k[:kinds],
        found.coefficients,
        switching,
        selected=basis.selected,
        ensemble=ensemble,
        options=settings.basis_options(),
        d=k[kinds:],
        ranges=training_ranges(nmer, switching, data.positions),
    )
    errors, weight = found.problem.residuals(k, found.coefficients), found.problem.weight
    rms, validation = _rms(problem.energy), found.held.energy_rmsd()
    if validation > EXPLAINED * rms:
        warnings.append(
            f"on labels held back, its fit leaves {validation:.2g} of the difference's {rms:.2g} kcal/mol; raise "
            f"levels.{number}.train, or lower levels.{number}.fitting.degree"
        )
    outside = 1.0 if potential.ranges is None else float(np.mean(potential.extrapolates(covered)))
    if outside > OUTSIDE:
        warnings.append(
            f"{100 * outside:.0f} % of the first level's configurations are outside of the range of its "
            f"{len(data.energy)}; raise levels.{number}.train"
        )
    square = weight @ np.square(errors.energy)
    if errors.gradient is not None:
        square += errors.gradient_weight * (weight @ np.square(errors.gradient).sum(axis=(1, 2)))
    return FittedLevel(
        title=data.title,
        labels=len(data.energy),
        terms=basis.n_terms,
        rms=rms,
        train=errors.energy_rmsd(),
        validation=validation,
        train_gradient=errors.gradient_rmsd(),
        weighted=found.held.energy_rmsd(weight),
        objective=float(square + problem.gamma**2 * (found.coefficients @ found.coefficients)),
        sigma=found.sigma,
        leverage=float(found.leverage.max()),
        outside=outside,
        potential=potential,
        warnings=tuple(warnings),
        seconds=time.process_time() - began,
    )


def _check(data: Sequence[LevelData]) -> None:
    """Raise InputError unless levels have energies of the level below, and settings in common; see `SHARED`."""
    if not data:
        raise InputError("a fit with levels needs at least one; none were given")
    for number, level in enumerate(data):
        if (level.below is None) != (number == 0):
            what = "needs no energies of a level below" if number == 0 else "needs the energies of the level below"
            raise InputError(f"level {number}, {level.title}, {what}")
        if level.below_gradient is not None:
            checked(f"level {number}'s gradient of the level below", level.below_gradient, level.positions.shape)
        for name in SHARED:
            if getattr(level.settings, name) != getattr(data[0].settings, name):
                raise InputError(
                    f"fitting.{name} of level {number}, {level.title}, is {getattr(level.settings, name)!r}; "
                    f"allowed: that of the first level, {getattr(data[0].settings, name)!r}"
                )


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _together(errors: Sequence[float]) -> float:
    """Return the error of a sum of independent parts."""
    return float(np.sqrt(np.sum(np.square(errors))))
