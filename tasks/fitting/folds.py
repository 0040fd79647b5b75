"""Cross-validation: the linear fit repeated with one part of the training set left out at a time."""

from __future__ import annotations

import numpy as np

from potentials.errors import InputError
from potentials.molecule import NMer
from recipes.schema import Fitting
from storage.records import Floats
from tasks.fitting.fit import make_problem


def cross_validate(
    nmer: NMer, positions: Floats, energy: Floats, settings: Fitting, k: Floats, folds: int
) -> tuple[float, ...]:
    """Return the RMSD (kcal/mol) on each part of a fit to the others.

    The non-linear parameters stay as the whole training set has them: a dozen of them, decided by thousands of
    labels, carry little of what is left out, and the linear coefficients are all fitted anew.

    Parameters
    ----------
    nmer, positions, energy, settings
        As for `fit_potential`.
    k
        The non-linear parameters.
    folds
        Number of parts.

    Raises
    ------
    InputError
        If there are fewer than two parts, or more than configurations.
    """
    if not 2 <= folds <= len(energy):
        raise InputError(f"folds is {folds}; allowed: 2 to the number of configurations, {len(energy)}")
    problem = make_problem(nmer, positions, energy, settings)
    part = np.random.default_rng(settings.seed).permutation(len(energy)) % folds
    found = []
    for number in range(folds):
        coefficients = problem.part(part != number).coefficients(k)
        held = problem.part(part == number)
        error = held.predict(k, coefficients) - held.energy
        found.append(float(np.sqrt(np.mean(error**2))))
    return tuple(found)
