"""The trial of a turn whose coefficients alone are fitted: a potential of the store with lineage."""

from __future__ import annotations

from recipes.load import expanded_toml
from storage.contents import dataset_from_version, potential_columns, potential_facts, potential_from_version
from storage.origins import strata
from storage.records import TRAIN
from storage.store import Store
from storage.turns import refit_key
from storage.version import Column, Version, package_versions
from tasks.fitting.refit import REFIT_FORMAT, refit_potential
from tasks.improving.training import Training


def refitted(store: Store, training: Training, dataset: Version) -> Version:
    """Return the potential whose coefficients are fitted to a dataset; it is read if the store has it.

    The caller holds the store's writer lock.

    Parameters
    ----------
    store
        The store.
    training
        What the potential before was fitted to: it gives terms, non-linear parameters, and the recipe.
    dataset
        The labels.
    """
    recipe = training.recipe
    key = refit_key(recipe.fitting.content(), dataset.key, training.potential.key, REFIT_FORMAT)
    there = store.find("potential", key, recipe.name)
    if there is not None:
        return there
    whole, groups = dataset_from_version(dataset), strata(store, dataset)
    train = whole.part(TRAIN)
    if groups is not None:
        groups = groups[whole.split == TRAIN]
    before = potential_from_version(training.potential, "candidate")
    result = refit_potential(before, train.positions, train.energy, recipe.fitting, groups, train.gradient)
    below = [
        one for named, one in store.inputs(training.potential) if named["kind"] == "physics" and one is not None
    ]
    leverage = "how much each training configuration decides of its own value"
    return store.add(
        "potential",
        recipe.name,
        key,
        columns=potential_columns(result.potential)
        | {"leverage": Column(result.leverage, "1", leverage, "the fit")},
        recipe=expanded_toml(recipe),
        inputs=[dataset, training.potential, *below],
        engines=package_versions("nmer", "numpy", "scipy"),
        facts=potential_facts(result.potential, recipe.nmer)
        | {
            "refit": REFIT_FORMAT,
            "warnings": list(result.warnings),
            "largest_leverage": float(result.leverage.max()),
            "sigma": result.sigma,
            "terms_curve": [],
        },
    )
