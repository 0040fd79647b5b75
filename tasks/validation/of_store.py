"""The report of a potential from what the store has: its newest verdict, its labels, and what it was made from."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recipes.families import PUBLISHED
from recipes.schema.gates import GATES
from storage.contents import dataset_from_version
from storage.diff import chain
from storage.durable import write_text
from storage.quality import Purpose, level_of, purpose
from storage.records import TEST, TRAIN, Dataset
from storage.store import Store
from storage.version import Version
from tasks.metrics import Errors, LearningPoint, WindowErrors, errors, errors_by_energy
from tasks.pages.origins import made_of
from tasks.pages.plots import error_by_energy_plot, learning_plot
from tasks.pages.render import Picture
from tasks.pages.usage import trust_of, use_of_potential
from tasks.parity import energy_parity, gradient_parity
from tasks.plot import Plot, write_plots
from tasks.validation.report import Report, report_html
from tasks.validation.sections import sections, trust_sentences

PAGE = "report.html"
NOTHING = Errors(0, float("nan"), float("nan"), float("nan"))

CAPTIONS = {
    "parity": "Fitted against reference energies ({level}), and the error below.",
    "error-by-energy": "RMSD in windows of energy above the lowest label, against {level}.",
    "gradient-parity": "Fitted against reference gradients ({level}), one point a component, and the error below.",
    "level-learning-curve": "RMSD against {level} for parts of its training labels, which decide the last "
    "difference; all levels below, the terms, and the non-linear parameters are those of the whole fit.",
    "learning-curve": "RMSD against {level} for parts of the training set, with the terms and non-linear "
    "parameters of the whole fit: for small parts it is lower than that of a potential made from so few labels.",
}
"""What each plot shows."""


def write_report(store: Store, version: Version, curve: Sequence[LearningPoint] = ()) -> Path:
    """Write a potential's page, its plots with their CSV, and its recipe into the store; return the page.

    Older files of the same names are replaced.

    Parameters
    ----------
    store
        The store.
    version
        The potential.
    curve
        Its learning curve, where it is known.

    Raises
    ------
    InputError
        If a version is damaged.
    """
    folder, plots = store.report(version), draw_report(store, version, curve)
    report = report_of(store, version, plots)
    write_plots(plots, folder)
    write_text(folder / "recipe.toml", report.recipe)
    write_text(folder / PAGE, report_html(report))
    return folder / PAGE


def report_of(store: Store, version: Version, plots: Sequence[Plot] = ()) -> Report:
    """Return what the page of a stored potential shows, with given plots."""
    attributes, verdict = version.attributes(), store.verdict(version)
    recipe, facts = tomllib.loads(attributes["recipe"]), attributes["facts"]
    found: Mapping[str, Any] = verdict.attributes()["facts"] if verdict is not None else {}
    train, test = (_errors(found.get(name)) for name in ("train", "test"))
    gates = [_gate(gate) for gate in found.get("gates", ())]
    gates += [_not_measured(name, why) for name, why in found.get("not_measured", {}).items()]
    versions = chain(store, version)
    labels = versions["dataset"].attributes()["facts"] if "dataset" in versions else {}
    level = level_of(recipe) or str(labels.get("protocol") or "")
    published, levels = PUBLISHED.get(version.nmer), facts.get("levels", ())
    files = [
        *((f"{plot.name}.csv", f"numbers of the plot {plot.name}") for plot in plots),
        *((f"{plot.name}.png", f"the plot {plot.name}") for plot in plots),
        ("recipe.toml", "the fully expanded recipe"),
    ]
    return Report(
        ref=version.ref,
        title=str(recipe.get("title") or version.nmer),
        purpose=purpose_of(store, version),
        train=train,
        test=test,
        level=level,
        gates=gates,
        labels=labels.get("labels"),
        terms=facts.get("number_of_terms"),
        published=(published.train_rmsd, published.test_rmsd) if published else None,
        by_energy=[_window(window) for window in found.get("by_energy", ())],
        gradients=_gradient_errors(found),
        levels=levels,
        pictures=[Picture(plot, CAPTIONS[plot.name].format(level=level or "the labels")) for plot in plots],
        sections=sections(versions),
        trust=trust_sentences(found),
        notes=list(facts.get("warnings", ())),
        usage=use_of_potential(version.ref, trust_of([version])),
        made=made_of(store, [version, *([verdict] if verdict is not None else [])], files),
        recipe=verdict.attributes()["recipe"] if verdict is not None else attributes["recipe"],
    )


def purpose_of(store: Store, version: Version) -> Purpose:
    """Return what a stored potential is good for."""
    attributes, verdict = version.attributes(), store.verdict(version)
    found: Mapping[str, Any] = verdict.attributes()["facts"] if verdict is not None else {}
    return purpose(
        found.get("gates", ()),
        tomllib.loads(attributes["recipe"]),
        int(attributes["facts"].get("number_of_terms", 0)),
        int(found.get("train", {}).get("count", 0)),
        found.get("test", {}),
        attributes["facts"].get("levels", ()),
    )


def draw_report(store: Store, version: Version, curve: Sequence[LearningPoint] = ()) -> list[Plot]:
    """Return the plots of a potential's page; none where its labels or its verdict are not in the store."""
    verdict, source = store.verdict(version), store.input(version, "dataset")
    if verdict is None or source is None or not verdict.has_column("predicted"):
        return []
    dataset, predicted = dataset_from_version(source), verdict.column("predicted")
    recipe = tomllib.loads(version.attributes()["recipe"])
    level = level_of(recipe) or str(source.attributes()["facts"].get("protocol") or "the labels")
    train, test = (errors(predicted[_part(dataset, n)], dataset.energy[_part(dataset, n)]) for n in (TRAIN, TEST))
    title = f"{recipe.get('title') or version.nmer}\n{level}"
    lowest = float(dataset.energy.min())
    by_energy, by_energy_of_test = (
        errors_by_energy(predicted[_part(dataset, n)], dataset.energy[_part(dataset, n)], lowest)
        for n in (TRAIN, TEST)
    )
    found = [
        energy_parity(title, dataset.energy, predicted, dataset.split, dataset.ids, train, test),
        error_by_energy_plot(by_energy, by_energy_of_test, level),
    ]
    if dataset.gradient is not None and verdict.has_column("predicted_gradient"):
        slopes = verdict.column("predicted_gradient")
        known = _gradient_errors(verdict.attributes()["facts"])
        sets = known if known is not None else (NOTHING, NOTHING)
        found.append(gradient_parity(title, dataset.gradient, slopes, dataset.split, dataset.ids, *sets))
    if not curve:
        return found
    return [*found, learning_plot(curve, level, bool(version.attributes()["facts"].get("levels")))]


