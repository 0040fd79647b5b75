"""The validation stage as a Prefect task: key of the potential in, key of the gates' verdict out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from recipes.load import expanded_toml
from storage.contents import dataset_from_version, potential_from_version
from storage.keys import validation_key
from storage.origins import strata
from storage.records import TEST, TRAIN
from storage.store import Store
from storage.version import Column, Version, package_versions
from tasks.metrics import LearningPoint, errors
from tasks.plan import Plan
from tasks.progress import ProgressLine
from tasks.validation.bodies import find_bodies, surroundings
from tasks.validation.gates.interface import Candidate, judge, not_measured
from tasks.validation.of_store import PAGE, write_report
from tasks.validation.reach import Effort, steps_of
from tasks.validation.trust import examine

Learning = Callable[[Store, Version], Sequence[LearningPoint]]


def no_curve(store: Store, version: Version) -> tuple[LearningPoint, ...]:
    """Return no learning curve."""
    return ()


@task(name="validation", cache_policy=NO_CACHE)
def validation_task(plan: Plan, store_path: Path, source: str, learning: Learning = no_curve) -> str:
    """Judge a potential unless the store has the verdict, write its report, and return the verdict's key.

    Parameters
    ----------
    plan
        The recipe's plan.
    store_path
        Folder of the store, whose writer lock the caller holds.
    source
        Key of the potential.
    learning
        Returns the learning curve of a stored potential.
    """
    recipe, store = plan.recipe, Store(store_path)
    version = store.get("potential", source)
    bodies = find_bodies(store, version).keys
    key = validation_key(recipe, source, bodies)
    if store.find("validation", key, recipe.name):
        if not (store.report(version) / PAGE).exists():  # the process ended before it was written
            write_report(store, version, learning(store, version))
        return key
    labels = store.get("dataset", version.attributes()["inputs"][0]["key"])
    dataset, model = dataset_from_version(labels), potential_from_version(version, "candidate")
    with ProgressLine("validation", len(dataset), "errors") as progress:
        predicted = np.asarray(model.energy(dataset.positions))
        train, test = (
            errors(predicted[dataset.split == part], dataset.energy[dataset.split == part])
            for part in (TRAIN, TEST)
        )
        usable = len(dataset) / (recipe.selection.train + recipe.selection.test)
        around = surroundings(store, version, model, dataset, min(recipe.sampling.temperatures))
        with ProgressLine("holes", steps_of(around.effort or Effort()), "steps") as line:
            candidate = Candidate(
                model,
                train,
                test,
                usable,
                dataset.positions,
                strata(store, labels),
                dataset,
                predicted,
                around,
                told=line.update,
            )
            gates = judge(candidate, recipe.gates)
        trust = examine(model, dataset, predicted, candidate.places if around.whole is not None else None)
        progress.update(done=len(dataset))
    store.add(
        "validation",
        recipe.name,
        key,
        columns={
            "predicted": Column(
                predicted, "kcal/mol", "n-body energy of each configuration of the dataset", "the potential"
            )
        },
        recipe=expanded_toml(recipe),
        inputs=[version, labels],
        engines=package_versions("nmer", "numpy"),
        facts={
            "passed": all(g.passed for g in gates),
            "train": train.as_dict(),
            "test": test.as_dict(),
            "gates": [g.as_dict() for g in gates],
            "not_measured": not_measured(candidate),
            "whole": {
                "keys": list(bodies),
                "bodies": dict(around.refs),
                "lowest": around.lowest,
                "note": around.note,
            },
            **({"physics": model.physics_digest} if model.physics else {}),
            **trust.facts(),
        },
    )
    write_report(store, version, learning(store, version))
    return key
