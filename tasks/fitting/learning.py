"""The learning curve of a potential: its terms fitted again to parts of its training set."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import StageError
from potentials.pip.potential import Potential
from recipes.load import recipe_of_text
from recipes.schema.recipe import Fitting
from storage.contents import dataset_from_version, potential_from_version
from storage.level_datasets import datasets_of_levels
from storage.origins import strata
from storage.records import TEST, TRAIN, Dataset
from storage.store import Store
from storage.version import Version
from tasks.fitting.baseline import Baseline, remainder
from tasks.fitting.of_levels import shared_rows
from tasks.fitting.projection import Problem, Slopes
from tasks.fitting.ridge import weights
from tasks.metrics import LearningPoint, errors

FRACTIONS = (0.125, 0.25, 0.5, 1.0)
"""Parts of the training set."""

MOST = 4e11
"""Largest product of configurations and squared terms, which takes minutes."""


def learning_curve(store: Store, version: Version) -> tuple[LearningPoint, ...]:
    """Return the learning curve of a stored potential; empty where it cannot be made in minutes.

    That of a potential with levels is of the labels of the last level: parts of them decide the last difference,
    and the levels below stay as they are. Data from files, of which the fit's settings are not known here, have
    none.

    Parameters
    ----------
    store
        The store.
    version
        The potential.
    """
    source = store.input(version, "dataset")
    try:
        recipe = recipe_of_text(version.attributes()["recipe"])
    except ValueError:
        return ()
    if source is None:
        return ()
    potential, dataset = potential_from_version(version, "candidate"), dataset_from_version(source)
    settings, below = recipe.level_fitting(max(0, len(recipe.levels) - 1)), None
    if recipe.levels:
        lower = dataset_from_version(datasets_of_levels(store, source)[-2])
        rows, places = shared_rows(dataset, lower)
        dataset = dataset.rows(rows)
        shares = version.column("level_coefficients")
        beneath = replace(potential, coefficients=shares[:-1].sum(axis=0), ensemble=None)
        below = Below(lower.rows(places), beneath, np.flatnonzero(shares[-1]))
    terms = len(potential.coefficients) if below is None else len(below.terms)
    if dataset.part(TRAIN).energy.size * terms**2 > MOST:
        return ()
    groups = None
    with suppress(StageError):  # the pool that has the temperatures may have been removed
        groups = strata(store, source)
        if groups is not None and below is not None:
            groups = groups[rows]
    return fitted_again(potential, dataset, settings, groups, below)


@dataclass(frozen=True)
class Below:
    """What is below the last level of a potential.

    Attributes
    ----------
    dataset
        Labels of the level below, at the configurations of the last level's, in their order.
    potential
        The potential without the last difference.
    terms
        Which of the potential's terms the last difference has.
    """

    dataset: Dataset
    potential: Potential
    terms: Ints


def fitted_again(
    potential: Potential,
    dataset: Dataset,
    settings: Fitting,
    groups: Floats | None = None,
    below: Below | None = None,
) -> tuple[LearningPoint, ...]:
    """Fit the coefficients of a potential's terms to parts of its training set.

    The terms and the non-linear parameters stay those of the fit to all of it, so that the errors of small parts
    are lower than those of potentials made from so few labels.

    Parameters
    ----------
    potential, dataset
        The potential and what it was fitted to.
    settings
        Those of the fit: its ridge, its weights, and the seed that decides which configurations are in a part;
        every part has some of every group and range of energy.
    groups
        (configurations, columns), temperature and window of each; None where they are not known.
    below
        The levels below, of a potential with levels.

    Returns
    -------
    The errors for each part that has configurations enough to be fitted, the smallest first.
    """
    train, test = dataset.split == TRAIN, dataset.split == TEST
    switching, factor = potential.switching, np.ones(len(dataset))
    if switching is not None:
        factor = switching.evaluate(dataset.positions)[0]
    basis, beneath, rest_of = potential.basis, np.zeros(len(dataset)), Baseline(np.zeros(len(dataset)))
    gradient = dataset.gradient if settings.gradient_weight > 0 else None
    if below is not None:
        basis, beneath = basis.select(below.terms), np.asarray(below.potential.energy(dataset.positions))
        rest_of = Baseline(below.dataset.energy, below.dataset.gradient)
        gradient = None if rest_of.gradient is None else gradient
    elif potential.physics is not None:
        rest_of = Baseline.of(potential.physics, dataset.positions)
        beneath = rest_of.energy
    elif gradient is not None:
        rest_of = replace(rest_of, gradient=np.zeros(gradient.shape))
    left, slopes_left = remainder(dataset.energy, gradient, rest_of)
    slopes = None if slopes_left is None else Slopes(slopes_left, settings.gradient_weight, switching)
    weight = np.ones(len(dataset))
    weight[train] = weights(dataset.energy[train], settings.delta_e)
    whole = Problem(basis, dataset.positions, left, factor, weight, settings.gamma, slopes, groups=groups)
    rest, k, found = whole.part(train), potential.parameters, []
    reference = (dataset.energy - beneath)[train], (dataset.energy - beneath)[test]
    held = whole.part(test)
    for count in dict.fromkeys(round(part * int(train.sum())) for part in FRACTIONS):
        if count < 2:
            continue
        rows = rest.drawn(count, settings.seed)
        coefficients = rest.part(rows).coefficients(k)
        errors_of = (
            errors(rest.part(rows).predict(k, coefficients), reference[0][rows]),
            errors(held.predict(k, coefficients), reference[1]),
        )
        found.append(LearningPoint(int(rows.sum()), *errors_of))
    return tuple(found)
