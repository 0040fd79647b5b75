"""Cross-validation: the linear fit repeated with one part of the training set left out at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import Fitting
from tasks.fitting.baseline import Baseline
from tasks.fitting.fit import make_problem


def cross_validate(
    nmer: NMer,
    positions: Floats,
    energy: Floats,
    settings: Fitting,
    k: Floats,
    folds: int,
    gradient: Floats | None = None,
    baseline: Baseline | Floats | None = None,
    selected: Sequence[int] | None = None,
) -> tuple[float, ...]:
    """Return the RMSD of the energies (kcal/mol) on each part of a fit to the others.

    The non-linear parameters are kept from the fit to the whole training set: a dozen of them, determined by
    thousands of labels, depend little on what is left out. All linear coefficients are fitted again.

    Parameters
    ----------
    nmer, positions, energy, settings, gradient, baseline
        As for `fit_potential`; gradients are fitted if the settings have a weight for them.
    k
        The non-linear parameters.
    folds
        Number of parts.
    selected
        The terms that the fit has kept; None: all of them.

    Raises
    ------
    InputError
        If there are fewer than two parts, or more than configurations.
    """
    check_folds(folds, len(energy))
    problem = make_problem(nmer, positions, energy, settings, gradient, baseline)
    if selected is not None:
        problem = replace(problem, basis=problem.basis.select(selected))
    part = np.random.default_rng(settings.seed).permutation(len(energy)) % folds
    found = []
    for number in range(folds):
        coefficients = problem.part(part != number).coefficients(k)
        held = problem.part(part == number)
        found.append(held.residuals(k, coefficients).energy_rmsd())
    return tuple(found)


def check_folds(folds: int, count: int) -> None:
    """Raise InputError if so many configurations cannot be divided into so many parts."""
    if not 2 <= folds <= count:
        raise InputError(f"folds is {folds}; allowed: 2 to the number of configurations, {count}")