def _part(dataset: Dataset, split: int) -> Any:
    return dataset.split == split


def _errors(facts: Mapping[str, Any] | None) -> Errors:
    """Return errors as the store keeps them, where a missing number is null."""
    if facts is None:
        return NOTHING
    values = {name: facts.get(name) for name in ("rmsd", "mae", "largest")}
    return Errors(int(facts["count"]), **{k: float("nan") if v is None else float(v) for k, v in values.items()})


def _gradient_errors(facts: Mapping[str, Any]) -> tuple[Errors, Errors] | None:
    """Return the errors of the gradients of a verdict's training and test set; None where there are none."""
    if "train_gradient" not in facts:
        return None
    return _errors(facts["train_gradient"]), _errors(facts["test_gradient"])


def _window(facts: Mapping[str, Any]) -> WindowErrors:
    return WindowErrors(facts["low"], facts["high"], _errors(facts))


def _gate(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored verdict with what the gate declares, if it is still there."""
    declared = GATES.get(verdict["name"]) if verdict["name"] in GATES else None
    more = {"at_least": declared is not None and declared.at_least, "advice": getattr(declared, "advice", "")}
    return more | dict(verdict)


def _not_measured(name: str, why: str) -> dict[str, Any]:
    """Return the row of a gate that does not apply to a potential."""
    title = GATES.get(name).title if name in GATES else "a gate that is not there any more"
    told = {"name": name, "meaning": f"{title}: not measured, {why}", "value": None, "limit": None}
    return told | {"passed": None, "at_least": False, "advice": ""}
