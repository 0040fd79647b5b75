"""The result of a fit, and what every fit measures once its terms and non-linear parameters are known."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from potentials.arrays import Bools, Floats, Ints
from potentials.nmers.switching import MOSTLY_ON
from potentials.pip.potential import Potential
from potentials.pip.ranges import training_ranges
from recipes.schema.recipe import Fitting
from tasks.fitting.posterior import Posterior
from tasks.fitting.projection import Problem
from tasks.fitting.residuals import Residuals
from tasks.fitting.uncertainty import held_out_sigma, row_variances
from tasks.fitting.vanishing import notes_on_the_end


@dataclass(frozen=True)
class FitResult:
    """The result of a fit.

    Attributes
    ----------
    potential
        The potential.
    objective
        Weighted sum of squares with the ridge term, on the whole training set.
    validation
        Weighted error on the validation split for each start, of energies and of the gradients that are fitted, as
        in the objective: sqrt of the mean of e^2 + gradient weight * |g|^2, kcal/mol. The lowest is chosen.
    validation_energy, validation_gradient
        Of the chosen start, weighted RMSD of the energies (kcal/mol), and of a component of the gradients
        (kcal/mol/Angstrom; None where none are fitted).
    validation_rmsd
        Of the chosen start, RMSD of the energies without weights, kcal/mol.
    train_rmsd, train_weighted_rmsd, train_max
        Errors of the potential on the whole training set: root mean square, the same with the fit's weights,
        and the largest; kcal/mol.
    train_gradient_rmsd
        Root mean square error of a component of the training set's gradients, kcal/mol/Angstrom; None where none
        are fitted.
    sigma
        Scale of the uncertainty, chosen to match the errors on the validation split; kcal/mol.
    leverage
        (n,), of each training configuration's energy, from 0 to 1; near 1, it determines its own fitted value.
    gradient_leverage
        (n,), the largest leverage of a component of its gradient; None where none are fitted.
    curve
        (terms, RMSD on the validation split in kcal/mol) while terms were chosen; empty where all are kept.
    warnings
        One sentence for each problem of the fit.
    seconds
        CPU time.
    """

    potential: Potential
    objective: float
    validation: tuple[float, ...]
    validation_energy: float
    validation_gradient: float | None
    validation_rmsd: float
    train_rmsd: float
    train_weighted_rmsd: float
    train_max: float
    train_gradient_rmsd: float | None
    sigma: float
    leverage: Floats
    gradient_leverage: Floats | None
    curve: tuple[tuple[int, float], ...]
    warnings: tuple[str, ...]
    seconds: float

    @property
    def k(self) -> Floats:
        """Non-linear parameters: the k of each kind of distance, then the d where there are any."""
        return self.potential.parameters


def held_back(count: int, fraction: float, rng: np.random.Generator) -> tuple[Ints, Bools]:
    """Return a random order of configurations, and whether each is held back for validation: the first of them."""
    order = rng.permutation(count)
    held = np.zeros(count, dtype=np.bool_)
    held[order[: max(1, round(fraction * count))]] = True
    return order, held


def completed(
    whole: Problem,
    held: Bools,
    k: Floats,
    settings: Fitting,
    made: Callable[[Floats, Floats | None], Potential],
    *,
    objective: float,
    scores: list[float],
    held_errors: Residuals,
    began: float,
    curve: tuple[tuple[int, float], ...] = (),
    warnings: tuple[str, ...] = (),
) -> FitResult:
    """Fit the coefficients to all of a training set, and measure errors, uncertainty, leverage and range.

    Parameters
    ----------
    whole
        The training set, with the terms.
    held
        Which configurations are held back: their errors scale the uncertainty.
    k
        The non-linear parameters.
    settings
        The recipe's fitting section.
    made
        Returns the potential of coefficients and an ensemble.
    objective, scores, held_errors, curve, warnings
        As `FitResult` has them: of the search, and the errors of the chosen start on what is held back.
    began
        CPU time of the process when the fit began, s.
    """
    coefficients = whole.coefficients(k, final=True)
    rest = whole.part(held)
    judged, on = rest, rest.factor >= MOSTLY_ON
    full = Posterior.of_normal(whole.normal(k).matrix, settings.gamma)
    potential = made(coefficients, None)
    if potential.physics is not None and on.any():
        judged = rest.part(on)  # what V_phys leaves beyond, the PIP cannot describe, and its spread is nearly zero
    sigma = held_out_sigma(whole.part(~held), judged, k)
    leverage, gradient_leverage = row_variances(whole, full, k)
    if settings.ensemble:
        potential = made(coefficients, full.members(coefficients, sigma, settings.ensemble, settings.seed))
    positions = whole.positions
    potential = replace(potential, ranges=training_ranges(potential.nmer, potential.switching, positions))
    errors = whole.residuals(k, coefficients)
    return FitResult(
        potential=potential,
        objective=objective,
        validation=tuple(scores),
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
        curve=curve,
        warnings=(*warnings, *notes_on_the_end(potential, positions)),
        seconds=time.process_time() - began,
    )
