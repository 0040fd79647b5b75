"""Fit the coefficients of a potential's terms again to more data, with its non-linear parameters as they are.

A fit from the beginning searches the k and chooses terms among thousands, which takes minutes. Where a few
configurations come to thousands, the terms and the k change little, and the coefficients alone take seconds.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.switching import MOSTLY_ON
from potentials.pip.potential import Potential
from potentials.pip.ranges import training_ranges
from recipes.schema.recipe import Fitting
from tasks.fitting.baseline import Baseline
from tasks.fitting.fit import FitResult, make_problem
from tasks.fitting.posterior import Posterior
from tasks.fitting.uncertainty import held_out_sigma, row_variances
from tasks.fitting.vanishing import notes_on_the_end

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
    order = np.random.default_rng(settings.seed).permutation(len(energy))
    held = np.zeros(len(energy), dtype=bool)
    held[order[: max(1, round(settings.validation_fraction * len(energy)))]] = True
    fitted, rest = whole.part(~held), whole.part(held)
    held_errors = rest.residuals(k, fitted.coefficients(k))
    judged, on = rest, rest.factor >= MOSTLY_ON
    if before.physics is not None and on.any():
        judged = rest.part(on)
    coefficients = whole.coefficients(k, final=True)
    sigma = held_out_sigma(fitted, judged, k)
    full = Posterior.of_normal(whole.normal(k).matrix, settings.gamma)
    leverage, gradient_leverage = row_variances(whole, full, k)
    ensemble = full.members(coefficients, sigma, settings.ensemble, settings.seed) if settings.ensemble else None
    ranges = training_ranges(nmer, before.switching, positions)
    potential = replace(
        before,
        coefficients=coefficients,
        ensemble=ensemble,
        ranges=ranges,
        name="",
        status="candidate",
        remarks=(),
    )
    errors = whole.residuals(k, coefficients)
    return FitResult(
        potential=potential,
        objective=whole.value(k),
        validation=(held_errors.score(rest.weight),),
        validation_energy=held_errors.energy_rmsd(rest.weight),
        validation_gradient=held_errors.gradient_rmsd(rest.weight),
        validation_rmsd=held_errors.energy_rmsd(),
        train_rmsd=errors.energy_rmsd(),
        train_weighted_rmsd=errors.energy_rmsd(whole.weight),
        train_max=float(np.abs(errors.energy).max()),
        train_gradient_rmsd=errors.gradient_rmsd(),
        sigma=sigma,
        leverage=leverage,
        gradient_leverage=None if gradient_leverage is None else gradient_leverage.max(axis=1),
        curve=(),
        warnings=notes_on_the_end(potential, positions),
        seconds=time.process_time() - began,
    )
