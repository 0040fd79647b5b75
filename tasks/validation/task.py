"""The validation stage as a Prefect task: key of the potential in, key of the gates' verdict out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from recipes.load import expanded_toml
from storage.contents import dataset_from_version, potential_from_version
from storage.keys import validation_key
from storage.level_datasets import datasets_of_levels
from storage.origins import strata
from storage.records import TEST, TRAIN
from storage.store import Store
from storage.version import Column, Version, package_versions
from tasks.metrics import LearningPoint, errors, gradient_errors
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
    chain = datasets_of_levels(store, labels)
    first = dataset if len(chain) == 1 else dataset_from_version(chain[0])
    with ProgressLine("validation", len(dataset), "errors") as progress:
        found = model.evaluate(dataset.positions)
        predicted, columns, slopes = found.energy, {}, dict[str, Any]()
        train, test = (
            errors(predicted[dataset.split == part], dataset.energy[dataset.split == part])
            for part in (TRAIN, TEST)
        )
        if dataset.gradient is not None:
            columns["predicted_gradient"] = Column(
                found.gradient,
                "kcal/mol/Angstrom",
                "gradient of the n-body energy of each configuration of the dataset",
                "the potential",
            )
            slopes = {
                name: gradient_errors(found.gradient, dataset.gradient, dataset.split == part).as_dict()
                for name, part in (("train_gradient", TRAIN), ("test_gradient", TEST))
            }
        usable = min(
            one.length("energy") / (level.train + level.test)
            for one, level in zip(chain, plan.levels, strict=True)
        )
        around = surroundings(store, version, model, dataset, min(recipe.sampling.temperatures))
        with ProgressLine("holes", steps_of(around.effort or Effort()), "steps") as line:
            candidate = Candidate(
                model,
                train,
                test,
                usable,
                first.positions,
                strata(store, chain[0]),
                dataset,
                predicted,
                around,
                told=line.update,
                training=first.part(TRAIN).positions,
            )
            gates = judge(candidate, recipe.gates)
        trust = examine(model, dataset, predicted, candidate.places if around.whole is not None else None)
        progress.update(done=len(dataset))
    store.add(
        "validation",
        recipe.name,
        key,
        columns=columns
        | {
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
            **slopes,
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
