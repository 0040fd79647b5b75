"""The validation stage as a Prefect task: key of the potential in, key of the gates' verdict out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from recipes.load import expanded_toml
from recipes.schema.recipe import Recipe
from storage.contents import dataset_from_version, potential_from_version
from storage.durable import write_text
from storage.keys import validation_key
from storage.origins import strata
from storage.records import TEST, TRAIN
from storage.store import Store
from storage.version import Column, Version, package_versions
from tasks.metrics import errors
from tasks.parity import energy_parity
from tasks.plan import Plan
from tasks.plot import Plot, write_plots
from tasks.progress import ProgressLine
from tasks.validation.gates.interface import Candidate, Verdict, judge
from tasks.validation.report import Report, cost_rows, label_sentence, report_html
from tasks.validation.trust import Trust, examine


@task(name="validation", cache_policy=NO_CACHE)
def validation_task(plan: Plan, store_path: Path, source: str) -> str:
    """Judge a potential unless the store has the verdict, write its report, and return the verdict's key.

    Parameters
    ----------
    plan
        The recipe's plan.
    store_path
        Folder of the store, whose writer lock the caller holds.
    source
        Key of the potential.
    """
    recipe, store = plan.recipe, Store(store_path)
    key = validation_key(recipe, source)
    if store.find("validation", key, recipe.name):
        return key
    version = store.get("potential", source)
    labels = store.get("dataset", version.attributes()["inputs"][0]["key"])
    dataset, model = dataset_from_version(labels), potential_from_version(version, "candidate")
    with ProgressLine("validation", len(dataset), "errors") as progress:
        predicted = np.asarray(model.energy(dataset.positions))
        train, test = (
            errors(predicted[dataset.split == part], dataset.energy[dataset.split == part])
            for part in (TRAIN, TEST)
        )
        usable = len(dataset) / (recipe.selection.train + recipe.selection.test)
        candidate = Candidate(model, train, test, usable, dataset.positions, strata(store, labels))
        gates = judge(candidate, recipe.gates)
        trust = examine(model, dataset, predicted)
        progress.update(done=len(dataset))
    energies = dataset.energy, predicted, dataset.split, dataset.ids
    parity = energy_parity(f"{recipe.title or recipe.name}, {recipe.labelling.level}", *energies, train, test)
    _write_report(store, recipe, [labels, version], candidate, gates, trust, parity)
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
            **({"physics": model.physics_digest} if model.physics else {}),
            **trust.facts(),
        },
    )
    return key


def _write_report(
    store: Store,
    recipe: Recipe,
    versions: list[Version],
    candidate: Candidate,
    gates: list[Verdict],
    trust: Trust,
    parity: Plot,
) -> None:
    """Write the page, the plot, its CSV, and the expanded recipe. The verdict is stored after them.

    The versions are the dataset and the potential.
    """
    chain, version, toml = made_from(store, versions), versions[-1], expanded_toml(recipe)
    below = [found for i in version.attributes()["inputs"][1:] if (found := store.find(i["kind"], i["key"]))]
    folder, (facts, fitted) = store.report(version), (one.attributes()["facts"] for one in versions)
    report = Report(
        ref=version.ref,
        title=recipe.title or recipe.name,
        protocol=recipe.labelling.level + (", counterpoise-corrected" if recipe.labelling.counterpoise else ""),
        status="released" if all(g.passed for g in gates) else "candidate",
        stages=[(v.kind, summary_of(v.attributes()["facts"]), v.ref) for v in [*chain[:-1], *below, version]],
        train=candidate.train,
        test=candidate.test,
        gates=gates,
        notes=[*fitted["warnings"], *trust.warnings()],
        parity=parity.png,
        baseline=baseline_sentence(fitted),
        recipe=toml,
        coverage=coverage_of(chain),
        labels=label_sentence(facts),
        costs=cost_rows(facts),
        costs_from=facts.get("cost", {}).get("expected_from", ""),
        by_energy=trust.by_energy,
        trust=trust.sentences(),
    )
    write_text(folder / "recipe.toml", toml)
    write_plots([parity], folder)
    write_text(folder / "report.html", report_html(report))


def baseline_sentence(facts: dict[str, Any]) -> str:
    """Return what a potential was fitted over; empty for one without V_phys."""
    physics = facts.get("physics")
    if not physics:
        return ""
    return (
        f"Baseline: V_phys of {physics['name']} (digest {physics['digest'][:12]}); energies are n-body energies, "
        "V_phys' part included."
    )


def made_from(store: Store, versions: list[Version]) -> list[Version]:
    """Return the versions preceded by those that they were made from, oldest first."""
    chain = list(versions)
    while inputs := chain[0].attributes()["inputs"]:
        chain.insert(0, store.get(inputs[0]["kind"], inputs[0]["key"]))
    return chain


def coverage_of(chain: list[Version]) -> list[tuple[str, float, float]]:
    """Return how well the selection represents the pool, and how well a random one would."""
    facts: dict[str, Any] = next((v.attributes()["facts"] for v in chain if v.kind == "selection"), {})
    names = {"rms": "root mean square", "p99": "99th percentile", "max": "largest"}
    return [
        (meaning, facts[f"coverage_{name}"], facts[f"random_{name}"])
        for name, meaning in names.items()
        if f"random_{name}" in facts  # selections of the first release have no random one beside them
    ]


def summary_of(facts: dict[str, Any]) -> str:
    """Return a version's numbers except those that have a table of their own."""
    numbers = {
        k: v
        for k, v in facts.items()
        if isinstance(v, int | float) and not isinstance(v, bool) and not k.startswith(("coverage_", "random_"))
    }
    return ", ".join(f"{k.replace('_', ' ')} {v:.4g}" for k, v in numbers.items())
