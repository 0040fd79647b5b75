"""The learning curve of a potential: its terms fitted again to parts of its training set."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from potentials.arrays import Floats
from potentials.errors import StageError
from potentials.pip.potential import Potential
from recipes.load import recipe_of_text
from storage.contents import dataset_from_version, potential_from_version
from storage.origins import strata
from storage.records import TEST, TRAIN, Dataset
from storage.store import Store
from storage.version import Version
from tasks.fitting.baseline import Baseline, remainder
from tasks.fitting.projection import Problem
from tasks.fitting.ridge import weights
from tasks.metrics import LearningPoint, errors

FRACTIONS = (0.125, 0.25, 0.5, 1.0)
"""Parts of the training set."""

MOST = 4e11
"""Largest product of configurations and squared terms, which takes minutes."""


def learning_curve(store: Store, version: Version) -> tuple[LearningPoint, ...]:
    """Return the learning curve of a stored potential; empty where it cannot be made in minutes.

    Data from files, of which the fit's settings are not known here, have none.

    Parameters
    ----------
    store
        The store.
    version
        The potential.
    """
    source = store.input(version, "dataset")
    try:
        settings = recipe_of_text(version.attributes()["recipe"]).fitting
    except ValueError:
        return ()
    if source is None:
        return ()
    potential, dataset = potential_from_version(version, "candidate"), dataset_from_version(source)
    if dataset.part(TRAIN).energy.size * len(potential.coefficients) ** 2 > MOST:
        return ()
    groups = None
    with suppress(StageError):  # the pool that has the temperatures may have been removed
        groups = strata(store, source)
    return fitted_again(potential, dataset, settings.gamma, settings.delta_e, settings.seed, groups)


def fitted_again(
    potential: Potential,
    dataset: Dataset,
    gamma: float,
    delta_e: float,
    seed: int = 0,
    groups: Floats | None = None,
) -> tuple[LearningPoint, ...]:
    """Fit the coefficients of a potential's terms to parts of its training set.

    The terms and the non-linear parameters stay those of the fit to all of it, so that the errors of small parts
    are lower than those of potentials made from so few labels.

    Parameters
    ----------
    potential, dataset
        The potential and what it was fitted to.
    gamma, delta_e
        Ridge parameter, and energy scale of the weights (kcal/mol), of the fit.
    seed
        Decides which configurations are in a part; every part has some of every group and range of energy.
    groups
        (configurations, columns), temperature and window of each; None where they are not known.

    Returns
    -------
    The errors for each part that has configurations enough to be fitted, the smallest first.
    """
    train, test = dataset.split == TRAIN, dataset.split == TEST
    switching, factor = potential.switching, np.ones(len(dataset))
    if switching is not None:
        factor = switching.evaluate(dataset.positions)[0]
    baseline = None if potential.physics is None else Baseline.of(potential.physics, dataset.positions)
    left = remainder(dataset.energy, None, baseline)[0]
    weight = np.ones(len(dataset))
    weight[train] = weights(dataset.energy[train], delta_e)
    whole = Problem(potential.basis, dataset.positions, left, factor, weight, gamma, groups=groups)
    rest, held, k = whole.part(train), whole.part(test), potential.parameters
    found = []
    for count in dict.fromkeys(round(part * int(train.sum())) for part in FRACTIONS):
        if count < 2:
            continue
        part = rest.some(count, seed)
        coefficients = part.coefficients(k)
        errors_of = (errors(one.predict(k, coefficients), one.energy) for one in (part, held))
        found.append(LearningPoint(len(part.energy), *errors_of))
    return tuple(found)
