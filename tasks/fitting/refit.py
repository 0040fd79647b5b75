"""Fit the coefficients of a potential's terms again to more data, with its non-linear parameters as they are.

A fit from the beginning searches the k and chooses terms among thousands, which takes minutes. Where a few
configurations come to thousands, the terms and the k change little, and the coefficients alone take seconds.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from potentials.arrays import Floats
from potentials.pip.potential import Potential
from recipes.schema.recipe import Fitting
from tasks.fitting.baseline import Baseline
from tasks.fitting.fit import make_problem
from tasks.fitting.result import FitResult, completed, held_back

REFIT_FORMAT = 1
"""Increase it when the same data and settings give another potential."""


def refit_potential(
    before: Potential,
    positions: Floats,
    energy: Floats,
    settings: Fitting,
    groups: Floats | None = None,
    gradient: Floats | None = None,
) -> FitResult:
    """Fit the coefficients of a potential's own terms to training data; the test set is not used.

    Weights, ridge, ensemble and the range of the training data are made as those of a fit from the beginning. The
    scale of the uncertainty comes from the configurations that such a fit holds back.

    Parameters
    ----------
    before
        The potential whose terms, non-linear parameters and V_phys are taken over.
    positions
        (n, atoms, 3), Angstrom.
    energy
        (n,), n-body energies, kcal/mol.
    settings
        The recipe's fitting section.
    groups
        (n, columns), temperature and window of each configuration.
    gradient
        (n, atoms, 3), kcal/mol/Angstrom; fitted as well if given.

    Raises
    ------
    InputError
        If the arrays do not fit the n-mer or each other, or hold a number that is not finite.
    """
    began = time.process_time()
    nmer, k = before.nmer, before.parameters
    baseline = None if before.physics is None else Baseline.of(before.physics, positions)
    whole = make_problem(nmer, positions, energy, settings, gradient, baseline, groups)
    whole = replace(whole, basis=before.basis)
    _, held = held_back(len(energy), settings.validation_fraction, np.random.default_rng(settings.seed))
    rest = whole.part(held)
    held_errors = rest.residuals(k, whole.part(~held).coefficients(k))

    def made(coefficients: Floats, ensemble: Floats | None) -> Potential:
        new = replace(before, coefficients=coefficients, ensemble=ensemble)
        return replace(new, name="", status="candidate", remarks=())

    return completed(
        whole,
        held,
        k,
        settings,
        made,
        objective=whole.value(k),
        scores=[held_errors.score(rest.weight)],
        held_errors=held_errors,
        began=began,
    )
